//! Fixed-step methods: order, count of evaluations, integration backward, and errors for a faulty field.

use crate::common::{Counting, Driven, Linear, Sine, distance, points};
use std::cell::{Cell, RefCell};
use strait_core::{Error, Stepper, VelocityField};
use strait_ode::{Method, OdeError, Options, TimeGrid, solve};
use tch::{Device, Kind, Tensor};

const METHODS: [(Method, f64, usize); 6] = [
    (Method::Euler, 1.0, 1),
    (Method::Midpoint, 2.0, 2),
    (Method::Heun, 2.0, 2),
    (Method::Ralston, 2.0, 2),
    (Method::Rk4, 4.0, 4),
    (Method::AdamsBashforth2, 2.0, 1),
];

/// The slope of log error against log step size, by least squares.
fn measured_order(method: Method, field: &dyn VelocityField, exact: &Tensor, steps: &[usize]) -> f64 {
    let points: Vec<(f64, f64)> = steps
        .iter()
        .map(|&n| {
            let solution = method.solve(field, &points(16), &TimeGrid::uniform(n).unwrap(), Options::default());
            ((1.0 / n as f64).ln(), distance(&solution.unwrap().x, exact).ln())
        })
        .collect();
    let n = points.len() as f64;
    let (mx, my) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let (xy, xx) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + (x - mx) * (y - my), b + (x - mx).powi(2)));
    xy / xx
}

#[test]
fn every_rule_has_its_order() {
    let x = points(16);
    let fields: [(&str, &dyn VelocityField, Tensor); 3] = [
        ("linear", &Linear, Linear::flow(&x, 1.0)),
        ("nonlinear", &Sine, Sine::flow(&x, 1.0)),
        ("time-dependent", &Driven, Driven::flow(&x, 1.0)),
    ];
    for (method, order, _) in METHODS {
        assert_eq!(f64::from(method.stepper().unwrap().order()), order);
        let steps: &[usize] = if order > 3.0 { &[16, 24, 32, 48, 64] } else { &[64, 96, 128, 192, 256] };
        for (name, field, exact) in &fields {
            let measured = measured_order(method, *field, exact, steps);
            assert!((measured - order).abs() < 0.15, "{method} on a {name} field: order {measured:.3}, not {order}");
        }
    }
}

#[test]
fn evaluations_are_counted_exactly() {
    for (method, _, per_step) in METHODS {
        for steps in [1, 2, 7] {
            let field = Counting::new(Linear);
            let grid = TimeGrid::cosine(steps).unwrap();
            let options = Options { chunk: Some(2), ..Options::default() };
            let solution = method.solve(&field, &points(5), &grid, options).unwrap();
            let expected = steps * per_step;
            assert_eq!(solution.nfe, expected, "{method}");
            assert_eq!(field.calls.get(), 3 * expected, "{method}: three parts");
            assert_eq!(method.stepper().unwrap().evaluations(steps), expected, "{method}");
            assert_eq!(method.steps(expected).unwrap(), steps, "{method}");
        }
        assert!(matches!(method.steps(0), Err(OdeError::NotAMultiple { nfe: 0, .. })));
        assert_eq!(method.name().parse::<Method>().unwrap(), method);
    }
    assert!(matches!(Method::Rk4.steps(6), Err(OdeError::NotAMultiple { method: "rk4", per_step: 4, nfe: 6 })));
    let unknown = "eulr".parse::<Method>().unwrap_err().to_string();
    assert!(unknown.contains("`eulr`") && unknown.contains("midpoint"), "{unknown}");
}

#[test]
fn reverse_after_forward_returns() {
    let x = points(16);
    for (method, order, _) in METHODS {
        for field in [&Linear as &dyn VelocityField, &Sine, &Driven] {
            let gap = |n: usize| {
                let grid = TimeGrid::uniform(n).unwrap();
                let there = method.solve(field, &x, &grid, Options::default()).unwrap().x;
                distance(&method.solve(field, &there, &grid.reversed(), Options::default()).unwrap().x, &x)
            };
            let (coarse, fine) = (gap(32), gap(64));
            assert!(fine < 0.15 && fine < coarse * 0.5f64.powf(order - 0.2), "{method}: {coarse:.2e}, {fine:.2e}");
        }
    }
}

#[test]
fn the_trajectory_holds_the_state_at_every_time() {
    let x = points(7);
    let grid = TimeGrid::custom(vec![0.1, 0.15, 0.4, 0.9]).unwrap();
    let options = Options { trajectory: true, chunk: Some(3), ..Options::default() };
    let solution = Method::Rk4.solve(&Linear, &x, &grid, options).unwrap();
    let trajectory = solution.trajectory.unwrap();
    assert_eq!(trajectory.size(), [4, 7, 2]);
    assert_eq!(trajectory.select(0, 0), x);
    assert_eq!(trajectory.select(0, 3), solution.x);
    assert!(distance(&trajectory.select(0, 2), &Linear::flow(&x, 0.3)) < 1e-3);
    assert!(Method::Rk4.solve(&Linear, &x, &grid, Options::default()).unwrap().trajectory.is_none());
}

#[test]
fn parts_and_whole_agree_bit_for_bit_and_the_input_is_left_alone() {
    let (x, before) = (points(11), points(11));
    let grid = TimeGrid::uniform(5).unwrap();
    for (method, ..) in METHODS {
        let whole = method.solve(&Driven, &x, &grid, Options::default()).unwrap().x;
        for chunk in [1, 4, 11, 100] {
            let options = Options { chunk: Some(chunk), ..Options::default() };
            assert_eq!(method.solve(&Driven, &x, &grid, options).unwrap().x, whole, "{method}, parts of {chunk}");
        }
    }
    assert_eq!(x, before);
}

/// Euler's rule, written without care for where the state lies; it may also cut it to the first rows.
struct Rebinding(Option<i64>);

impl Stepper for Rebinding {
    fn order(&self) -> u32 {
        1
    }

    fn evaluations(&self, steps: usize) -> usize {
        steps
    }

    fn start(&mut self) {}

    fn step(&mut self, field: &dyn VelocityField, x: &mut Tensor, from: f64, to: f64) -> Result<(), Error> {
        let t = Tensor::full([x.size()[0]], from, (x.kind(), x.device()));
        *x = &*x + field.velocity(x, &t)? * (to - from);
        if let Some(rows) = self.0 {
            *x = x.narrow(0, 0, rows);
        }
        Ok(())
    }
}

#[test]
fn a_stepper_may_put_a_tensor_of_its_own_in_the_place_of_the_state() {
    let (x, before) = (points(7), points(7));
    let grid = TimeGrid::uniform(5).unwrap();
    let expected = Method::Euler.solve(&Driven, &x, &grid, Options::default()).unwrap().x;
    for chunk in [None, Some(3)] {
        let options = Options { chunk, trajectory: true, ..Options::default() };
        let found = solve(&Driven, &x, &grid, &mut Rebinding(None), options).unwrap();
        assert!(distance(&found.x, &expected) < 1e-12);
        assert_eq!(found.trajectory.unwrap().select(0, 5), found.x);
    }
    assert_eq!(x, before);
    // A row would spread over the batch.
    match solve(&Driven, &x, &grid, &mut Rebinding(Some(1)), Options::default()) {
        Err(OdeError::Core(Error::Shape { what: "the state", expected, found })) => {
            assert_eq!((expected.as_str(), found), ("[7, 2]", vec![1, 2]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_field_may_hand_back_its_inputs_or_views_of_them() {
    struct Growth;
    impl VelocityField for Growth {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(x.shallow_clone())
        }
    }
    struct Swap; // (a, b) -> (b, b), a view that does not begin where x begins
    impl VelocityField for Swap {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(x.narrow(1, 1, 1).expand_as(x))
        }
    }
    struct Clock;
    impl VelocityField for Clock {
        fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
            Ok(t.unsqueeze(1).expand_as(x))
        }
    }
    let x = points(3);
    let grid = TimeGrid::uniform(64).unwrap();
    let e = std::f64::consts::E;
    let swapped = &x + x.narrow(1, 1, 1) * (e - 1.0);
    for (method, order, _) in METHODS {
        let tolerance = if order == 1.0 { 0.1 } else { 1e-3 };
        let grown = method.solve(&Growth, &x, &grid, Options::default()).unwrap().x;
        assert!(distance(&grown, &(&x * e)) < tolerance, "{method}");
        assert!(distance(&method.solve(&Swap, &x, &grid, Options::default()).unwrap().x, &swapped) < tolerance);
        let later = method.solve(&Clock, &x, &grid, Options::default()).unwrap().x;
        assert!(distance(&later, &(&x + 0.5)) < tolerance, "{method}");
    }
}

#[test]
fn no_graph_is_recorded_and_gradients_come_back_on() {
    struct Trainable(Tensor);
    impl VelocityField for Trainable {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            let v = x * &self.0;
            assert!(!v.requires_grad());
            Ok(v)
        }
    }
    let w = Tensor::from(2.0f64).set_requires_grad(true);
    let x = points(3).set_requires_grad(true);
    let field = Trainable(w.shallow_clone());
    let solution = Method::Heun.solve(&field, &x, &TimeGrid::uniform(3).unwrap(), Options::default()).unwrap();
    assert!(!solution.x.requires_grad());
    assert!((&w * 2.0).requires_grad());
}

/// A field that turns non-finite for one sample from some time on.
struct Breaks {
    sample: f64,
    from: f64,
    value: f64,
}

impl VelocityField for Breaks {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let bad = x.select(1, 0).round().eq(self.sample).logical_and(&t.ge(self.from)).unsqueeze(1);
        Ok((x * 0.0 + 1e-3).masked_fill(&bad, self.value))
    }
}

#[test]
fn a_velocity_that_is_not_finite_is_located() {
    let x = Tensor::arange(20, (Kind::Double, Device::Cpu)).view([20, 1]);
    let grid = TimeGrid::uniform(10).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let field = Breaks { sample: 13.0, from: 0.55, value };
        let options = Options { chunk: Some(8), ..Options::default() };
        let error = Method::Euler.solve(&field, &x, &grid, options).unwrap_err();
        // A time has as many digits as say something, and what may help is named.
        let said = "velocity of sample 13 is not finite at t = 0.6, step 6 (1 of 8 samples): take more evaluations";
        assert!(error.to_string().starts_with(said), "{error}");
        match error {
            OdeError::NonFinite { what: "velocity", step: 6, t, sample: 13, count: 1, of: 8 } => {
                assert!((t - 0.6).abs() < 1e-12);
            }
            other => panic!("{other}"),
        }
        assert_eq!(x, Tensor::arange(20, (Kind::Double, Device::Cpu)).view([20, 1]), "the input is left alone");
        let sevenths = TimeGrid::uniform(7).unwrap();
        let said = Method::Euler.solve(&field, &x, &sevenths, options).unwrap_err().to_string();
        assert!(said.contains("t = 0.571429, step 4 "), "{said}");
        // Heun sees it half a step earlier: its second stage stands at the end of step 5.
        match Method::Heun.solve(&field, &x, &grid, options).unwrap_err() {
            OdeError::NonFinite { step: 5, sample: 13, .. } => {}
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_failure_that_does_not_come_back_is_still_named() {
    struct Once(Cell<usize>);
    impl VelocityField for Once {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            self.0.set(self.0.get() + 1);
            let bad = x.round().eq(5.0);
            Ok(if self.0.get() == 6 { (x * 0.0).masked_fill(&bad, f64::NAN) } else { x * 0.0 })
        }
    }
    let x = Tensor::arange(8, (Kind::Double, Device::Cpu)).view([8, 1]);
    let options = Options { chunk: Some(4), ..Options::default() };
    let grid = TimeGrid::uniform(4).unwrap();
    let error = Method::Euler.solve(&Once(Cell::new(0)), &x, &grid, options).unwrap_err();
    assert!(matches!(error, OdeError::NonFinite { what: "state", step: 3, sample: 5, count: 1, of: 4, .. }), "{error}");
}

#[test]
fn a_state_that_overflows_is_located() {
    struct Jump;
    impl VelocityField for Jump {
        fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
            Ok(x.full_like(1.5e308) * t.ge(0.5).to_kind(Kind::Double).unsqueeze(1))
        }
    }
    let x = Tensor::from_slice(&[1.7e308f64, 0.0]).view([2, 1]);
    let error = Method::Euler.solve(&Jump, &x, &TimeGrid::uniform(10).unwrap(), Options::default()).unwrap_err();
    assert!(matches!(error, OdeError::NonFinite { what: "state", step: 5, sample: 0, count: 1, of: 2, .. }), "{error}");
    // A batch whose sum overflows is finite all the same.
    let x = Tensor::from_slice(&[1.7e308f64, 1.7e308]).view([2, 1]);
    let calm = Breaks { sample: -1.0, from: 2.0, value: 0.0 };
    let moved = Method::Euler.solve(&calm, &x, &TimeGrid::uniform(1).unwrap(), Options::default()).unwrap();
    assert_eq!(moved.x, x);
}

#[test]
fn bad_input_is_a_typed_error() {
    let grid = TimeGrid::uniform(4).unwrap();
    let solve = |field: &dyn VelocityField, x: &Tensor, options: Options<'_>| {
        Method::Heun.solve(field, x, &grid, options).unwrap_err()
    };
    let nan = points(2) / 0.0 * 0.0;
    let error = solve(&Linear, &nan, Options::default());
    assert!(matches!(error, OdeError::Core(Error::NonFinite { what: "x", .. })), "{error}");
    let error = solve(&Linear, &points(2), Options { chunk: Some(0), ..Options::default() });
    assert!(matches!(error, OdeError::Option { option: "chunk", .. }), "{error}");

    struct Wrong;
    impl VelocityField for Wrong {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(x.narrow(1, 0, 1))
        }
    }
    let error = solve(&Wrong, &points(2), Options::default());
    let inner = matches!(&error, OdeError::Field { step: 0, source: Error::Shape { what: "velocity", .. }, .. });
    assert!(inner, "{error}");

    struct Late;
    impl VelocityField for Late {
        fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
            let t = t.double_value(&[0]);
            if t > 0.6 {
                return Err(Error::Time { what: "the field", t, domain: "t <= 0.6" });
            }
            Ok(x.zeros_like())
        }
    }
    let error = solve(&Late, &points(2), Options::default());
    assert!(matches!(error, OdeError::Field { step: 2, from: 0.5, to: 0.75, .. }), "{error}");

    let flat = Tensor::from_slice(&[1.0f64, 2.0]);
    assert!(matches!(solve(&Sine, &flat, Options::default()), OdeError::Field { .. }));
    let integers = Tensor::from_slice(&[1i64, 2]).view([2, 1]);
    assert!(matches!(solve(&Sine, &integers, Options::default()), OdeError::Kind { kind: Kind::Int64 }));
}

#[test]
fn an_empty_batch_comes_back_empty() {
    let x = Tensor::zeros([0, 2], (Kind::Double, Device::Cpu));
    let solution = Method::Rk4.solve(&Linear, &x, &TimeGrid::uniform(3).unwrap(), Options::default()).unwrap();
    assert_eq!(solution.x.size(), [0, 2]);
}

#[test]
fn progress_rises_to_one() {
    let seen = RefCell::new(vec![]);
    let note = |fraction| seen.borrow_mut().push(fraction);
    let options = Options { progress: Some(&note), chunk: Some(4), trajectory: false };
    Method::Heun.solve(&Linear, &points(6), &TimeGrid::uniform(3).unwrap(), options).unwrap();
    let seen = seen.into_inner();
    assert_eq!(seen.len(), 6);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
    assert!((seen[5] - 1.0).abs() < 1e-15);
}
