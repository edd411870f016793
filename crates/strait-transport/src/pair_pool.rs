//! A pool of exactly assigned pairs: made once before the training, which then draws minibatches from it.

use crate::couplings::ExactOt;
use crate::pair_store::{Generated, StoredPairs};
use std::time::{Duration, Instant};
use strait_core::{Conditions, Coupling, Error, PairedDataset, Pairs, Seed, Stream};
use tch::Tensor;

/// Pairs of k batches of fresh source and data points, each batch paired once by [`ExactOt`], in memory.
///
/// Batches may be larger than the minibatches that are trained on, and an assignment is paid for once, however often its
/// pairs are drawn. Each point that was drawn is in exactly one pair, so that both marginals of the pool are those of
/// what was drawn. A minibatch draws pairs uniformly, with replacement; its `target_rows` are rows of the pool, and so
/// are [`StoredPairs::labels`].
///
/// ```
/// use strait_core::{Error, PairedDataset, Seed};
/// use strait_transport::{Generated, Pool};
/// use tch::{Device, Kind};
/// let pool = Pool::new(4, |batch| {
///     let mut draws = Seed(0).stream("pool").at(batch);
///     let mut normal = || draws.normal(&[256, 2], Kind::Float, Device::Cpu);
///     Ok::<_, Error>(Generated { x0: normal()?, x1: normal()? + 3.0, labels: None })
/// })?;
/// assert_eq!((pool.count(), pool.batches()), (1024, 4));
/// let pairs = pool.minibatch(64, 7, Seed(0).stream("pairs"))?;
/// let paired = (&pairs.x1 - &pairs.x0).square().mean(Kind::Float);
/// let apart = (&pairs.x1.roll([1], [0]) - &pairs.x0).square().mean(Kind::Float);
/// assert!(paired.double_value(&[]) < apart.double_value(&[]));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Pool {
    pairs: StoredPairs,
    batches: u64,
    solving: Duration,
}

impl Pool {
    /// Pairs `batches` batches, at least one: `draw` is called with the number of each, from 0, and gives unpaired source
    /// points, as many data points and their labels. Where it is a function of that number, so is the pool.
    ///
    /// # Errors
    /// Those of `draw`; `Shape` for batches that do not fit each other; those of [`ExactOt`].
    pub fn new<E: From<Error>>(batches: u64, mut draw: impl FnMut(u64) -> Result<Generated, E>) -> Result<Self, E> {
        let batches = batches.max(1);
        let (mut x0, mut x1, mut labels, mut solving) = (vec![], vec![], vec![], Duration::ZERO);
        for batch in 0..batches {
            let drawn = draw(batch)?;
            let began = Instant::now();
            // An exact assignment needs no draws.
            let pairs = ExactOt.couple(drawn.x0, drawn.x1, &mut Seed(0).stream("pool").at(batch))?;
            solving += began.elapsed();
            if let Some(drawn) = drawn.labels {
                labels.push(carried(&drawn, &pairs)?);
            }
            x0.push(pairs.x0);
            x1.push(pairs.x1);
        }
        if !labels.is_empty() && labels.len() as u64 != batches {
            let (expected, found) = ("those of all batches, or of none".into(), vec![labels.len() as i64]);
            return Err(Error::Shape { what: "labels of batches", expected, found }.into());
        }
        let joined = |parts: &[Tensor]| Tensor::f_cat(parts, 0).map_err(Error::from);
        let labels = if labels.is_empty() { None } else { Some(joined(&labels)?) };
        Ok(Self { pairs: StoredPairs::new(joined(&x0)?, joined(&x1)?, labels), batches, solving })
    }

    /// The pairs.
    pub fn pairs(&self) -> &StoredPairs {
        &self.pairs
    }

    /// How many assignments were solved.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// The wall time that the assignments took, their costs included and the draws not: part of what training spends.
    pub fn solving(&self) -> Duration {
        self.solving
    }
}

/// The labels of data points, in the order that these were paired in.
fn carried(labels: &Tensor, pairs: &Pairs) -> Result<Tensor, Error> {
    let n = pairs.x1.size()[0];
    if labels.size().first() != Some(&n) {
        return Err(Error::Shape { what: "labels", expected: format!("({n}, ...)"), found: labels.size() });
    }
    match &pairs.target_rows {
        Some(rows) => Ok(labels.f_index_select(0, rows)?),
        None => Ok(labels.shallow_clone()),
    }
}

impl PairedDataset for Pool {
    fn event_shape(&self) -> &[i64] {
        self.pairs.event_shape()
    }

    fn count(&self) -> i64 {
        self.pairs.count()
    }

    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        self.pairs.minibatch(n, step, stream)
    }

    fn is_conditional(&self) -> bool {
        self.pairs.is_conditional()
    }

    fn conditional_minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<(Pairs, Conditions), Error> {
        self.pairs.conditional_minibatch(n, step, stream)
    }
}
