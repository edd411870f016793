//! What holds for anything that is computed of samples, each under a condition of its own.

use super::law::{Fault, Law, ensure, runs};
use crate::samples::{Case, distance};
use crate::suite::hold;
use strait_core::Conditions;
use tch::{Device, Kind, Tensor};

/// Other conditions of a batch, by a name.
pub(super) type Draw<'a> = dyn Fn(&str) -> Result<Conditions, Fault> + 'a;

/// Computes the samples at some places, (n,) of 64-bit integers, under conditions of as many.
pub(super) type Of<'a> = dyn Fn(&Conditions, &Tensor) -> Result<Vec<Tensor>, Fault> + 'a;

/// The batch of a case with its conditions.
pub(super) struct Samples {
    pub(super) conditions: Conditions,
    /// (B, ...).
    pub(super) x: Tensor,
    /// Other points of the same shape.
    pub(super) other: Tensor,
    /// (B,), in $(0, 1)$.
    pub(super) t: Tensor,
    /// The order that the samples are put in.
    order: Tensor,
}

impl Samples {
    pub(super) fn new(case: &Case, conditions: Conditions) -> Result<Self, Fault> {
        let mut points = case.stream().stream("points").at(0);
        let x = points.normal(&case.shape(), Kind::Double, Device::Cpu).map_err(runs)?;
        let t = points.uniform(&[case.batch], Kind::Double, Device::Cpu).map_err(runs)?;
        let other = points.normal(&case.shape(), Kind::Double, Device::Cpu).map_err(runs)?;
        let order = case.stream().stream("order").at(0).permutation(case.batch, Device::Cpu).map_err(runs)?;
        Ok(Self { conditions, x, other, t, order })
    }

    pub(super) fn count(&self) -> i64 {
        self.t.size()[0]
    }

    /// All places.
    pub(super) fn all(&self) -> Tensor {
        Tensor::arange(self.count(), (Kind::Int64, Device::Cpu))
    }

    /// The laws of rows; gives what is computed of the whole batch.
    pub(super) fn laws(&self, what: &str, draw: &Draw<'_>, of: &Of<'_>) -> Result<Vec<Tensor>, Fault> {
        let (n, all) = (self.count(), self.all());
        let select = |found: &[Tensor], places: &Tensor| -> Vec<Tensor> {
            found.iter().map(|v| v.index_select(0, places)).collect()
        };
        let same = |law, how: &str, found: &[Tensor], wanted: &[Tensor]| {
            found.iter().zip(wanted).try_for_each(|(a, b)| hold(law, &format!("{what} {how}"), a, b, 1e-11))
        };
        let whole = of(&self.conditions, &all)?;

        // Of three draws one is another, also of few classes.
        let others = (0..12).map(|i| draw(&format!("other {i}"))).collect::<Result<Vec<_>, _>>()?;
        let differ = |other: &Conditions| Ok(distance(&of(other, &all)?[0], &whole[0]) > 1e-9);
        let seen = others.iter().map(differ).collect::<Result<Vec<bool>, Fault>>()?;
        ensure(seen.contains(&true), Law::Sees, format!("{what} is the same under all conditions"))?;

        for other in &others[..2] {
            // Sample 0 keeps its condition, and all others get another.
            let first = self.conditions.part(0, 1).map_err(runs)?;
            let changed = first.then(&other.part(1, n - 1).map_err(runs)?).map_err(runs)?;
            let zero = Tensor::from_slice(&[0i64]);
            let kept = of(&changed, &all)?;
            same(Law::OwnCondition, "under others' conditions", &select(&kept, &zero), &select(&whole, &zero))?;
        }
        for i in 0..n {
            let place = Tensor::from_slice(&[i]);
            let alone = of(&self.conditions.part(i, 1).map_err(runs)?, &place)?;
            same(Law::BatchSplit, "alone", &alone, &select(&whole, &place))?;
        }
        let mixed = of(&self.conditions.gather(&self.order).map_err(runs)?, &self.order)?;
        same(Law::Order, "in another order", &mixed, &select(&whole, &self.order))?;

        let more = Tensor::cat(&[&all, &all.narrow(0, 0, 1)], 0);
        let refused = of(&self.conditions, &more).is_err();
        ensure(refused, Law::Mismatch, format!("{n} conditions serve {} samples", n + 1))?;
        Ok(whole)
    }
}
