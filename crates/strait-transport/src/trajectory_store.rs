//! Stored trajectories of a flow, on which a flow map is trained by regression.

use crate::error::PairsError;
use crate::pair_store::{StoredPairs, file_error};
use crate::shards::Shards;
use std::path::{Path, PathBuf};
use strait_core::{Error, Segments, Stream, TrajectoryDataset};
use strait_io::tensors;
use tch::{Device, Kind, Tensor};

/// A folder of trajectories in shards, `trajectories-00003-of-00016.safetensors` and so on, each with its points
/// (n, K+1, ...), their times (K+1,), and the name of the flow that made them.
///
/// A shard is complete or absent, so that an interrupted generation continues with the first missing one.
///
/// ```
/// use strait_core::{Seed, TrajectoryDataset};
/// use strait_transport::{PairsError, TrajectoryStore};
/// use tch::{Device, Kind, Tensor};
/// # let folder = std::env::temp_dir().join(format!("strait-trajectories-{}", std::process::id()));
/// let store = TrajectoryStore::new(&folder, 100, 64, &[0.0, 0.5, 1.0], "x' = 3");
/// store.fill(|shard, n| {
///     let x0 = Seed(0).stream("source").at(shard).normal(&[n, 2], Kind::Float, Device::Cpu)?;
///     Ok::<_, PairsError>(Tensor::stack(&[&x0, &(&x0 + 1.5), &(&x0 + 3.0)], 1))
/// })?;
/// let batch = store.open(Kind::Float, Device::Cpu)?.segments(8, 0, 0, Seed(0).stream("segments"))?;
/// let moved = (&batch.t - &batch.s).view([8, 1]) * 3.0;
/// assert!((batch.to - batch.from).allclose(&moved.expand([8, 2], false), 0.0, 1e-5, false));
/// let other = TrajectoryStore::new(&folder, 100, 64, &[0.0, 0.5, 1.0], "x' = 4");
/// assert!(other.open(Kind::Float, Device::Cpu).unwrap_err().to_string().contains("another flow"));
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), PairsError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TrajectoryStore {
    shards: Shards,
    times: Vec<f64>,
    /// The bytes of the flow's name.
    of: Vec<i64>,
}

impl TrajectoryStore {
    /// `count` trajectories at `times` below `folder`, `shard` of them in a file (the last may hold fewer), of the flow that `of`
    /// names, such as by the digest of its parameters; at least one of each.
    pub fn new(folder: impl AsRef<Path>, count: i64, shard: i64, times: &[f64], of: &str) -> Self {
        let of = of.bytes().map(i64::from).collect();
        Self { shards: Shards::new(folder.as_ref(), count, shard), times: times.to_vec(), of }
    }

    /// How many files there are.
    pub fn shards(&self) -> u64 {
        self.shards.count()
    }

    /// Writes the shards that are not there yet: `integrate` is called with the number of a shard, from 0, and the number of
    /// trajectories in it, answers with their points (n, K+1, ...), and must be a function of the two for a stopped generation
    /// to go on as if it had not been stopped. One shard at a time is in memory.
    ///
    /// # Errors
    /// Those of `integrate`; `Io` names the file; `Shape` for points that do not fit.
    pub fn fill<E: From<PairsError>>(&self, integrate: impl FnMut(u64, i64) -> Result<Tensor, E>) -> Result<(), E> {
        self.fill_part((0, 1), integrate)
    }

    /// As `fill`, of every n-th shard from the k-th on, for (k, n): so n processes fill a folder that all of them see.
    ///
    /// # Errors
    /// As `fill`.
    pub fn fill_part<E: From<PairsError>>(
        &self,
        part: (usize, usize),
        mut integrate: impl FnMut(u64, i64) -> Result<Tensor, E>,
    ) -> Result<(), E> {
        self.shards.fill(part, |index| self.path(index), |index, n| Ok(self.write(index, n, &integrate(index, n)?)?))
    }

    fn path(&self, index: u64) -> PathBuf {
        self.shards.path("trajectories", index, "safetensors")
    }

    fn write(&self, index: u64, n: i64, points: &Tensor) -> Result<(), PairsError> {
        if points.dim() < 3 || points.size()[..2] != [n, self.times.len() as i64] {
            let expected = format!("({n}, {}, ...)", self.times.len());
            return Err(Error::Shape { what: "integrated trajectories", expected, found: points.size() }.into());
        }
        let core = |tensor: Result<Tensor, tch::TchError>| tensor.map_err(Error::from);
        let parts = [
            ("of".to_owned(), core(Tensor::f_from_slice(&self.of))?),
            ("points".to_owned(), core(points.f_to_kind(Kind::Float))?),
            ("times".to_owned(), core(Tensor::f_from_slice(&self.times))?),
        ];
        tensors::write(&self.path(index), &parts).map_err(file_error)
    }

    /// All trajectories, in memory.
    ///
    /// # Errors
    /// `Io` names a shard that is missing or cannot be read, `Damaged` one that is not what was written, or holds trajectories
    /// of another flow.
    pub fn open(&self, kind: Kind, device: Device) -> Result<StoredTrajectories, PairsError> {
        let mut all = vec![];
        for index in 0..self.shards() {
            let path = self.path(index);
            let found = tensors::read(&path).map_err(file_error)?;
            let part = |what: &str| found.iter().find(|(name, _)| name == what).map(|(_, part)| part);
            let (Some(of), Some(points), Some(times)) = (part("of"), part("points"), part("times")) else {
                return Err(PairsError::Damaged { path, problem: "parts are missing".into() });
            };
            let is = |found: &Tensor, expected: &Tensor| found.size() == expected.size() && found == expected;
            let core = |tensor: Result<Tensor, tch::TchError>| tensor.map_err(Error::from);
            if !is(of, &core(Tensor::f_from_slice(&self.of))?) {
                return Err(PairsError::Damaged { path, problem: "it holds trajectories of another flow".into() });
            }
            let (size, count) = (points.size(), [self.shards.size(index), self.times.len() as i64]);
            if size.len() < 3 || size[..2] != count || !is(times, &core(Tensor::f_from_slice(&self.times))?) {
                let problem = format!("it is {size:?} and should be [{}, {}, ...] at its times", count[0], count[1]);
                return Err(PairsError::Damaged { path, problem });
            }
            all.push(points.shallow_clone());
        }
        let all = Tensor::f_cat(&all, 0).map_err(Error::from)?;
        let all = all.f_to_kind(kind).and_then(|all| all.f_to_device(device)).map_err(Error::from)?;
        Ok(StoredTrajectories::new(&all, &self.times)?)
    }
}

/// Trajectories in memory: the points of each at some times.
///
/// A segment is a trajectory drawn uniformly, with replacement, and two of its points, each pair of them equally often.
///
/// ```
/// use strait_core::{Seed, TrajectoryDataset};
/// use strait_transport::StoredTrajectories;
/// use tch::Tensor;
/// let points = Tensor::from_slice(&[0.0f64, 1.0, 4.0, 10.0, 11.0, 14.0]).view([2, 3, 1]); // two, each at three times
/// let stored = StoredTrajectories::new(&points, &[0.0, 0.5, 1.0])?;
/// let batch = stored.segments(64, 0, 7, Seed(0).stream("segments"))?;
/// let moved = (&batch.to - &batch.from).view([-1]);
/// assert!(moved.allclose(&((&batch.t * 2.0).square() - (&batch.s * 2.0).square()), 0.0, 1e-12, false));
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct StoredTrajectories {
    event: Vec<i64>,
    /// (n (K+1), ...).
    points: Tensor,
    /// (K+1,).
    times: Tensor,
}

impl StoredTrajectories {
    /// Of `points`, (n, K+1, ...): each trajectory at the K + 1 `times`, which rise.
    ///
    /// # Errors
    /// `Shape` for points of another count of times, or without trajectories; `Time` for times that do not rise from one to
    /// the next within $[0, 1]$.
    pub fn new(points: &Tensor, times: &[f64]) -> Result<Self, Error> {
        let found = points.size();
        let count = times.len() as i64;
        if found.len() < 3 || found[0] < 1 || found[1] != count || count < 2 {
            let expected = format!("(n, {count}, ...) at two times or more");
            return Err(Error::Shape { what: "trajectories", expected, found });
        }
        let mut before = -f64::EPSILON;
        for &t in times {
            if !(t > before && t <= 1.0) {
                return Err(Error::Time { what: "a trajectory", t, domain: "its times rise from 0 to 1" });
            }
            before = t;
        }
        let times = Tensor::f_from_slice(times)?.f_to_kind(points.kind())?.f_to_device(points.device())?;
        Ok(Self { event: found[2..].to_vec(), points: points.f_flatten(0, 1)?, times })
    }

    /// The first point of each trajectory with its last.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn endpoints(&self) -> Result<StoredPairs, Error> {
        let shape = [&[self.count(), self.times.size()[0]], &self.event[..]].concat();
        let points = self.points.f_view(&shape[..])?;
        let at = |which: i64| points.f_select(1, which)?.f_contiguous();
        Ok(StoredPairs::new(at(0)?, at(-1)?, None))
    }
}

impl TrajectoryDataset for StoredTrajectories {
    fn event_shape(&self) -> &[i64] {
        &self.event
    }

    fn count(&self) -> i64 {
        self.points.size()[0] / self.times.size()[0]
    }

    fn segments(&self, n: i64, from_start: i64, step: u64, stream: Stream) -> Result<Segments, Error> {
        let (count, device, mut draws) = (self.times.size()[0], self.points.device(), stream.at(step));
        let mut below = |high: i64| draws.integers(high, &[n], device);
        let (rows, a, b) = (below(self.count())? * count, below(count)?, below(count - 1)?);
        let _ = a.f_narrow(0, 0, from_start)?.f_fill_(0)?;
        // b is any but a: what is at or past a moves up by one.
        let b = &b + b.f_ge_tensor(&a)?.f_to_kind(b.kind())?;
        let (first, last) = (a.f_minimum(&b)?, a.f_maximum(&b)?);
        let at = |which: &Tensor| self.points.f_index_select(0, &(&rows + which));
        Ok(Segments {
            from: at(&first)?,
            s: self.times.f_index_select(0, &first)?,
            to: at(&last)?,
            t: self.times.f_index_select(0, &last)?,
        })
    }
}
