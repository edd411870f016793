//! `[ranks]`: how several processes share a run.

use serde::{Deserialize, Serialize};
use strait_optim::PairedOver;

/// `[ranks]`: how several processes share a run. It has no effect in a single process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RanksConfig {
    /// The points over which an OT coupling pairs: `batch`, all points of a batch, so that any number of ranks
    /// trains on the same pairs; or `rank`, the points of each rank's share.
    pub pairs: PairedOver,
}

impl RanksConfig {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
