//! Batches: source and data points, their coupling, their times and their conditions.

use crate::share::{PairedOver, Share, Shared};
use crate::{LevelPlan, OptimError, Phase, term};
use strait_core::{
    Batch, BatchShare, Conditions, Coupling, Dataset, Draws, Error, PairedDataset, Pairs, Sampling, Seed, Segments,
    Source, TrajectoryDataset,
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
    /// Segments of trajectories that were integrated before, for the objectives that train on these.
    Trajectories {
        /// The trajectories.
        stored: &'a dyn TrajectoryDataset,
        /// What other objectives train on beside them, such as the pairs whose flow they follow; None refuses such.
        beside: Option<&'a Pairing<'a>>,
    },
}

impl Pairing<'_> {
    /// Refuses a phase with an objective that is not right of these pairs: one of the exact marginal field where they are
    /// not independent, one of segments where there are none, and the other way round.
    pub(crate) fn check(&self, phase: &Phase) -> Result<(), OptimError> {
        for plan in &phase.levels {
            let pairing = self.of(plan);
            for objective in plan.terms.iter().map(|term| &term.objective) {
                let segments = matches!(pairing, Self::Trajectories { .. });
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
                if objective.needs_independent_pairs() && pairing.is_conditional() {
                    let problem = format!(
                        "`{}` trains by {}, which rests on the marginal field of all data, and these come under conditions; \
                         train by flow_matching, or without conditions",
                        phase.name,
                        objective.name()
                    );
                    return Err(OptimError::Plan { problem });
                }
                if objective.needs_independent_pairs()
                    && let Some(pairs) = pairing.dependence(plan)
                {
                    let (phase, level, objective) = (phase.name.clone(), plan.level.name(), objective.name());
                    return Err(OptimError::NotIndependent { phase, level, objective, pairs });
                }
            }
        }
        Ok(())
    }

    /// What a plan's batches are of.
    fn of(&self, plan: &LevelPlan) -> &Self {
        let on_segments = |term: &term::Term| term.objective.sampling() == Sampling::Segments;
        match self {
            Self::Trajectories { beside: Some(beside), .. } if !plan.terms.iter().any(on_segments) => beside,
            own => own,
        }
    }

    fn is_conditional(&self) -> bool {
        match self {
            Self::Drawn { data, .. } => data.condition().is_some(),
            Self::Stored(pairs) => pairs.is_conditional(),
            Self::Trajectories { .. } => false,
        }
    }

    /// What makes the two points of a plan's pairs dependent, in words; None where they are independent.
    fn dependence(&self, plan: &LevelPlan) -> Option<String> {
        match self {
            Self::Stored(_) | Self::Trajectories { .. } => Some("these were made before and stored".into()),
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
        let coupled = match self.of(plan) {
            Self::Drawn { source, data, coupling } => {
                points(*source, *data, *coupling, (plan, seed, number, share))?.coupled(*coupling)?
            }
            Self::Stored(pairs) => {
                let (pairs, conditions) = pairs.conditional_minibatch(plan.batch, number, seed.stream("pairs"))?;
                of_rows(&share.of(plan)?.rows, &pairs, conditions)?
            }
            Self::Trajectories { stored, .. } => {
                let from_start = plan.spans.starting(plan.batch);
                let Segments { from, s, to, t } =
                    stored.segments(plan.batch, from_start, number, seed.stream("segments"))?;
                let rows = share.of(plan)?.rows;
                let [x0, x1, s, t] = [rows.select(&from)?, rows.select(&to)?, rows.select(&s)?, rows.select(&t)?];
                return Ok(Batch { x0, x1, t: s, later: Some(t), conditions: Conditions::default() });
            }
        };
        complete((plan, seed, number, share), coupled)
    }

    /// The points of a batch with a coupling that another thread can make; None where nothing is gained by that.
    pub(crate) fn for_thread(
        &self,
        plan: &LevelPlan,
        seed: Seed,
        number: u64,
        share: Share,
    ) -> Result<Option<Apart>, OptimError> {
        let Self::Drawn { source, data, coupling } = self.of(plan) else { return Ok(None) };
        let Some(apart) = coupling.for_thread() else { return Ok(None) };
        Ok(Some((points(*source, *data, *coupling, (plan, seed, number, share))?, apart)))
    }
}

/// Which batch: of a plan, by its number, and which share of it.
type Of<'a> = (&'a LevelPlan, Seed, u64, Share);

/// The pairs of a share of a batch, with their conditions.
pub(crate) type Coupled = (Pairs, Conditions);

/// Points with the coupling that pairs them on another thread.
pub(crate) type Apart = (Points, Box<dyn Coupling + Send>);

/// Points of a batch that are not paired yet.
pub(crate) struct Points {
    x0: Tensor,
    x1: Tensor,
    conditions: Conditions,
    draws: Draws,
    /// What is kept of the pairs.
    rows: BatchShare,
}

impl Points {
    /// The pairs.
    pub(crate) fn coupled(self, coupling: &dyn Coupling) -> Result<Coupled, Error> {
        let Self { x0, x1, conditions, mut draws, rows } = self;
        let pairs = coupling.couple_given(x0, x1, &conditions, &mut draws)?;
        let conditions = pairs.carried(conditions)?;
        of_rows(&rows, &pairs, conditions)
    }
}

/// The points of a share of a batch, or of all of it where pairs are made over the whole.
fn points(
    source: &dyn Source,
    data: &dyn Dataset,
    coupling: &dyn Coupling,
    (plan, seed, number, share): Of<'_>,
) -> Result<Points, OptimError> {
    let at = |name: &str| seed.stream(name).at(number);
    let rows = share.of(plan)?.rows;
    let apart = coupling.is_independent() || share.over == PairedOver::Rank;
    let drawn = if apart { rows.clone() } else { BatchShare::all(plan.batch) };
    let (x1, conditions) = data.minibatch_rows(&drawn, number, seed.stream("data"))?;
    let x0 = source.sample_rows(&drawn, &mut at("source"), x1.kind(), x1.device())?;
    let rows = if apart { BatchShare::all(rows.count()) } else { rows };
    // Ranks that pair for themselves draw for themselves.
    let draws = match share.rank {
        rank if rank > 0 && share.over == PairedOver::Rank => {
            seed.stream("coupling").stream(&rank.to_string()).at(number)
        }
        _ => at("coupling"),
    };
    Ok(Points { x0, x1, conditions, draws, rows })
}

/// The batch of these pairs: its noise, its times, and the conditions that are dropped.
pub(crate) fn complete((plan, seed, number, share): Of<'_>, (pairs, conditions): Coupled) -> Result<Batch, OptimError> {
    let Shared { rows, times, later } = share.of(plan)?;
    let at = |name: &str| seed.stream(name).at(number);
    let Pairs { mut x0, mut x1, .. } = pairs;
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

/// Some rows of pairs and of their conditions.
fn of_rows(rows: &BatchShare, pairs: &Pairs, conditions: Conditions) -> Result<Coupled, Error> {
    let (x0, x1) = (rows.select(&pairs.x0)?, rows.select(&pairs.x1)?);
    Ok((Pairs { x0, x1, target_rows: None }, rows.select_conditions(conditions)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LevelName;
    use crate::objectives::FlowMatching;
    use strait_core::{Split, StandardNormal, Stream};
    use tch::{Device, Kind};

    /// Pairs whose data points are what is drawn for the coupling.
    struct Drawing;

    impl Coupling for Drawing {
        fn couple(&self, x0: Tensor, x1: Tensor, draws: &mut Draws) -> Result<Pairs, Error> {
            let x1 = draws.normal(&x1.size(), Kind::Double, Device::Cpu)?;
            Ok(Pairs { x0, x1, target_rows: None })
        }

        fn is_independent(&self) -> bool {
            false
        }

        fn name(&self) -> &str {
            "drawing"
        }
    }

    struct Zeros;

    impl Dataset for Zeros {
        fn event_shape(&self) -> &[i64] {
            &[2]
        }

        fn name(&self) -> &str {
            "zeros"
        }

        fn len(&self, _split: Split) -> Option<i64> {
            None
        }

        fn minibatch(&self, n: i64, _step: u64, _stream: Stream) -> Result<Tensor, Error> {
            Ok(Tensor::f_zeros([n, 2], (Kind::Double, Device::Cpu))?)
        }

        fn points(&self, _split: Split, n: i64, _draws: &mut Draws) -> Result<Tensor, Error> {
            Ok(Tensor::f_zeros([n, 2], (Kind::Double, Device::Cpu))?)
        }

        fn denormalise(&self, x: &Tensor) -> Result<Tensor, Error> {
            Ok(x.shallow_clone())
        }
    }

    /// What a coupling draws is of the batch where all ranks pair it, and of the rank where each pairs its own points.
    #[test]
    fn ranks_that_pair_for_themselves_draw_for_themselves() {
        let plan = LevelPlan::of(LevelName::Velocity, FlowMatching, 6, 0.1);
        let (source, data) = (StandardNormal::new(&[2]), Zeros);
        let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &Drawing };
        let drawn = |rank, over| {
            let share = Share { rank, world: 3, over };
            pairing.draw(&plan, Seed(1), 5, share).unwrap().x1
        };
        let own: Vec<Tensor> = (0..3).map(|rank| drawn(rank, PairedOver::Rank)).collect();
        assert!(own[0] != own[1] && own[0] != own[2] && own[1] != own[2], "{own:?}");
        let whole: Vec<Tensor> = (0..3).map(|rank| drawn(rank, PairedOver::Batch)).collect();
        let alone = pairing.draw(&plan, Seed(1), 5, Share::WHOLE).unwrap().x1;
        assert_eq!(Tensor::cat(&whole, 0), alone);
    }
}
