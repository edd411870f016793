//! `[ranks]`.

use serde::{Deserialize, Serialize};
use strait_optim::PairedOver;

/// `[ranks]`: how processes share a run. Of one process alone it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RanksConfig {
    /// Over which points a coupling that looks at which are near pairs: `batch`, all of a batch, so that any number of ranks
    /// trains on the same pairs; or `rank`, those of each rank's share.
    pub pairs: PairedOver,
}

impl RanksConfig {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
