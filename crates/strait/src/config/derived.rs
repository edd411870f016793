//! Configs that follow from a config: its linear baseline, its larger velocity, the teacher of a rectified flow.

use super::{
    Config, ConfigError, CouplingConfig, EvaluateConfig, Guidance, InterpolantConfig, LevelConfig, ObjectiveConfig,
    PhaseConfig, VelocityConfig,
};
use strait_ode::Method;
use strait_optim::{LevelName, Spans, Times};

impl Config {
    /// A name for what it trains.
    pub fn method(&self) -> &'static str {
        let family = self.interpolant.family();
        match &self.velocity {
            _ if family.learns => "learned",
            _ if self.interpolant != InterpolantConfig::Linear => family.name,
            VelocityConfig::Flow(_) => "likelihood",
            VelocityConfig::Gaussian => "gaussian_fit",
            _ if self.is_flow_map() => "flow_map",
            _ => self.coupling.kind().method,
        }
    }

    /// Whether its velocity is trained as a flow map, and not on the diagonal alone.
    pub fn is_flow_map(&self) -> bool {
        self.velocity.is_map() && self.last_velocity_level().is_some_and(LevelConfig::trains_map)
    }

    /// Whether its velocity also learns the velocity without a condition: if the run has no condition, or its last
    /// phase drops some.
    pub fn has_unconditional(&self) -> bool {
        self.data.condition.is_none() || self.last_velocity_level().is_some_and(|level| level.condition_drop > 0.0)
    }

    /// The solver for sampling its velocity, where none is named.
    pub fn default_solver(&self) -> &'static str {
        if self.is_flow_map() { "map" } else { "euler" }
    }

    /// Iterations of all phases.
    pub fn iterations(&self) -> u64 {
        self.phase.iter().map(|phase| phase.iterations).sum()
    }

    /// Gradient steps of all levels in all phases, without those of a teacher.
    pub fn own_gradient_steps(&self) -> u64 {
        let steps = |phase: &PhaseConfig| {
            phase.iterations * phase.level.iter().map(|level| u64::from(level.steps)).sum::<u64>()
        };
        self.phase.iter().map(steps).sum()
    }

    /// Gradient steps in all, those of every teacher with them.
    pub fn gradient_steps(&self) -> u64 {
        self.own_gradient_steps() + self.teacher().map_or(0, |teacher| teacher.gradient_steps())
    }

    /// How many pairs a pool holds, and how many are assigned at once: no more in all than the training draws, in whole
    /// assignments. The pool of a training that is made longer begins with the same pairs. None of another coupling.
    pub fn pool(&self) -> Option<(i64, i64)> {
        let CouplingConfig::Pool { pairs, batch } = self.coupling else { return None };
        let of_level = |level: &LevelConfig| i128::from(level.steps) * i128::from(level.batch);
        let of_phase =
            |phase: &PhaseConfig| i128::from(phase.iterations) * phase.level.iter().map(of_level).sum::<i128>();
        let drawn = self.phase.iter().map(of_phase).sum::<i128>().max(1);
        let whole = (drawn + i128::from(batch) - 1) / i128::from(batch) * i128::from(batch);
        Some((i64::try_from(whole).map_or(pairs, |whole| pairs.min(whole)), batch))
    }

    /// The velocity's level in the last phase; of several the one that trains a flow map.
    pub fn last_velocity_level(&self) -> Option<&LevelConfig> {
        let mut levels = self.phase.last()?.level.iter().filter(|level| level.level == LevelName::Velocity);
        let first = levels.clone().next();
        levels.find(|level| level.trains_map()).or(first)
    }

    /// A linear path with the same network and as many gradient steps in all; None if the config is a linear path
    /// itself.
    pub fn baseline(&self) -> Option<Self> {
        if self.interpolant == InterpolantConfig::Linear {
            return None;
        }
        let steps = self.gradient_steps();
        let last = self.last_velocity_level().filter(|level| level.trains_map());
        // A flow map beside a flow map, so that the path alone is another.
        let phase = match last {
            Some(level) => alone(level.clone(), "linear", steps),
            None => velocity_alone(self, "linear", steps)?,
        };
        let phase = vec![phase];
        Some(Self { interpolant: InterpolantConfig::Linear, phase, ..self.clone() })
    }

    /// A larger velocity ([`VelocityConfig::larger`]), trained on the finished path with the settings of the last
    /// phase. None where the velocity is not a network.
    pub fn stress(&self) -> Option<Self> {
        let velocity = self.velocity.larger()?;
        let iterations = self.evaluate.stress.iterations;
        let phase = vec![alone(self.last_velocity_level()?.clone(), "stress", iterations)];
        // What is evaluated is said by the training that it is made for.
        let evaluate = EvaluateConfig { baseline: false, ..EvaluateConfig::default() };
        Some(Self { velocity, phase, evaluate, ..self.clone() })
    }

    /// Refuses changed settings, except those that may change when a training is resumed: its length, how its steps
    /// are taken, and how it is logged and measured.
    ///
    /// # Errors
    /// `Value` where anything else differs.
    pub fn check_change(&self, to: &Self) -> Result<(), ConfigError> {
        let mut same = to.clone();
        for (phase, own) in same.phase.iter_mut().zip(&self.phase) {
            phase.iterations = own.iterations;
            for (level, own) in phase.level.iter_mut().zip(&own.level) {
                (level.rate, level.warm_up, level.decay) = (own.rate, own.warm_up, own.decay);
                (level.batch, level.parts, level.clip) = (own.batch, own.parts, own.clip);
                (level.betas, level.weight_decay) = (own.betas, own.weight_decay);
            }
        }
        (same.evaluate, same.log, same.compare) = (self.evaluate.clone(), self.log.clone(), self.compare.clone());
        let drawn = self.teacher().is_none() || self.phase == to.phase;
        if same == *self && drawn {
            return Ok(());
        }
        let must = "of phase.N.iterations, of the rate, warm_up, decay, batch, parts, clip, betas or weight_decay of a level (not under \
                    reflow, whose teacher is trained by the same phases), of log or of evaluate; train another run for others";
        Err(ConfigError::Value { key: "--set with --resume".into(), must: must.into() })
    }

    /// Why samples of a run are not guided by a weight where a method makes them, and what to do; None where they are.
    pub fn refuses_guidance(&self, guidance: Guidance, method: Method) -> Option<&'static str> {
        match () {
            () if guidance.is_none() => None,
            () if self.data.condition.is_none() => {
                Some("the run is conditioned on nothing; train one with `data.condition`, or leave it out")
            }
            () if method == Method::Map => {
                Some("a guided velocity is the diagonal of no flow map; take --solver euler")
            }
            () if !self.has_unconditional() => Some(
                "the run dropped no conditions in its training, so that it has no velocity of none; train it with a \
                 `condition_drop` of its last level",
            ),
            () => None,
        }
    }

    /// The teacher of a rectified flow: the same config with one round fewer; before the first round, the config of the
    /// first teacher. Or the teacher of trajectories. None where pairs are drawn.
    pub fn teacher(&self) -> Option<Self> {
        let (CouplingConfig::Reflow { .. } | CouplingConfig::Trajectories { .. }) = &self.coupling else { return None };
        let mut before = self.clone();
        before.evaluate.guidance = Guidance::default(); // pairs are those of the velocity itself
        if let CouplingConfig::Reflow { rounds, .. } = &mut before.coupling
            && *rounds > 1
        {
            *rounds -= 1;
            return Some(before);
        }
        if matches!(self.coupling, CouplingConfig::Trajectories { .. }) {
            before.evaluate.solver = None; // that of a map, which the teacher is not
        }
        before.coupling = CouplingConfig::Independent;
        if let Some(teacher) = self.coupling.teacher() {
            before.coupling.clone_from(&teacher.coupling);
            before.interpolant.clone_from(&teacher.interpolant);
            before.phase.clone_from(&teacher.phase);
        }
        Some(before)
    }
}

/// One phase of `iterations` steps of a level.
pub(crate) fn alone(level: LevelConfig, name: &str, iterations: u64) -> PhaseConfig {
    PhaseConfig { name: name.into(), iterations, fresh: vec![], level: vec![LevelConfig { steps: 1, ..level }] }
}

/// One phase of the velocity with the settings of the config's last phase, but by flow matching: see
/// [`velocity_level`].
pub(crate) fn velocity_alone(config: &Config, name: &str, iterations: u64) -> Option<PhaseConfig> {
    Some(alone(velocity_level(config)?, name, iterations))
}

/// The velocity's level in the last phase of a config, with as many pairs, but with flow matching, which suits every
/// path and coupling. Another objective suits only the config's own path, and so do its times; the times of a flow map
/// suit any path.
pub(crate) fn velocity_level(config: &Config) -> Option<LevelConfig> {
    let last = config.last_velocity_level()?.clone();
    let any_path = last.objective == ObjectiveConfig::FlowMatching || last.trains_map();
    Some(LevelConfig {
        objective: ObjectiveConfig::FlowMatching,
        plus: vec![],
        batch: last.batch - last.objective.candidates(),
        times: if any_path { last.times } else { Times::Uniform },
        spans: Spans::default(),
        ..last
    })
}

#[cfg(test)]
mod tests {
    use super::velocity_level;
    use crate::config::{CouplingConfig, load};

    #[test]
    fn a_pool_holds_whole_assignments_and_no_more_than_is_drawn() {
        let of = |iterations: u64, pairs: i64| {
            let coupling = format!("coupling={{ name = 'pool', pairs = {pairs}, batch = 1000 }}");
            let iterations = format!("phase.0.iterations={iterations}");
            load("moons-map", &[coupling, iterations]).unwrap().pool().unwrap()
        };
        assert_eq!(of(10, 100_000), (3000, 1000)); // 10 batches of 256
        assert_eq!(of(10, 2500), (2500, 1000));
        assert_eq!(of(1_000_000_000_000, 100_000), (100_000, 1000));
        let mut other = load("moons-map", &[]).unwrap();
        other.coupling = CouplingConfig::Ot;
        assert_eq!(other.pool(), None);
    }

    #[test]
    fn what_trains_a_map_is_sampled_as_one_whatever_stands_before_it() {
        let map = load("moons-map", &[]).unwrap();
        let mut config = map.clone();
        let level = config.phase.last().unwrap().level[0].clone();
        let matched = velocity_level(&config).unwrap();
        for levels in [vec![matched.clone(), level.clone()], vec![level.clone(), matched.clone()]] {
            config.phase.last_mut().unwrap().level = levels;
            assert_eq!((config.last_velocity_level(), config.default_solver()), (Some(&level), "map"));
        }
        config.phase.last_mut().unwrap().level = vec![matched];
        assert_eq!(config.default_solver(), "euler");
    }
}
