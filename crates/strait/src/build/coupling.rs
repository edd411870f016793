//! `[coupling]`.

use crate::config::CouplingConfig;
use strait_core::Coupling;
use strait_transport::{ConditionalOt, ExactOt, Independent};

/// `[coupling]` of points that are drawn for a batch: under reflow and trajectories that of the first teacher, and of a coupling that is
/// made before the training the one that it comes nearest to.
pub fn coupling(config: &CouplingConfig) -> Box<dyn Coupling + Send> {
    match config {
        CouplingConfig::Reflow { teacher: Some(teacher), .. } => coupling(&teacher.coupling),
        CouplingConfig::Trajectories { teacher, .. } => coupling(&teacher.coupling),
        CouplingConfig::Independent | CouplingConfig::Reflow { teacher: None, .. } => Box::new(Independent),
        CouplingConfig::Ot | CouplingConfig::Pool { .. } | CouplingConfig::Semidiscrete { .. } => Box::new(ExactOt),
        CouplingConfig::ConditionalOt { share } => Box::new(ConditionalOt { share: *share }),
    }
}
