use super::mean_square_norm;
use strait_core::{Batch, Bijection, Condition, Error, Loss, Models, Objective};

/// The mean squared distance over which a map moves the source points, for the transport:
///
/// $$ E |T(x_0) - x_0|^2 $$
///
/// Among the many maps with the same image it prefers those that move points least; beside the likelihood it is the
/// regularised transport of Onken et al. (arXiv 2006.00104).
pub struct TransportCost {
    /// T; it is made of the tensors that the stepped level's parameters name.
    pub map: Box<dyn Bijection + Send>,
}

impl Objective for TransportCost {
    fn loss(&self, _: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let image = match self.map.given(&batch.conditions)? {
            Some(map) => map.forward(&batch.x0, Condition::NONE)?.value,
            None => self.map.forward(&batch.x0, Condition::NONE)?.value,
        };
        let total = mean_square_norm(&(image - &batch.x0));
        Ok(Loss { terms: vec![("transport_cost", total.detach())], total })
    }

    fn name(&self) -> &'static str {
        "transport_cost"
    }
}
