//! The trainer: one iteration draws batches, sums the terms, takes gradients and steps the optimizer, phase by phase.

use crate::level_gradient::{Slope, slope};
use crate::pair_ahead::{Ahead, Upcoming};
use crate::pairing::complete;
use crate::share::Share;
use crate::system::System;
use crate::{LevelName, OptimError, Pairing, Phase, Position, check_plan};
use std::time::{Duration, Instant};
use strait_autodiff::{AdamW, Clip, clip, scalars};
use strait_core::{Alone, Batch, Models, Seed, Synchronize};
use tch::Tensor;

/// What one level did since the last log.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelLog {
    /// Which.
    pub level: LevelName,
    /// Its objective's name.
    pub objective: &'static str,
    /// The mean of each term of its loss, over the steps that were not skipped; NaN where all were.
    pub terms: Vec<(&'static str, f64)>,
    /// The mean gradient norm, before clipping, over the same.
    pub gradient_norm: f64,
    /// Steps that were skipped, as a term or the gradient was not finite.
    pub skipped: u64,
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
    /// 1 where the optimizer skipped the step, else 0.
    skipped: Tensor,
    rate: f64,
    clip: f64,
    elapsed: Duration,
}

/// The steps of a level that were skipped since the last that was not.
#[derive(Debug, Clone, Copy)]
struct Run {
    level: LevelName,
    /// The first of them.
    first: u64,
    count: u64,
}

/// The multi-level optimizer: iterates through the phases. The caller owns the loop, and decides when to log and
/// when to save.
pub struct Trainer<'a> {
    /// The models.
    pub system: System,
    phases: Vec<Phase>,
    pairing: Pairing<'a>,
    seed: Seed,
    position: Position,
    pending: Vec<Pending>,
    skipped: Vec<Run>,
    ahead: Ahead,
    /// Those that share the training, and what this process sees of each batch.
    pub(crate) ranks: &'a dyn Synchronize,
    pub(crate) share: Share,
}

impl<'a> Trainer<'a> {
    /// How many steps of a level in a row may be skipped before the training is given up.
    pub const PATIENCE: u64 = 100;

    /// A trainer at the start of the first phase.
    ///
    /// # Errors
    /// `Plan` where the phases cannot end in a trained flow, step or start over a level that does not exist, or compute a
    /// batch in parts that it does not have;
    /// `NotIndependent` where an objective needs independent pairs and these are not.
    pub fn new(system: System, phases: Vec<Phase>, pairing: Pairing<'a>, seed: Seed) -> Result<Self, OptimError> {
        check_plan(&phases)?;
        phases.iter().try_for_each(|phase| pairing.check(phase))?;
        phases.iter().flat_map(|phase| &phase.levels).try_for_each(|plan| Share::WHOLE.of(plan).map(drop))?;
        let mut trainer = Self {
            system,
            phases,
            pairing,
            seed,
            position: Position::default(),
            pending: vec![],
            skipped: vec![],
            ahead: Ahead::default(),
            ranks: &Alone,
            share: Share::WHOLE,
        };
        for phase in 0..trainer.phases.len() {
            let Phase { levels, fresh, .. } = &trainer.phases[phase];
            let names: Vec<_> = levels.iter().map(|plan| plan.level).chain(fresh.iter().copied()).collect();
            for name in names {
                trainer.system.level_mut(name)?;
            }
        }
        Ok(trainer)
    }

    /// Pairs this many batches ahead, each on a thread of its own, while it computes with one; 0, as at the start: none. This
    /// is for couplings that another thread can make ([`Coupling::for_thread`](strait_core::Coupling::for_thread)), and
    /// changes no number. Each holds the points of a batch in memory.
    pub fn pair_ahead(&mut self, threads: usize) {
        self.ahead = Ahead::of(threads);
    }

    /// Draws a batch for each level of each phase, and drops it, so that a batch that cannot be drawn is an error
    /// before the first step, and not when its phase begins.
    ///
    /// # Errors
    /// Those of the coupling and the data, as where a batch is larger than the training split; `Unconditional` where the data
    /// have conditions and the velocity takes none.
    pub fn rehearse(&self) -> Result<(), OptimError> {
        for plan in self.phases.iter().flat_map(|phase| &phase.levels) {
            let batch = self.pairing.draw(plan, self.seed, 0, self.share)?;
            self.system.path_given(&batch.conditions)?;
            self.system.velocity_given(&batch.conditions)?;
        }
        Ok(())
    }

    /// The position of the run.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The position in these phases that corresponds to a position of a run whose phases had these numbers of
    /// iterations. The end of such a run is inside the last phase, if that is longer now.
    pub(crate) fn place(&self, position: Position, iterations: &[u64]) -> Option<Position> {
        if self.has(position) {
            return Some(position);
        }
        let ((last, before), (ran, earlier)) = (self.phases.split_last()?, iterations.split_last()?);
        let is_longer =
            last.iterations > *ran && before.iter().map(|phase| phase.iterations).eq(earlier.iter().copied());
        let is_end = position.phase == iterations.len() && position.iteration == 0;
        (is_longer && is_end).then_some(Position { phase: before.len(), iteration: *ran, ..position })
    }

    /// The iterations of each phase.
    pub(crate) fn iterations(&self) -> Vec<u64> {
        self.phases.iter().map(|phase| phase.iterations).collect()
    }

    /// Whether these phases reach a position; their end is included.
    fn has(&self, position: Position) -> bool {
        let Position { step, phase, iteration, .. } = position;
        let Some(before) = self.phases.get(..phase) else { return false };
        let fits = self.phases.get(phase).map_or(iteration == 0, |phase| iteration < phase.iterations);
        fits && step.checked_sub(before.iter().map(|phase| phase.iterations).sum()) == Some(iteration)
    }

    /// Continues from a restored position; the levels are restored by the checkpoint.
    pub(crate) fn set_position(&mut self, position: Position) {
        self.position = position;
        self.pending.clear();
        self.skipped.clear();
    }

    pub(crate) fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Iterations in all phases together.
    pub fn total(&self) -> u64 {
        self.phases.iter().fold(0, |sum: u64, phase| sum.saturating_add(phase.iterations))
    }

    /// The phase of the next iteration; None at the end.
    pub fn phase(&self) -> Option<&Phase> {
        self.phases.get(self.position.phase)
    }

    /// One iteration: every level of the current phase takes its steps.
    ///
    /// The optimizer does not wait for the device. What it calls may: the exact marginal field reads its latest time,
    /// and a coupling may be solved on the host. A step whose gradient is not finite is skipped: it changes neither
    /// parameters nor moments (averages take in the same parameters once more), and `log` counts it.
    ///
    /// # Errors
    /// Those of the models, the coupling and the data.
    pub fn iterate(&mut self) -> Result<(), OptimError> {
        let index = self.position.phase;
        if index >= self.phases.len() {
            return Ok(());
        }
        if self.position.iteration == 0 {
            self.begin(index)?;
        }
        let steps = self.phases[index].steps();
        for place in 0..steps.len() {
            self.pair_from(index, &steps, place)?;
            self.step(index, steps[place])?;
        }
        self.position.step += 1;
        self.position.iteration += 1;
        if self.position.iteration >= self.phases[index].iterations {
            self.position.phase += 1;
            self.position.iteration = 0;
        }
        Ok(())
    }

    /// Levels that a phase starts over get new parameters; those it steps get a new optimizer state, and
    /// their objectives check the first batch.
    fn begin(&mut self, index: usize) -> Result<(), OptimError> {
        let phase = &self.phases[index];
        for &name in &phase.fresh {
            let seed = self.seed.stream("fresh").stream(name.name()).at(index as u64).seed();
            self.system.level_mut(name)?.restart(seed)?;
        }
        for plan in &phase.levels {
            self.system.level_mut(plan.level)?.forget()?;
            // All of it on every rank: what one refuses all do.
            let batch = self.pairing.draw(plan, self.seed, self.position.batches, Share::WHOLE)?;
            let path = self.system.path_given(&batch.conditions)?;
            let velocity = self.system.velocity_given(&batch.conditions)?;
            let models = Models { interpolant: &*path, velocity: &*velocity };
            for term in &plan.terms {
                term.objective.ready(models, &batch)?;
            }
        }
        Ok(())
    }

    /// Begins to pair the batches from the next one on, as far ahead as was asked for and as this phase goes; `steps` are
    /// the plans of its iterations, `place` which of them is next.
    fn pair_from(&mut self, phase: usize, steps: &[usize], place: usize) -> Result<(), OptimError> {
        let left = (self.phases[phase].iterations - self.position.iteration).saturating_mul(steps.len() as u64);
        let ahead = (self.ahead.threads as u64).min(left - place as u64 - 1) as usize;
        for further in 1..=ahead {
            let which = steps[(place + further) % steps.len()];
            let number = self.position.batches + further as u64;
            let batch = Upcoming { number, phase, which };
            let plan = &self.phases[phase].levels[which];
            if self.ahead.lacks(batch)
                && let Some((points, coupling)) = self.pairing.for_thread(plan, self.seed, number, self.share)?
            {
                self.ahead.begin(batch, points, coupling);
            }
        }
        Ok(())
    }

    /// The next batch, from the pairs that were made ahead where they were.
    fn batch(&mut self, phase: usize, which: usize) -> Result<Batch, OptimError> {
        let number = self.position.batches;
        let made = self.ahead.take(Upcoming { number, phase, which });
        let plan = &self.phases[phase].levels[which];
        match made {
            Some(pairs) => complete((plan, self.seed, number, self.share), pairs?),
            None => self.pairing.draw(plan, self.seed, number, self.share),
        }
    }

    fn step(&mut self, phase: usize, which: usize) -> Result<(), OptimError> {
        let begun = Instant::now();
        let iterations = self.phases[phase].iterations;
        let batch = self.batch(phase, which)?;
        let plan = &self.phases[phase].levels[which];
        // What a module drops (dropout) is a function of the batch's number, as all draws are, and of the rank.
        let modules = self.seed.stream("modules");
        let modules = match self.share.rank {
            0 => modules,
            rank => modules.stream(&rank.to_string()),
        };
        let modules = modules.at(self.position.batches);
        let parts = self.share.parts(plan)?;
        let Slope { gradients, terms } = slope(&self.system, plan, (&batch, parts), self.position.iteration, modules)?;
        self.position.batches += 1;

        let rate = plan.rate.at(self.position.iteration, iterations);
        let optimizer = AdamW { lr: rate, betas: plan.betas, weight_decay: plan.weight_decay, eps: 1e-8 };
        let (objective, max_norm) = (plan.objective(), plan.clip);
        let level = self.system.level_mut(plan.level)?;
        // After the backward pass as a whole, and not by hooks in it: a forward-mode derivative passes those by.
        let gradients = self.ranks.mean(gradients)?;
        let clipped = clip(&gradients, max_norm)?;
        optimizer.step(level.parameters.tensors(), &gradients, &mut level.state, Some(&clipped))?;
        for average in &mut level.averages {
            average.update(&level.parameters)?;
        }
        let (step, level, clip) = (self.position.step, level.name, max_norm);
        let Clip { norm, found_inf: skipped, .. } = clipped;
        self.pending.push(Pending {
            step,
            level,
            objective,
            terms,
            norm,
            skipped,
            rate,
            clip,
            elapsed: begun.elapsed(),
        });
        Ok(())
    }

    /// What each level did since the last call, averaged. This waits for the device once.
    ///
    /// # Errors
    /// `NonFinite` where a level has skipped [`PATIENCE`](Self::PATIENCE) steps in a row, with the first of them and what
    /// was not finite there.
    pub fn log(&mut self) -> Result<Vec<LevelLog>, OptimError> {
        let pending = std::mem::take(&mut self.pending);
        let world = self.ranks.world() as f64;
        let mut numbers = self.ranks.sum(&numbers(&pending)?)?.into_iter().map(|sum| sum / world);
        let mut logs: Vec<(LevelLog, f64)> = vec![];
        for Pending { step, level, objective, terms, rate, clip, elapsed, .. } in pending {
            let names = terms.iter().map(|(name, _)| *name).chain(["the gradient", "skipped"]);
            let values: Vec<_> = names.zip(numbers.by_ref()).collect();
            let same = |log: &LevelLog| {
                let names = log.terms.iter().map(|(name, _)| name);
                log.level == level && log.objective == objective && names.eq(terms.iter().map(|(name, _)| name))
            };
            let (log, count) = match logs.iter_mut().find(|(log, _)| same(log)) {
                Some(found) => found,
                None => {
                    let terms = terms.iter().map(|(name, _)| (*name, 0.0)).collect();
                    let (gradient_norm, elapsed) = (0.0, Duration::ZERO);
                    let log = LevelLog { level, objective, terms, gradient_norm, skipped: 0, rate, elapsed };
                    logs.push((log, 0.0));
                    let last = logs.len() - 1;
                    &mut logs[last]
                }
            };
            log.rate = rate;
            log.elapsed += elapsed;
            let (parts, skip) = values.split_at(terms.len() + 1);
            // A gradient too large for the moments is skipped as well, and is finite.
            let bad = parts.iter().find(|(_, value)| !value.is_finite()).or_else(|| {
                let skipped = skip.iter().any(|(_, skipped)| *skipped != 0.0);
                if skipped { parts.last() } else { None }
            });
            if let Some((term, _)) = bad {
                log.skipped += 1;
                let (first, count) = count_skipped(&mut self.skipped, level, step);
                if count >= Self::PATIENCE {
                    let stepped = self.system.level_mut(level)?.state.step.f_double_value(&[])? > 0.0;
                    let (step, level) = (first, level.name());
                    return Err(OptimError::NonFinite { step, level, objective, term, count, rate, clip, stepped });
                }
                continue;
            }
            self.skipped.retain(|run| run.level != level);
            *count += 1.0;
            let mean = |mean: &mut f64, value: f64| *mean += (value - *mean) / *count;
            for ((_, into), (_, value)) in log.terms.iter_mut().zip(parts) {
                mean(into, *value);
            }
            mean(&mut log.gradient_norm, parts.last().map_or(0.0, |(_, norm)| *norm));
        }
        // The mean of no step is no number, and no perfect one.
        for (log, _) in logs.iter_mut().filter(|(_, count)| *count == 0.0) {
            log.gradient_norm = f64::NAN;
            log.terms.iter_mut().for_each(|(_, mean)| *mean = f64::NAN);
        }
        Ok(logs.into_iter().map(|(log, _)| log).collect())
    }
}

/// One more skipped step of a level: the first of the run that it belongs to, and how many there are.
fn count_skipped(runs: &mut Vec<Run>, level: LevelName, step: u64) -> (u64, u64) {
    if let Some(run) = runs.iter_mut().find(|run| run.level == level) {
        run.count += 1;
        return (run.first, run.count);
    }
    runs.push(Run { level, first: step, count: 1 });
    (step, 1)
}

/// The terms, the gradient norm and whether it was skipped, of each pending step, in order, in one transfer from the device.
fn numbers(pending: &[Pending]) -> Result<Vec<f64>, OptimError> {
    Ok(scalars(pending.iter().flat_map(|p| p.terms.iter().map(|(_, term)| term).chain([&p.norm, &p.skipped])))?)
}
