//! One iteration, which a signal does not wait for where it is long.

use crate::ProgramError;
use crate::run::command::CommandContext;
use std::path::Path;
use std::time::{Duration, Instant};
use strait_optim::Trainer;
use strait_optim::checkpoint::Snapshot;

/// An iteration of less than this is waited for.
const SHORT: Duration = Duration::from_millis(500);

/// Takes iterations. Before one that may be long, because the last one was or because it is the first of a phase, the state
/// is copied, so that it can be saved while the iteration is computed.
#[derive(Debug, Default)]
pub(super) struct Iterate {
    lasted: Duration,
}

impl Iterate {
    /// The next iteration, after `wall` seconds of training. A signal ends the program with a checkpoint of the step before it, in
    /// `dir` beside `keep - 1` others.
    ///
    /// # Errors
    /// Those of the trainer.
    pub(super) fn next(
        &mut self,
        trainer: &mut Trainer<'_>,
        wall: f64,
        (dir, keep): (&Path, usize),
        command: &CommandContext<'_>,
    ) -> Result<(), ProgramError> {
        let begun = Instant::now();
        if self.lasted < SHORT && trainer.position().iteration > 0 {
            trainer.iterate()?;
        } else {
            let (before, dir) = (Snapshot::of(trainer, wall).copied()?, dir.to_owned());
            let interrupted = command.interrupted(before.step());
            let rescue = move || before.save(&dir, keep).map_or_else(ProgramError::from, |_| interrupted);
            command.left_by(rescue, || trainer.iterate())?;
        }
        self.lasted = begun.elapsed();
        Ok(())
    }
}
