//! Couplings of a batch, from `[coupling]`. Pairs that are made before a training are in `training/made_pairs.rs`.

use crate::config::CouplingConfig;
use strait_core::Coupling;
use strait_transport::{ConditionalOt, ExactOt, Independent};

/// The coupling of points that are drawn for a batch. Under `reflow` and `trajectories` it is that of the first
/// teacher; for pairs that are made before the training, it is the closest coupling of a batch.
pub fn coupling(config: &CouplingConfig) -> Box<dyn Coupling + Send> {
    match config {
        CouplingConfig::Reflow { teacher: Some(teacher), .. } => coupling(&teacher.coupling),
        CouplingConfig::Trajectories { teacher, .. } => coupling(&teacher.coupling),
        CouplingConfig::Independent | CouplingConfig::Reflow { teacher: None, .. } => Box::new(Independent),
        CouplingConfig::Ot | CouplingConfig::Pool { .. } | CouplingConfig::Semidiscrete { .. } => Box::new(ExactOt),
        CouplingConfig::ConditionalOt { share } => Box::new(ConditionalOt { share: *share }),
    }
}
