//! Adaptive integration: the error follows the tolerance, evaluations are counted, failures are named.

use crate::common::{Counting, Driven, Linear, Sine, distance, points};
use std::cell::RefCell;
use strait_core::{Error, VelocityField, per_sample};
use strait_ode::{Control, DormandPrince, Method, OdeError, Options, Solution, TimeGrid, solve};
use tch::{Device, Kind, Tensor};

const CONTROLS: [Control; 2] = [Control::Batch, Control::Sample];

fn to(tolerance: f64, control: Control) -> DormandPrince {
    DormandPrince { rtol: tolerance, atol: tolerance, control, ..DormandPrince::default() }
}

fn follow(
    mut method: DormandPrince,
    field: &dyn VelocityField,
    x: &Tensor,
    grid: &TimeGrid,
    options: Options<'_>,
) -> Result<Solution, OdeError> {
    solve(field, x, grid, &mut method, options)
}

fn ends() -> TimeGrid {
    TimeGrid::uniform(1).unwrap()
}

#[test]
fn the_error_follows_the_tolerance_over_six_decades() {
    let x = points(16);
    let fields: [(&str, &dyn VelocityField, Tensor); 3] = [
        ("linear", &Linear, Linear::flow(&x, 1.0)),
        ("nonlinear", &Sine, Sine::flow(&x, 1.0)),
        ("time-dependent", &Driven, Driven::flow(&x, 1.0)),
    ];
    for control in CONTROLS {
        for (name, field, exact) in &fields {
            let mut evaluations = 0;
            for decade in 4..=10 {
                let tolerance = 10f64.powi(-decade);
                let solution = follow(to(tolerance, control), *field, &x, &ends(), Options::default()).unwrap();
                let ratio = distance(&solution.x, exact) / tolerance;
                assert!((1e-3..3.0).contains(&ratio), "{name} at 1e-{decade}: error of {ratio:.1e} tolerances");
                assert!(solution.nfe >= evaluations, "a tighter tolerance takes no fewer");
                evaluations = solution.nfe;
            }
        }
    }
}

#[test]
fn reverse_after_forward_returns_within_the_tolerance() {
    let x = points(16);
    for control in CONTROLS {
        for field in [&Linear as &dyn VelocityField, &Sine, &Driven] {
            let method = to(1e-8, control);
            let there = follow(method, field, &x, &ends(), Options::default()).unwrap().x;
            let back = follow(method, field, &there, &ends().reversed(), Options::default()).unwrap().x;
            assert!(distance(&back, &x) < 1e-7);
        }
    }
}

#[test]
fn a_trajectory_is_saved_at_the_times_of_the_grid() {
    let x = points(9);
    for grid in [TimeGrid::uniform(37).unwrap(), TimeGrid::cosine(5).unwrap().reversed()] {
        for (control, chunk) in [(Control::Batch, None), (Control::Sample, None), (Control::Sample, Some(4))] {
            let options = Options { trajectory: true, chunk, ..Options::default() };
            let solution = follow(to(1e-8, control), &Linear, &x, &grid, options).unwrap();
            let trajectory = solution.trajectory.unwrap();
            for (i, t) in grid.times().iter().enumerate() {
                let exact = Linear::flow(&x, t - grid.start());
                let gap = distance(&trajectory.get(i as i64), &exact);
                assert!(gap < 3e-7, "{control:?} at t = {t}: {gap:.1e}");
            }
            assert_eq!(trajectory.get(grid.steps() as i64), solution.x);
        }
    }
}

/// Smooth but for a wall that rises within a short time.
struct Wall;

impl VelocityField for Wall {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(x * ((per_sample(t, x) - 0.5) * 500.0).tanh() * 3.0)
    }
}

#[test]
fn evaluations_include_the_rejected() {
    struct Timed(RefCell<Vec<f64>>);
    impl VelocityField for Timed {
        fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
            self.0.borrow_mut().push(t.double_value(&[0]));
            Wall.velocity(x, t)
        }
    }
    let field = Timed(RefCell::new(vec![]));
    let solution = follow(to(1e-6, Control::Batch), &field, &points(4), &ends(), Options::default()).unwrap();
    let times = field.0.into_inner();
    assert_eq!(solution.nfe, times.len());
    assert_eq!((times.len() - 2) % 6, 0);
    let tried: Vec<&[f64]> = times[2..].chunks(6).collect();
    let rejected = tried.windows(2).filter(|pair| pair[1][0] < pair[0][5]).count();
    assert!(rejected >= 1, "the wall must cost a rejected step, or this test shows nothing");
    // Kept steps follow each other without a gap: the first stage of one stands a fifth behind the end of the last.
    let kept: Vec<f64> = tried.windows(2).filter(|p| p[1][0] >= p[0][5]).map(|p| p[0][5]).chain([1.0]).collect();
    assert!(kept.windows(2).all(|pair| pair[0] < pair[1]) && times.iter().all(|t| (0.0..=1.0).contains(t)));
}

#[test]
fn a_step_is_kept_exactly_when_its_error_is_within_the_tolerance() {
    // x' = g(t): the difference of the two results is h sum e_i g(t + c_i h), whatever x is.
    fn g(t: f64) -> f64 {
        ((t - 0.5) * 30.0).tanh() + (9.0 * t).sin()
    }
    struct Given(RefCell<Vec<f64>>);
    impl VelocityField for Given {
        fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
            let t = t.double_value(&[0]);
            self.0.borrow_mut().push(t);
            Ok(x.full_like(g(t)))
        }
    }
    let weights = [71.0 / 57600.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];
    let nodes = [0.0, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0];
    for atol in [1e-3, 1e-5, 1e-7] {
        let field = Given(RefCell::new(vec![]));
        let method = DormandPrince { rtol: 0.0, atol, ..DormandPrince::default() };
        follow(method, &field, &points(3), &ends(), Options::default()).unwrap();
        let times = field.0.into_inner();
        let mut from = 0.0;
        let (mut kept, mut rejected) = (0, 0);
        let steps: Vec<&[f64]> = times[2..].chunks(6).collect();
        for (i, tried) in steps.iter().enumerate() {
            let h = tried[5] - from;
            let error: f64 = nodes.iter().zip(weights).map(|(c, e)| h * e * g(from + c * h)).sum();
            let goes_on = steps.get(i + 1).is_none_or(|after| after[0] > tried[5]);
            assert_eq!(goes_on, error.abs() <= atol, "error {error:.3e} at {atol:.0e}");
            if goes_on {
                (from, kept) = (tried[5], kept + 1);
            } else {
                rejected += 1;
            }
        }
        assert!(kept > 5 && rejected > 0);
    }
}

#[test]
fn each_sample_keeps_its_own_step() {
    /// Sample x turns at a rate that it carries with it in its last entry.
    struct Turn;
    impl VelocityField for Turn {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            let (a, b, rate) = (x.select(1, 0), x.select(1, 1), x.select(1, 2));
            Ok(Tensor::stack(&[-&b * &rate, &a * &rate, rate.zeros_like()], 1))
        }
    }
    let rates = Tensor::from_slice(&[0.0f64, 0.5, 40.0, 1.0, 8.0, 0.1, 3.0]);
    let x = Tensor::stack(&[rates.cos(), rates.sin(), rates.shallow_clone()], 1);
    let exact = Tensor::stack(&[(&rates * 2.0).cos(), (&rates * 2.0).sin(), rates.shallow_clone()], 1);
    let method = to(1e-7, Control::Sample);
    let field = Counting::new(Turn);
    let options = Options { trajectory: true, ..Options::default() };
    let grid = TimeGrid::uniform(3).unwrap();
    let solution = follow(method, &field, &x, &grid, options).unwrap();
    let each = Vec::<i64>::try_from(solution.nfe_of_each.unwrap()).unwrap();
    assert_eq!(solution.nfe, field.calls.get());
    assert_eq!(each.iter().max(), Some(&(solution.nfe as i64)));
    assert!(each[2] > 5 * each[1] && each[0] < each[6], "{each:?}");
    let rows = field.rows.get() as i64;
    let (needed, all) = (each.iter().sum::<i64>(), 7 * each[2]);
    assert!(needed <= rows && rows < 2 * needed && 2 * needed < all, "{rows} rows for {needed}, not {all}");
    assert!(distance(&solution.x, &exact) < 2e-6);
    for row in 0..7 {
        let alone = follow(method, &Turn, &x.narrow(0, row, 1), &grid, options).unwrap();
        assert_eq!(alone.nfe as i64, each[row as usize], "sample {row} takes as many alone");
        assert!(distance(&alone.x, &solution.x.narrow(0, row, 1)) < 1e-12);
        let saved = solution.trajectory.as_ref().unwrap().narrow(1, row, 1);
        assert!(distance(&alone.trajectory.unwrap(), &saved) < 1e-12);
    }
    assert!(follow(to(1e-7, Control::Batch), &Turn, &x, &grid, options).unwrap().nfe_of_each.is_none());
}

#[test]
fn float32_reaches_what_it_can() {
    let x = points(16);
    for control in CONTROLS {
        let solution = follow(to(1e-5, control), &Sine, &x.to_kind(Kind::Float), &ends(), Options::default()).unwrap();
        assert_eq!(solution.x.kind(), Kind::Float);
        assert!(distance(&solution.x.to_kind(Kind::Double), &Sine::flow(&x, 1.0)) < 2e-5);
    }
}

#[test]
fn a_blow_up_is_an_underflow_that_names_time_and_sample() {
    struct Square; // x' = x^2 ends at t = 1 / x0
    impl VelocityField for Square {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(x.square())
        }
    }
    let x = Tensor::from_slice(&[0.5f64, 0.1, -3.0, 2.0, 0.2]).view([5, 1]);
    match follow(to(1e-6, Control::Sample), &Square, &x, &ends(), Options::default()).unwrap_err() {
        OdeError::Underflow { t, sample: Some(3), step, h } => {
            assert!((t - 0.5).abs() < 1e-4 && step > 10 && h < 1e-14, "t {t}, step {step}, h {h}");
        }
        other => panic!("{other}"),
    }
    let error = follow(to(1e-6, Control::Batch), &Square, &x, &ends(), Options::default()).unwrap_err();
    assert!(matches!(error, OdeError::Underflow { sample: None, .. }), "{error}");
    assert!(error.to_string().starts_with("step size underflow at t = 0.5"), "{error}");
    // In parts, the sample is named by its place in the whole batch.
    let options = Options { chunk: Some(2), ..Options::default() };
    let error = follow(to(1e-6, Control::Sample), &Square, &x, &ends(), options).unwrap_err();
    assert!(matches!(error, OdeError::Underflow { sample: Some(3), .. }), "{error}");
}

#[test]
fn too_many_steps_say_how_far_they_came() {
    for control in CONTROLS {
        let method = DormandPrince { max_steps: 5, ..to(1e-10, control) };
        match follow(method, &Wall, &points(3), &ends(), Options::default()).unwrap_err() {
            OdeError::TooManySteps { steps: 5, t, sample } => {
                assert!(t > 0.0 && t < 0.5);
                assert_eq!(sample.is_some(), control == Control::Sample);
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_velocity_that_is_not_finite_is_named() {
    struct Breaks(f64);
    impl VelocityField for Breaks {
        fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
            let bad = x.select(1, 0).round().eq(13.0).logical_and(&t.ge(self.0)).unsqueeze(1);
            Ok((x * 0.0).masked_fill(&bad, f64::NAN))
        }
    }
    let x = Tensor::arange(20, (Kind::Double, Device::Cpu)).view([20, 1]);
    let options = Options { chunk: Some(8), ..Options::default() };
    for control in CONTROLS {
        for from in [0.0, 0.55] {
            match follow(to(1e-5, control), &Breaks(from), &x, &ends(), options).unwrap_err() {
                OdeError::NonFinite { what: "velocity", t, sample: 13, count: 1, .. } => {
                    assert!((t - from).abs() < 1e-9, "{control:?}: t = {t}");
                }
                other => panic!("{other}"),
            }
        }
    }
    let error = follow(to(1e-5, Control::Batch), &Sine, &(x / 0.0), &ends(), options).unwrap_err();
    assert!(matches!(error, OdeError::Core(Error::NonFinite { what: "x", .. })), "{error}");
}

#[test]
fn tolerances_must_make_sense() {
    for (rtol, atol) in [(-1.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (0.0, 0.0)] {
        let method = DormandPrince { rtol, atol, ..DormandPrince::default() };
        let error = follow(method, &Sine, &points(2), &ends(), Options::default()).unwrap_err();
        assert!(matches!(error, OdeError::Option { .. }), "{rtol}, {atol}: {error}");
    }
    let method: Method = "dopri5".parse().unwrap();
    assert_eq!(method, Method::Dopri5(DormandPrince::default()));
    assert!(matches!(method.steps(12), Err(OdeError::Adaptive { method: "dopri5" })));
    let by_name = method.solve(&Sine, &points(2), &ends(), Options::default()).unwrap();
    let itself = follow(DormandPrince::default(), &Sine, &points(2), &ends(), Options::default()).unwrap();
    assert_eq!((by_name.x, by_name.nfe), (itself.x, itself.nfe));
    let none = Tensor::zeros([0, 2], (Kind::Double, Device::Cpu));
    assert_eq!(method.solve(&Sine, &none, &ends(), Options::default()).unwrap().x.size(), [0, 2]);
}

/// One sample rests in a coordinate at 0, both leave such a coordinate under the spiral.
#[test]
fn a_coordinate_at_zero_needs_no_absolute_tolerance() {
    let x = Tensor::from_slice2(&[[0.0f64, 1.0], [0.7, 0.0]]);
    for control in CONTROLS {
        for (field, exact) in [(&Sine as &dyn VelocityField, Sine::flow(&x, 1.0)), (&Linear, Linear::flow(&x, 1.0))] {
            let method = DormandPrince { atol: 0.0, ..to(1e-7, control) };
            let solution = follow(method, field, &x, &ends(), Options::default()).unwrap();
            assert!(distance(&solution.x, &exact) < 1e-6, "{control:?}");
            assert!(solution.nfe < 400, "{control:?}: {} evaluations", solution.nfe);
        }
    }
}

/// There the first step is a part of the time in which the state doubles, and below what float32 resolves beside 1.
#[test]
fn float32_starts_near_the_origin() {
    struct Rise;
    impl VelocityField for Rise {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(x * 0.5 + 1.0)
        }
    }
    let x = (points(8) * 1e-9).to_kind(Kind::Float);
    for control in CONTROLS {
        let solution = follow(to(1e-5, control), &Rise, &x, &ends(), Options::default()).unwrap();
        let off = (solution.x - ((&x + 2.0) * 0.5f64.exp() - 2.0)).abs().max().double_value(&[]);
        assert!(off < 1e-4, "{control:?}: {off:e}");
    }
}
