use super::independent::same_count;
use crate::assignment::{Dense, assign};
use crate::tensors::{relative_costs, rows};
use strait_core::{Coupling, Draws, Error, Pairs};
use tch::Tensor;

/// Exact optimal transport within the minibatch (OT-CFM: Tong et al., 2023; Pooladian et al., 2023): the permutation
/// $\sigma$ that minimises $\sum_i |x_{0,i} - x_{1,\sigma(i)}|^2$. Every row of either batch is used exactly once.
///
/// The source stays as it is; the data and their row numbers are permuted. Costs are in double precision.
///
/// ```
/// use strait_core::{Coupling, Seed};
/// use strait_transport::ExactOt;
/// use tch::Tensor;
///
/// let x0 = Tensor::from_slice(&[0.0f32, 1.0, 2.0]).view([3, 1]);
/// let x1 = Tensor::from_slice(&[2.5f32, 0.5, 1.5]).view([3, 1]);
/// let pairs = ExactOt.couple(x0, x1, &mut Seed(0).stream("coupling").at(0))?;
/// assert_eq!(pairs.target_rows, Some(Tensor::from_slice(&[1i64, 2, 0])));
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExactOt;

impl Coupling for ExactOt {
    fn couple(&self, x0: Tensor, x1: Tensor, _draws: &mut Draws) -> Result<Pairs, Error> {
        same_count(&x0, &x1)?;
        let costs = relative_costs(&x0, &x1)?;
        let assignment = assign(&Dense(costs.view()));
        let target_rows = rows(assignment.map_err(Error::other)?.columns.into_iter(), &x1)?;
        let x1 = x1.f_index_select(0, &target_rows)?;
        Ok(Pairs { x0, x1, target_rows: Some(target_rows) })
    }

    fn is_independent(&self) -> bool {
        false
    }

    fn name(&self) -> &str {
        "exact minibatch OT"
    }

    fn for_thread(&self) -> Option<Box<dyn Coupling + Send>> {
        Some(Box::new(*self))
    }
}
