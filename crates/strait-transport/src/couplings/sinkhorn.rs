use crate::sinkhorn::Sinkhorn;
use crate::tensors::{rows, squared_distances};
use strait_core::{Coupling, Draws, Error, Pairs};
use tch::Tensor;

/// Pairs drawn from the entropic plan of the minibatch, with squared Euclidean costs: each source row draws its data
/// row from the plan's law given that source, so that rows of the data can come twice or not at all in one batch, and
/// keep their weight on average. As $\varepsilon$ grows the pairs become independent; as it falls, optimal.
///
/// ```
/// use strait_core::{Coupling, Seed};
/// use strait_transport::Sinkhorn;
/// use tch::Tensor;
///
/// let x0 = Tensor::from_slice(&[0.0f32, 1.0, 2.0]).view([3, 1]);
/// let x1 = Tensor::from_slice(&[2.5f32, 0.5, 1.5]).view([3, 1]);
/// let pairs = Sinkhorn::new(0.01).couple(x0, x1, &mut Seed(0).stream("coupling").at(0))?;
/// assert_eq!(pairs.target_rows, Some(Tensor::from_slice(&[1i64, 2, 0])));
/// # Ok::<(), strait_core::Error>(())
/// ```
impl Coupling for Sinkhorn {
    fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
        let costs = squared_distances(&x0, &x1)?;
        let plan = self.plan(costs.view()).map_err(Error::other)?;
        let chosen = costs.rows().into_iter().enumerate().map(|(i, row)| {
            let mut level = (draws.bits() >> 11) as f64 * (-53f64).exp2();
            let law = plan.conditional(i, row);
            let likeliest = (0..law.len()).max_by(|&a, &b| law[a].total_cmp(&law[b])).unwrap_or(0);
            let drawn = law.iter().position(|weight| {
                level -= weight;
                level < 0.0
            });
            drawn.unwrap_or(likeliest) // the weights sum to 1 less a rounding
        });
        let target_rows = rows(chosen, &x1)?;
        let x1 = x1.f_index_select(0, &target_rows)?;
        Ok(Pairs { x0, x1, target_rows: Some(target_rows) })
    }

    fn is_independent(&self) -> bool {
        false
    }

    fn name(&self) -> &str {
        "Sinkhorn"
    }

    fn for_thread(&self) -> Option<Box<dyn Coupling + Send>> {
        Some(Box::new(*self))
    }
}
