//! Trajectories of a flow that are kept: what a flow map is trained on by regression.

use strait_core::{Error, Segments, Stream, TrajectoryDataset};
use tch::Tensor;

/// Where each of some trajectories is at each of some times, in memory.
///
/// A segment is a trajectory drawn uniformly, with replacement, and two of its points, each pair of them equally often.
///
/// ```
/// use strait_core::{Seed, TrajectoryDataset};
/// use strait_transport::StoredTrajectories;
/// use tch::Tensor;
/// let points = Tensor::from_slice(&[0.0f64, 1.0, 4.0, 10.0, 11.0, 14.0]).view([2, 3, 1]); // two, each at three times
/// let stored = StoredTrajectories::new(&points, &[0.0, 0.5, 1.0])?;
/// let batch = stored.segments(64, 7, Seed(0).stream("segments"))?;
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
}

impl TrajectoryDataset for StoredTrajectories {
    fn event_shape(&self) -> &[i64] {
        &self.event
    }

    fn count(&self) -> i64 {
        self.points.size()[0] / self.times.size()[0]
    }

    fn segments(&self, n: i64, step: u64, stream: Stream) -> Result<Segments, Error> {
        let (count, device, mut draws) = (self.times.size()[0], self.points.device(), stream.at(step));
        let mut below = |high: i64| draws.integers(high, &[n], device);
        let (rows, a, b) = (below(self.count())? * count, below(count)?, below(count - 1)?);
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
