//! The share of a batch that one of several ranks sees.

use crate::{LevelPlan, OptimError, term};
use std::ops::Range;
use strait_core::Rows;

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

/// The rows of a batch that a share holds.
pub(crate) struct Shared {
    /// Of the pairs.
    pub(crate) rows: Rows,
    /// Of the times, one for each pair or as many as the objective asks for.
    pub(crate) times: Rows,
    /// Of the later times of pairs off the diagonal.
    pub(crate) later: Rows,
}

impl Share {
    /// The whole batch, for one process.
    pub(crate) const WHOLE: Self = Self { rank: 0, world: 1, over: PairedOver::Batch };

    /// An equal part of a range.
    fn part(self, of: Range<i64>) -> Range<i64> {
        let each = (of.end - of.start) / self.world as i64;
        let start = of.start + each * self.rank as i64;
        start..start + each
    }

    /// The part of a plan's batches in this share. All shares are equal, so that the mean over the ranks is the mean
    /// over the batch: pairs on the diagonal and off it, and times that pairs share, are each divided.
    ///
    /// # Errors
    /// `Plan` for a batch that so many ranks cannot share equally, or at all.
    pub(crate) fn of(self, plan: &LevelPlan) -> Result<Shared, OptimError> {
        let (n, off, ranks) = (plan.batch, plan.spans.count(plan.batch), self.world as i64);
        let times = term::times(&plan.terms, n)?;
        if ranks == 1 {
            return Ok(Shared { rows: Rows::all(n), times: Rows::all(times), later: Rows::all(off) });
        }
        let common = term::common(&plan.terms, n)?;
        let (objective, level) = (plan.objective(), plan.level.name());
        if common >= n {
            let problem =
                format!("{objective} is over a whole batch, which ranks cannot share; train it on one process");
            return Err(OptimError::Plan { problem });
        }
        let own = n - common - off;
        for (count, what) in [(own, "pairs"), (off, "pairs off the diagonal"), (times, "times")] {
            if count % ranks != 0 {
                let problem = format!(
                    "level {level} has {count} {what} of {objective} in a batch of {n}, which {ranks} ranks cannot share \
                     equally; choose the batch, or the number of ranks, so that they can"
                );
                return Err(OptimError::Plan { problem });
            }
        }
        let (diagonal, after) = (self.part(common..n - off), self.part(n - off..n));
        let rows = Rows::of(n, vec![0..common, diagonal.clone(), after.clone()]);
        let times = if off > 0 { rows.clone() } else { Rows::of(times, vec![self.part(0..times)]) };
        Ok(Shared { rows, times, later: Rows::of(off, vec![self.part(0..off)]) })
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
