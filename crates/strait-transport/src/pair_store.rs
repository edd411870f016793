//! Rectified pairs (reflow) on disk: each source point with the point that a flow carries it to, kept together.

use crate::error::PairsError;
use crate::shards::Shards;
use std::path::{Path, PathBuf};
use strait_core::{Conditions, Error, PairedDataset, Pairs, Stream};
use strait_io::npy::{self, Array};
use strait_io::{Element, IoError};
use tch::{Device, Kind, Tensor};

/// A folder of pairs in shards, `pairs-00003-of-00016.npy` and so on, each an array (n, 2, ...) in single precision:
/// the source point first, then the point it was carried to. Where pairs were carried under conditions,
/// `labels-00003-of-00016.npy` holds (n,) integers, or vectors (n, k) in single precision.
///
/// A shard is complete or absent, so that an interrupted generation continues with the first missing one.
///
/// ```
/// use strait_core::{PairedDataset, Seed};
/// use strait_transport::{Generated, PairsError, PairStore};
/// use tch::{Device, Kind};
/// # let folder = std::env::temp_dir().join(format!("strait-pairs-{}", std::process::id()));
/// let store = PairStore::new(&folder, 1000, 256);
/// store.fill(|shard, n| {
///     let x0 = Seed(0).stream("source").at(shard).normal(&[n, 2], Kind::Float, Device::Cpu)?;
///     let x1 = &x0 + 3.0; // any flow: here every point moves by 3
///     Ok::<_, PairsError>(Generated { x0, x1, labels: None })
/// })?;
/// let pairs = store.open(Kind::Float, Device::Cpu)?;
/// let batch = pairs.minibatch(64, 7, Seed(0).stream("pairs"))?;
/// assert!(batch.x1.allclose(&(&batch.x0 + 3.0), 0.0, 0.0, false));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), PairsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairStore {
    shards: Shards,
}

/// The pairs of one shard.
#[derive(Debug)]
pub struct Generated {
    /// Source points, (n, ...).
    pub x0: Tensor,
    /// Where they were carried, (n, ...).
    pub x1: Tensor,
    /// The condition that each was carried under: classes (n,) of integers, or vectors (n, k).
    pub labels: Option<Tensor>,
}

impl PairStore {
    /// `pairs` pairs below `folder`, `shard` of them in a file (the last may hold fewer); at least one of each.
    pub fn new(folder: impl AsRef<Path>, pairs: i64, shard: i64) -> Self {
        Self { shards: Shards::new(folder.as_ref(), pairs, shard) }
    }

    /// How many files there are.
    pub fn shards(&self) -> u64 {
        self.shards.count()
    }

    fn path(&self, what: &str, index: u64) -> PathBuf {
        self.shards.path(what, index, "npy")
    }

    /// Writes the shards that are not there yet: `generate` is called with the number of a shard, from 0, and the
    /// number of pairs in it, and must be a function of the two for a stopped generation to go on as if it had not
    /// been stopped. One shard at a time is in memory.
    ///
    /// # Errors
    /// Those of `generate`; `Io` names the file; `Shape` for pairs that do not fit.
    pub fn fill<E: From<PairsError>>(&self, generate: impl FnMut(u64, i64) -> Result<Generated, E>) -> Result<(), E> {
        self.fill_part((0, 1), generate)
    }

    /// As `fill`, of every n-th shard from one on: process k of n, which fill a folder that all of them see, writes those of
    /// (k, n).
    ///
    /// # Errors
    /// As `fill`.
    pub fn fill_part<E: From<PairsError>>(
        &self,
        part: (usize, usize),
        mut generate: impl FnMut(u64, i64) -> Result<Generated, E>,
    ) -> Result<(), E> {
        let make = |index, n| Ok(self.write(index, n, &generate(index, n)?)?);
        self.shards.fill(part, |index| self.path("pairs", index), make)
    }

    fn write(&self, index: u64, n: i64, generated: &Generated) -> Result<(), PairsError> {
        let Generated { x0, x1, labels } = generated;
        if x0.size().first() != Some(&n) || x0.size() != x1.size() {
            let expected = format!("({n}, ...) like its source points");
            return Err(Error::Shape { what: "generated points", expected, found: x1.size() }.into());
        }
        if let Some(labels) = labels {
            if labels.size().first() != Some(&n) {
                let expected = format!("({n}, ...)");
                return Err(Error::Shape { what: "labels", expected, found: labels.size() }.into());
            }
            let element = if labels.is_floating_point() { Element::F32 } else { Element::I64 };
            npy::write(&self.path("labels", index), labels, element).map_err(file_error)?;
        }
        let pairs = Tensor::f_stack(&[x0, x1], 1).map_err(Error::from)?;
        npy::write(&self.path("pairs", index), &pairs, Element::F32).map_err(file_error)
    }

    /// All pairs, in memory.
    ///
    /// # Errors
    /// `Io` names a shard that is missing or cannot be read, `Damaged` one that is not what was written.
    pub fn open(&self, kind: Kind, device: Device) -> Result<StoredPairs, PairsError> {
        let (mut pairs, mut labels) = (vec![], vec![]);
        for index in 0..self.shards() {
            let path = self.path("pairs", index);
            let shard = read(&path, &[Element::F32])?;
            let found = shard.size();
            if found.len() < 3 || found[0] != self.shards.size(index) || found[1] != 2 {
                let problem = format!("it is {found:?} and should be [{}, 2, ...]", self.shards.size(index));
                return Err(PairsError::Damaged { path, problem });
            }
            pairs.push(shard);
            let path = self.path("labels", index);
            if path.is_file() {
                labels.push(read(&path, &[Element::I64, Element::F32])?);
            }
        }
        let joined = |parts: &[Tensor], kind: Kind| -> Result<Tensor, Error> {
            Ok(Tensor::f_cat(parts, 0)?.f_to_kind(kind)?.f_to_device(device)?)
        };
        let all = joined(&pairs, kind)?;
        let labels = match labels.first() {
            None => None,
            Some(first) => Some(joined(&labels, if first.is_floating_point() { kind } else { Kind::Int64 })?),
        };
        if let Some(labels) = &labels
            && labels.size().first() != Some(&self.shards.rows)
        {
            let problem = format!("there are labels for {:?} of {} pairs", labels.size(), self.shards.rows);
            return Err(PairsError::Damaged { path: self.shards.folder().to_owned(), problem });
        }
        let side = |which: i64| -> Result<Tensor, Error> { Ok(all.f_select(1, which)?.f_contiguous()?) };
        let (x0, x1) = (side(0)?, side(1)?);
        Ok(StoredPairs::new(x0, x1, labels))
    }
}

/// The files' errors, with what mends a damaged one.
pub(crate) fn file_error(error: IoError) -> PairsError {
    match error {
        IoError::System { path, source } => PairsError::Io { path, source },
        IoError::Damaged { path, problem } => PairsError::Damaged { path, problem },
        error => PairsError::Damaged { path: error.path().to_owned(), problem: error.to_string() },
    }
}

fn read(path: &Path, elements: &[Element]) -> Result<Tensor, PairsError> {
    let Array { values, element: found, followed } = npy::read(path).map_err(file_error)?;
    if followed {
        return Err(PairsError::Damaged { path: path.to_owned(), problem: "it is longer than its header says".into() });
    }
    if elements.contains(&found) {
        return Ok(values);
    }
    let wanted: Vec<&str> = elements.iter().map(|element| element.descr()).collect();
    let problem = format!("it holds numbers of type {} in place of {}", found.descr(), wanted.join(" or "));
    Err(PairsError::Damaged { path: path.to_owned(), problem })
}

/// Pairs read back from a [`PairStore`].
///
/// A minibatch is made of pairs drawn uniformly, with replacement; its `target_rows` say which pairs of the store they
/// are, so that labels are found by them.
#[derive(Debug)]
pub struct StoredPairs {
    event: Vec<i64>,
    x0: Tensor,
    x1: Tensor,
    labels: Option<Tensor>,
}

impl StoredPairs {
    /// Row i of `x0` with row i of `x1`, as many of each.
    pub(crate) fn new(x0: Tensor, x1: Tensor, labels: Option<Tensor>) -> Self {
        Self { event: x0.size()[1..].to_vec(), x0, x1, labels }
    }

    /// All source points, (n, ...).
    pub fn x0(&self) -> &Tensor {
        &self.x0
    }

    /// All points they were carried to, (n, ...).
    pub fn x1(&self) -> &Tensor {
        &self.x1
    }

    /// The condition of each pair, classes (n,) or vectors (n, k), where there are any: of a minibatch, called `labels`.
    pub fn labels(&self) -> Option<&Tensor> {
        self.labels.as_ref()
    }
}

impl PairedDataset for StoredPairs {
    fn event_shape(&self) -> &[i64] {
        &self.event
    }

    fn count(&self) -> i64 {
        self.x0.size()[0]
    }

    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        let rows = stream.at(step).integers(self.count(), &[n], self.x0.device())?;
        let (x0, x1) = (self.x0.f_index_select(0, &rows)?, self.x1.f_index_select(0, &rows)?);
        Ok(Pairs { x0, x1, target_rows: Some(rows) })
    }

    fn is_conditional(&self) -> bool {
        self.labels.is_some()
    }

    fn conditional_minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<(Pairs, Conditions), Error> {
        let pairs = self.minibatch(n, step, stream)?;
        let all = self.labels.as_ref().map(|labels| Conditions::of("labels", labels.shallow_clone())).transpose()?;
        let conditions = pairs.carried(all.unwrap_or_default())?;
        Ok((pairs, conditions))
    }
}
