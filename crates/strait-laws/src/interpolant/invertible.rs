//! The laws of invertible paths: the inverse, and the marginal over the endpoints.

use super::law::{Fault, Law, runs};
use super::trial::{Trial, marginal_at};
use crate::suite::hold;
use strait_autodiff::{Graph, vjp};
use strait_core::{
    Draws, Error, Inverted, InvertibleInterpolant, Marginal, MovingMarginal, Points, Source, StandardNormal, event_size,
};
use tch::{Device, Kind, Tensor};

/// All of them; gradients, batches of several endpoints and a second source where `in_full`.
pub(super) fn laws<I: InvertibleInterpolant>(trial: &Trial<I>, in_full: bool) -> Result<(), Fault> {
    let normal = StandardNormal::new(&trial.x0.size()[1..]);
    inverse_laws(trial)?;
    passage_laws(trial, &normal)?;
    if !in_full {
        return Ok(());
    }
    inverse_gradients(trial, &normal)?;
    many_ends(trial, &normal)?;
    let wide = Wide(normal);
    passage_laws(trial, &wide)?;
    many_ends(trial, &wide)
}

fn inverse_laws<I: InvertibleInterpolant>(trial: &Trial<I>) -> Result<(), Fault> {
    let Trial { path, x0, x1, t, .. } = trial;
    let x_t = path.at(x0, x1, t).map_err(runs)?.x_t.detach().set_requires_grad(true);
    let inverted = path.invert(&x_t, x1, t).map_err(runs)?;
    hold(Law::RoundTrip, "the inverse of the path", &inverted.x0, x0, 1e-9)?;

    let (b, d) = (x0.size()[0], event_size(x0));
    let flat = inverted.x0.view([b, d]);
    let rows = (0..d)
        .map(|i| {
            let cotangent = flat.zeros_like();
            let _ = cotangent.narrow(1, i, 1).fill_(1.0);
            vjp(&[flat.shallow_clone()], &[cotangent], &[x_t.shallow_clone()], Graph::Keep).map(|g| g[0].view([b, d]))
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(runs)?;
    let (_, log_det) = Tensor::stack(&rows, 1).slogdet();
    hold(Law::LogDet, "the inverse's log-determinant", &inverted.log_det, &log_det, 1e-8)
}

/// $N(0, 4I)$: what a path makes of a source that is not the standard one.
struct Wide(StandardNormal);

impl Source for Wide {
    fn event_shape(&self) -> &[i64] {
        self.0.event_shape()
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        Ok(self.0.sample(n, draws, kind, device)? * 2.0)
    }

    fn log_density(&self, x: &Tensor) -> Result<Tensor, Error> {
        Ok(self.0.log_density(&(x / 2.0))? - event_size(x) as f64 * 2f64.ln())
    }
}

/// Points at two times.
fn points<I>(Trial { x0, t, .. }: &Trial<I>) -> [Tensor; 2] {
    let two = Tensor::cat(&[t.narrow(0, 0, 1), 1f64 - t.narrow(0, 0, 1)], 0) * 0.9;
    [Tensor::stack(&[x0, &(x0 * 0.5 + 0.1)], 0), two]
}

fn inverse_gradients<I: InvertibleInterpolant>(trial: &Trial<I>, source: &StandardNormal) -> Result<(), Fault> {
    let Trial { path, x0, x1, t, .. } = trial;
    let x_t = path.position(x0, x1, t).map_err(runs)?.detach();
    trial.gradient("`invert`", || {
        let Inverted { x0, log_det } = path.invert(&x_t, x1, t)?;
        Ok(vec![x0, log_det])
    })?;
    let [x_t, two] = points(trial);
    let at = Points { x_t: &x_t, x1, t: &two };
    trial.gradient("`marginal`", || {
        let Marginal { velocity, log_weight, log_effective } = path.marginal(source, at)?;
        Ok(vec![velocity, log_weight, log_effective])
    })?;
    trial.gradient("`moving_marginal`", || match path.moving_marginal(source, at)? {
        Some(MovingMarginal { marginal: Marginal { velocity, log_weight, .. }, derivative }) => {
            Ok(vec![velocity, log_weight, derivative])
        }
        None => Ok(vec![]),
    })
}

/// At two times, the paths from each of the endpoints through each of the points, against one pair at a time.
fn passage_laws<I: InvertibleInterpolant>(trial: &Trial<I>, source: &dyn Source) -> Result<(), Fault> {
    let Trial { path, x1, .. } = trial;
    let [x_t, two] = points(trial);
    let at = Points { x_t: &x_t, x1, t: &two };
    let (found, size) = (path.through(at).map_err(runs)?, at.check().map_err(runs)?);
    let (x_t, x1, t) = at.rows();
    let inverted = path.invert(&x_t, &x1, &t).map_err(runs)?;
    let velocity = path.at(&inverted.x0, &x1, &t).map_err(runs)?.velocity;
    let wide = size.as_slice();
    hold(Law::Through, "a source through a point", &found.x0, &inverted.x0.view(wide), 1e-9)?;
    hold(Law::Through, "a log-determinant", &found.log_det, &inverted.log_det.view(&size[..3]), 1e-9)?;
    hold(Law::Through, "a velocity through a point", &found.velocity, &velocity.view(wide), 1e-9)?;

    let whole = path.marginal(source, at).map_err(runs)?;
    let log_weight = source.log_density(&inverted.x0).map_err(runs)? + inverted.log_det;
    let wanted = Marginal::over(&log_weight.view(&size[..3]), &velocity.view(wide));
    hold(Law::Through, "the marginal velocity", &whole.velocity, &wanted.velocity, 1e-8)?;
    hold(Law::Through, "the marginal log-weight", &whole.log_weight, &wanted.log_weight, 1e-8)?;
    hold(Law::Through, "the marginal's effective size", &whole.effective(), &wanted.effective(), 1e-8)?;

    let Some(MovingMarginal { marginal, derivative }) = path.moving_marginal(source, at).map_err(runs)? else {
        return Ok(());
    };
    hold(Law::Moving, "the moving marginal's velocity", &marginal.velocity, &whole.velocity, 1e-8)?;
    hold(Law::Moving, "the moving marginal's log-weight", &marginal.log_weight, &whole.log_weight, 1e-8)?;
    hold(Law::Moving, "the moving marginal's effective size", &marginal.effective(), &whole.effective(), 1e-8)?;
    // Short: where weights change hands the field turns within a thousandth (at 2e-5 the difference is off, not the field).
    let h = 2e-6;
    let moved = |steps: f64| {
        let (x_t, t) = (at.x_t + &whole.velocity * (steps * h), at.t + steps * h);
        path.marginal(source, Points { x_t: &x_t, t: &t, ..at }).map(|marginal| marginal.velocity).map_err(runs)
    };
    let numeric = ((moved(1.0)? - moved(-1.0)?) * 8.0 - (moved(2.0)? - moved(-2.0)?)) / (12.0 * h);
    hold(Law::Moving, "the derivative along the flow", &derivative, &numeric, 1e-5)
}

/// `marginal_at`, where a path has it, against `marginal` at the same points.
fn many_ends<I: InvertibleInterpolant>(trial: &Trial<I>, source: &dyn Source) -> Result<(), Fault> {
    let Trial { path, x0, x1, t, .. } = trial;
    let (endpoints, early) = (Tensor::cat(&[x1, &(x0 * 1.5 - 0.3)], 0), t * 0.95);
    let Some(found) = marginal_at(path, source, x0, &endpoints, &early)? else { return Ok(()) };
    let x_t = path.position(x0, x1, &early).map_err(runs)?;
    let at = Points { x_t: &x_t.unsqueeze(1), x1: &endpoints, t: &early };
    let wanted = path.marginal(source, at).map_err(runs)?.velocity.squeeze_dim(1);
    hold(Law::ManyEnds, "the position of `marginal_at`", &found.x_t, &x_t, 1e-9)?;
    hold(Law::ManyEnds, "the velocity of `marginal_at`", &found.velocity, &wanted, 1e-9)
}
