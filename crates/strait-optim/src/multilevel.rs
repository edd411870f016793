use crate::{Level, LevelName, LevelPlan, OptimError, Phase, check_plan, term};
use std::time::{Duration, Instant};
use strait_autodiff::{AdamW, Graph, clip, gradient};
use strait_core::{
    Batch, Coupling, Dataset, Interpolant, Loss, Models, PairedDataset, Pairs, Seed, Source, VelocityField,
};
use tch::{Kind, Tensor};

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
}

/// The models with their levels. The models hold the tensors that the levels' parameters name.
pub struct System {
    /// The path.
    pub interpolant: Box<dyn Interpolant>,
    /// The field.
    pub velocity: Box<dyn VelocityField>,
    /// What learns.
    pub levels: Vec<Level>,
}

impl System {
    /// A level by name; None where the system has no such level (a path without parameters).
    pub fn level(&self, name: LevelName) -> Option<&Level> {
        self.levels.iter().find(|level| level.name == name)
    }

    fn models(&self) -> Models<'_> {
        Models { interpolant: &*self.interpolant, velocity: &*self.velocity }
    }

    fn level_mut(&mut self, name: LevelName) -> Result<&mut Level, OptimError> {
        self.levels.iter_mut().find(|level| level.name == name).ok_or_else(|| OptimError::Plan {
            problem: format!("a phase names the {}, which has no parameters", name.name()),
        })
    }
}

/// Where a run stands. Together with the levels it is all the state there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Turns taken, over all phases.
    pub step: u64,
    /// The phase that the next turn belongs to.
    pub phase: usize,
    /// Turns taken in that phase.
    pub turn: u64,
    /// Batches drawn: the data cursor, and the step of every random stream.
    pub batches: u64,
}

/// What one level did since the last log.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelLog {
    /// Which.
    pub level: LevelName,
    /// Its objective's name.
    pub objective: &'static str,
    /// The mean of each term of its loss.
    pub terms: Vec<(&'static str, f64)>,
    /// The mean gradient norm, before clipping.
    pub gradient_norm: f64,
    /// The learning rate of the last step.
    pub rate: f64,
    /// Time spent on it.
    pub elapsed: Duration,
}

/// A step whose numbers are still on the device.
struct Pending {
    step: u64,
    level: LevelName,
    objective: &'static str,
    terms: Vec<(&'static str, Tensor)>,
    norm: Tensor,
    rate: f64,
    elapsed: Duration,
}

/// The multi-level optimizer: takes turns through the phases. The caller owns the loop, and decides when to log and
/// when to save.
pub struct Trainer<'a> {
    /// The models.
    pub system: System,
    phases: Vec<Phase>,
    pairing: Pairing<'a>,
    seed: Seed,
    position: Position,
    pending: Vec<Pending>,
}

impl<'a> Trainer<'a> {
    /// At the start of the first phase.
    ///
    /// # Errors
    /// `Plan` where the phases cannot end in a trained flow, or step or start over a level that does not exist;
    /// `NotIndependent` where an objective needs independent pairs and these are not.
    pub fn new(system: System, phases: Vec<Phase>, pairing: Pairing<'a>, seed: Seed) -> Result<Self, OptimError> {
        check_plan(&phases)?;
        phases.iter().try_for_each(|phase| pairing.check(phase))?;
        let mut trainer = Self { system, phases, pairing, seed, position: Position::default(), pending: vec![] };
        for phase in 0..trainer.phases.len() {
            let Phase { levels, fresh, .. } = &trainer.phases[phase];
            let names: Vec<_> = levels.iter().map(|plan| plan.level).chain(fresh.iter().copied()).collect();
            for name in names {
                trainer.system.level_mut(name)?;
            }
        }
        Ok(trainer)
    }

    /// Draws a batch for each level of each phase, and drops it: what cannot be drawn is said before the first step, and
    /// not when its phase comes.
    ///
    /// # Errors
    /// Those of the coupling and the data, as where a batch is larger than the training split.
    pub fn rehearse(&self) -> Result<(), OptimError> {
        for plan in self.phases.iter().flat_map(|phase| &phase.levels) {
            self.pairing.draw(plan, self.seed, 0)?;
        }
        Ok(())
    }

    /// Where the run stands.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether a position is one that these phases come by, their end among them.
    pub(crate) fn has(&self, position: Position) -> bool {
        let Position { step, phase, turn, .. } = position;
        let Some(before) = self.phases.get(..phase) else { return false };
        let fits = self.phases.get(phase).map_or(turn == 0, |phase| turn < phase.turns);
        fits && step.checked_sub(before.iter().map(|phase| phase.turns).sum()) == Some(turn)
    }

    /// Continues from a restored position; the levels are restored by the checkpoint.
    pub(crate) fn set_position(&mut self, position: Position) {
        self.position = position;
        self.pending.clear();
    }

    /// Turns in all phases together.
    pub fn total(&self) -> u64 {
        self.phases.iter().map(|phase| phase.turns).sum()
    }

    /// The phase of the next turn; None at the end.
    pub fn phase(&self) -> Option<&Phase> {
        self.phases.get(self.position.phase)
    }

    /// One turn: every level of the current phase takes its steps.
    ///
    /// The optimizer does not wait for the device. What it calls may: the exact marginal field looks at its latest time,
    /// and a coupling may be solved on the host. A step whose gradient is not finite changes neither parameters nor
    /// moments (averages take in the same parameters once more), and `log` reports it.
    ///
    /// # Errors
    /// Those of the models, the coupling and the data.
    pub fn turn(&mut self) -> Result<(), OptimError> {
        let index = self.position.phase;
        if index >= self.phases.len() {
            return Ok(());
        }
        if self.position.turn == 0 {
            self.begin(index)?;
        }
        for which in 0..self.phases[index].levels.len() {
            for _ in 0..self.phases[index].levels[which].steps {
                self.step(index, which)?;
            }
        }
        self.position.step += 1;
        self.position.turn += 1;
        if self.position.turn >= self.phases[index].turns {
            self.position.phase += 1;
            self.position.turn = 0;
        }
        Ok(())
    }

    /// Levels that a phase starts over get new parameters; those it steps get an optimizer that knows nothing, and
    /// their objectives look at the first batch.
    fn begin(&mut self, index: usize) -> Result<(), OptimError> {
        let phase = &self.phases[index];
        for &name in &phase.fresh {
            let seed = self.seed.stream("fresh").stream(name.name()).at(index as u64).seed();
            self.system.level_mut(name)?.restart(seed)?;
        }
        for plan in &phase.levels {
            self.system.level_mut(plan.level)?.forget()?;
            let batch = self.pairing.draw(plan, self.seed, self.position.batches)?;
            for term in &plan.terms {
                term.objective.ready(self.system.models(), &batch)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, phase: usize, which: usize) -> Result<(), OptimError> {
        let begun = Instant::now();
        let turns = self.phases[phase].turns;
        let plan = &self.phases[phase].levels[which];
        let batch = self.pairing.draw(plan, self.seed, self.position.batches)?;
        self.position.batches += 1;
        let Loss { total, terms } = term::sum(&plan.terms, self.system.models(), &batch, self.position.turn)?;

        let rate = plan.rate.at(self.position.turn, turns);
        let optimizer = AdamW { lr: rate, betas: plan.betas, weight_decay: plan.weight_decay, eps: 1e-8 };
        let (objective, max_norm) = (plan.objective(), plan.clip);
        let level = self.system.level_mut(plan.level)?;
        let gradients = gradient(&total, level.parameters.tensors(), Graph::Free)?;
        let clipped = clip(&gradients, max_norm)?;
        optimizer.step(level.parameters.tensors(), &gradients, &mut level.state, Some(&clipped))?;
        for average in &mut level.averages {
            average.update(&level.parameters)?;
        }
        let (level, norm) = (level.name, clipped.norm);
        let step = self.position.step;
        self.pending.push(Pending { step, level, objective, terms, norm, rate, elapsed: begun.elapsed() });
        Ok(())
    }

    /// What each level did since the last call, averaged. This waits for the device once.
    ///
    /// # Errors
    /// `NonFinite` names the first step, level and term that was not finite since the last call.
    pub fn log(&mut self) -> Result<Vec<LevelLog>, OptimError> {
        let pending = std::mem::take(&mut self.pending);
        let mut numbers = fetch(&pending)?.into_iter();
        let mut logs: Vec<(LevelLog, f64)> = vec![];
        for Pending { step, level, objective, terms, rate, elapsed, .. } in pending {
            let names = terms.iter().map(|(name, _)| *name).chain(["the gradient"]);
            let values: Vec<_> = names.zip(numbers.by_ref()).collect();
            if let Some((term, _)) = values.iter().find(|(_, value)| !value.is_finite()) {
                return Err(OptimError::NonFinite { step, level: level.name(), objective, term });
            }
            let same = |log: &LevelLog| {
                let names = log.terms.iter().map(|(name, _)| name);
                log.level == level && log.objective == objective && names.eq(terms.iter().map(|(name, _)| name))
            };
            let (log, count) = match logs.iter_mut().find(|(log, _)| same(log)) {
                Some(found) => found,
                None => {
                    let terms = terms.iter().map(|(name, _)| (*name, 0.0)).collect();
                    let log = LevelLog { level, objective, terms, gradient_norm: 0.0, rate, elapsed: Duration::ZERO };
                    logs.push((log, 0.0));
                    let last = logs.len() - 1;
                    &mut logs[last]
                }
            };
            *count += 1.0;
            let mean = |mean: &mut f64, value: f64| *mean += (value - *mean) / *count;
            for ((_, into), (_, value)) in log.terms.iter_mut().zip(&values) {
                mean(into, *value);
            }
            mean(&mut log.gradient_norm, values.last().map_or(0.0, |(_, norm)| *norm));
            log.rate = rate;
            log.elapsed += elapsed;
        }
        Ok(logs.into_iter().map(|(log, _)| log).collect())
    }
}

/// The terms and the gradient norm of each pending step, in order, in one transfer from the device.
fn fetch(pending: &[Pending]) -> Result<Vec<f64>, OptimError> {
    let scalars = pending.iter().flat_map(|p| p.terms.iter().map(|(_, term)| term).chain([&p.norm]));
    let scalars = scalars.map(|x| Ok(x.f_to_kind(Kind::Double)?)).collect::<Result<Vec<_>, OptimError>>()?;
    if scalars.is_empty() {
        return Ok(vec![]);
    }
    Ok(Vec::<f64>::try_from(Tensor::f_stack(&scalars, 0)?)?)
}

impl Pairing<'_> {
    /// Refuses a phase with an objective that needs independent pairs, where these are not.
    fn check(&self, phase: &Phase) -> Result<(), OptimError> {
        for plan in &phase.levels {
            let mut terms = plan.terms.iter().map(|term| &term.objective);
            let Some(objective) = terms.find(|objective| objective.needs_independent_pairs()) else { continue };
            if let Some(pairs) = self.dependence(plan) {
                let (phase, level, objective) = (phase.name.clone(), plan.level.name(), objective.name());
                return Err(OptimError::NotIndependent { phase, level, objective, pairs });
            }
        }
        Ok(())
    }

    /// What makes the two points of a plan's pairs dependent, in words; None where they are independent.
    fn dependence(&self, plan: &LevelPlan) -> Option<String> {
        match self {
            Self::Stored(_) => Some("these were made before and stored".into()),
            Self::Drawn { coupling, .. } if !coupling.is_independent() => {
                Some(format!("these come from {}", coupling.name()))
            }
            Self::Drawn { .. } if plan.noise > 0.0 => {
                Some(format!("both points of one get the same noise, of {}", plan.noise))
            }
            Self::Drawn { .. } => None,
        }
    }

    /// Batch number `number` for a plan: a function of the seed and the number alone.
    fn draw(&self, plan: &LevelPlan, seed: Seed, number: u64) -> Result<Batch, OptimError> {
        let at = |name: &str| seed.stream(name).at(number);
        let Pairs { mut x0, mut x1, .. } = match self {
            Self::Drawn { source, data, coupling } => {
                let x1 = data.minibatch(plan.batch, number, seed.stream("data"))?;
                let x0 = source.sample(plan.batch, &mut at("source"), x1.kind(), x1.device())?;
                coupling.couple(x0, x1, &mut at("coupling"))?
            }
            Self::Stored(pairs) => pairs.minibatch(plan.batch, number, seed.stream("pairs"))?,
        };
        let (kind, device) = (x1.kind(), x1.device());
        if plan.noise > 0.0 {
            let noise = at("noise").normal(&x1.size(), kind, device)? * plan.noise;
            (x0, x1) = (x0 + &noise, x1 + noise);
        }
        let t = plan.times.draw(term::times(&plan.terms, plan.batch)?, &mut at("time"), kind, device)?;
        Ok(Batch { x0, x1, t })
    }
}
