//! The processes that train one run together, where a launcher started several.

use crate::ProgramError;
use std::cell::Cell;
use std::ops::Range;
#[cfg(feature = "distributed")]
use std::rc::Rc;
use std::time::{Duration, Instant};
use strait_core::{Alone, Synchronize};
#[cfg(feature = "distributed")]
use strait_distributed::{Group, Place};
use tch::Tensor;

/// How often ranks ask each other whether one of them was told to stop, in seconds.
const ASKED_EVERY: f64 = 0.5;

/// The group of this process; a group of one if it was started alone.
#[derive(Debug, Clone, Default)]
pub struct Ranks {
    #[cfg(feature = "distributed")]
    group: Option<Rc<Group>>,
}

impl Ranks {
    /// Connects to the ranks that the environment names (`RANK`, `WORLD_SIZE` and the rest of torchrun's).
    ///
    /// # Errors
    /// Those of connecting; `Argument` where there is more than one and this program was built without `distributed`.
    pub fn join() -> Result<Self, ProgramError> {
        #[cfg(feature = "distributed")]
        return match Place::of_environment().map_err(strait_core::Error::from)? {
            Some(place) if place.world > 1 => {
                Ok(Self { group: Some(Rc::new(Group::join(place).map_err(strait_core::Error::from)?)) })
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

    /// Connects, does the work, and tells the other ranks the reason if the work fails.
    ///
    /// # Errors
    /// Those of `join` and of the work.
    pub fn together<T>(work: impl FnOnce(&Self) -> Result<T, ProgramError>) -> Result<T, ProgramError> {
        let ranks = Self::join()?;
        let done = work(&ranks);
        if let Err(error) = &done {
            ranks.leave(error);
        }
        done
    }

    /// Whether the environment says that another process prints and writes for this one.
    pub fn is_silent() -> bool {
        variable("RANK").is_some_and(|rank| rank > 0) && variable("WORLD_SIZE").is_some_and(|world| world > 1)
    }

    /// The communication between the ranks.
    pub fn synchronize(&self) -> &dyn Synchronize {
        #[cfg(feature = "distributed")]
        if let Some(group) = &self.group {
            return &**group;
        }
        &Alone
    }

    /// How many there are.
    pub fn world(&self) -> usize {
        self.synchronize().world()
    }

    /// Whether this is the rank that prints and writes.
    pub fn is_first(&self) -> bool {
        self.synchronize().rank() == 0
    }

    /// The device of this rank: of several ranks on one machine, each uses the GPU of its own number.
    pub fn device(&self, named: &str) -> String {
        #[cfg(feature = "distributed")]
        if let (Some(group), "cuda") = (&self.group, named) {
            return format!("cuda:{}", group.place().local_rank);
        }
        named.to_owned()
    }

    /// Refuses ranks that were started differently from rank 0: with another program, other settings or other data.
    ///
    /// # Errors
    /// The group's, which names the ranks and what they differ in.
    pub fn check_same(&self, what: &str, text: &str) -> Result<(), ProgramError> {
        Ok(self.synchronize().check_same(what, strait_io::digest_of(text.as_bytes()))?)
    }

    /// The SHA-256 of this program, which identifies its build; empty where this process is alone.
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

    /// Refuses ranks of another program, by the bytes of its file.
    ///
    /// # Errors
    /// As `check_same`.
    pub fn check_program(&self) -> Result<(), ProgramError> {
        self.check_same("program (other bytes)", &self.program()?)
    }

    /// Waits for all ranks: as long as a working rank takes, if it answers.
    ///
    /// # Errors
    /// The group's, which names who is lost.
    pub fn meet(&self) -> Result<(), ProgramError> {
        #[cfg(feature = "distributed")]
        if let Some(group) = &self.group {
            group.meet().map_err(strait_core::Error::from)?;
        }
        Ok(())
    }

    /// Does work whose result is cached in files: rank 0 does it first, so that the others find the result.
    ///
    /// # Errors
    /// Those of the work, and of `meet`.
    pub fn after_first<T>(&self, work: impl FnOnce() -> Result<T, ProgramError>) -> Result<T, ProgramError> {
        if self.is_first() {
            let done = work()?;
            return self.meet().map(|()| done);
        }
        self.meet()?;
        work()
    }

    /// The text of rank 0, on all ranks.
    ///
    /// # Errors
    /// The group's.
    pub fn first_says(&self, text: String) -> Result<String, ProgramError> {
        if self.world() == 1 {
            return Ok(text);
        }
        let length = Tensor::from(text.len() as i64);
        self.synchronize().spread(&[length.shallow_clone()])?;
        let mut bytes = text.into_bytes();
        bytes.resize(length.int64_value(&[]) as usize, 0);
        let bytes = Tensor::from_slice(&bytes);
        self.synchronize().spread(&[bytes.shallow_clone()])?;
        Ok(String::from_utf8_lossy(&Vec::<u8>::try_from(&bytes)?).into_owned())
    }

    /// Whether the condition holds on any rank.
    ///
    /// # Errors
    /// The group's.
    pub fn any(&self, here: bool) -> Result<bool, ProgramError> {
        Ok(self.synchronize().sum(&[f64::from(u8::from(here))])?[0] > 0.0)
    }

    /// The numbers below a count, each given to one rank, as the ranks ask for more. The count has a name.
    pub fn shared_out(&self, name: &str, count: usize) -> impl Iterator<Item = Result<usize, ProgramError>> {
        let taken = Cell::new(0);
        #[cfg(not(feature = "distributed"))]
        let _ = name;
        let take = move || -> Result<usize, ProgramError> {
            #[cfg(feature = "distributed")]
            if let Some(group) = &self.group {
                return Ok(group.take(name).map_err(strait_core::Error::from)? as usize);
            }
            Ok(taken.replace(taken.get() + 1))
        };
        std::iter::from_fn(move || match take() {
            Ok(number) if number >= count => None,
            other => Some(other),
        })
    }

    /// The rows of `count` that are this rank's: as many as any other's, or one fewer.
    pub fn rows(&self, count: i64) -> Range<i64> {
        let (rank, world) = (self.synchronize().rank() as i64, self.world() as i64);
        count * rank / world..count * (rank + 1) / world
    }

    /// The `count` rows of all ranks, in their order, on each: `own` are those of this rank's `rows`.
    ///
    /// # Errors
    /// The group's.
    pub fn all_rows(&self, own: Tensor, count: i64) -> Result<Tensor, ProgramError> {
        #[cfg(feature = "distributed")]
        if let Some(group) = &self.group {
            let world = self.world() as i64;
            // What is sent has one shape: short parts are filled up.
            let most = (count + world - 1) / world;
            let shape = [&[most], &own.size()[1..]].concat();
            let filled = Tensor::f_zeros(&shape, (own.kind(), own.device()))?;
            filled.f_narrow(0, 0, own.size()[0])?.f_copy_(&own)?;
            let parts = group.all_gather(&filled).map_err(strait_core::Error::from)?;
            let part =
                |(rank, part): (i64, &Tensor)| part.f_narrow(0, 0, count * (rank + 1) / world - count * rank / world);
            let parts = (0..).zip(&parts).map(part).collect::<Result<Vec<_>, _>>()?;
            return Ok(Tensor::f_cat(&parts, 0)?.f_to_device(own.device())?);
        }
        let _ = count;
        Ok(own)
    }

    /// The time that this rank has spent on communication: reducing gradients, and waiting for the slowest.
    pub fn spent(&self) -> Duration {
        #[cfg(feature = "distributed")]
        if let Some(group) = &self.group {
            return group.spent();
        }
        Duration::ZERO
    }

    /// Of a rank that is not the first: whether that has ended, to be asked from any thread.
    pub fn first_has_left(&self) -> Option<Box<dyn Fn() -> bool + Send>> {
        #[cfg(feature = "distributed")]
        if let Some(group) = self.group.as_ref().filter(|_| !self.is_first()) {
            return Some(Box::new(group.first_has_left()));
        }
        None
    }

    /// Tells the others why this rank ends, if they do not know.
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
