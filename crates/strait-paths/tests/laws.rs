//! Every family under the law suites, and the suites under planted faults.

use strait_autodiff::{Graph, Jet, Order, gradient};
use strait_core::{
    Error, Init, Interpolant, Inverted, InvertibleInterpolant, Parameters, PathCurve, PathSample, Scope, Seed,
    TimeFunction, VelocityField, event_size, per_sample,
};
use strait_laws::interpolant::{Case, Law, check, check_invertible};
use strait_paths::gaussian::{LinearPathField, StraightField};
use strait_paths::{Affine, AffineConfig, Linear, Mixing, Schedule, differentiate, differentiate_twice};
use tch::{Device, Kind, Tensor};

/// A small network of (x1, t) with jets, so that this crate's tests need no other.
struct Net {
    first: Tensor,
    time: Tensor,
    last: Tensor,
}

impl Net {
    fn new(scope: &mut Scope<'_>, input: i64, output: i64) -> Result<Self, Error> {
        Ok(Self {
            first: scope.tensor("first", &[8, input], Init::Normal(0.5))?,
            time: scope.tensor("time", &[8, 1], Init::Normal(0.5))?,
            last: scope.tensor("last", &[output, 8], Init::Constant(0.0))?,
        })
    }
}

impl TimeFunction for Net {
    fn jet(&self, context: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        let still = Jet::constant(&context.flatten(1, -1).linear(&self.first, None::<&Tensor>));
        let moving = Jet::variable(&t.unsqueeze(1), order).view(|t| t.linear(&self.time, None::<&Tensor>));
        Ok(still.plus(&moving).tanh().view(|h| h.linear(&self.last, None::<&Tensor>)))
    }
}

fn affine(mixing: Mixing) -> impl Fn(&Case, &mut Scope<'_>) -> Result<Affine<Net>, Error> {
    move |case, scope| {
        let dimensions = case.event.iter().product();
        let config = AffineConfig { dimensions, mixing, log_scale_bound: 2.0 };
        Affine::new(Net::new(scope, dimensions, config.outputs())?, config)
    }
}

#[test]
fn every_family_keeps_the_laws() {
    check_invertible("linear", |_, _| Ok(Linear)).unwrap();
    check_invertible("trigonometric", |_, _| Ok(Schedule::Trigonometric)).unwrap();
    check_invertible("power 1", |_, _| Ok(Schedule::Power(1.0))).unwrap();
    check_invertible("power 2.5", |_, _| Ok(Schedule::Power(2.5))).unwrap();
    check_invertible("affine, diagonal", affine(Mixing::Diagonal)).unwrap();
    check_invertible("affine, triangular", affine(Mixing::Triangular)).unwrap();
}

/// The affine path, its position alone, differentiated by `velocity.rs`.
struct Black(Affine<Net>);

impl Interpolant for Black {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        differentiate(|t| Ok(self.0.at(x0, x1, t)?.x_t), t)
    }
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        differentiate_twice(|t| Ok(self.0.at(x0, x1, t)?.x_t), t)
    }
}

#[test]
fn a_path_known_only_as_a_function_keeps_the_laws() {
    check("differentiated", |case, scope| affine(Mixing::Triangular)(case, scope).map(Black)).unwrap();
}

#[test]
fn a_fresh_affine_path_is_the_linear_path_to_the_bit() {
    for kind in [Kind::Float, Kind::Double] {
        let mut parameters = Parameters::new(Seed(1), kind, Device::Cpu);
        let case = Case { batch: 64, event: vec![5], seed: 0 };
        let path = affine(Mixing::Triangular)(&case, &mut parameters.root()).unwrap();
        let mut draws = Seed(2).stream("x").at(0);
        let mut normal = || draws.normal(&[64, 5], kind, Device::Cpu).unwrap();
        let (x0, x1) = (normal(), normal());
        let t = Seed(3).stream("t").at(0).uniform(&[64], kind, Device::Cpu).unwrap();
        assert_eq!(path.at(&x0, &x1, &t).unwrap().x_t, Linear.at(&x0, &x1, &t).unwrap().x_t);
    }
}

#[test]
fn the_gradient_of_velocity_and_acceleration_equals_differences() {
    let case = Case { batch: 6, event: vec![3], seed: 0 };
    let mut parameters = Parameters::new(Seed(1), Kind::Double, Device::Cpu);
    let path = affine(Mixing::Triangular)(&case, &mut parameters.root()).unwrap();
    for p in parameters.tensors() {
        let _ = tch::no_grad(|| p.shallow_clone().g_add_scalar_(0.1));
    }
    let x = |seed| Seed(seed).stream("x").at(0).normal(&[6, 3], Kind::Double, Device::Cpu).unwrap();
    let t = Tensor::full([6], 0.4, (Kind::Double, Device::Cpu));
    let loss = || {
        let curve = path.curve(&x(1), &x(2), &t).unwrap();
        curve.velocity.square().mean(Kind::Double) + curve.acceleration.square().mean(Kind::Double) * 0.01
    };
    let exact = gradient(&loss(), parameters.tensors(), Graph::Free).unwrap();
    for (p, g) in parameters.tensors().iter().zip(exact) {
        let h = 1e-6;
        let mut entry = p.detach().view([-1]).narrow(0, 0, 1);
        let mut moved = |by: f64| {
            let _ = tch::no_grad(|| entry.g_add_scalar_(by));
            loss().double_value(&[])
        };
        let numeric = (moved(h) - moved(-2.0 * h)) / (2.0 * h);
        moved(h);
        let found = g.view([-1]).double_value(&[0]);
        assert!((found - numeric).abs() < 1e-5 * (1.0 + numeric.abs()), "{found} against {numeric}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    VelocitySummedOverBatch,
    VelocitySummedOverDimensions,
    VelocityByFloatDifference,
    SwappedEndpoints,
    AccelerationIsZero,
    BatchLeaks,
    LogDetWithoutTime,
    LogDetDoubled,
    InverseIgnoresShift,
}

/// A right path with one fault put into it.
struct Faulty(Fault, Affine<Net>);

/// What the rest of the batch would leak into a sample: nothing where it is alone.
fn others(x: &Tensor) -> Tensor {
    x.mean_dim(Some([0i64].as_slice()), true, x.kind()) - x
}

impl Interpolant for Faulty {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let s = per_sample(t, x0);
        let PathSample { x_t, velocity } = match self.0 {
            Fault::SwappedEndpoints => self.1.at(x1, x0, t)?,
            _ => self.1.at(x0, x1, t)?,
        };
        let sum = |axis: i64| velocity.sum_dim_intlist([axis].as_slice(), true, velocity.kind()).expand_as(&x_t);
        let velocity = match self.0 {
            Fault::VelocitySummedOverBatch => sum(0),
            Fault::VelocitySummedOverDimensions => sum(-1),
            Fault::VelocityByFloatDifference => {
                let f = |t: Tensor| Ok::<_, Error>(self.1.at(x0, x1, &t)?.x_t.to_kind(Kind::Float));
                ((f(t + 1e-3)? - f(t - 1e-3)?) / 2e-3).to_kind(x0.kind())
            }
            _ => velocity,
        };
        if matches!(self.0, Fault::BatchLeaks) {
            let mean = others(x0);
            let leak = &mean * &s * (1f64 - &s);
            return Ok(PathSample { x_t: x_t + leak, velocity: velocity + mean * (1f64 - s * 2.0) });
        }
        Ok(PathSample { x_t, velocity })
    }
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let PathSample { x_t, velocity } = self.at(x0, x1, t)?;
        let acceleration = self.1.curve(x0, x1, t)?.acceleration;
        let acceleration = match self.0 {
            Fault::AccelerationIsZero => x_t.zeros_like(),
            Fault::BatchLeaks => acceleration - others(x0) * 2.0,
            _ => acceleration,
        };
        Ok(PathCurve { x_t, velocity, acceleration })
    }
}

impl InvertibleInterpolant for Faulty {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        let Inverted { x0, log_det } = self.1.invert(x_t, x1, t)?;
        let log_det = match self.0 {
            Fault::LogDetWithoutTime => log_det + (1f64 - t).log() * event_size(x_t) as f64,
            Fault::LogDetDoubled => log_det * 2.0,
            _ => log_det,
        };
        let x0 = if matches!(self.0, Fault::InverseIgnoresShift) { x0 + per_sample(t, x_t) } else { x0 };
        Ok(Inverted { x0, log_det })
    }
}

#[test]
fn the_suites_catch_planted_faults() {
    use Fault::{
        AccelerationIsZero, BatchLeaks, InverseIgnoresShift, LogDetDoubled, LogDetWithoutTime, SwappedEndpoints,
        VelocityByFloatDifference, VelocitySummedOverBatch, VelocitySummedOverDimensions,
    };
    let expected = [
        (VelocitySummedOverBatch, Law::Velocity),
        (VelocitySummedOverDimensions, Law::Velocity),
        (VelocityByFloatDifference, Law::Velocity),
        (SwappedEndpoints, Law::Endpoints),
        (AccelerationIsZero, Law::Acceleration),
        (BatchLeaks, Law::BatchSplit),
        (LogDetWithoutTime, Law::LogDet),
        (LogDetDoubled, Law::LogDet),
        (InverseIgnoresShift, Law::RoundTrip),
    ];
    for (fault, law) in expected {
        let build = |case: &Case, scope: &mut Scope<'_>| Ok(Faulty(fault, affine(Mixing::Triangular)(case, scope)?));
        let broken = check_invertible(&format!("{fault:?}"), build).expect_err(&format!("{fault:?} was not caught"));
        assert_eq!(broken.law, law, "{broken}");
    }
}

#[test]
fn inverses_refuse_the_end_and_shapes_are_named() {
    let x = Tensor::zeros([2, 3], (Kind::Float, Device::Cpu));
    let end = Tensor::from_slice(&[0.5f32, 1.0]);
    for path in [&Linear as &dyn InvertibleInterpolant, &Schedule::Trigonometric, &Schedule::Power(2.0)] {
        assert!(matches!(path.invert(&x, &x, &end), Err(Error::Time { t, .. }) if t == 1.0));
        let message = path.at(&x, &x.narrow(1, 0, 2), &end).unwrap_err().to_string();
        assert_eq!(message, "x1: shape [2, 2], expected [2, 3]");
    }
    assert!(Schedule::Power(0.5).at(&x, &x, &end).is_err());
}

#[test]
fn closed_forms_hold_at_their_ends_and_along_trajectories() {
    let mean = Tensor::from_slice(&[1.0f64, -2.0]);
    let covariance = Tensor::from_slice2(&[[2.0f64, 0.6], [0.6, 0.5]]);
    let linear = LinearPathField::new(&mean, &covariance).unwrap();
    let straight = StraightField::new(&mean, &covariance).unwrap();
    let x = Seed(1).stream("x").at(0).normal(&[9, 2], Kind::Double, Device::Cpu).unwrap();
    let zero = Tensor::zeros([9], (Kind::Double, Device::Cpu));
    // At t = 0 the linear path's field is E[x1] - x; the straight one carries x to m + R x with R R = S.
    assert!(linear.velocity(&x, &zero).unwrap().allclose(&(&mean - &x), 1e-10, 1e-12, false));
    let v0 = straight.velocity(&x, &zero).unwrap();
    let centred = &x + &v0 - &mean;
    let root = x.linalg_lstsq(&centred, None, "gelsd").0;
    assert!(root.matmul(&root).allclose(&covariance, 1e-8, 1e-10, false));
    let later = straight.velocity(&(&x + &v0 * 0.7), &(&zero + 0.7)).unwrap();
    assert!(later.allclose(&v0, 1e-10, 1e-12, false));
    assert!(StraightField::new(&mean, &(&covariance - 1.0)).is_err());
}
