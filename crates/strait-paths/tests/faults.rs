//! Interpolants with planted faults, which their law suite must find.

use crate::common::{Net, affine};
use strait_core::{
    Error, Interpolant, Inverted, InvertibleInterpolant, Marginal, MovingMarginal, PathCurve, PathSample, Points,
    Scope, Source, StandardNormal, event_size, own_endpoints, per_sample,
};
use strait_laws::interpolant::{Case, Law, check, check_invertible};
use strait_paths::{Affine, Mixing};
use tch::{Kind, Tensor};

#[derive(Clone, Copy, Debug)]
enum Fault {
    VelocitySummedOverBatch,
    VelocitySummedOverDimensions,
    VelocityByFloatDifference,
    SwappedEndpoints,
    PositionElsewhere,
    PositionMissesTheEnd,
    AccelerationIsZero,
    BatchLeaks,
    PathWithoutGradients,
    CurveWithoutGradients,
    MarginalOfNothing,
    MarginalWeighsEndsAlike,
    MarginalIgnoresTheSource,
    MarginalWithoutGradients,
    LogDetDetached,
    LogDetWithoutTime,
    LogDetDoubled,
    InverseIgnoresShift,
    Fails,
    AccelerationNotFinite,
    CoarseInSinglePrecision,
    MovingTooFast,
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
            Fault::PathWithoutGradients => tch::no_grad(|| self.1.at(x0, x1, t))?,
            Fault::Fails => return Err(Error::NotInvertible { what: "a faulty path" }),
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
            Fault::CoarseInSinglePrecision if x0.kind() == Kind::Float => {
                velocity.to_kind(Kind::BFloat16).to_kind(Kind::Float)
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
    fn position(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let t = match self.0 {
            Fault::PositionElsewhere => t - t * (1f64 - t) * 0.01,
            Fault::PositionMissesTheEnd => t.clamp_max(0.999),
            _ => t.shallow_clone(),
        };
        Ok(self.at(x0, x1, &t)?.x_t)
    }
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let PathSample { x_t, velocity } = self.at(x0, x1, t)?;
        let acceleration = self.1.curve(x0, x1, t)?.acceleration;
        if matches!(self.0, Fault::CurveWithoutGradients) {
            let [x_t, velocity, acceleration] = [x_t, velocity, acceleration].map(|x| x.detach());
            return Ok(PathCurve { x_t, velocity, acceleration });
        }
        let acceleration = match self.0 {
            Fault::AccelerationIsZero => x_t.zeros_like(),
            Fault::AccelerationNotFinite => acceleration + f64::NAN,
            Fault::BatchLeaks => acceleration - others(x0) * 2.0,
            _ => acceleration,
        };
        Ok(PathCurve { x_t, velocity, acceleration })
    }
    fn marginal_at(&self, source: &dyn Source, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let PathSample { x_t, velocity } = self.1.marginal_at(source, x0, x1, t)?;
        match self.0 {
            Fault::MarginalOfNothing => Ok(PathSample { x_t, velocity: velocity * 0.0 }),
            Fault::MarginalWeighsEndsAlike => {
                let x_t = self.1.position(x0, &own_endpoints(x0, x1)?, t)?;
                let paths = self.1.through(Points { x_t: &x_t.unsqueeze(1), x1, t })?;
                let mean = paths.velocity.mean_dim([1i64].as_slice(), false, x_t.kind());
                Ok(PathSample { x_t, velocity: mean.squeeze_dim(1) })
            }
            _ => Err(Error::NotInvertible { what: "a faulty path" }),
        }
    }
}

impl InvertibleInterpolant for Faulty {
    fn invert(&self, x_t: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Inverted, Error> {
        let Inverted { x0, log_det } = self.1.invert(x_t, x1, t)?;
        let log_det = match self.0 {
            Fault::LogDetWithoutTime => log_det + (1f64 - t).log() * event_size(x_t) as f64,
            Fault::LogDetDoubled => log_det * 2.0,
            Fault::LogDetDetached => log_det.detach(),
            _ => log_det,
        };
        let x0 = if matches!(self.0, Fault::InverseIgnoresShift) { x0 + per_sample(t, x_t) } else { x0 };
        Ok(Inverted { x0, log_det })
    }
    fn marginal(&self, source: &dyn Source, at: Points<'_>) -> Result<Marginal, Error> {
        match self.0 {
            Fault::MarginalIgnoresTheSource => self.through(at)?.marginal(&StandardNormal::new(source.event_shape())),
            Fault::MarginalWithoutGradients => tch::no_grad(|| self.through(at)?.marginal(source)),
            _ => self.through(at)?.marginal(source),
        }
    }
    fn moving_marginal(&self, source: &dyn Source, at: Points<'_>) -> Result<Option<MovingMarginal>, Error> {
        let Fault::MovingTooFast = self.0 else { return Ok(None) };
        let moving = self.1.moving_marginal(source, at)?;
        Ok(moving
            .map(|MovingMarginal { marginal, derivative }| MovingMarginal { marginal, derivative: derivative * 1.01 }))
    }
}

/// $x_t = \sqrt{1 - t^2}\,x_0 + t\,x_1$: at $t = 1$ a root of nothing.
struct Circle;

impl Interpolant for Circle {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let b = per_sample(t, x0);
        let a = (1f64 - b.square()).sqrt();
        Ok(PathSample { velocity: x1 - &b / &a * x0, x_t: a * x0 + b * x1 })
    }
    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let PathSample { x_t, velocity } = self.at(x0, x1, t)?;
        let rest = 1f64 - per_sample(t, x0).square();
        Ok(PathCurve { x_t, velocity, acceleration: -x0 / (rest.sqrt() * rest) })
    }
}

#[test]
fn the_suite_catches_a_velocity_that_is_not_finite_at_an_end() {
    let broken = check("circle", |_, _| Ok(Circle)).expect_err("the circle was not caught");
    assert_eq!(broken.law, Law::Endpoints, "{broken}");
}

#[test]
fn the_suites_catch_planted_faults() {
    use Fault::{
        AccelerationIsZero, AccelerationNotFinite, BatchLeaks, CoarseInSinglePrecision, CurveWithoutGradients, Fails,
        InverseIgnoresShift, LogDetDetached, LogDetDoubled, LogDetWithoutTime, MarginalIgnoresTheSource,
        MarginalOfNothing, MarginalWeighsEndsAlike, MarginalWithoutGradients, MovingTooFast, PathWithoutGradients,
        PositionElsewhere, PositionMissesTheEnd, SwappedEndpoints, VelocityByFloatDifference, VelocitySummedOverBatch,
        VelocitySummedOverDimensions,
    };
    let expected = [
        (VelocitySummedOverBatch, Law::Velocity),
        (VelocitySummedOverDimensions, Law::Velocity),
        (VelocityByFloatDifference, Law::Velocity),
        (SwappedEndpoints, Law::Endpoints),
        (PositionElsewhere, Law::Position),
        (PositionMissesTheEnd, Law::Endpoints),
        (AccelerationIsZero, Law::Acceleration),
        (BatchLeaks, Law::BatchSplit),
        (PathWithoutGradients, Law::Gradient),
        (CurveWithoutGradients, Law::Gradient),
        (MarginalOfNothing, Law::OneEnd),
        (MarginalWeighsEndsAlike, Law::ManyEnds),
        (MarginalIgnoresTheSource, Law::Through),
        (MarginalWithoutGradients, Law::Gradient),
        (LogDetDetached, Law::Gradient),
        (LogDetWithoutTime, Law::LogDet),
        (LogDetDoubled, Law::LogDet),
        (InverseIgnoresShift, Law::RoundTrip),
        (Fails, Law::Runs),
        (AccelerationNotFinite, Law::Shape),
        (CoarseInSinglePrecision, Law::SinglePrecision),
        (MovingTooFast, Law::Moving),
    ];
    let mut escaped = vec![];
    for (fault, law) in expected {
        let build = |case: &Case, scope: &mut Scope<'_>| Ok(Faulty(fault, affine(Mixing::Triangular)(case, scope)?));
        match check_invertible(&format!("{fault:?}"), build) {
            Err(broken) if broken.law == law => {}
            Err(broken) => escaped.push(format!("not under {law:?}: {broken}")),
            Ok(()) => escaped.push(format!("{fault:?} was not caught")),
        }
    }
    assert!(escaped.is_empty(), "{escaped:#?}");
}
