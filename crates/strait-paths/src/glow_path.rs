use crate::by_jet::by_jet;
use crate::kernels::{chain_field, is_standard_normal};
use crate::linear::{check, check_before_end};
use crate::time_derivative::push;
use strait_autodiff::{Jet, Order};
use strait_core::{
    Bijection, Condition, Conditions, Error, Interpolant, Inverted, InvertibleInterpolant, MovingMarginal, PathCurve,
    PathSample, Points, Source, event_size, per_sample,
};
use tch::Tensor;

/// A learned path with any invertible map of the source point, conditioned on the data point and on time: the paper's
/// family, where the map is a Glow.
///
/// $$ x_t = t x_1 + (1-t) F_t(x_0; x_1), \qquad F_0 = \mathrm{id} $$
///
/// The bijection gets $x_1$ as its context and t as its time. It must itself be the identity at $t = 0$, for every
/// value of its parameters (a gate of t in every layer). A fresh one, which is the identity, gives the linear path.
/// Derivatives in t are the flow's own where it has them, else by forward mode.
#[derive(Debug)]
pub struct GlowPath<F> {
    flow: F,
}

const INVERSE: &str = "the glow path's inverse";

impl<F: Bijection> GlowPath<F> {
    /// Over a conditional bijection with $F_0 = \mathrm{id}$.
    pub fn new(flow: F) -> Self {
        Self { flow }
    }

    /// The bijection.
    pub fn flow(&self) -> &F {
        &self.flow
    }

    fn jet(&self, x0: &Tensor, x1: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        check(x0, x1, t)?;
        let moved = push(&self.flow, &Jet::constant(x0), Some(x1), &Jet::variable(t, order))?;
        let time = Jet::variable(&per_sample(t, x0), order);
        let rest = time.map(|t| 1f64 - t, Tensor::neg);
        Ok(rest.times(&moved).plus(&time.times(&Jet::constant(x1))))
    }
}

impl<F: Bijection> Interpolant for GlowPath<F> {
    by_jet!();

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Interpolant + '_>>, Error> {
        Ok(self.flow.given(conditions)?.map(|flow| Box::new(GlowPath { flow }) as Box<dyn Interpolant>))
    }

    fn as_invertible(&self) -> Option<&dyn InvertibleInterpolant> {
        Some(self)
    }
}

impl<F: Bijection> InvertibleInterpolant for GlowPath<F> {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        check(x_t, x1, t)?;
        check_before_end(INVERSE, t)?;
        let s = per_sample(t, x_t);
        let moved = (x_t - &s * x1) / (1f64 - s);
        let back = self.flow.inverse(&moved, Condition { context: Some(x1), t: Some(t) })?;
        let log_det = back.log_det - (1f64 - t).log() * event_size(x_t) as f64;
        Ok(Inverted { x0: back.value, log_det })
    }

    /// For vectors under a standard normal source and a flow that can be lowered, by a kernel: everything that depends
    /// only on endpoints and times is computed once, for all points.
    fn moving_marginal(&self, source: &dyn Source, at: Points<'_>) -> Result<Option<MovingMarginal>, Error> {
        let size = at.check()?;
        check_before_end(INVERSE, at.t)?;
        if size.len() != 4 || !is_standard_normal(source, &size[3..]) {
            return Ok(None);
        }
        chain_field(&self.flow, at)
    }
}
