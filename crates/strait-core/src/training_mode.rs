//! Training or evaluation mode of modules.

use crate::Draws;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a module is to behave as in training: to drop entries, to normalise by its batch. Its copies are one switch.
///
/// A module that behaves the same in both needs none.
#[derive(Debug, Clone, Default)]
pub struct TrainingMode(Arc<AtomicBool>);

impl TrainingMode {
    /// In training; otherwise in evaluation, where everything starts.
    pub fn is_training(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn train(&self, mut draws: Draws) -> Training {
        // Only where someone holds a copy can a module draw by it.
        if Arc::strong_count(&self.0) > 1 {
            tch::manual_seed(draws.bits() as i64);
        }
        self.0.store(true, Ordering::Relaxed);
        Training { mode: self.clone() }
    }
}

/// As long as it lives, modules behave as in training.
#[derive(Debug)]
#[must_use = "modules behave as in training only as long as this lives"]
pub struct Training {
    mode: TrainingMode,
}

impl Drop for Training {
    fn drop(&mut self) {
        self.mode.0.store(false, Ordering::Relaxed);
    }
}
