use crate::linear::check;
use strait_autodiff::{Jet, Order};
use strait_core::{Error, Interpolant, PathCurve, PathSample, TimeFunction, event_size, per_sample};
use tch::Tensor;

/// A learned path with any network at all:
///
/// $$ x_t = (1-t)\,x_0 + t x_1 + t(1-t)\,R(x_0, x_1, t) $$
///
/// The network's context is $x_0$ and $x_1$ joined along their first dimension after the batch: (B, 2d) for vectors, (B,
/// 2c, h, w) for images. It is not invertible in $x_0$, so it has no exact marginal field. A network that is zero makes
/// the linear path.
#[derive(Debug)]
pub struct Residual<R> {
    network: R,
}

impl<R: TimeFunction> Residual<R> {
    /// Over a network whose result has as many numbers for each sample as a sample has.
    pub fn new(network: R) -> Self {
        Self { network }
    }

    /// The network.
    pub fn network(&self) -> &R {
        &self.network
    }

    fn jet(&self, x0: &Tensor, x1: &Tensor, t: &Tensor, order: Order) -> Result<Jet, Error> {
        check(x0, x1, t)?;
        let bend = self.network.jet(&Tensor::cat(&[x0, x1], 1), t, order)?;
        let found = bend.value().size();
        if event_size(bend.value()) != event_size(x0) || found[0] != x0.size()[0] {
            let expected = format!("({}, {})", x0.size()[0], event_size(x0));
            return Err(Error::Shape { what: "the residual path's network", expected, found });
        }
        let time = Jet::variable(&per_sample(t, x0), order);
        let rest = time.map(|t| 1f64 - t, Tensor::neg);
        let line = rest.times(&Jet::constant(x0)).plus(&time.times(&Jet::constant(x1)));
        Ok(line.plus(&time.times(&rest).times(&bend.view(|r| r.reshape(x0.size())))))
    }
}

impl<R: TimeFunction> Interpolant for Residual<R> {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        Ok(self.jet(x0, x1, t, Order::First)?.into())
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        Ok(self.jet(x0, x1, t, Order::Second)?.into())
    }
}
