//! Conditions stay with their samples through every solver, split batch, map and likelihood; guidance and its count of
//! evaluations.

use crate::common::{distance, points};
use strait_core::{Bound, Conditional, Conditions, Error, FlowMap, StandardNormal, VelocityField};
use strait_ode::{
    AutodiffMode, Control, Divergence, DormandPrince, FlowDensity, Guided, Method, OdeError, Options, TimeGrid,
};
use tch::{Kind, Tensor};

/// Each sample grows at the rate of its label; without one it stays. As a map, exactly.
struct Growth;

const RATES: [f64; 3] = [0.5, -1.0, 2.0];

fn rate(conditions: &Conditions, x: &Tensor) -> Result<Tensor, Error> {
    match conditions.only()? {
        Some(labels) => Ok(Tensor::from_slice(&RATES).index_select(0, labels).unsqueeze(1).expand_as(x)),
        None => Ok(x.zeros_like()),
    }
}

impl Conditional for Growth {
    fn velocity_given(&self, x: &Tensor, _t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
        Ok(x * rate(conditions, x)?)
    }

    fn is_flow_map(&self) -> bool {
        true
    }

    fn average_velocity_given(&self, x: &Tensor, s: &Tensor, t: &Tensor, c: &Conditions) -> Result<Tensor, Error> {
        let h = (t - s).unsqueeze(1);
        Ok(x * ((rate(c, x)? * &h).expm1() / h))
    }
}

impl VelocityField for Growth {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.velocity_given(x, t, &Conditions::default())
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }

    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Bound::boxed(self, conditions))
    }
}

impl FlowMap for Growth {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.average_velocity_given(x, s, t, &Conditions::default())
    }
}

fn labels() -> Tensor {
    Tensor::from_slice(&[0i64, 2, 1, 1, 2, 0, 0])
}

fn conditions() -> Conditions {
    Conditions::of("labels", labels()).unwrap()
}

fn exact(weight: f64) -> Tensor {
    let rates = Tensor::from_slice(&RATES).index_select(0, &labels());
    points(7) * (rates * weight).exp().unsqueeze(1)
}

fn methods() -> Vec<(Method, usize)> {
    let fixed = ["euler", "midpoint", "heun", "ralston", "rk4", "ab2", "map"];
    let fixed = fixed.map(|name| (name.parse().unwrap(), 400));
    let adaptive = [Control::Batch, Control::Sample].map(|control| {
        (Method::Dopri5(DormandPrince { rtol: 1e-8, atol: 1e-8, control, ..DormandPrince::default() }), 4)
    });
    fixed.into_iter().chain(adaptive).collect()
}

#[test]
fn a_sample_goes_under_its_own_condition_by_every_solver_in_parts_and_in_any_order() {
    for (method, steps) in methods() {
        let grid = TimeGrid::uniform(steps).unwrap();
        let whole = method.solve_given(&Growth, &conditions(), &points(7), &grid, Options::default()).unwrap();
        let tolerance = if method == Method::Euler { 0.1 } else { 1e-3 };
        assert!(distance(&whole.x, &exact(1.0)) < tolerance, "{method}");
        for chunk in [1, 2, 3, 7, 100] {
            let options = Options { chunk: Some(chunk), ..Options::default() };
            let parts = method.solve_given(&Growth, &conditions(), &points(7), &grid, options).unwrap();
            assert!(distance(&parts.x, &whole.x) < 1e-6, "{method}, parts of {chunk}");
        }
        let order = Tensor::from_slice(&[3i64, 6, 0, 5, 1, 2, 4]);
        let (x, mixed) = (points(7).index_select(0, &order), conditions().gather(&order).unwrap());
        let found = method.solve_given(&Growth, &mixed, &x, &grid, Options::default()).unwrap().x;
        assert!(distance(&found, &whole.x.index_select(0, &order)) < 1e-9, "{method}");
    }
}

#[test]
fn without_conditions_a_field_is_solved_as_before() {
    for (method, steps) in methods() {
        let grid = TimeGrid::uniform(steps).unwrap();
        let none = method.solve_given(&Growth, &Conditions::default(), &points(7), &grid, Options::default()).unwrap();
        let plain = method.solve(&Growth, &points(7), &grid, Options::default()).unwrap();
        assert!(none.x == plain.x && plain.x == points(7) && none.nfe == plain.nfe, "{method}");
    }
}

#[test]
fn a_likelihood_is_that_under_each_samples_condition() {
    let source = StandardNormal::new(&[2]);
    let flow = |divergence| FlowDensity {
        field: &Growth,
        source: &source,
        method: Method::Rk4,
        grid: TimeGrid::uniform(20).unwrap(),
        divergence,
    };
    let rates = Tensor::from_slice(&RATES).index_select(0, &labels());
    let x0 = points(7) / rates.exp().unsqueeze(1);
    let wanted = strait_core::Source::log_density(&source, &x0).unwrap() - rates * 2.0;
    let draws = strait_core::Seed(0).stream("probes").at(0);
    for divergence in [
        Divergence::Exact(AutodiffMode::Forward { at_once: 1 }),
        Divergence::Exact(AutodiffMode::Forward { at_once: 2 }),
        Divergence::Exact(AutodiffMode::Reverse),
        Divergence::Hutchinson { mode: AutodiffMode::Forward { at_once: 4 }, pairs: 2, draws },
    ] {
        let flow = flow(divergence);
        for chunk in [None, Some(1), Some(3)] {
            let options = Options { chunk, ..Options::default() };
            let found = flow.at_data_given(&points(7), &conditions(), options).unwrap().log_density;
            assert!(distance(&found, &wanted) < 1e-5, "{:?} {chunk:?}", flow.divergence);
        }
    }
}

#[test]
fn guidance_mixes_both_sides_and_counts_both() {
    let grid = TimeGrid::uniform(50).unwrap();
    for (weight, evaluations) in [(0.0, 1), (1.0, 1), (2.0, 2), (0.5, 2)] {
        let guided = Guided { field: &Growth, weight };
        let options = Options { chunk: Some(2), ..Options::default() };
        let found = Method::Rk4.solve_given(&guided, &conditions(), &points(7), &grid, options).unwrap();
        assert!(distance(&found.x, &exact(weight)) < 1e-3, "{weight}");
        assert_eq!(found.nfe, 200 * evaluations, "{weight}");
        // A guided average velocity is no flow map.
        let error = Method::Map.solve_given(&guided, &conditions(), &points(7), &grid, options).unwrap_err();
        assert!(error.to_string().contains("flow map"), "{error}");
    }
}

#[test]
fn conditions_that_do_not_fit_are_refused() {
    struct Still;
    impl VelocityField for Still {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(x.zeros_like())
        }
    }
    let grid = TimeGrid::uniform(2).unwrap();
    let solve = |field: &dyn VelocityField, rows: i64| {
        let conditions = Conditions::of("labels", Tensor::zeros([rows], (Kind::Int64, tch::Device::Cpu))).unwrap();
        Method::Euler.solve_given(field, &conditions, &points(7), &grid, Options::default()).unwrap_err()
    };
    let line = solve(&Growth, 6).to_string();
    assert!(line.ends_with("rows of a condition: shape [6], expected (7, ...), one row a sample"), "{line}");
    let error = solve(&Still, 7);
    assert!(matches!(&error, OdeError::Field { source: Error::Unconditional, .. }), "{error}");
}
