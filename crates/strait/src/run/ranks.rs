//! The processes that train one run together, where a launcher started several.

use crate::ProgramError;
use std::time::Instant;
use strait_core::{Alone, Synchronize};
#[cfg(feature = "distributed")]
use strait_distributed::{Group, Place};

/// How often ranks ask each other whether one of them was told to stop, in seconds.
const ASKED_EVERY: f64 = 0.5;

/// The group that this process is one of; of one where it was started alone.
#[derive(Debug, Default)]
pub struct Ranks {
    #[cfg(feature = "distributed")]
    group: Option<Group>,
}

impl Ranks {
    /// Meets the ranks that the environment speaks of (`RANK`, `WORLD_SIZE` and the rest of torchrun's).
    ///
    /// # Errors
    /// Those of meeting them; `Argument` where there is more than one and this program was built to train alone.
    pub fn join() -> Result<Self, ProgramError> {
        #[cfg(feature = "distributed")]
        return match Place::of_environment().map_err(strait_core::Error::from)? {
            Some(place) if place.world > 1 => {
                Ok(Self { group: Some(Group::join(place).map_err(strait_core::Error::from)?) })
            }
            _ => Ok(Self::default()),
        };
        #[cfg(not(feature = "distributed"))]
        match variable("WORLD_SIZE") {
            Some(world) if world > 1 => Err(ProgramError::Argument {
                argument: format!("WORLD_SIZE={world}"),
                problem:
                    "this program was built to train alone; build it with `--features distributed`, or start it by \
                          `cargo xtask launch`"
                        .into(),
            }),
            _ => Ok(Self::default()),
        }
    }

    /// Whether the environment says that another process speaks and writes for this one.
    pub fn is_silent() -> bool {
        variable("RANK").is_some_and(|rank| rank > 0) && variable("WORLD_SIZE").is_some_and(|world| world > 1)
    }

    /// How the ranks agree.
    pub fn synchronize(&self) -> &dyn Synchronize {
        #[cfg(feature = "distributed")]
        if let Some(group) = &self.group {
            return group;
        }
        &Alone
    }

    /// How many there are.
    pub fn world(&self) -> usize {
        self.synchronize().world()
    }

    /// Whether this one speaks and writes.
    pub fn is_first(&self) -> bool {
        self.synchronize().rank() == 0
    }

    /// The device of this rank: of several on one machine, each has the GPU of its own number.
    pub fn device(&self, named: &str) -> String {
        #[cfg(feature = "distributed")]
        if let (Some(group), "cuda") = (&self.group, named) {
            return format!("cuda:{}", group.place().local_rank);
        }
        named.to_owned()
    }

    /// Refuses ranks that were started as something else than rank 0: another program, other settings, other data.
    ///
    /// # Errors
    /// The group's, which names the ranks and what they differ in.
    pub fn check_same(&self, what: &str, text: &str) -> Result<(), ProgramError> {
        Ok(self.synchronize().check_same(what, strait_io::digest_of(text.as_bytes()))?)
    }

    /// The SHA-256 of this program, by which another build is known; nothing where this process is alone.
    ///
    /// # Errors
    /// `File` where it cannot be read.
    pub fn program(&self) -> Result<String, ProgramError> {
        if self.world() == 1 {
            return Ok(String::new());
        }
        let path = std::env::current_exe().map_err(ProgramError::io(std::path::Path::new("this program")))?;
        Ok(strait_io::sha256(&path)?)
    }

    /// Tells the others why this rank ends, where they do not know.
    pub fn leave(&self, error: &ProgramError) {
        #[cfg(feature = "distributed")]
        if let Some(group) = &self.group
            && !matches!(error, ProgramError::Interrupted { .. })
        {
            group.leave(&error.to_string());
        }
        #[cfg(not(feature = "distributed"))]
        let _ = error;
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// When ranks ask each other whether one of them was told to stop: all at the same iteration, and about every half second by
/// rank 0's clock, for an answer costs as much as a small reduction.
#[derive(Debug)]
pub(crate) struct Pace {
    next: u64,
    asked: (u64, Instant),
}

impl Pace {
    /// From a step on.
    pub(crate) fn from(step: u64) -> Self {
        Self { next: step + 1, asked: (step, Instant::now()) }
    }

    /// Whether to stop after the iteration that made this step. Alone, that is whether this process was told to.
    ///
    /// # Errors
    /// The group's.
    pub(crate) fn stops(&mut self, step: u64, told: bool, ranks: &Ranks) -> Result<bool, ProgramError> {
        if ranks.world() == 1 {
            return Ok(told);
        }
        if step < self.next {
            return Ok(false);
        }
        let (since, at) = self.asked;
        let iterations =
            (ASKED_EVERY * (step - since) as f64 / at.elapsed().as_secs_f64().max(1e-6)).clamp(1.0, 1000.0);
        let iterations = if ranks.is_first() { iterations.round() } else { 0.0 };
        let sums = ranks.synchronize().sum(&[f64::from(u8::from(told)), iterations])?;
        self.asked = (step, Instant::now());
        self.next = step + sums[1] as u64;
        Ok(sums[0] > 0.0)
    }
}
