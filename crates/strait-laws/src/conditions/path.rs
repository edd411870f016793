use super::law::{Fault, Law, ensure, runs};
use super::rows::{Draw, Samples};
use crate::suite::hold;
use strait_core::{Conditions, Interpolant, PathCurve};
use tch::Tensor;

/// Times of central differences are this far from theirs.
const STEP: f64 = 1e-5;

pub(super) fn laws<I: Interpolant>(path: &I, samples: &Samples, draw: &Draw<'_>) -> Result<(), Fault> {
    let Samples { x: x0, other: x1, t, conditions, .. } = samples;
    let given = |conditions: &Conditions| {
        let own = path.given(conditions).map_err(runs)?;
        own.ok_or_else(|| Fault::new(Law::Sees, "the path is one under all conditions"))
    };
    let at = |conditions: &Conditions, places: &Tensor| {
        let [x0, x1, t] = [x0, x1, t].map(|x| x.index_select(0, places));
        let path = given(conditions)?;
        let PathCurve { x_t, velocity, acceleration } = path.curve(&x0, &x1, &t).map_err(runs)?;
        let mut found = vec![x_t, velocity, acceleration];
        if let Some(path) = path.as_invertible() {
            let back = path.invert(&found[0], &x1, &t).map_err(runs)?;
            hold(Law::RoundTrip, "x0 by the inverse", &back.x0, &x0, 1e-7)?;
            found.push(back.log_det);
        }
        Ok(found)
    };
    let whole = samples.laws("a point of the path", draw, &at)?;
    ensure(whole[0].size() == x0.size(), Law::Shape, format!("{:?}", whole[0].size()))?;
    ensure(path.at(x0, x1, t).is_err(), Law::Without, "the path has a point without conditions")?;

    let own = given(conditions)?;
    let start = own.position(x0, x1, &t.zeros_like()).map_err(runs)?;
    hold(Law::Endpoints, "the point at t = 0", &start, x0, 1e-9)?;
    let end = own.position(x0, x1, &t.ones_like()).map_err(runs)?;
    hold(Law::Endpoints, "the point at t = 1", &end, x1, 1e-9)?;
    let inner = t * (1.0 - 4.0 * STEP) + 2.0 * STEP;
    let [before, here, after] =
        [&inner - STEP, inner.shallow_clone(), &inner + STEP].map(|t| own.curve(x0, x1, &t).map_err(runs));
    let (before, here, after) = (before?, here?, after?);
    let difference = |a: &Tensor, b: &Tensor| (b - a) / (2.0 * STEP);
    hold(Law::Derivative, "the velocity", &here.velocity, &difference(&before.x_t, &after.x_t), 1e-4)?;
    hold(Law::Derivative, "the acceleration", &here.acceleration, &difference(&before.velocity, &after.velocity), 1e-4)
}
