//! Sampling by a flow map: evaluations are counted, an exact map is exact, and a field without a map is refused.

use crate::common::{Linear, points};
use strait_core::{Error, FlowMap, VelocityField, per_sample};
use strait_ode::{FlowMapStepper, OdeError, Options, TimeGrid, solve};
use tch::Tensor;

/// $v(x, t) = x$.
struct Growth;

impl VelocityField for Growth {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.average_velocity(x, t, t)
    }
    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }
}

impl FlowMap for Growth {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let h = t - s;
        let mean = (h.expm1() / &h).where_self(&h.ne(0.0), &h.ones_like());
        Ok(x * per_sample(&mean, x))
    }
}

#[test]
fn k_maps_take_k_evaluations_and_end_where_one_does() {
    let x = points(16);
    for steps in [1, 2, 7] {
        let grid = TimeGrid::cosine(steps).unwrap();
        let options = Options { chunk: Some(5), trajectory: true, ..Options::default() };
        let solution = solve(&Growth, &x, &grid, &mut FlowMapStepper, options).unwrap();
        assert_eq!(solution.nfe, steps);
        assert!(solution.x.allclose(&(&x * 1f64.exp()), 0.0, 1e-12, false), "{steps} steps");
        let trajectory = solution.trajectory.unwrap();
        for (i, t) in grid.times().iter().enumerate() {
            assert!(trajectory.get(i as i64).allclose(&(&x * t.exp()), 0.0, 1e-12, false));
        }
    }
}

#[test]
fn a_step_that_is_none_is_refused() {
    let x = points(4);
    let grid = TimeGrid::uniform(2).unwrap();
    let error = solve(&Linear, &x, &grid, &mut FlowMapStepper, Options::default()).unwrap_err();
    assert!(matches!(error, OdeError::Field { source: Error::NotFlowMap { .. }, .. }), "{error}");
    let error = solve(&Growth, &x, &grid.reversed(), &mut FlowMapStepper, Options::default()).unwrap_err();
    assert!(matches!(error, OdeError::Field { step: 0, source: Error::Time { .. }, .. }), "{error}");
}

/// Infinite from t = 1/2 on.
struct Breaks;

impl VelocityField for Breaks {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.average_velocity(x, t, t)
    }
    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }
}

impl FlowMap for Breaks {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, _: &Tensor) -> Result<Tensor, Error> {
        Ok(x / per_sample(&s.lt(0.5).to_kind(x.kind()), x))
    }
}

#[test]
fn a_map_that_is_not_finite_is_found_where_it_breaks() {
    let grid = TimeGrid::uniform(4).unwrap();
    let error = solve(&Breaks, &points(3), &grid, &mut FlowMapStepper, Options::default()).unwrap_err();
    assert!(matches!(error, OdeError::NonFinite { what: "velocity", step: 2, t: 0.5, .. }), "{error}");
}
