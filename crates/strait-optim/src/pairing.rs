//! Batches: source and data points, their coupling, their times and their conditions.

use crate::share::{PairedOver, Share, Shared};
use crate::{LevelPlan, OptimError, Phase, term};
use strait_core::{
    Batch, Conditions, Coupling, Dataset, PairedDataset, Pairs, Rows, Sampling, Seed, Segments, Source,
    TrajectoryDataset,
};
use tch::Tensor;

/// Where the pairs come from.
#[derive(Clone, Copy)]
pub enum Pairing<'a> {
    /// Source and data points, drawn for each batch and paired there.
    Drawn {
        /// $p_0$.
        source: &'a dyn Source,
        /// $p_1$.
        data: &'a dyn Dataset,
        /// Which source point goes with which data point.
        coupling: &'a dyn Coupling,
    },
    /// Pairs that were made before, such as rectified ones.
    Stored(&'a dyn PairedDataset),
    /// Segments of trajectories that were integrated before.
    Trajectories(&'a dyn TrajectoryDataset),
}

impl Pairing<'_> {
    /// Refuses a phase with an objective that is not right of these pairs: one of the exact marginal field where they are
    /// not independent, one of segments where there are none, and the other way round.
    pub(crate) fn check(&self, phase: &Phase) -> Result<(), OptimError> {
        for plan in &phase.levels {
            for objective in plan.terms.iter().map(|term| &term.objective) {
                let segments = matches!(self, Self::Trajectories(_));
                if segments && plan.noise > 0.0 {
                    let problem = format!("`{}` adds noise to pairs, and stored trajectories have none", phase.name);
                    return Err(OptimError::Plan { problem });
                }
                if segments != (objective.sampling() == Sampling::Segments) {
                    let (phase, name) = (&phase.name, objective.name());
                    let problem = if segments {
                        format!(
                            "`{phase}` trains on stored trajectories, of which {name} has no use; pair points for it"
                        )
                    } else {
                        format!("`{phase}` trains by {name}, which needs stored trajectories; integrate some first")
                    };
                    return Err(OptimError::Plan { problem });
                }
                if objective.needs_independent_pairs() && self.is_conditional() {
                    let problem = format!(
                        "`{}` trains by {}, which rests on the marginal field of all data, and these come under conditions; \
                         train by flow_matching, or without conditions",
                        phase.name,
                        objective.name()
                    );
                    return Err(OptimError::Plan { problem });
                }
                if objective.needs_independent_pairs()
                    && let Some(pairs) = self.dependence(plan)
                {
                    let (phase, level, objective) = (phase.name.clone(), plan.level.name(), objective.name());
                    return Err(OptimError::NotIndependent { phase, level, objective, pairs });
                }
            }
        }
        Ok(())
    }

    fn is_conditional(&self) -> bool {
        match self {
            Self::Drawn { data, .. } => data.condition().is_some(),
            Self::Stored(pairs) => pairs.is_conditional(),
            Self::Trajectories(_) => false,
        }
    }

    /// What makes the two points of a plan's pairs dependent, in words; None where they are independent.
    fn dependence(&self, plan: &LevelPlan) -> Option<String> {
        match self {
            Self::Stored(_) | Self::Trajectories(_) => Some("these were made before and stored".into()),
            Self::Drawn { coupling, .. } if !coupling.is_independent() => {
                Some(format!("these come from {}", coupling.name()))
            }
            Self::Drawn { .. } if plan.noise > 0.0 => {
                Some(format!("both points of one get the same noise, of {}", plan.noise))
            }
            Self::Drawn { .. } => None,
        }
    }

    /// A share of batch number `number` for a plan: a function of the seed and the number alone. The shares of all ranks
    /// together are the batch.
    pub(crate) fn draw(&self, plan: &LevelPlan, seed: Seed, number: u64, share: Share) -> Result<Batch, OptimError> {
        let Shared { rows, times, later } = share.of(plan)?;
        let at = |name: &str| seed.stream(name).at(number);
        let (Pairs { mut x0, mut x1, .. }, conditions) = match self {
            Self::Drawn { source, data, coupling } => {
                let apart = coupling.is_independent() || share.over == PairedOver::Rank;
                let drawn = if apart { rows.clone() } else { Rows::all(plan.batch) };
                let (x1, conditions) = data.minibatch_rows(&drawn, number, seed.stream("data"))?;
                let x0 = source.sample_rows(&drawn, &mut at("source"), x1.kind(), x1.device())?;
                let pairs = coupling.couple_given(x0, x1, &conditions, &mut at("coupling"))?;
                let conditions = pairs.carried(conditions)?;
                if apart { (pairs, conditions) } else { of_rows(&rows, &pairs, conditions)? }
            }
            Self::Stored(pairs) => {
                let (pairs, conditions) = pairs.conditional_minibatch(plan.batch, number, seed.stream("pairs"))?;
                of_rows(&rows, &pairs, conditions)?
            }
            Self::Trajectories(stored) => {
                let from_start = plan.spans.starting(plan.batch);
                let Segments { from, s, to, t } =
                    stored.segments(plan.batch, from_start, number, seed.stream("segments"))?;
                let [x0, x1, s, t] = [rows.select(&from)?, rows.select(&to)?, rows.select(&s)?, rows.select(&t)?];
                return Ok(Batch { x0, x1, t: s, later: Some(t), conditions: Conditions::default() });
            }
        };
        let (kind, device) = (x1.kind(), x1.device());
        let conditions = if plan.condition_drop > 0.0 && !conditions.is_empty() {
            let dropped = at("dropped conditions").uniform(&[plan.batch], kind, device)?.f_lt(plan.condition_drop)?;
            conditions.dropping(rows.select(&dropped)?)?
        } else {
            conditions
        };
        if plan.noise > 0.0 {
            let shape = [&[plan.batch], &x1.size()[1..]].concat();
            let noise = rows.select(&at("noise").normal(&shape, kind, device)?)? * plan.noise;
            (x0, x1) = (x0 + &noise, x1 + noise);
        }
        let (off, mut draws) = (plan.spans.count(plan.batch), at("time"));
        if off == 0 {
            let t = plan.times.draw(term::times(&plan.terms, plan.batch)?, &mut draws, kind, device)?;
            return Ok(Batch { x0, x1, t: times.select(&t)?, later: None, conditions });
        }
        let diagonal = plan.times.draw(plan.batch - off, &mut draws, kind, device)?;
        let (s, t) = plan.spans.draw(plan.times, off, &mut draws, kind, device)?;
        let all = Tensor::f_cat(&[diagonal, s], 0)?;
        Ok(Batch { x0, x1, t: times.select(&all)?, later: Some(later.select(&t)?), conditions })
    }
}

/// Some rows of pairs and of their conditions.
fn of_rows(rows: &Rows, pairs: &Pairs, conditions: Conditions) -> Result<(Pairs, Conditions), OptimError> {
    let (x0, x1) = (rows.select(&pairs.x0)?, rows.select(&pairs.x1)?);
    Ok((Pairs { x0, x1, target_rows: None }, rows.select_conditions(conditions)?))
}
