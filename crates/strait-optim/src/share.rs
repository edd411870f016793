//! What one of several ranks sees of a batch, and which parts it computes one after the other.

use crate::{LevelPlan, OptimError, term};
use std::ops::Range;
use strait_core::{Batch, BatchShare, Error};

/// Over which points minibatch couplings pair, where ranks share a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PairedOver {
    /// All points of the batch, on every rank alike: the pairs are those of one process. Each rank draws the whole batch and
    /// solves the whole assignment.
    #[default]
    Batch,
    /// The points of each rank's share: cheaper, and another law of pairs, which depends on the number of ranks.
    Rank,
}

/// One rank's share of each batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) rank: usize,
    pub(crate) world: usize,
    pub(crate) over: PairedOver,
}

/// The rows of a batch that a share, or a part of one, holds.
pub(crate) struct Shared {
    /// Of the pairs.
    pub(crate) rows: BatchShare,
    /// Of the times, one for each pair or as many as the objective asks for.
    pub(crate) times: BatchShare,
    /// Of the later times of pairs off the diagonal.
    pub(crate) later: BatchShare,
}

impl Shared {
    /// These rows of a batch, of which it holds as many as this was made of.
    pub(crate) fn select(&self, batch: &Batch) -> Result<Batch, Error> {
        let later = |later| {
            // Both times of a segment are of every pair.
            let rows = if self.later.batch() == 0 { &self.rows } else { &self.later };
            rows.select(later)
        };
        Ok(Batch {
            x0: self.rows.select(&batch.x0)?,
            x1: self.rows.select(&batch.x1)?,
            t: self.times.select(&batch.t)?,
            later: batch.later.as_ref().map(later).transpose()?,
            conditions: self.rows.select_conditions(batch.conditions.shallow_clone())?,
        })
    }
}

/// How many rows of each kind a batch has.
#[derive(Clone, Copy)]
struct Counts {
    /// Pairs at its head that go with every part.
    common: i64,
    /// Pairs, but those off the diagonal.
    own: i64,
    /// Pairs off the diagonal.
    off: i64,
    times: i64,
}

impl Counts {
    /// One of equal parts: of each kind of rows but the common ones, which are in all.
    fn part(self, which: i64, parts: i64) -> Shared {
        let Self { common, own, off, times } = self;
        let n = common + own + off;
        if parts == 1 {
            let times = if off > 0 { n } else { times };
            return Shared { rows: BatchShare::all(n), times: BatchShare::all(times), later: BatchShare::all(off) };
        }
        let part = |of: Range<i64>| {
            let each = (of.end - of.start) / parts;
            let start = of.start + each * which;
            start..start + each
        };
        let rows = BatchShare::of(n, vec![0..common, part(common..n - off), part(n - off..n)]);
        let times = if off > 0 { rows.clone() } else { BatchShare::of(times, vec![part(0..times)]) };
        Shared { rows, times, later: BatchShare::of(off, vec![part(0..off)]) }
    }
}

impl Share {
    /// The whole batch, for one process.
    pub(crate) const WHOLE: Self = Self { rank: 0, world: 1, over: PairedOver::Batch };

    /// The part of a plan's batches in this share. All shares are equal, so that the mean over the ranks is the mean
    /// over the batch: pairs on the diagonal and off it, and times that pairs share, are each divided.
    ///
    /// # Errors
    /// `Plan` for a batch that so many ranks, of so many parts, cannot share equally, or at all.
    pub(crate) fn of(self, plan: &LevelPlan) -> Result<Shared, OptimError> {
        Ok(self.counts(plan)?.part(self.rank as i64, self.world as i64))
    }

    /// What of this share each part holds that is computed by itself, equal ones again.
    ///
    /// # Errors
    /// As `of`.
    pub(crate) fn parts(self, plan: &LevelPlan) -> Result<Vec<Shared>, OptimError> {
        let (counts, world, parts) = (self.counts(plan)?, self.world as i64, i64::from(plan.parts));
        let own = Counts { own: counts.own / world, off: counts.off / world, times: counts.times / world, ..counts };
        Ok((0..parts).map(|which| own.part(which, parts)).collect())
    }

    fn counts(self, plan: &LevelPlan) -> Result<Counts, OptimError> {
        let (n, off, ranks, parts) =
            (plan.batch, plan.spans.count(plan.batch), self.world as i64, i64::from(plan.parts));
        let times = term::times(&plan.terms, n)?;
        let refuse = |problem: String| Err(OptimError::Plan { problem });
        let (objective, level) = (plan.objective(), plan.level.name());
        if parts < 1 {
            return refuse(format!("a batch of level {level} is computed in {parts} parts, and must be in 1 at least"));
        }
        if ranks * parts == 1 {
            return Ok(Counts { common: 0, own: n - off, off, times });
        }
        let common = term::common(&plan.terms, n)?;
        if common >= n {
            let remedy = match parts {
                1 => "which ranks cannot share; train it on one process",
                _ => "which has no parts to compute by themselves; leave `parts` out",
            };
            return refuse(format!("{objective} is over a whole batch, {remedy}"));
        }
        let own = n - common - off;
        for (count, what) in [(own, "pairs"), (off, "pairs off the diagonal"), (times, "times")] {
            if count % (ranks * parts) != 0 {
                let (who, which) = match (ranks, parts) {
                    (_, 1) => (format!("{ranks} ranks"), "ranks"),
                    (1, _) => (format!("{parts} parts"), "parts"),
                    _ => (format!("{ranks} ranks of {parts} parts"), "ranks or parts"),
                };
                return refuse(format!(
                    "level {level} has {count} {what} of {objective} in a batch of {n}, which {who} cannot share equally; \
                     choose the batch, or the number of {which}, so that they can"
                ));
            }
        }
        Ok(Counts { common, own, off, times })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objectives::{FlowMatching, MarginalFlowMatching, MeanFlow};
    use crate::{LevelName, Spans, Term};
    use strait_core::StandardNormal;
    use tch::{Kind, Tensor};

    /// The rows of all shares, one after the other.
    fn all(plan: &LevelPlan, world: usize) -> Vec<i64> {
        let places = Tensor::arange(plan.batch, (Kind::Int64, tch::Device::Cpu));
        let of = |rank| Share { rank, world, over: PairedOver::Batch }.of(plan).unwrap().rows.select(&places).unwrap();
        (0..world).flat_map(|rank| Vec::<i64>::try_from(of(rank)).unwrap()).collect()
    }

    /// What its terms set apart is for ranks to agree on: one process has the whole batch.
    #[test]
    fn one_process_takes_terms_that_ranks_cannot_share() {
        let mut plan = LevelPlan::of(LevelName::Velocity, FlowMatching, 12, 0.1);
        let source = Box::new(StandardNormal::new(&[2]));
        plan.terms.push(Term::of(MarginalFlowMatching::new(source, 0).unwrap()));
        let share = |world| Share { rank: 0, world, over: PairedOver::Batch }.of(&plan);
        assert!(share(1).is_ok());
        let error = share(2).err().unwrap().to_string();
        assert!(error.contains("of a batch apart"), "{error}");
    }

    #[test]
    fn every_pair_is_in_one_share_and_those_off_the_diagonal_are_its_last() {
        let plan = LevelPlan::of(LevelName::Velocity, FlowMatching, 12, 0.1);
        assert_eq!(all(&plan, 3), (0..12).collect::<Vec<_>>());
        let spans = Spans { off_diagonal: 0.5, from_start: 0.0 };
        let plan = LevelPlan { spans, ..LevelPlan::of(LevelName::Velocity, MeanFlow::default(), 12, 0.1) };
        assert_eq!(all(&plan, 3), [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
    }

    #[test]
    fn a_batch_that_cannot_be_shared_equally_is_refused_with_its_numbers() {
        let spans = Spans { off_diagonal: 0.25, from_start: 0.0 };
        let plan = LevelPlan { spans, ..LevelPlan::of(LevelName::Velocity, MeanFlow::default(), 15, 0.1) };
        let share = Share { rank: 0, world: 3, over: PairedOver::Batch };
        let said = share.of(&plan).err().unwrap().to_string();
        assert!(said.contains("11 pairs of mean_flow in a batch of 15, which 3 ranks"), "{said}");
    }
}
