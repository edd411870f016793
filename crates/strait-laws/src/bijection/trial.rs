//! One case: the layer is built and its values are checked; `derivatives` checks its derivatives.

use super::case::{Case, Given};
use super::law::Law;
use std::cell::OnceCell;
use strait_core::{Bijection, Error, Parameters, Scope, Seed, Transformed};
use tch::{Device, Kind, Tensor};

pub(super) type Fault = crate::suite::Fault<Law>;

pub(super) type Verdict = Result<(), Fault>;

pub(super) fn broken(law: Law, detail: impl Into<String>) -> Fault {
    Fault::new(law, detail)
}

/// An error of the layer breaks the law under which it arose.
pub(super) fn under<T>(law: Law, result: Result<T, impl Into<Error>>) -> Result<T, Fault> {
    result.map_err(|error| broken(law, error.into().to_string()))
}

/// What is to float32 as the tolerance of a round trip is to float64.
const SINGLE: f64 = 0.05;

#[derive(Clone, Copy)]
pub(super) enum Direction {
    Forward,
    Inverse,
}

impl Direction {
    fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Inverse,
            Self::Inverse => Self::Forward,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Inverse => "inverse",
        }
    }

    pub(super) fn apply<B: Bijection>(self, layer: &B, x: &Tensor, given: &Given) -> Result<Transformed, Error> {
        match self {
            Self::Forward => layer.forward(x, given.condition()),
            Self::Inverse => layer.inverse(x, given.condition()),
        }
    }
}

/// What a direction is tried on, and what came of it.
pub(super) struct Side {
    pub(super) direction: Direction,
    pub(super) x: Tensor,
    pub(super) out: Transformed,
    /// $\partial y / \partial x$ of each sample, (B, d, d), once it has been asked for.
    pub(super) jacobian: OnceCell<Tensor>,
}

/// A built layer with its perturbed parameters, the condition, and a point on each side.
pub(super) struct Trial<'a, B> {
    pub(super) case: &'a Case,
    pub(super) layer: B,
    pub(super) parameters: Parameters,
    pub(super) given: Given,
    sides: [Side; 2],
}

pub(super) fn examine<B: Bijection>(
    case: &Case,
    build: &impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>,
) -> Verdict {
    let trial = under(Law::Runs, Trial::new(case, build))?;
    let laws = [
        Trial::shape_and_finite,
        Trial::pure,
        Trial::batch_split,
        Trial::round_trip,
        Trial::log_det,
        Trial::gradient,
        Trial::forward_mode,
        Trial::push,
    ];
    for law in laws {
        for side in &trial.sides {
            law(&trial, side)?;
        }
    }
    trial.restore(build)?;
    trial.single_precision(build)
}

impl<'a, B: Bijection> Trial<'a, B> {
    fn new(case: &'a Case, build: &impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>) -> Result<Self, Error> {
        let mut parameters = Parameters::new(Seed(case.seed), Kind::Double, Device::Cpu);
        let layer = build(case, &mut parameters.root())?;
        for (name, tensor) in parameters.named() {
            let noise = case.normal(&name, &tensor.size())? * case.perturbation;
            let _ = tch::no_grad(|| tensor.shallow_clone().f_add_(&noise))?;
        }
        let given = case.condition()?;
        let side = |direction: Direction, x: Tensor| {
            let out = direction.apply(&layer, &x, &given)?;
            Ok::<_, Error>(Side { direction, x, out, jacobian: OnceCell::new() })
        };
        let source = side(Direction::Forward, case.input()?)?;
        // A point of the other side that is not the image of the first, of the shape that side has.
        let y = case.normal("y", &source.out.value.size())? * case.spread;
        let sides = [source, side(Direction::Inverse, y)?];
        Ok(Self { case, layer, parameters, given, sides })
    }

    fn apply(&self, side: &Side) -> Result<Transformed, Fault> {
        under(Law::Runs, side.direction.apply(&self.layer, &side.x, &self.given))
    }

    fn shape_and_finite(&self, side: &Side) -> Verdict {
        let (x, out, name) = (&side.x, &side.out, side.direction.name());
        let (found, log_det) = (out.value.size(), out.log_det.size());
        if out.value.numel() != x.numel() || found.first() != Some(&self.case.batch) {
            return Err(broken(Law::Shape, format!("{name} maps {:?} to {found:?}", x.size())));
        }
        if log_det != [self.case.batch] {
            return Err(broken(Law::Shape, format!("{name} has a log_det of shape {log_det:?}, not (B,)")));
        }
        for (what, tensor) in [("value", &out.value), ("log_det", &out.log_det)] {
            if let Err(error) = strait_core::check_finite(what, tensor, String::new) {
                return Err(broken(Law::Finite, format!("{name}: {error}")));
            }
        }
        Ok(())
    }

    /// Both directions have been called since this side's answer was had.
    fn pure(&self, side: &Side) -> Verdict {
        let again = self.apply(side)?;
        if again.value != side.out.value || again.log_det != side.out.log_det {
            let name = side.direction.name();
            return Err(broken(Law::Pure, format!("{name} changed its answer to the same input")));
        }
        Ok(())
    }

    fn batch_split(&self, side: &Side) -> Verdict {
        let Side { direction, x, out: whole, .. } = side;
        for i in 0..self.case.batch {
            let one = |tensor: &Tensor| tensor.narrow(0, i, 1);
            let alone = under(Law::BatchSplit, direction.apply(&self.layer, &one(x), &self.given.map(one)))?;
            let name = direction.name();
            near(Law::BatchSplit, 1e-11, &alone.value, &one(&whole.value), || {
                format!("{name} of sample {i} alone, against the same in a batch")
            })?;
            near(Law::BatchSplit, 1e-11, &alone.log_det, &one(&whole.log_det), || {
                format!("{name} log_det of sample {i} alone, against the same in a batch")
            })?;
        }
        Ok(())
    }

    fn round_trip(&self, side: &Side) -> Verdict {
        let (there, back) = (side.direction, side.direction.opposite());
        let (x, out) = (&side.x, &side.out);
        let home = under(Law::Runs, back.apply(&self.layer, &out.value, &self.given))?;
        if home.value.size() != x.size() {
            return Err(broken(Law::Shape, format!("{:?} comes back as {:?}", x.size(), home.value.size())));
        }
        near(Law::RoundTrip, 1e-10, &home.value, x, || format!("{} and back", there.name()))?;
        near(Law::Opposite, 1e-9, &home.log_det, &-&out.log_det, || {
            format!("{} log_det, against minus the {} one", back.name(), there.name())
        })
    }

    /// Another instance, given the same parameters by name.
    fn twin(
        &self,
        law: Law,
        kind: Kind,
        build: &impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>,
    ) -> Result<B, Fault> {
        let mut parameters = Parameters::new(Seed(self.case.seed + 1), kind, Device::Cpu);
        let twin = under(law, build(self.case, &mut parameters.root()))?;
        under(law, parameters.assign(&self.parameters.named()))?;
        Ok(twin)
    }

    fn restore(&self, build: &impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>) -> Verdict {
        let law = Law::Restore;
        let twin = self.twin(law, Kind::Double, build)?;
        // The other way round, so that a layer which initialises itself in its first call meets another first call.
        for Side { direction, x, out: ours, .. } in self.sides.iter().rev() {
            let theirs = under(law, direction.apply(&twin, x, &self.given))?;
            if ours.value != theirs.value || ours.log_det != theirs.log_det {
                let name = direction.name();
                return Err(broken(law, format!("{name} differs in a second instance with the same parameters")));
            }
        }
        Ok(())
    }

    fn single_precision(&self, build: &impl Fn(&Case, &mut Scope<'_>) -> Result<B, Error>) -> Verdict {
        let (law, float) = (Law::SinglePrecision, |x: &Tensor| x.to_kind(Kind::Float));
        let (twin, given) = (self.twin(law, Kind::Float, build)?, self.given.map(float));
        for Side { direction, x, out: double, .. } in &self.sides {
            let single = under(law, direction.apply(&twin, &float(x), &given))?;
            for (what, found, expected) in
                [("value", &single.value, &double.value), ("log_det", &single.log_det, &double.log_det)]
            {
                let name = format!("{} {what} in float32", direction.name());
                if found.kind() != Kind::Float {
                    return Err(broken(law, format!("{name} is {:?}", found.kind())));
                }
                near(law, SINGLE, &found.to_kind(Kind::Double), expected, || name)?;
            }
        }
        Ok(())
    }
}

/// Entry by entry $|a - b| \le \epsilon (1 + |b|)$; the worst one is named.
pub(super) fn near(
    law: Law,
    epsilon: f64,
    found: &Tensor,
    expected: &Tensor,
    what: impl FnOnce() -> String,
) -> Verdict {
    let excess = ((found - expected).abs() / (expected.abs() + 1.0)).flatten(0, -1);
    if excess.numel() == 0 || excess.f_le(epsilon).is_ok_and(|ok| ok.all().int64_value(&[]) == 1) {
        return Ok(());
    }
    let worst = excess.nan_to_num(f64::INFINITY, None, None).argmax(None, false).int64_value(&[]);
    let at = |tensor: &Tensor| tensor.flatten(0, -1).double_value(&[worst]);
    let (found, expected) = (at(found), at(expected));
    let off = (found - expected).abs();
    Err(broken(law, format!("{}: {found:.6e}, expected {expected:.6e} (off by {off:.1e}), at entry {worst}", what())))
}
