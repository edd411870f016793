use crate::row_store::Stored;
use std::cell::{Cell, RefCell};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use strait_core::Error;
use tch::Tensor;

/// A thread that reads rows.
type Reading = JoinHandle<Result<Tensor, Error>>;

/// The batch that is expected next, read on a thread while the last one is trained on. What a batch holds is decided by its
/// rows alone: another batch than the expected one is read at once.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    next: RefCell<Option<(Vec<i64>, Reading)>>,
    waited: Cell<Duration>,
}

impl Ahead {
    /// The rows at these places, as they are stored.
    pub(crate) fn read(&self, points: &Stored, places: &[i64]) -> Result<Tensor, Error> {
        let since = Instant::now();
        let expected = self.next.take().filter(|(of, _)| of == places);
        // A thread that ended without a result: read here, where its error is an error.
        let ready = expected.and_then(|(_, reading)| reading.join().ok()?.ok());
        let read = ready.map_or_else(|| points.read(places), Ok);
        self.waited.set(self.waited.get() + since.elapsed());
        read
    }

    /// Begins to read the rows at these places.
    pub(crate) fn expect(&self, points: &Stored, places: Vec<i64>) {
        let (points, of) = (points.clone(), places.clone());
        *self.next.borrow_mut() = Some((places, thread::spawn(move || points.read(&of))));
    }

    /// How long batches were waited for in all.
    pub(crate) fn waited(&self) -> Duration {
        self.waited.get()
    }
}
