use crate::Linear;
use strait_autodiff::{Jet, Order};
use strait_core::{Conditions, Error, Interpolant, PathCurve, PathSample, TimeFunction, event_size, per_sample};
use tch::Tensor;

/// A path bent by any network:
///
/// $$ x_t = \varphi_t(x_0; x_1) + t(1-t) R(x_0, x_1, t) $$
///
/// with $\varphi$ the base path, the linear one unless another is given. The network's context is $x_0$ and $x_1$ joined
/// along their first dimension after the batch: (B, 2d) for vectors, (B, 2c, h, w) for images. It is not invertible in
/// $x_0$, so it has no exact marginal field. A network that is zero gives the base path.
#[derive(Debug)]
pub struct ResidualPath<R, P = Linear> {
    network: R,
    base: P,
}

impl<R: TimeFunction> ResidualPath<R> {
    /// Over a network whose result has as many numbers for each sample as a sample has, on the linear path.
    pub fn new(network: R) -> Self {
        Self::on(Linear, network)
    }
}

impl<R: TimeFunction, P: Interpolant> ResidualPath<R, P> {
    /// As `new`, on another path.
    pub fn on(base: P, network: R) -> Self {
        Self { network, base }
    }

    /// The network.
    pub fn network(&self) -> &R {
        &self.network
    }

    fn bend(&self, x0: &Tensor, x1: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        let bend = self.network.jet(&Tensor::cat(&[x0, x1], 1), t, order)?;
        let found = bend.value().size();
        if event_size(bend.value()) != event_size(x0) || found[0] != x0.size()[0] {
            let expected = format!("({}, {})", x0.size()[0], event_size(x0));
            return Err(Error::Shape { what: "the residual path's network", expected, found });
        }
        let time = Jet::variable(&per_sample(t, x0), order);
        let rest = time.map(|t| 1f64 - t, Tensor::neg);
        Ok(time.times(&rest).times(&bend.view(|r| r.reshape(x0.size()))))
    }
}

impl<R: TimeFunction, P: Interpolant> Interpolant for ResidualPath<R, P> {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let PathSample { x_t, velocity } = self.base.at(x0, x1, t)?;
        let bend = self.bend(x0, x1, t, Order::First)?;
        Ok(PathSample { x_t: x_t + bend.value(), velocity: velocity + bend.first() })
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let PathCurve { x_t, velocity, acceleration } = self.base.curve(x0, x1, t)?;
        let bend = self.bend(x0, x1, t, Order::Second)?;
        Ok(PathCurve {
            x_t: x_t + bend.value(),
            velocity: velocity + bend.first(),
            acceleration: acceleration + bend.second(),
        })
    }

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Interpolant + '_>>, Error> {
        let (network, base) = (self.network.given(conditions)?, self.base.given(conditions)?);
        if network.is_none() && base.is_none() {
            return Ok(None);
        }
        let network = network.unwrap_or_else(|| Box::new(&self.network));
        let base = base.unwrap_or_else(|| Box::new(&self.base));
        Ok(Some(Box::new(ResidualPath { network, base })))
    }
}
