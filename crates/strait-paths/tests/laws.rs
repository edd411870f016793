//! Every family under the law suites, and the path that each starts as.

use crate::common::{
    IMAGES, Net, VECTORS, affine, coupled_glow_path, glow, glow_path, residual, transport, warped, warped_by_couplings,
};
use strait_autodiff::{Graph, gradient};
use strait_core::{
    Error, Interpolant, InvertibleInterpolant, Parameters, PathCurve, PathSample, Scope, Seed, VelocityField,
};
use strait_flows::{self as flows, Plan, Transform};
use strait_laws::interpolant::{Case, Suite, check, check_invertible};
use strait_paths::gaussian::{LinearPathField, StraightField};
use strait_paths::{
    Affine, AffineConfig, GlowPath, Linear, Mixing, Monotone, Schedule, differentiate, differentiate_twice,
};
use tch::{Device, Kind, Tensor};

#[test]
fn fixed_families_keep_the_laws() {
    check_invertible("linear", |_, _| Ok(Linear)).unwrap();
    check_invertible("trigonometric", |_, _| Ok(Schedule::Trigonometric)).unwrap();
    check_invertible("resting", |_, _| Ok(Schedule::Resting)).unwrap();
    for beta in [0.5, 20.0] {
        let build = |_: &Case, _: &mut Scope<'_>| Ok(Schedule::VariancePreserving { beta });
        check_invertible(&format!("variance preserving {beta}"), build).unwrap();
    }
    check_invertible("power 1", |_, _| Ok(Schedule::Power(1.0))).unwrap();
    check_invertible("power 2.5", |_, _| Ok(Schedule::Power(2.5))).unwrap();
}

#[test]
fn families_with_jets_keep_the_laws() {
    check_invertible("monotone", |_, scope| Ok(Schedule::Monotone(Monotone::new(scope, 6)?))).unwrap();
    check_invertible("affine, diagonal", affine(Mixing::Diagonal)).unwrap();
    check_invertible("affine, triangular", affine(Mixing::Triangular)).unwrap();
    check("residual", residual).unwrap();
}

#[test]
fn glow_paths_keep_the_laws() {
    let spline = Plan { transform: Transform::spline(), ..Plan::default() };
    let exponential = Plan { mixing: flows::ChannelMixing::Exponential, ..Plan::default() };
    Suite::new("glow of couplings").events(&VECTORS).cases(32).check_invertible(coupled_glow_path).unwrap();
    Suite::new("glow, splines").events(&VECTORS).cases(32).check_invertible(glow_path(spline)).unwrap();
    for (name, plan) in [("glow", Plan::default()), ("glow, exponential", exponential)] {
        Suite::new(name).events(&VECTORS).cases(32).check_invertible(glow_path(plan)).unwrap();
        Suite::new(&format!("{name}, images")).events(&IMAGES).cases(32).check_invertible(glow_path(plan)).unwrap();
    }
}

/// With the gradient of the path, and of its velocity, back through the inverses of the layers.
#[test]
fn reversible_glow_paths_keep_the_laws() {
    for events in [&VECTORS[..], &IMAGES[..]] {
        let build = |case: &Case, scope: &mut Scope<'_>| {
            let plan = Plan { context: &case.event, gate: flows::Gate::Start, ..Plan::default() };
            Ok(GlowPath::new(flows::Reversible::new(glow(case, scope, &plan)?)))
        };
        Suite::new("glow, reversible").events(events).cases(32).check_invertible(build).unwrap();
    }
}

#[test]
fn warped_paths_keep_the_laws() {
    Suite::new("warped affine").events(&VECTORS).cases(32).check_invertible(warped).unwrap();
    Suite::new("warped by couplings").events(&VECTORS).cases(32).check_invertible(warped_by_couplings).unwrap();
    Suite::new("warped affine, images").events(&IMAGES).cases(32).check_invertible(warped).unwrap();
}

#[test]
fn transport_paths_keep_the_laws() {
    Suite::new("transport").events(&VECTORS).ends_by_round_trip().check(transport).unwrap();
    Suite::new("transport, images").events(&IMAGES).ends_by_round_trip().check(transport).unwrap();
}

/// The affine path, its position alone, differentiated by `time_derivative.rs`.
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

#[test]
fn a_bound_that_makes_no_path_is_refused() {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    for (i, log_scale_bound) in [0.0, -1.0, f64::NAN, f64::INFINITY].into_iter().enumerate() {
        let config = AffineConfig { dimensions: 2, mixing: Mixing::Diagonal, log_scale_bound };
        let network = Net::new(&mut parameters.root().sub(&i.to_string()), 2, config.outputs()).unwrap();
        let found = Affine::new(network, config).err();
        assert!(matches!(found, Some(Error::Setting { .. })), "{log_scale_bound}: {found:?}");
    }
}
