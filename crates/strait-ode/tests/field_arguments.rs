//! The arguments of a sample stay with it when a batch is split, and when samples that are done are dropped.

use crate::common::{distance, points};
use std::cell::RefCell;
use strait_core::{Error, VelocityField, per_sample};
use strait_ode::{
    Arguments, Control, DormandPrince, FieldWithArguments, Method, OdeError, Options, RungeKutta, TimeGrid, solve_with,
};
use tch::{Device, Kind, Tensor};

/// Each sample turns at a rate of its own about a centre of its own.
struct Turn;

impl FieldWithArguments for Turn {
    fn velocity_with(&self, x: &Tensor, t: &Tensor, arguments: &Arguments) -> Result<Tensor, Error> {
        let [rate, centre] = arguments.tensors() else { return Err(Error::other(std::fmt::Error)) };
        assert_eq!((rate.size()[0], centre.size()[0]), (x.size()[0], t.size()[0]));
        let y = x - centre;
        Ok(Tensor::stack(&[-y.select(1, 1), y.select(1, 0)], 1) * per_sample(rate, x))
    }
}

fn rates() -> Tensor {
    Tensor::from_slice(&[0.0f64, 10.0, 0.5, 1.0, 8.0, 0.1, 3.0])
}

fn arguments() -> Arguments {
    Arguments::new(vec![rates(), points(7) * 0.3]).unwrap()
}

/// In closed form, at time 1.
fn exact() -> Tensor {
    let (y, rate) = (points(7) * 0.7, rates());
    let (a, b, cos, sin) = (y.select(1, 0), y.select(1, 1), rate.cos(), rate.sin());
    Tensor::stack(&[&a * &cos - &b * &sin, &a * &sin + &b * &cos], 1) + points(7) * 0.3
}

fn precise(control: Control) -> Method {
    Method::Dopri5(DormandPrince { rtol: 1e-8, atol: 1e-8, control, ..DormandPrince::default() })
}

#[test]
fn each_sample_keeps_its_arguments_in_parts_and_under_every_control() {
    let grid = TimeGrid::uniform(300).unwrap();
    for method in [Method::Rk4, precise(Control::Batch), precise(Control::Sample)] {
        let whole = method.solve_with(&Turn, &arguments(), &points(7), &grid, Options::default()).unwrap();
        assert!(distance(&whole.x, &exact()) < 1e-6, "{method}");
        for chunk in [1, 2, 3, 7, 100] {
            let options = Options { chunk: Some(chunk), ..Options::default() };
            let parts = method.solve_with(&Turn, &arguments(), &points(7), &grid, options).unwrap();
            assert!(distance(&parts.x, &exact()) < 1e-6, "{method}, parts of {chunk}");
            if method == Method::Rk4 {
                assert_eq!(parts.x, whole.x);
            }
        }
        let order = Tensor::from_slice(&[3i64, 6, 0, 5, 1, 2, 4]);
        let mixed =
            Arguments::new(arguments().tensors().iter().map(|row| row.index_select(0, &order)).collect()).unwrap();
        let x = points(7).index_select(0, &order);
        let found = method.solve_with(&Turn, &mixed, &x, &grid, Options::default()).unwrap().x;
        assert!(distance(&found, &whole.x.index_select(0, &order)) < 1e-9, "{method}");
    }
}

/// A solver that fails to drop arguments with their samples gives them to others; one that never drops any shows nothing.
#[test]
fn samples_that_have_arrived_take_their_arguments_out() {
    struct Sizes(RefCell<Vec<i64>>);
    impl FieldWithArguments for Sizes {
        fn velocity_with(&self, x: &Tensor, t: &Tensor, arguments: &Arguments) -> Result<Tensor, Error> {
            self.0.borrow_mut().push(x.size()[0]);
            Turn.velocity_with(x, t, arguments)
        }
    }
    let field = Sizes(RefCell::new(vec![]));
    let grid = TimeGrid::uniform(2).unwrap();
    let options = Options { trajectory: true, ..Options::default() };
    let found = precise(Control::Sample).solve_with(&field, &arguments(), &points(7), &grid, options).unwrap();
    assert!(distance(&found.x, &exact()) < 1e-6);
    let sizes = field.0.into_inner();
    assert_eq!(sizes[0], 7);
    assert!(sizes[sizes.len() - 1] == 1 && sizes.windows(2).all(|pair| pair[0] >= pair[1]), "{sizes:?}");
    let each = Vec::<i64>::try_from(found.nfe_of_each.unwrap()).unwrap();
    assert_eq!(each.iter().enumerate().max_by_key(|(_, n)| **n).map(|(i, _)| i), Some(1), "the fastest: {each:?}");
}

#[test]
fn the_second_look_at_a_failure_sees_the_same_arguments() {
    struct Breaks;
    impl FieldWithArguments for Breaks {
        fn velocity_with(&self, x: &Tensor, _t: &Tensor, arguments: &Arguments) -> Result<Tensor, Error> {
            Ok((x * 0.0).masked_fill(&arguments.tensors()[0].gt(9.0).unsqueeze(1), f64::NAN))
        }
    }
    let options = Options { chunk: Some(4), ..Options::default() };
    let grid = TimeGrid::uniform(2).unwrap();
    for method in [Method::Heun, precise(Control::Sample)] {
        let error = method.solve_with(&Breaks, &arguments(), &points(7), &grid, options).unwrap_err();
        let named = matches!(error, OdeError::NonFinite { what: "velocity", sample: 1, count: 1, of: 4, .. });
        assert!(named, "{method}: {error}");
    }
}

#[test]
fn arguments_that_are_not_one_a_sample_are_refused() {
    let wrong = Arguments::new(vec![rates(), points(6)]).unwrap_err().to_string();
    assert_eq!(wrong, "arguments of a field: shape [6, 2], expected (7, ...), as the first has");
    let scalar = Arguments::new(vec![Tensor::from(1.0)]).unwrap_err().to_string();
    assert_eq!(scalar, "arguments of a field: shape [], expected (B, ...)");
    let grid = TimeGrid::uniform(2).unwrap();
    let solved = solve_with(&Turn, &arguments(), &points(6), &grid, &mut RungeKutta::euler(), Options::default());
    assert_eq!(solved.unwrap_err().to_string(), "arguments of a field: shape [7], expected (6, ...), one row a sample");
}

/// A field without arguments is one that looks at none.
#[test]
fn a_plain_field_may_be_given_arguments() {
    struct Decay;
    impl VelocityField for Decay {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(-x)
        }
    }
    let grid = TimeGrid::uniform(2).unwrap();
    let x = Tensor::ones([7, 1], (Kind::Double, Device::Cpu));
    let found = Method::Euler.solve_with(&Decay, &arguments(), &x, &grid, Options::default()).unwrap();
    assert_eq!(found.x, x * 0.25);
}
