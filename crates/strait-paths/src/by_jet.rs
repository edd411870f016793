//! An interpolant from a path that computes its own derivatives in t, as a jet.

/// Position, velocity and acceleration of a path with a method `jet(x0, x1, t, order)`: one pass, of as many derivatives as are
/// asked for.
macro_rules! by_jet {
    () => {
        fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
            Ok(self.jet(x0, x1, t, Order::First)?.into())
        }

        fn position(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
            Ok(self.jet(x0, x1, t, Order::Value)?.value().shallow_clone())
        }

        fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
            Ok(self.jet(x0, x1, t, Order::Second)?.into())
        }
    };
}

pub(crate) use by_jet;
