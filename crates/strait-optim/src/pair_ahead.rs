//! Pairs of the batches to come, made on other threads while this one is trained on.

use crate::pairing::{Coupled, Points};
use std::collections::VecDeque;
use std::panic;
use std::thread::{self, JoinHandle};
use strait_core::{Coupling, Error};

/// A batch to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Upcoming {
    /// Its number.
    pub(crate) number: u64,
    /// The phase that it is of.
    pub(crate) phase: usize,
    /// The plan within that.
    pub(crate) which: usize,
}

/// Batches whose pairs are being made, in the order in which they are trained on. What a batch holds is decided by its number
/// alone, so that it is the same wherever its pairs are made.
#[derive(Default)]
pub(crate) struct Ahead {
    /// How many batches at most, each on a thread of its own.
    pub(crate) threads: usize,
    making: VecDeque<(Upcoming, JoinHandle<Result<Coupled, Error>>)>,
}

impl Ahead {
    /// This many batches ahead.
    pub(crate) fn of(threads: usize) -> Self {
        Self { threads, making: VecDeque::new() }
    }

    /// Whether the pairs of a batch are not yet being made.
    pub(crate) fn lacks(&self, batch: Upcoming) -> bool {
        self.making.iter().all(|(of, _)| *of != batch)
    }

    /// Begins to pair the points of a batch.
    pub(crate) fn begin(&mut self, batch: Upcoming, points: Points, coupling: Box<dyn Coupling + Send>) {
        self.making.push_back((batch, thread::spawn(move || points.coupled(&*coupling))));
    }

    /// The pairs of a batch, as soon as they are made; None where they were not begun. What lies before it is dropped.
    pub(crate) fn take(&mut self, batch: Upcoming) -> Option<Result<Coupled, Error>> {
        let place = self.making.iter().position(|(of, _)| *of == batch)?;
        self.making.drain(..place).for_each(|(_, earlier)| drop(earlier.join()));
        let (_, making) = self.making.pop_front()?;
        Some(making.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked)))
    }
}

/// No thread outlives the training: libtorch must not be torn down under it when the program ends.
impl Drop for Ahead {
    fn drop(&mut self) {
        self.making.drain(..).for_each(|(_, making)| drop(making.join()));
    }
}
