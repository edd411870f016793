//! Searched grids: better where that is possible, never worse, and within their budget.

use crate::common::{Counting, Driven, Linear, distance, points};
use strait_core::{Error, VelocityField, per_sample};
use strait_ode::{GridSearch, Method, OdeError, Options, TimeGrid};
use tch::Tensor;

/// $\dot x = \sin(2x)\, b(t)$ with a bump b at t = 0.8.
struct Bump;

impl VelocityField for Bump {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let bump = (((per_sample(t, x) - 0.8) / 0.08).square() * -0.5).exp();
        Ok((x * 2.0).sin() * bump * 6.0)
    }
}

fn error(method: Method, field: &dyn VelocityField, x: &Tensor, grid: &TimeGrid) -> f64 {
    let exact = Method::Rk4.solve(field, x, &TimeGrid::uniform(1000).unwrap(), Options::default()).unwrap().x;
    distance(&method.solve(field, x, grid, Options::default()).unwrap().x, &exact) * 2f64.sqrt()
}

#[test]
fn a_grid_made_for_a_field_is_better_also_on_other_points() {
    for (method, steps) in [(Method::Euler, 4), (Method::Euler, 20), (Method::Heun, 6)] {
        let found = GridSearch { method, steps, trials: 300 }.run(&Bump, &points(32)).unwrap();
        let others = points(32) * 0.7 + 0.1;
        let uniform = TimeGrid::uniform(steps).unwrap();
        let (ours, theirs) = (error(method, &Bump, &others, &found.grid), error(method, &Bump, &others, &uniform));
        assert!(found.error < 0.5 * found.uniform_error, "{method}, {steps} steps");
        assert!(ours < 0.5 * theirs, "{method}, {steps} steps, other points: {ours:.4} of {theirs:.4}");
        assert_eq!((found.grid.steps(), found.grid.start(), found.grid.end()), (steps, 0.0, 1.0));
        // What is reported is what one gets.
        assert!((error(method, &Bump, &points(32), &found.grid) - found.error).abs() < 1e-4);
        assert!((error(method, &Bump, &points(32), &uniform) - found.uniform_error).abs() < 1e-4);
    }
}

#[test]
fn it_is_never_worse_than_uniform_and_keeps_to_its_budget() {
    for field in [&Linear as &dyn VelocityField, &Driven] {
        for trials in [0, 1, 3, 40] {
            let counting = Counting::new(field);
            let found = GridSearch { method: Method::Euler, steps: 5, trials }.run(&counting, &points(8)).unwrap();
            assert!(found.error <= found.uniform_error && found.trials <= trials.max(1));
            let again = Counting::new(field);
            GridSearch { method: Method::Euler, steps: 5, trials: 0 }.run(&again, &points(8)).unwrap();
            assert_eq!(counting.calls.get() - again.calls.get(), 5 * (found.trials - 1));
        }
    }
}

#[test]
fn where_nothing_is_to_be_gained_it_stays_uniform() {
    struct Straight;
    impl VelocityField for Straight {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(x.full_like(0.5))
        }
    }
    let found = GridSearch { method: Method::Euler, steps: 1, trials: 100 }.run(&Bump, &points(4)).unwrap();
    assert_eq!((found.grid, found.trials), (TimeGrid::uniform(1).unwrap(), 1));
    let found = GridSearch { method: Method::Euler, steps: 8, trials: 100 }.run(&Straight, &points(4)).unwrap();
    assert!(found.error < 1e-12);
    let refused = GridSearch { method: "dopri5".parse().unwrap(), steps: 8, trials: 9 }.run(&Straight, &points(4));
    assert!(matches!(refused, Err(OdeError::Adaptive { .. })));
    let refused = GridSearch { method: Method::Euler, steps: 0, trials: 9 }.run(&Straight, &points(4));
    assert!(matches!(refused, Err(OdeError::GridTooShort { .. })));
}
