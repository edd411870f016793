//! The exact field against the closed forms of Gaussian endpoints, and its refusals.

use crate::common::{Independent, affine, glow_path};
use strait_core::{
    Bijection, Condition, Error, Interpolant, InvertibleInterpolant, Parameters, PathSample, Points, Seed, Source,
    StandardNormal, Transformed, VelocityField, sum_per_sample,
};
use strait_flows::Plan;
use strait_laws::interpolant::Case;
use strait_paths::gaussian::{LinearPathField, StraightField};
use strait_paths::{
    Along, Exact, ExactField, Linear, Mixing, MovingExact, Schedule, Transport, curvature, material_derivative,
};
use tch::{Device, Kind, Tensor};

const DOUBLE: (Kind, Device) = (Kind::Double, Device::Cpu);

/// A Gaussian with a general covariance.
struct Gaussian {
    mean: Tensor,
    root: Tensor,
}

impl Gaussian {
    fn of_dimension(d: i64) -> Self {
        let mut draws = Seed(d as u64).stream("gaussian").at(0);
        let mut normal = |shape: &[i64]| draws.normal(shape, DOUBLE.0, DOUBLE.1).unwrap();
        let mean = normal(&[d]);
        let root = normal(&[d, d]) * (0.6 / (d as f64).sqrt()) + Tensor::eye(d, DOUBLE) * 0.8;
        Self { mean, root }
    }

    fn covariance(&self) -> Tensor {
        self.root.matmul(&self.root.tr())
    }

    /// The transport path of T(z) = m + R z with the symmetric root R of the covariance.
    fn straight_path(&self) -> Transport<Stretch> {
        let (values, vectors) = self.covariance().linalg_eigh("L");
        let root = (&vectors * values.sqrt()).matmul(&vectors.tr());
        Transport::new(Stretch(self.mean.shallow_clone(), root))
    }

    fn sample(&self, n: i64, seed: u64) -> Tensor {
        normal(&[n, self.mean.size()[0]], seed).matmul(&self.root.tr()) + &self.mean
    }
}

fn normal(shape: &[i64], seed: u64) -> Tensor {
    Seed(seed).stream("z").at(0).normal(shape, DOUBLE.0, DOUBLE.1).unwrap()
}

fn target(n: i64, seed: u64) -> Tensor {
    Gaussian::of_dimension(2).sample(n, seed)
}

/// Root mean square error of the exact field with K candidates, over repeated draws of them.
fn error_with(gaussian: &Gaussian, k: i64, latest: f64) -> f64 {
    let d = gaussian.mean.size()[0];
    let truth = LinearPathField::new(&gaussian.mean, &gaussian.covariance()).unwrap();
    // Where the path goes: far from it a handful of candidates would carry all the weight.
    let t = Seed(9).stream("t").at(0).uniform(&[32], DOUBLE.0, DOUBLE.1).unwrap() * latest;
    let x = Linear.at(&normal(&[32, d], 9), &gaussian.sample(32, 7), &t).unwrap().x_t;
    let exact = truth.velocity(&x, &t).unwrap();
    let source = StandardNormal::new(&[d]);
    let total: f64 = (0..10)
        .map(|seed| {
            let candidates = gaussian.sample(k, 100 + seed);
            let field = ExactField::new(&Linear, &source, &Independent(true), candidates, 1 << 16).unwrap();
            (field.velocity(&x, &t).unwrap() - &exact).square().mean(Kind::Double).double_value(&[])
        })
        .sum();
    (total / 10.0).sqrt()
}

/// The error of a self-normalised mean falls as $K^{-1/2}$ once its effective size does not come from a few candidates:
/// in more dimensions that is so at earlier times.
#[test]
fn it_converges_to_the_closed_form_as_candidates_grow() {
    for (d, latest) in [(2, 0.6), (8, 0.25), (32, 0.1)] {
        let gaussian = Gaussian::of_dimension(d);
        let sizes = [256i64, 1024, 4096, 16384];
        let errors: Vec<f64> = sizes.iter().map(|&k| error_with(&gaussian, k, latest)).collect();
        let slope = (errors[3] / errors[0]).ln() / (sizes[3] as f64 / sizes[0] as f64).ln();
        println!("{d} dimensions, t up to {latest}: slope {slope:.3}, errors {errors:.4?}");
        assert!((slope + 0.5).abs() < 0.12, "{d} dimensions: slope {slope}, errors {errors:?}");
        assert!(errors[3] < 0.05, "{d} dimensions: {errors:?}");
    }
}

/// T(z) = m + R z, under which the transport path is the exactly straight pair of Gaussians.
struct Stretch(Tensor, Tensor);

impl Bijection for Stretch {
    fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        let log_det = self.1.slogdet().1.expand([x.size()[0]], false);
        Ok(Transformed { value: x.matmul(&self.1) + &self.0, log_det })
    }
    fn inverse(&self, y: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        let log_det = -self.1.slogdet().1.expand([y.size()[0]], false);
        Ok(Transformed { value: (y - &self.0).matmul(&self.1.inverse()), log_det })
    }
}

#[test]
fn the_straight_pair_is_straight_and_one_step_is_exact() {
    for d in [2, 8, 32] {
        let gaussian = Gaussian::of_dimension(d);
        let covariance = gaussian.covariance();
        let field = StraightField::new(&gaussian.mean, &covariance).unwrap();
        let velocity = |x: &Tensor, t: &Tensor| field.velocity(x, t);
        let n = 20_000;
        let x0 = normal(&[n, d], 3);
        let start = Tensor::zeros([n], DOUBLE);
        let t = Tensor::linspace(0.0, 1.0, n, DOUBLE);
        let x = &x0 + t.unsqueeze(1) * velocity(&x0, &start).unwrap();
        for along in [Along::Forward, Along::Reverse] {
            let bend = material_derivative(&velocity, &x, &t, along).unwrap().derivative;
            let residual = sum_per_sample(&bend.square()).mean(Kind::Double).double_value(&[]);
            assert!(residual < 1e-8, "{d} dimensions, {along:?}: {residual}");
        }
        let end = &x0 + velocity(&x0, &start).unwrap();
        let mean = end.mean_dim(Some([0i64].as_slice()), false, Kind::Double);
        let centred = &end - &mean;
        let found = centred.tr().matmul(&centred) / n as f64;
        // Five standard errors of a mean and of a covariance.
        let spread = covariance.diagonal(0, 0, 1);
        let of_mean = ((mean - &gaussian.mean) / (&spread / n as f64).sqrt()).abs().max().double_value(&[]);
        let error = ((covariance.square() + spread.outer(&spread)) / n as f64).sqrt();
        let of_covariance = ((found - &covariance) / error).abs().max().double_value(&[]);
        assert!(of_mean < 5.0 && of_covariance < 5.0, "{d} dimensions: {of_mean}, {of_covariance}");
    }
}

/// The field over given endpoints: for schedules the exact one, for a transport path with little of the noise, and the less the
/// more endpoints.
#[test]
fn the_marginal_at_pairs_is_the_exact_field_over_the_ends() {
    let (x0, x1, t) = (normal(&[40, 2], 1), target(60, 2), Tensor::linspace(0.0, 0.95, 40, DOUBLE));
    let source = StandardNormal::new(&[2]);
    for path in [&Linear as &dyn InvertibleInterpolant, &Schedule::Resting] {
        let found = path.marginal_at(&source, &x0, &x1, &t).unwrap();
        assert_eq!(found.x_t, path.position(&x0, &x1.narrow(0, 0, 40), &t).unwrap());
        let field = ExactField::new(path, &source, &Independent(true), x1.shallow_clone(), 1 << 16).unwrap();
        let wanted = field.at(&found.x_t, &t).unwrap().velocity;
        assert!(found.velocity.allclose(&wanted, 1e-9, 1e-9, false));
    }
    let gaussian = Gaussian::of_dimension(2);
    let path = gaussian.straight_path();
    let field = StraightField::new(&gaussian.mean, &gaussian.covariance()).unwrap();
    let (x0, x1, more) = (normal(&[500, 2], 3), gaussian.sample(500, 4), gaussian.sample(4000, 5));
    for time in [0.0, 0.3, 0.6] {
        let t = Tensor::full([500], time, DOUBLE);
        let off = |sample: PathSample| {
            let rest = sample.velocity - field.velocity(&sample.x_t, &t).unwrap();
            rest.square().mean(Kind::Double).sqrt().double_value(&[])
        };
        let noisy = off(path.at(&x0, &x1, &t).unwrap());
        let found = off(path.marginal_at(&source, &x0, &x1, &t).unwrap());
        let least = off(path.marginal_at(&source, &x0, &Tensor::cat(&[&x1, &more], 0), &t).unwrap());
        // At t = 0 the latent rests, and there is no noise.
        let most = |share| if time == 0.0 { 1e-9 } else { share * noisy };
        assert!(found <= most(0.5) && least <= most(0.2), "t = {time}: {found} and {least} of {noisy}");
    }
}

/// Between N(0, 1) and N(0, 4) the linear path's field is $g x$, $g = (5t - 1)/((1-t)^2 + 4t^2)$. At three pairs, over
/// their endpoints and two more, the marginal has that mean, by its product with x, and less spread than the pairs' own
/// velocities.
#[test]
fn the_marginal_at_few_pairs_has_no_bias() {
    let (source, time, trials) = (StandardNormal::new(&[1]), 0.7, 20_000);
    let g = (5.0 * time - 1.0) / ((1.0f64 - time).powi(2) + 4.0 * time * time);
    let (x0, x1) = (normal(&[trials, 3, 1], 1), normal(&[trials, 5, 1], 2) * 2.0);
    let t = Tensor::full([3], time, DOUBLE);
    let (mut marginal, mut own) = (Vec::new(), Vec::new());
    for trial in 0..trials {
        let (x0, x1) = (x0.get(trial), x1.get(trial));
        let rest = |PathSample { x_t, velocity }: PathSample| (velocity - &x_t * g) * x_t;
        marginal.push(rest(Linear.marginal_at(&source, &x0, &x1, &t).unwrap()));
        own.push(rest(Linear.at(&x0, &x1.narrow(0, 0, 3), &t).unwrap()));
    }
    let of = |rest: &[Tensor]| {
        // Pairs of one batch see each other: a batch is one observation.
        let rest = Tensor::stack(rest, 0).mean_dim(Some([1i64, 2].as_slice()), false, Kind::Double);
        (rest.mean(Kind::Double).double_value(&[]), rest.std(true).double_value(&[]))
    };
    let ((mean, spread), (_, of_own)) = (of(&marginal), of(&own));
    let error = spread / (trials as f64).sqrt();
    assert!(mean.abs() < 4.0 * error, "{mean} with a standard error of {error}");
    assert!(spread < 0.95 * of_own && error < 0.01, "{spread} of {of_own}");
}

/// The transport path of T(z) = m + R z has that field: what is left of its velocity is noise to x, so that its
/// products with 1 and x vanish on average.
#[test]
fn the_transport_path_of_a_gaussian_has_the_straight_field() {
    let gaussian = Gaussian::of_dimension(2);
    let covariance = gaussian.covariance();
    let path = gaussian.straight_path();
    let field = StraightField::new(&gaussian.mean, &covariance).unwrap();
    let n = 200_000;
    for time in [0.2, 0.5, 0.8] {
        let t = Tensor::full([n], time, DOUBLE);
        let sample = path.at(&normal(&[n, 2], 1), &gaussian.sample(n, 2), &t).unwrap();
        let rest = sample.velocity - field.velocity(&sample.x_t, &t).unwrap();
        let with = Tensor::cat(&[&sample.x_t, &Tensor::ones([n, 1], DOUBLE)], 1);
        let product = rest.unsqueeze(2) * with.unsqueeze(1);
        let mean = product.mean_dim(Some([0i64].as_slice()), false, Kind::Double);
        let error = product.std_dim(Some([0i64].as_slice()), true, false) / (n as f64).sqrt();
        let off = (mean / error).abs().max().double_value(&[]);
        assert!(off < 5.0, "t = {time}: {off} standard errors");
    }
}

/// $Dv = E[x_{tt}] - \nabla \cdot (p \operatorname{Cov}(u)) / p$, the last by differences of $p$ and of the covariance.
#[test]
fn what_bends_the_field_is_the_spread_of_velocities_less_the_paths_acceleration() {
    let case = Case { batch: 1, event: vec![2], seed: 0 };
    let mut parameters = Parameters::new(Seed(2), DOUBLE.0, DOUBLE.1);
    let path = affine(Mixing::Triangular)(&case, &mut parameters.root()).unwrap();
    for (i, p) in parameters.tensors().iter().enumerate() {
        let _ = tch::no_grad(|| p.shallow_clone().g_add_(&(normal(&p.size(), 50 + i as u64) * 0.5)));
    }
    let source = StandardNormal::new(&[2]);
    let candidates = target(20, 5);
    let field = ExactField::new(&path, &source, &Independent(true), candidates.shallow_clone(), 1 << 16).unwrap();
    let (x, t) = (normal(&[1, 7, 2], 6), Tensor::from_slice(&[0.4f64]));
    let velocity = |x: &Tensor, t: &Tensor| Ok(field.at_times(x, t)?.velocity);
    // p Cov(u), (7, 2, 2), from the conditional paths through x.
    let spread = |x: &Tensor| {
        let at = strait_core::Points { x_t: x, x1: &candidates, t: &t };
        let passage = strait_core::InvertibleInterpolant::through(&path, at).unwrap();
        let log_weight = source.log_density(&passage.x0.flatten(0, 2)).unwrap().view_as(&passage.log_det);
        let weight = (log_weight + passage.log_det).exp().unsqueeze(-1);
        let mean = field.at_times(x, &t).unwrap().velocity.unsqueeze(1);
        let off = passage.velocity - mean;
        let outer = (off.unsqueeze(-1) * off.unsqueeze(-2)) * weight.unsqueeze(-1);
        (outer.mean_dim(Some([1i64].as_slice()), false, Kind::Double).squeeze_dim(0)).detach()
    };
    let h = 1e-4;
    let divergence = (0..2i64).fold(Tensor::zeros([7, 2], DOUBLE), |sum, i| {
        let by = Tensor::zeros([2], DOUBLE);
        let _ = by.narrow(0, i, 1).fill_(h);
        sum + (spread(&(&x + &by)) - spread(&(&x - by))).select(2, i) / (2.0 * h)
    });
    let density = field.at_times(&x, &t).unwrap().log_density.exp().squeeze_dim(0).unsqueeze(1);
    let acceleration = field.acceleration(&x, &t).unwrap().squeeze_dim(0);
    let expected = acceleration - divergence / density;
    let found = material_derivative(&velocity, &x, &t, Along::Forward).unwrap().derivative.squeeze_dim(0);
    let off = ((&found - &expected).abs() / (expected.abs() + 1.0)).max().double_value(&[]);
    assert!(off < 1e-5, "off by {off}");

    let parts = curvature(&field, &x, &t, Along::Forward).unwrap();
    let residual = sum_per_sample(&found.square()).mean(Kind::Double).double_value(&[]);
    assert!((parts.residual - residual).abs() < 1e-9 * residual && parts.acceleration > 0.0, "{parts:?}");
    // A path without acceleration cancels nothing.
    let linear = ExactField::new(&Linear, &source, &Independent(true), candidates, 1 << 16).unwrap();
    let parts = curvature(&linear, &x, &t, Along::Forward).unwrap();
    assert!(parts.acceleration == 0.0 && parts.cancelled().abs() < 1e-12 && parts.residual > 0.1, "{parts:?}");
}

#[test]
fn parts_do_not_change_it_and_effective_sizes_are_bounded() {
    let source = StandardNormal::new(&[2]);
    let x = source.sample(17, &mut Seed(1).stream("x").at(0), Kind::Double, Device::Cpu).unwrap();
    let t = Seed(1).stream("t").at(0).uniform(&[17], Kind::Double, Device::Cpu).unwrap() * 0.9;
    let field = |at_once| {
        let path = Box::leak(Box::new(Schedule::Trigonometric));
        ExactField::new(path, &source, &Independent(true), target(50, 3), at_once).unwrap().at(&x, &t).unwrap()
    };
    let (whole, parts) = (field(1_000_000), field(120));
    assert!(whole.velocity.allclose(&parts.velocity, 1e-12, 1e-12, false));
    let range = (whole.effective.min().double_value(&[]), whole.effective.max().double_value(&[]));
    assert!(range.0 >= 1.0 && range.1 <= 50.0, "{range:?}");
    // At t = 0 every candidate has the same weight.
    let start = ExactField::new(&Linear, &source, &Independent(true), target(50, 3), 1000).unwrap();
    let at_start = start.at(&x, &t.zeros_like()).unwrap();
    assert!((at_start.effective - 50.0).abs().max().double_value(&[]) < 1e-9);
}

#[test]
fn it_refuses_pairs_that_are_not_independent_and_the_end() {
    let source = StandardNormal::new(&[2]);
    let refused = ExactField::new(&Linear, &source, &Independent(false), target(5, 3), 1000).err().unwrap();
    assert!(refused.to_string().contains("independent coupling only"), "{refused}");
    let field = ExactField::new(&Linear, &source, &Independent(true), target(5, 3), 1000).unwrap();
    let x = Tensor::zeros([1, 2], (Kind::Double, Device::Cpu));
    let end = Tensor::from_slice(&[1.0f64]);
    assert!(matches!(field.velocity(&x, &end), Err(Error::Time { .. })));
    assert!(field.velocity(&x.narrow(1, 0, 1), &end).is_err());
}

/// Everything of no points is empty; a marginal over no endpoints is nothing at all.
#[test]
fn no_points_have_a_field_and_no_ends_have_none() {
    let source = StandardNormal::new(&[2]);
    let case = Case { batch: 1, event: vec![2], seed: 0 };
    let mut parameters = Parameters::new(Seed(2), DOUBLE.0, DOUBLE.1);
    let affine = affine(Mixing::Triangular)(&case, &mut parameters.root().sub("affine")).unwrap();
    let glow = glow_path(Plan::default())(&case, &mut parameters.root().sub("glow")).unwrap();
    let zeros = |shape: &[i64]| Tensor::zeros(shape, DOUBLE);
    for (name, path) in [
        ("linear", &Linear as &dyn InvertibleInterpolant),
        ("trigonometric", &Schedule::Trigonometric),
        ("affine", &affine),
        ("glow", &glow),
    ] {
        let field = ExactField::new(path, &source, &Independent(true), target(5, 3), 3).unwrap();
        for (times, points) in [(2, 0), (0, 3)] {
            let (x, t) = (zeros(&[times, points, 2]), zeros(&[times]));
            let Exact { velocity, effective, log_density } = field.at_times(&x, &t).unwrap();
            assert_eq!([velocity.size(), effective.size()], [vec![times, points, 2], vec![times, points]], "{name}");
            assert_eq!(log_density.size(), [times, points], "{name}");
            for along in [Along::Forward, Along::Reverse, Along::Difference { step: 1e-3 }] {
                let MovingExact { derivative, .. } = field.moving(&x, &t, along).unwrap();
                assert_eq!(derivative.size(), [times, points, 2], "{name}, {along:?}");
            }
        }
        assert_eq!(field.velocity(&zeros(&[0, 2]), &zeros(&[0])).unwrap().size(), [0, 2], "{name}");
        let (x, x1, t) = (zeros(&[2, 3, 2]), zeros(&[0, 2]), zeros(&[2]));
        let refused = path.marginal(&source, Points { x_t: &x, x1: &x1, t: &t }).unwrap_err();
        assert!(matches!(refused, Error::Shape { what: "x1", .. }), "{name}: {refused}");
    }
}

/// A velocity without a graph, which reverse mode finds nothing in.
#[test]
fn a_constant_field_does_not_bend() {
    let field = |x: &Tensor, _: &Tensor| Ok::<_, Error>(x.ones_like());
    let (x, t) = (normal(&[4, 2], 1), Tensor::from_slice(&[0.0f64, 0.3, 0.6, 1.0]));
    for along in [Along::Forward, Along::Reverse, Along::Difference { step: 1e-3 }] {
        let moving = material_derivative(&field, &x, &t, along).unwrap();
        assert_eq!((moving.velocity, moving.derivative), (x.ones_like(), x.zeros_like()), "{along:?}");
    }
}
