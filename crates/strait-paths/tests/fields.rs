//! Every field of this crate under the law suite, and planted faults that the suite must find.

use crate::common::{Independent, VECTORS, affine, coupled_glow_path, glow_path, warped, warped_by_couplings};
use strait_autodiff::{Graph, gradient};
use strait_core::{
    Error, Init, Interpolant, Inverted, InvertibleInterpolant, PathCurve, PathSample, Points, Scope, Seed, Source,
    StandardNormal, VelocityField,
};
use strait_flows::Plan;
use strait_laws::field::{Broken, Case, Law, Suite, check_differentiable};
use strait_paths::gaussian::{LinearPathField, StraightField};
use strait_paths::{Along, ExactField, Linear, Mixing, Monotone, Schedule};
use tch::{Kind, Tensor};

/// An exact field with all that it borrows.
struct Owned<P> {
    path: P,
    source: StandardNormal,
    candidates: Tensor,
}

impl<P: InvertibleInterpolant> Owned<P> {
    fn new(case: &Case, scope: &Scope<'_>, path: P) -> Result<Self, Error> {
        let shape: Vec<i64> = std::iter::once(6).chain(case.event.iter().copied()).collect();
        let candidates = Seed(case.seed).stream("candidates").at(0).normal(&shape, Kind::Double, scope.device())?;
        Ok(Self { path, source: StandardNormal::new(&case.event), candidates: candidates.to_kind(scope.kind()) })
    }
}

impl<P: InvertibleInterpolant> VelocityField for Owned<P> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let candidates = self.candidates.shallow_clone();
        ExactField::new(&self.path, &self.source, &Independent(true), candidates, 1000)?.velocity(x, t)
    }
}

fn exact<P: InvertibleInterpolant>(
    build: impl Fn(&Case, &mut Scope<'_>) -> Result<P, Error>,
) -> impl Fn(&Case, &mut Scope<'_>) -> Result<Owned<P>, Error> {
    move |case, scope| {
        let path = build(case, scope)?;
        Owned::new(case, scope, path)
    }
}

/// In more dimensions the weights turn from one candidate to the next faster than differences resolve.
const FEW_DIMENSIONS: [&[i64]; 4] = [&[1], &[2], &[3], &[1, 2, 1]];

#[test]
fn exact_fields_keep_the_laws() {
    fn hold<P: InvertibleInterpolant>(name: &str, build: impl Fn(&Case, &mut Scope<'_>) -> Result<P, Error>) {
        Suite::new(&format!("exact, {name}")).events(&FEW_DIMENSIONS).check_differentiable(exact(build)).unwrap();
    }
    hold("linear", |_, _| Ok(Linear));
    hold("trigonometric", |_, _| Ok(Schedule::Trigonometric));
    hold("monotone", |_, scope| Ok(Schedule::Monotone(Monotone::new(scope, 5)?)));
    hold("affine, diagonal", affine(Mixing::Diagonal));
    hold("affine, triangular", affine(Mixing::Triangular));
}

/// These take JVPs of their own, and libtorch has one forward level.
#[test]
fn exact_fields_by_forward_mode_keep_the_laws_of_a_value() {
    Suite::new("exact, glow").events(&VECTORS[..3]).check(exact(glow_path(Plan::default()))).unwrap();
    Suite::new("exact, warped").events(&VECTORS[..3]).check(exact(warped)).unwrap();
}

/// A general Gaussian of the case's dimension.
fn gaussian(case: &Case, kind: Kind) -> (Tensor, Tensor) {
    let d = case.event[0];
    let mut draws = Seed(case.seed).stream("gaussian").at(0);
    let mut normal = |shape: &[i64]| draws.normal(shape, Kind::Double, tch::Device::Cpu).unwrap();
    let (mean, factor) = (normal(&[d]), normal(&[d, d]));
    let covariance = factor.matmul(&factor.tr()) + Tensor::eye(d, (Kind::Double, tch::Device::Cpu)) * 0.5;
    (mean.to_kind(kind), covariance.to_kind(kind))
}

#[test]
fn closed_forms_keep_the_laws() {
    let straight = |case: &Case, scope: &mut Scope<'_>| {
        let (mean, covariance) = gaussian(case, scope.kind());
        StraightField::new(&mean, &covariance)
    };
    let linear = |case: &Case, scope: &mut Scope<'_>| {
        let (mean, covariance) = gaussian(case, scope.kind());
        LinearPathField::new(&mean, &covariance)
    };
    Suite::new("linear path of Gaussians").events(&VECTORS).check_differentiable(linear).unwrap();
    Suite::new("straight path of Gaussians").events(&VECTORS).check_differentiable(straight).unwrap();
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    SeesTheBatch,
    Forgets,
    DoubleInside,
    DropsTime,
    StopsGradients,
    WrongShape,
    Fails,
    OwnErrorDoubled,
}

/// A right field with one fault put into it.
struct Faulty(Fault, Owned<Linear>);

impl VelocityField for Faulty {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let v = self.1.velocity(x, t)?;
        Ok(match self.0 {
            Fault::SeesTheBatch => v + x.mean(x.kind()),
            Fault::Forgets => &v + v.rand_like() * 1e-6,
            Fault::DoubleInside => v.to_kind(Kind::Double),
            // Right in value, but its derivative in t is lost.
            Fault::DropsTime => self.1.velocity(x, &t.detach())?,
            Fault::StopsGradients => {
                if x.requires_grad() {
                    self.1.velocity(&x.detach(), t)? + x * 1.0 - x.detach()
                } else {
                    v
                }
            }
            Fault::WrongShape => v.unsqueeze(0),
            Fault::Fails => return Err(Error::NotInvertible { what: "a faulty field" }),
            Fault::OwnErrorDoubled => v,
        })
    }

    fn square_error(&self, x: &Tensor, t: &Tensor, target: &Tensor) -> Result<Option<Tensor>, Error> {
        let Fault::OwnErrorDoubled = self.0 else { return Ok(None) };
        let off = strait_core::sum_per_sample(&(self.1.velocity(x, t)? - target).square());
        Ok(Some(off.mean(x.kind()) * 2.0))
    }
}

#[test]
fn the_suite_catches_planted_faults() {
    let expected = [
        (Fault::SeesTheBatch, Law::BatchSplit),
        (Fault::Forgets, Law::Repeats),
        (Fault::DoubleInside, Law::SinglePrecision),
        (Fault::DropsTime, Law::MaterialDerivative),
        (Fault::StopsGradients, Law::Transpose),
        (Fault::WrongShape, Law::Shape),
        (Fault::Fails, Law::Runs),
        (Fault::OwnErrorDoubled, Law::SquareError),
    ];
    for (fault, law) in expected {
        let build = |case: &Case, scope: &mut Scope<'_>| Ok(Faulty(fault, Owned::new(case, scope, Linear)?));
        let broken: Broken =
            check_differentiable(&format!("{fault:?}"), build).expect_err(&format!("{fault:?} was not caught"));
        assert_eq!(broken.law, law, "{broken}");
    }
}

/// A field whose rate no gradient reaches.
struct Frozen(Tensor);

impl VelocityField for Frozen {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(x * tch::no_grad(|| self.0.exp()))
    }
}

#[test]
fn the_suite_catches_a_parameter_that_no_gradient_reaches() {
    let build = |_: &Case, scope: &mut Scope<'_>| Ok(Frozen(scope.tensor("rate", &[1], Init::Constant(0.0))?));
    let broken = check_differentiable("frozen", build).expect_err("a frozen field was not caught");
    assert_eq!(broken.law, Law::Gradient, "{broken}");
}

/// An affine path whose log-determinant forgets something: a path that is right in all else.
struct WrongDeterminant(bool, strait_paths::Affine<crate::common::Net>);

impl Interpolant for WrongDeterminant {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        self.1.at(x0, x1, t)
    }
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        self.1.curve(x0, x1, t)
    }
}

impl InvertibleInterpolant for WrongDeterminant {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        let Inverted { x0, log_det } = self.1.invert(x_t, x1, t)?;
        Ok(Inverted { x0, log_det: if self.0 { log_det.zeros_like() } else { log_det } })
    }
}

/// $\partial_t p + \nabla \cdot (p v) = 0$, over p: what the field must make of its own density, whatever the path.
fn continuity(path: &dyn InvertibleInterpolant, event: &[i64]) -> f64 {
    let shape = |n: i64| -> Vec<i64> { std::iter::once(n).chain(event.iter().copied()).collect() };
    let normal = |seed, n| {
        let mut draws = Seed(seed).stream("x").at(0);
        draws.normal(&shape(n), Kind::Double, tch::Device::Cpu).unwrap()
    };
    let source = StandardNormal::new(event);
    let field = ExactField::new(path, &source, &Independent(true), normal(1, 12) * 1.5, 1000).unwrap();
    let (x, t) = (normal(2, 9), Tensor::linspace(0.1, 0.85, 9, (Kind::Double, tch::Device::Cpu)));
    let _no_grad = tch::no_grad_guard();
    let h = 1e-4;
    // Log-density and velocity at some steps along a direction, and their differences of the fourth order.
    let slopes = |dx: &Tensor, dt: f64| {
        let at = |steps: f64| {
            let exact = field.at(&(&x + dx * (steps * h)), &(&t + dt * steps * h)).unwrap();
            (exact.log_density, exact.velocity)
        };
        let ([far_a, far_b], [a, b]) = ([at(-2.0), at(2.0)], [at(-1.0), at(1.0)]);
        let slope = |a: Tensor, b: Tensor, c: Tensor, d: Tensor| ((c - b) * 8.0 - (d - a)) / (12.0 * h);
        (slope(far_a.0, a.0, b.0, far_b.0), slope(far_a.1, a.1, b.1, far_b.1))
    };
    let mut total = slopes(&x.zeros_like(), 1.0).0;
    let v = field.at(&x, &t).unwrap().velocity;
    let d = event.iter().product::<i64>();
    for i in 0..d {
        let unit = Tensor::zeros([d], (Kind::Double, tch::Device::Cpu));
        let _ = unit.narrow(0, i, 1).fill_(1.0);
        let (log_density, velocity) = slopes(&unit.view(shape(1).as_slice()), 0.0);
        let along = |x: &Tensor| x.flatten(1, -1).select(1, i);
        total = total + log_density * along(&v) + along(&velocity);
    }
    total.abs().max().double_value(&[])
}

fn built<P>(event: &[i64], build: impl Fn(&Case, &mut Scope<'_>) -> Result<P, Error>) -> (P, strait_core::Parameters) {
    let mut parameters = strait_core::Parameters::new(Seed(3), Kind::Double, tch::Device::Cpu);
    let path = build(&Case { batch: 1, event: event.to_vec(), seed: 5 }, &mut parameters.root()).unwrap();
    let mut draws = Seed(4).stream("noise").at(0);
    for p in parameters.tensors() {
        let noise = draws.normal(&p.size(), Kind::Double, tch::Device::Cpu).unwrap() * 0.3;
        let _ = tch::no_grad(|| p.shallow_clone().g_add_(&noise));
    }
    (path, parameters)
}

#[test]
fn exact_fields_keep_the_continuity_equation() {
    for event in [&[1i64] as &[i64], &[2], &[3]] {
        for (name, path) in [
            ("linear", Box::new(Linear) as Box<dyn InvertibleInterpolant>),
            ("trigonometric", Box::new(Schedule::Trigonometric)),
            ("variance preserving", Box::new(Schedule::VariancePreserving { beta: 10.0 })),
            ("affine", Box::new(built(event, affine(Mixing::Triangular)).0)),
            ("glow", Box::new(built(event, glow_path(Plan::default())).0)),
            ("warped", Box::new(built(event, warped).0)),
        ] {
            let off = continuity(&path, event);
            assert!(off < 1e-5, "{name} in {event:?}: {off}");
        }
    }
    // Images go through the same sums.
    let off = continuity(&built(&[1, 2, 2], glow_path(Plan::default())).0, &[1, 2, 2]);
    assert!(off < 1e-5, "glow of images: {off}");
    // And the equation tells weights without the determinant from right ones.
    for (forgets, most) in [(false, 1e-5), (true, f64::INFINITY)] {
        let off = continuity(&WrongDeterminant(forgets, built(&[2], affine(Mixing::Triangular)).0), &[2]);
        assert!(off < most && (!forgets || off > 1e-2), "forgets the determinant: {forgets}, off by {off}");
    }
}

/// The kernel of the posterior against the sum over the conditional paths.
#[test]
fn the_marginal_of_a_schedule_is_the_sum_over_its_paths() {
    for event in [&[1i64] as &[i64], &[3], &[1, 2, 2]] {
        let shape = |n: &[i64]| [n, event].concat();
        let normal =
            |seed, n: &[i64]| Seed(seed).stream("x").at(0).normal(&shape(n), Kind::Double, tch::Device::Cpu).unwrap();
        let (x_t, x1, t) = (normal(1, &[4, 3]), normal(2, &[50]), Tensor::from_slice(&[0.0f64, 0.4, 0.8, 0.95]));
        let (source, at) = (StandardNormal::new(event), Points { x_t: &x_t, x1: &x1, t: &t });
        for path in [
            &Linear as &dyn InvertibleInterpolant,
            &Schedule::Trigonometric,
            &Schedule::Resting,
            &Schedule::VariancePreserving { beta: 10.0 },
        ] {
            let found = path.marginal(&source, at).unwrap();
            let wanted = path.through(at).unwrap().marginal(&source).unwrap();
            for (found, wanted) in [
                (found.velocity, wanted.velocity),
                (found.log_weight, wanted.log_weight),
                (found.log_effective, wanted.log_effective),
            ] {
                assert!(found.allclose(&wanted, 1e-9, 1e-9, false), "{event:?}");
            }
        }
    }
}

/// The closed forms, the JVP and double reverse mode, and their gradients in every parameter.
#[test]
fn all_ways_along_the_flow_agree_and_so_do_their_gradients() {
    fn ways<P: InvertibleInterpolant>(
        event: &[i64],
        build: impl Fn(&Case, &mut Scope<'_>) -> Result<P, Error>,
        exact: &[Along],
    ) {
        let (path, parameters) = built(event, build);
        let shape = |n: &[i64]| [n, event].concat();
        let normal =
            |seed, n: &[i64]| Seed(seed).stream("x").at(0).normal(&shape(n), Kind::Double, tch::Device::Cpu).unwrap();
        let source = StandardNormal::new(event);
        let field = ExactField::new(&path, &source, &Independent(true), normal(1, &[7]), 1000).unwrap();
        let (x, t) = (normal(2, &[2, 3]), Tensor::from_slice(&[0.3f64, 0.7]));
        let take = |along| {
            let derivative = field.moving(&x, &t, along).unwrap().derivative;
            let gradients =
                gradient(&derivative.square().sum(Kind::Double), parameters.tensors(), Graph::Free).unwrap();
            (derivative.detach(), gradients)
        };
        let (derivative, gradients) = take(Along::Reverse);
        for (along, tolerance) in exact.iter().map(|way| (*way, 1e-8)).chain([(Along::Difference { step: 1e-4 }, 1e-4)])
        {
            let (found, of) = take(along);
            let off = |a: &Tensor, b: &Tensor| ((a - b).abs() / (b.abs() + 1.0)).max().double_value(&[]);
            assert!(off(&found, &derivative) < tolerance, "{along:?} in {event:?}");
            for ((a, b), name) in of.iter().zip(&gradients).zip(parameters.names()) {
                let scale = b.abs().max().double_value(&[]).max(1.0);
                assert!(off(&(a / scale), &(b / scale)) < 10.0 * tolerance, "{along:?} in {event:?}: {name}");
            }
        }
    }
    for event in [&[1i64] as &[i64], &[2], &[3], &[1, 2, 2]] {
        ways(event, affine(Mixing::Triangular), &[Along::Forward]);
        ways(event, affine(Mixing::Diagonal), &[Along::Forward]);
    }
    ways(&[9], affine(Mixing::Triangular), &[Along::Forward]); // by a JVP
    ways(&[2], warped, &[Along::Forward]);
    for event in [&[2i64], &[3]] {
        ways(event, warped_by_couplings, &[Along::Forward]);
        ways(event, coupled_glow_path, &[Along::Forward]);
    }
    ways(&[2], glow_path(Plan::default()), &[]);
}

#[test]
fn a_source_without_a_density_is_refused() {
    struct Dice;
    impl Source for Dice {
        fn event_shape(&self) -> &[i64] {
            &[2]
        }
        fn sample(
            &self,
            n: i64,
            draws: &mut strait_core::Draws,
            kind: Kind,
            device: tch::Device,
        ) -> Result<Tensor, Error> {
            draws.uniform(&[n, 2], kind, device)
        }
        fn log_density(&self, _: &Tensor) -> Result<Tensor, Error> {
            Err(Error::NoDensity { what: "dice".into() })
        }
    }
    let candidates = Tensor::zeros([3, 2], (Kind::Double, tch::Device::Cpu));
    let refused = ExactField::new(&Linear, &Dice, &Independent(true), candidates, 10).err().unwrap();
    assert_eq!(refused.to_string(), "dice has no log-density in closed form");
}
