//! One case: a path is built and checked.

use super::law::{Fault, Law, runs};
use crate::gradient::{self, Leaf};
use crate::samples::{Case, Perturbed};
use strait_core::{Draws, Error, Interpolant, Parameters, PathSample, Scope, Source};
use tch::{Device, Kind, Tensor};

/// A path for a case with perturbed parameters, the same in single precision, and pairs and times to try both on.
pub(super) struct Trial<I> {
    pub(super) path: I,
    parameters: Parameters,
    pub(super) single: I,
    pub(super) x0: Tensor,
    pub(super) x1: Tensor,
    pub(super) t: Tensor,
    /// Of the checks of gradients.
    draws: Draws,
}

impl<I> Trial<I> {
    /// Holds the gradient in the parameters of what a path gives to differences.
    pub(super) fn gradient(&self, what: &str, given: impl Fn() -> Result<Vec<Tensor>, Error>) -> Result<(), Fault> {
        let leaves: Vec<_> = Leaf::parameters(&self.parameters).collect();
        gradient::hold(Law::Gradient, what, &leaves, &mut self.draws.clone(), given)
    }
}

pub(super) fn trial<I>(
    case: &Case,
    build: &impl Fn(&Case, &mut Scope<'_>) -> Result<I, Error>,
) -> Result<Trial<I>, Fault> {
    let Perturbed { double: path, parameters, single } = Perturbed::new(case, build).map_err(runs)?;
    let mut draws = case.stream().at(0);
    let mut normal = || draws.normal(&case.shape(), Kind::Double, Device::Cpu).map_err(runs);
    let (x0, x1) = (normal()?, normal()? * 2.0);
    let t = case.stream().at(1).uniform(&[case.batch], Kind::Double, Device::Cpu).map_err(runs)? * 0.9 + 0.05;
    Ok(Trial { path, parameters, single, x0, x1, t, draws: case.stream().at(2) })
}

/// `marginal_at`, of a path that has it.
pub(super) fn marginal_at(
    path: &impl Interpolant,
    source: &dyn Source,
    x0: &Tensor,
    endpoints: &Tensor,
    t: &Tensor,
) -> Result<Option<PathSample>, Fault> {
    match path.marginal_at(source, x0, endpoints, t) {
        Err(Error::NotInvertible { .. }) => Ok(None),
        found => found.map(Some).map_err(runs),
    }
}
