//! The interpolants' suite under planted faults.

mod common;

use common::{Net, affine};
use strait_core::{
    Error, Interpolant, Inverted, InvertibleInterpolant, PathCurve, PathSample, Scope, Source, event_size, per_sample,
};
use strait_laws::interpolant::{Case, Law, check_invertible};
use strait_paths::{Affine, Mixing};
use tch::{Kind, Tensor};

#[derive(Clone, Copy, Debug)]
enum Fault {
    VelocitySummedOverBatch,
    VelocitySummedOverDimensions,
    VelocityByFloatDifference,
    SwappedEndpoints,
    PositionElsewhere,
    AccelerationIsZero,
    BatchLeaks,
    MarginalOfNothing,
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
    fn position(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let late = if matches!(self.0, Fault::PositionElsewhere) { 0.99 } else { 1.0 };
        Ok(self.at(x0, x1, &(t * late))?.x_t)
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
    fn marginal_at(&self, source: &dyn Source, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let Fault::MarginalOfNothing = self.0 else { return Err(Error::NotInvertible { what: "a faulty path" }) };
        let PathSample { x_t, velocity } = self.1.marginal_at(source, x0, x1, t)?;
        Ok(PathSample { x_t, velocity: velocity * 0.0 })
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
        AccelerationIsZero, BatchLeaks, InverseIgnoresShift, LogDetDoubled, LogDetWithoutTime, MarginalOfNothing,
        PositionElsewhere, SwappedEndpoints, VelocityByFloatDifference, VelocitySummedOverBatch,
        VelocitySummedOverDimensions,
    };
    let expected = [
        (VelocitySummedOverBatch, Law::Velocity),
        (VelocitySummedOverDimensions, Law::Velocity),
        (VelocityByFloatDifference, Law::Velocity),
        (SwappedEndpoints, Law::Endpoints),
        (PositionElsewhere, Law::Position),
        (AccelerationIsZero, Law::Acceleration),
        (BatchLeaks, Law::BatchSplit),
        (MarginalOfNothing, Law::OneEnd),
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
