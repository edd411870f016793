//! What both suites pair their points by.

use strait_core::{Coupling, Draws, Error, Pairs};
use tch::Tensor;

/// Pairs as they are drawn.
pub(crate) struct Independent;

impl Coupling for Independent {
    fn couple(&self, x0: Tensor, x1: Tensor, _: &mut Draws) -> Result<Pairs, Error> {
        Ok(Pairs { x0, x1, target_rows: None })
    }
    fn is_independent(&self) -> bool {
        true
    }
    fn name(&self) -> &str {
        "independent"
    }
}
