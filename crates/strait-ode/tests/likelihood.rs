//! Log-densities along a flow against closed forms.

use crate::common::{distance, points};
use strait_autodiff::AutodiffError;
use strait_core::{Error, Seed, Source, StandardNormal, VelocityField, per_sample, sum_per_sample};
use strait_ode::{AutodiffMode, Control, Divergence, DormandPrince, FlowDensity, Method, OdeError, Options, TimeGrid};
use tch::{Device, Kind, Tensor};

const MODES: [AutodiffMode; 4] = [
    AutodiffMode::Forward { at_once: 1 },
    AutodiffMode::Forward { at_once: 2 },
    AutodiffMode::Forward { at_once: 100 },
    AutodiffMode::Reverse,
];

fn doubles(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

fn precise(control: Control) -> Method {
    Method::Dopri5(DormandPrince { rtol: 1e-8, atol: 1e-8, control, ..DormandPrince::default() })
}

/// The field of the linear path from N(0, I) to N(m, S), S = Q diag(s) Q^T in three dimensions:
/// $v = m + (t S - (1-t) I) C_t^{-1} (x - t m)$, $C_t = (1-t)^2 I + t^2 S$.
struct Gaussian {
    mean: Tensor,
    axes: Tensor,
    variances: Tensor,
}

impl Gaussian {
    fn new() -> Self {
        let u = doubles(&[1.0, 2.0, -2.0]) / 3.0;
        let axes = Tensor::eye(3, (Kind::Double, Device::Cpu)) - u.outer(&u) * 2.0; // a reflection
        Self { mean: doubles(&[0.7, -1.0, 0.3]), axes, variances: doubles(&[0.3, 1.0, 2.5]) }
    }

    fn log_density(&self, x: &Tensor) -> Tensor {
        let y = (x - &self.mean).matmul(&self.axes);
        let logs = (&self.variances * 2.0 * std::f64::consts::PI).log().sum(Kind::Double);
        (sum_per_sample(&(y.square() / &self.variances)) + logs) * -0.5
    }
}

impl VelocityField for Gaussian {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let t = per_sample(t, x);
        let s: Tensor = 1.0 - &t;
        let slope = (&t * &self.variances - &s) / (s.square() + t.square() * &self.variances);
        let y = (x - &t * &self.mean).matmul(&self.axes);
        Ok(&self.mean + (y * slope).matmul(&self.axes.tr()))
    }
}

/// The field of the linear path from N(0, I) to an even mixture of N(m_k, v I) in the plane.
struct Mixture {
    means: Tensor,
    variance: f64,
}

impl Mixture {
    fn new() -> Self {
        Self { means: doubles(&[1.5, 0.0, -1.0, 1.0, 0.0, -2.0]).view([3, 2]), variance: 0.4 }
    }

    /// The squared distances of x (B, 2) from the means times t, (B, 3).
    fn squares(&self, x: &Tensor, t: &Tensor) -> Tensor {
        let gap = x.unsqueeze(1) - t.unsqueeze(-1) * &self.means;
        (&gap * &gap).sum_dim_intlist([2i64].as_slice(), false, Kind::Double)
    }

    fn log_density(&self, x: &Tensor) -> Tensor {
        let squares = self.squares(x, &doubles(&[1.0]).view([1, 1]));
        let logs = squares / (-2.0 * self.variance) - (2.0 * std::f64::consts::PI * self.variance).ln() - 3f64.ln();
        logs.logsumexp([1i64].as_slice(), false)
    }
}

impl VelocityField for Mixture {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let t = per_sample(t, x);
        let s: Tensor = 1.0 - &t;
        let spread = s.square() + t.square() * self.variance;
        let logs = self.squares(x, &t) / (&spread * -2.0);
        let weights = (&logs - logs.amax(1, true)).exp();
        let weights = &weights / weights.sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
        let mean = weights.matmul(&self.means);
        let slope = (&t * self.variance - &s) / spread;
        Ok(&mean + slope * (x - &t * &mean))
    }
}

#[test]
fn the_density_of_a_gaussian_is_exact() {
    let field = Gaussian::new();
    let source = StandardNormal::new(&[3]);
    let x1 = points(12).view([8, 3]);
    let adaptive =
        [Control::Batch, Control::Sample].map(|control| (AutodiffMode::Forward { at_once: 2 }, precise(control)));
    for (mode, method) in MODES.into_iter().map(|mode| (mode, Method::Rk4)).chain(adaptive) {
        let grid = TimeGrid::uniform(60).unwrap();
        let flow = FlowDensity { field: &field, source: &source, method, grid, divergence: Divergence::Exact(mode) };
        let options = Options { chunk: Some(6), ..Options::default() };
        let data = flow.at_data(&x1, options).unwrap();
        let exact = field.log_density(&x1);
        let worst = (&data.log_density - &exact).abs().max().double_value(&[]);
        assert_eq!(data.log_density.size(), [8]);
        assert!(worst < 1e-5, "{mode:?} {method}: {worst:.1e}");
        assert!(data.standard_error.is_none());
        let back = flow.at_samples(&data.solution.x, options).unwrap();
        assert!(distance(&back.solution.x, &x1) < 1e-6);
        assert!((back.log_density - &exact).abs().max().double_value(&[]) < 1e-5);
    }
}

#[test]
fn the_density_of_a_mixture_is_exact() {
    let field = Mixture::new();
    let source = StandardNormal::new(&[2]);
    let x0 = points(20);
    for mode in [AutodiffMode::Forward { at_once: 2 }, AutodiffMode::Reverse] {
        let flow = FlowDensity {
            field: &field,
            source: &source,
            method: precise(Control::Sample),
            grid: TimeGrid::uniform(1).unwrap(),
            divergence: Divergence::Exact(mode),
        };
        let samples = flow.at_samples(&x0, Options::default()).unwrap();
        let exact = field.log_density(&samples.solution.x);
        let worst = (&samples.log_density - exact).abs().max().double_value(&[]);
        assert!(worst < 1e-5, "{worst:.1e}");
        let plain = flow.method.solve(&field, &x0, &flow.grid, Options::default()).unwrap();
        assert!(distance(&plain.x, &samples.solution.x) < 1e-6);
    }
}

/// x' = A x, images of d entries.
struct Matrix(Tensor);

impl VelocityField for Matrix {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(x.flatten(1, -1).matmul(&self.0.tr()).view_as(x))
    }
}

fn matrix(d: i64) -> Matrix {
    Matrix((Tensor::arange(d * d, (Kind::Double, Device::Cpu)) * 2.3 + 1.0).sin().view([d, d]) * 0.4)
}

#[test]
fn hutchinson_is_unbiased_within_its_standard_error() {
    let (n, d) = (400, 6);
    let field = matrix(d);
    let source = StandardNormal::new(&[1, 2, 3]);
    let x = points(3).view([1, 1, 2, 3]).repeat([n, 1, 1, 1]); // one sample many times, each with probes of its own
    // The divergence is constant, so that two steps integrate it exactly.
    for mode in [AutodiffMode::Forward { at_once: 4 }, AutodiffMode::Reverse] {
        let flow = |divergence| FlowDensity {
            field: &field,
            source: &source,
            method: Method::Heun,
            grid: TimeGrid::uniform(2).unwrap(),
            divergence,
        };
        let exact = source.log_density(&x).unwrap().double_value(&[0]) - field.0.trace().double_value(&[]);
        let options = Options { chunk: Some(150), ..Options::default() };
        let (mut errors, mut reported) = (vec![], vec![]);
        for step in 0..4 {
            let draws = Seed(5).stream("probes").at(step);
            let found = flow(Divergence::Hutchinson { mode, pairs: 3, draws }).at_samples(&x, options).unwrap();
            assert_eq!(found.solution.x.size(), [n, 1, 2, 3]);
            errors.push(&found.log_density - exact);
            reported.push(found.standard_error.unwrap().square());
        }
        let error = Tensor::cat(&errors, 0);
        let spread = error.std(true).double_value(&[]);
        let bias = error.mean(Kind::Double).double_value(&[]);
        assert!(spread > 0.1, "probes that do not vary show nothing");
        assert!(bias.abs() < 3.0 * spread / (error.size()[0] as f64).sqrt(), "bias {bias:.1e}, spread {spread:.1e}");
        // The reported standard error is that spread, in the mean square.
        let reported = Tensor::cat(&reported, 0).mean(Kind::Double).sqrt().double_value(&[]);
        assert!((reported / spread - 1.0).abs() < 0.1, "reported {reported}, spread {spread}");
    }
}

#[test]
fn parts_share_no_probes_and_change_nothing() {
    let field = matrix(4);
    let source = StandardNormal::new(&[4]);
    let x = points(20).view([10, 4]);
    for method in [Method::Heun, precise(Control::Sample)] {
        let draws = Seed(1).stream("probes").at(0);
        let divergence = Divergence::Hutchinson { mode: AutodiffMode::Reverse, pairs: 1, draws };
        let grid = TimeGrid::uniform(4).unwrap();
        let flow = FlowDensity { field: &field, source: &source, method, grid, divergence };
        let whole = flow.at_data(&x, Options::default()).unwrap().log_density;
        assert_eq!(flow.at_data(&x, Options::default()).unwrap().log_density, whole, "the same draws, the same probes");
        let parts = flow.at_data(&x, Options { chunk: Some(3), ..Options::default() }).unwrap().log_density;
        assert!(distance(&whole, &parts) < 1e-9);
    }
}

/// A sample's probes are its own, however many others there are.
#[test]
fn a_likelihood_is_the_same_among_more_samples() {
    let field = matrix(4);
    let source = StandardNormal::new(&[4]);
    let x = Seed(3).stream("x").at(0).normal(&[40, 4], Kind::Double, Device::Cpu).unwrap();
    for pairs in [1, 3] {
        let density = |n: i64| {
            let (grid, mode) = (TimeGrid::uniform(2).unwrap(), AutodiffMode::Reverse);
            let divergence = Divergence::Hutchinson { mode, pairs, draws: Seed(2).stream("probes").at(0) };
            let flow = FlowDensity { field: &field, source: &source, method: Method::Heun, grid, divergence };
            flow.at_samples(&x.narrow(0, 0, n), Options::default()).unwrap().log_density
        };
        let all = density(40);
        for n in [1, 7, 39] {
            assert!(distance(&density(n), &all.narrow(0, 0, n)) < 1e-12, "{pairs} pairs, {n} samples");
        }
    }
}

#[test]
fn an_antithetic_pair_is_exact_in_the_plane() {
    let field = Mixture::new();
    let source = StandardNormal::new(&[2]);
    let density = |divergence| {
        let grid = TimeGrid::uniform(20).unwrap();
        let flow = FlowDensity { field: &field, source: &source, method: Method::Rk4, grid, divergence };
        flow.at_data(&points(9), Options { trajectory: true, ..Options::default() }).unwrap()
    };
    let mode = AutodiffMode::Forward { at_once: 2 };
    let exact = density(Divergence::Exact(mode));
    let draws = Seed(2).stream("probes").at(0);
    let pair = density(Divergence::Hutchinson { mode, pairs: 1, draws });
    assert!(distance(&exact.log_density, &pair.log_density) < 1e-12);
    assert!(pair.standard_error.is_none());
    let trajectory = pair.solution.trajectory.unwrap();
    assert_eq!(trajectory.size(), [21, 9, 2]);
    assert_eq!(trajectory.get(20), pair.solution.x);
}

#[test]
fn a_field_that_does_not_look_at_x_has_no_divergence() {
    struct Shift;
    impl VelocityField for Shift {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(Tensor::full(x.size(), 2.0, (x.kind(), x.device())))
        }
    }
    let source = StandardNormal::new(&[2]);
    let x = points(5);
    for mode in MODES {
        let grid = TimeGrid::uniform(2).unwrap();
        let divergence = Divergence::Exact(mode);
        let flow = FlowDensity { field: &Shift, source: &source, method: Method::Euler, grid, divergence };
        let found = flow.at_data(&x, Options::default()).unwrap().log_density;
        assert!(distance(&found, &source.log_density(&(&x - 2.0)).unwrap()) < 1e-12);
    }
}

#[test]
fn what_cannot_be_had_is_a_typed_error() {
    /// Its forward derivative is refused by libtorch.
    struct Refuses;
    impl VelocityField for Refuses {
        fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
            Ok(Tensor::f_fake_quantize_per_tensor_affine(x, 0.1, 0, -128, 127)?)
        }
    }
    let source = StandardNormal::new(&[2]);
    let grid = TimeGrid::uniform(2).unwrap();
    let flow = |field, divergence, grid: &TimeGrid| {
        let flow = FlowDensity { field, source: &source, method: Method::Euler, grid: grid.clone(), divergence };
        flow.at_data(&points(3), Options::default())
    };
    let forward = Divergence::Exact(AutodiffMode::Forward { at_once: 2 });
    let refused = flow(&Refuses, forward.clone(), &grid).unwrap_err();
    let named = matches!(
        &refused,
        OdeError::Field { source: Error::Autodiff(AutodiffError::NoForwardDerivative { operation }), .. }
            if operation.contains("fake_quantize")
    );
    assert!(named, "{refused}");
    // Backward it is the identity: x grows by a half twice, and the divergence is 2.
    let found = flow(&Refuses, Divergence::Exact(AutodiffMode::Reverse), &grid).unwrap();
    let exact = source.log_density(&found.solution.x).unwrap() - 2.0;
    assert!(distance(&found.log_density, &exact) < 1e-12);

    let field = matrix(2);
    let error = flow(&field, Divergence::Exact(AutodiffMode::Forward { at_once: 0 }), &grid).unwrap_err();
    assert!(matches!(error, OdeError::Option { option: "at_once", .. }));
    let draws = Seed(0).stream("probes").at(0);
    let none = Divergence::Hutchinson { mode: AutodiffMode::Reverse, pairs: 0, draws };
    assert!(matches!(flow(&field, none, &grid).unwrap_err(), OdeError::Option { option: "pairs", .. }));
    assert!(matches!(flow(&field, forward, &grid.reversed()).unwrap_err(), OdeError::GridOrder { .. }));
}
