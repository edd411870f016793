//! Objectives, one in each file.

mod conditional_variance;
mod energy;
mod field_straightness;
mod flow_matching;
mod lagrangian_distillation;
mod likelihood;
mod map_residual;
mod marginal_flow_matching;
mod marginal_straightness;
mod mean_flow;
mod progressive_distillation;
mod squared_velocity;
mod straightness;
mod trajectory_regression;
mod transport_cost;

pub use conditional_variance::ConditionalVariance;
pub use energy::Energy;
pub use field_straightness::FieldStraightness;
pub use flow_matching::FlowMatching;
pub use lagrangian_distillation::LagrangianDistillation;
pub use likelihood::Likelihood;
pub use map_residual::MapResidual;
pub use marginal_flow_matching::MarginalFlowMatching;
pub use marginal_straightness::MarginalStraightness;
pub use mean_flow::MeanFlow;
pub use progressive_distillation::ProgressiveDistillation;
pub use squared_velocity::SquaredVelocity;
pub use straightness::{Straightness, StraightnessConfig};
pub use trajectory_regression::TrajectoryRegression;
pub use transport_cost::TransportCost;

use crate::kernels;
use strait_core::{
    Batch, Error, FlowMap, Loss, MapBatch, MapIdentity, Models, PathSample, SquareError, VelocityField, sum_per_sample,
};
use tch::Tensor;

/// $E|x|^2$: the squared norm of each sample, averaged over the batch.
pub(crate) fn mean_square_norm(x: &Tensor) -> Tensor {
    sum_per_sample(&x.square()).mean(x.kind())
}

/// $E|a - b|^2$: the squared distance of each sample, averaged over the batch.
pub(crate) fn mean_square_distance(a: &Tensor, b: &Tensor) -> Result<Tensor, Error> {
    Ok(kernels::mean_square_distance(a, b)?.unwrap_or_else(|| mean_square_norm(&(a - b))))
}

/// $E|v(x, t) - u|^2$ of a field and a target.
pub(crate) fn square_error(field: &dyn VelocityField, x: &Tensor, t: &Tensor, u: &Tensor) -> Result<Tensor, Error> {
    match field.square_error(x, t, u)? {
        Some(error) => Ok(error),
        None => mean_square_distance(&field.velocity(x, t)?, u),
    }
}

/// $|u(x, s, t) - y|^2$ of a flow map and a target, at times (s, t).
pub(crate) fn average_square_error(
    map: &dyn FlowMap,
    x: &Tensor,
    (s, t): (&Tensor, &Tensor),
    target: &Tensor,
) -> Result<SquareError, Error> {
    if let Some(error) = map.average_square_error(x, s, t, target)? {
        return Ok(error);
    }
    let squares = square_distance(&map.average_velocity(x, s, t)?, target)?;
    Ok(SquareError { mean: squares.mean(squares.kind()), of_each: squares.detach() })
}

/// $|a - b|^2$ of each sample, (B,).
pub(crate) fn square_distance(a: &Tensor, b: &Tensor) -> Result<Tensor, Error> {
    Ok(kernels::square_distance(a, b)?.unwrap_or_else(|| sum_per_sample(&(a - b).square())))
}

/// The last pairs of a batch, those off the diagonal of two times, apart from those before them.
pub(crate) struct Spans {
    diagonal: i64,
    off: i64,
    /// The earlier times of those off the diagonal, (n,).
    pub(crate) s: Tensor,
    /// Their later times, (n,).
    pub(crate) t: Tensor,
}

impl Spans {
    pub(crate) fn of(batch: &Batch, what: &'static str) -> Result<Self, Error> {
        let (pairs, found) = (batch.t.size(), batch.later.as_ref().map_or(vec![], Tensor::size));
        let off = found.first().copied().unwrap_or(0);
        let Some(later) = batch.later.as_ref().filter(|_| off > 0 && pairs.len() == 1 && off <= pairs[0]) else {
            return Err(Error::Shape { what, expected: "a batch with later times, of 1 pair to all".into(), found });
        };
        let diagonal = pairs[0] - off;
        Ok(Self { diagonal, off, s: batch.t.narrow(0, diagonal, off), t: later.shallow_clone() })
    }

    /// Of all pairs, those on the diagonal and those off it.
    pub(crate) fn split(&self, x: &Tensor) -> (Tensor, Tensor) {
        (self.on(x), self.off(x))
    }

    /// Of all pairs, those on the diagonal.
    pub(crate) fn on(&self, x: &Tensor) -> Tensor {
        x.narrow(0, 0, self.diagonal)
    }

    /// Of all pairs, those off the diagonal.
    pub(crate) fn off(&self, x: &Tensor) -> Tensor {
        x.narrow(0, self.diagonal, self.off)
    }

    /// The velocity of those on the diagonal and of those off it.
    pub(crate) fn velocities<'m>(&self, models: Models<'m>) -> Result<[Box<dyn VelocityField + 'm>; 2], Error> {
        let of = |start, length| models.velocity.of_samples(start, length);
        Ok([of(0, self.diagonal)?, of(self.diagonal, self.off)?])
    }

    /// The velocity of those off the diagonal.
    pub(crate) fn velocity_off<'m>(&self, models: Models<'m>) -> Result<Box<dyn VelocityField + 'm>, Error> {
        models.velocity.of_samples(self.diagonal, self.off)
    }

    /// The mean over all pairs, of that over those on the diagonal, which is asked for where there are some, and that over
    /// those off it.
    pub(crate) fn loss(
        &self,
        diagonal: impl FnOnce() -> Result<Tensor, Error>,
        off: Tensor,
        name: &'static str,
    ) -> Result<Loss, Error> {
        let own = (name, off.detach());
        if self.diagonal == 0 {
            return Ok(Loss { total: off, terms: vec![own] });
        }
        let (on, share) = (diagonal()?, self.off as f64 / (self.diagonal + self.off) as f64);
        let terms = vec![("diagonal", on.detach()), own];
        Ok(Loss { total: on * (1.0 - share) + off * share, terms })
    }

    /// The loss of an identity, where the map has one pass for it.
    pub(crate) fn identity_loss(
        &self,
        identity: MapIdentity,
        map: &dyn FlowMap,
        batch: &Batch,
        path: &PathSample,
        name: &'static str,
    ) -> Result<Option<Loss>, Error> {
        let t = self.all_t(batch)?;
        let pairs = MapBatch { x: &path.x_t, velocity: &path.velocity, s: &batch.t, t: &t, off: self.off };
        let error = map.identity_error(identity, &pairs)?;
        Ok(error.map(|SquareError { mean, of_each }| Loss { total: mean, terms: self.terms(&of_each, name) }))
    }

    /// The means over the pairs on the diagonal, where there are some, and over those off it.
    pub(crate) fn terms(&self, of_each: &Tensor, off: &'static str) -> Vec<(&'static str, Tensor)> {
        let parts = self.split(&of_each.detach());
        let mean = |x: &Tensor| x.mean(x.kind());
        let diagonal = (self.diagonal > 0).then(|| ("diagonal", mean(&parts.0)));
        diagonal.into_iter().chain([(off, mean(&parts.1))]).collect()
    }

    /// The later time of every pair: on the diagonal, its only one.
    pub(crate) fn all_t(&self, batch: &Batch) -> Result<Tensor, Error> {
        Ok(Tensor::f_cat(&[&batch.t.narrow(0, 0, self.diagonal), &self.t], 0)?)
    }
}
