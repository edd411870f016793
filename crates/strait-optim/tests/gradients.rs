//! The gradients of the objectives against finite differences of their values.

use crate::common::{Bent, Turning, normal};
use strait_core::{
    Batch, Error, Interpolant, Inverted, InvertibleInterpolant, Models, Objective, PathCurve, PathSample, Seed,
    StandardNormal, VelocityField, event_size, per_sample,
};
use strait_optim::Times;
use strait_optim::objectives::{
    ConditionalVariance, Energy, FieldStraightness, FlowMatching, MarginalFlowMatching, SquaredVelocity, Straightness,
    StraightnessConfig,
};
use strait_paths::Along;
use tch::{Device, Kind, Tensor};

/// $v(x, t) = k t A \sin x$, whose slope in x is not the same everywhere.
struct Waves(Tensor);

impl VelocityField for Waves {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(Turning.velocity(&x.sin(), t)? * &self.0)
    }
}

/// $a x_0 + t x_1$ with $a = (1-t)(1+ct)$: invertible in $x_0$.
struct Stretched(Tensor);

impl Interpolant for Stretched {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let PathCurve { x_t, velocity, .. } = self.curve(x0, x1, t)?;
        Ok(PathSample { x_t, velocity })
    }
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let s = per_sample(t, x0);
        let slope = &self.0 * (1f64 - &s * 2.0) - 1f64;
        Ok(PathCurve {
            x_t: self.scale(&s) * x0 + s * x1,
            velocity: slope * x0 + x1,
            acceleration: &self.0 * -2.0 * x0,
        })
    }
    fn as_invertible(&self) -> Option<&dyn InvertibleInterpolant> {
        Some(self)
    }
}

impl Stretched {
    fn scale(&self, t: &Tensor) -> Tensor {
        (1f64 - t) * (t * &self.0 + 1f64)
    }
}

impl InvertibleInterpolant for Stretched {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        let s = per_sample(t, x_t);
        let log_det = self.scale(t).log() * -(event_size(x_t) as f64);
        Ok(Inverted { x0: (x_t - &s * x1) / self.scale(&s), log_det })
    }
}

/// Of three parameters, two of a path and one of the velocity. Flow matching holds the path.
#[test]
fn gradients_are_the_slopes_of_values() {
    type Build = fn(&Tensor) -> Box<dyn Interpolant + Send>;
    let bent: Build = |p| Box::new(Bent(p.narrow(0, 0, 2)));
    let stretched: Build = |p| Box::new(Stretched(p.get(0)));
    let source = || Box::new(StandardNormal::new(&[2]));
    let straightness = |along| {
        let config = StraightnessConfig { candidates: 32, times: 4, until: 0.6, floor: 1.0, along };
        Straightness::new(source(), config).unwrap()
    };
    let mut cases: Vec<(Box<dyn Objective + Send>, Build)> = vec![
        (Box::new(FlowMatching), bent),
        (Box::new(MarginalFlowMatching::new(source(), 16).unwrap()), stretched),
        (Box::new(ConditionalVariance), bent),
        (Box::new(Energy { acceleration: 0.0 }), bent),
        (Box::new(Energy { acceleration: 0.5 }), bent),
        (Box::new(SquaredVelocity), bent),
    ];
    for along in [Along::Forward, Along::Reverse, Along::Difference { step: 5e-3 }] {
        cases.push((Box::new(FieldStraightness { along }), bent));
        cases.push((Box::new(straightness(along)), stretched));
    }
    let at = [0.3f64, -0.7, 1.2];
    let mut off = vec![];
    for (which, (objective, build)) in cases.iter().enumerate() {
        let t = Times::Uniform
            .draw(objective.times(64), &mut Seed(9).stream("t").at(0), Kind::Double, Device::Cpu)
            .unwrap();
        let batch = Batch {
            x0: normal("x0", &[64, 2]),
            x1: normal("x1", &[64, 2]),
            t,
            later: None,
            conditions: strait_core::Conditions::default(),
        };
        let total = |p: &Tensor| {
            let models = Models { interpolant: &*build(p), velocity: &Waves(p.get(2)) };
            objective.loss(models, &batch).unwrap().total
        };
        let p = Tensor::from_slice(&at).set_requires_grad(true);
        let gradient = Tensor::run_backward(&[total(&p)], &[&p], false, false).remove(0);
        let holds_path = objective.name().ends_with("flow_matching");
        for i in 0..3 {
            let moved = |steps: f64| {
                let mut at = at;
                at[i] += steps * 0.02;
                total(&Tensor::from_slice(&at)).double_value(&[])
            };
            let slope = ((moved(1.0) - moved(-1.0)) * 8.0 - (moved(2.0) - moved(-2.0))) / (12.0 * 0.02);
            let wanted = if holds_path && i < 2 { 0.0 } else { slope };
            let found = gradient.double_value(&[i as i64]);
            // Totals are in single precision.
            if (found - wanted).abs() > 1e-4 * (1.0 + wanted.abs()) {
                off.push(format!("{} ({which}) in parameter {i}: {found} in place of {wanted}", objective.name()));
            }
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}
