use super::ExactOt;
use strait_core::{Coupling, Draws, Error, Pairs, check_same};
use tch::Tensor;

/// Optimal pairs after a map of the source: the permutation $\sigma$ of a minibatch that minimises
/// $\sum_i |S(x_{0,i}) - x_{1,\sigma(i)}|^2$, for a map S of source points, such as the current flow map from 0 to 1.
/// Every row of either batch is used exactly once, so that the marginals are those of the batch for any S; with the
/// identity it is [`ExactOt`].
///
/// ```
/// use strait_core::{Coupling, Error, Seed};
/// use strait_transport::MappedOt;
/// use tch::Tensor;
///
/// let x0 = Tensor::from_slice(&[0.0f32, 1.0, 2.0]).view([3, 1]);
/// let x1 = Tensor::from_slice(&[2.5f32, 0.5, 1.5]).view([3, 1]);
/// let turned = MappedOt(|x0: &Tensor| Ok::<_, Error>(2.0 - x0));
/// let pairs = turned.couple(x0, x1, &mut Seed(0).stream("coupling").at(0))?;
/// assert_eq!(pairs.target_rows, Some(Tensor::from_slice(&[0i64, 2, 1]))); // the first source point goes to the last
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappedOt<F>(pub F);

impl<F: Fn(&Tensor) -> Result<Tensor, Error>> Coupling for MappedOt<F> {
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        let image = tch::no_grad(|| (self.0)(&x0))?;
        check_same(&x0, "where a map leads", &image)?;
        let Pairs { x1, target_rows, .. } = ExactOt.couple(image, x1, draws)?;
        Ok(Pairs { x0, x1, target_rows })
    }

    fn is_independent(&self) -> bool {
        false
    }

    fn name(&self) -> &str {
        "OT to where the flow leads"
    }
}
