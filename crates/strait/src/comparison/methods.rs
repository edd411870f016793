//! The ways to train a flow that are set beside each other, each as a config made from a preset's: the same data,
//! source, velocity network, optimizer settings and gradient steps in all.

use crate::config::{
    CompareConfig, Config, CouplingConfig, DerivativeConfig, FlowConfig, GlowConfig, InterpolantConfig, LevelConfig,
    ObjectiveConfig, PhaseConfig, SourceConfig, TeacherConfig, TermConfig, TransformConfig, VelocityConfig,
    velocity_alone, velocity_level,
};
use clap::ValueEnum;
use strait_optim::{LevelName, Spans, Times};

/// What the row of a method that was trained for as long as the preset is called, behind its name.
pub(crate) const SAME_TIME: &str = "_same_time";

/// A method of `compare`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// The linear path under independent pairs (I-CFM)
    Linear,
    /// The linear path under exact minibatch OT (OT-CFM)
    Ot,
    /// The linear path under minibatch OT that knows of the data's condition (C2OT)
    #[value(name = "conditional_ot")]
    ConditionalOt,
    /// The linear path between the pairs of a pool, assigned exactly in batches larger than those of the training
    #[value(name = "ot_pool")]
    OtPool,
    /// The linear path under semidiscrete optimal transport to all training points
    #[value(name = "semidiscrete_ot")]
    SemidiscreteOt,
    /// Rectified flow: a teacher, its pairs, and a velocity on them
    Reflow,
    /// The same of a teacher that takes as many steps as the preset in all: half as much again as the others
    #[value(name = "reflow_longer")]
    ReflowLonger,
    /// An invertible network by maximum likelihood, which samples in one step
    Likelihood,
    /// The Gaussian with the mean and covariance of the training points: no training, no flow to speak of
    #[value(name = "gaussian_fit")]
    GaussianFit,
    /// A flow map on the linear path under independent pairs, by `MeanFlow`
    #[value(name = "mean_flow")]
    MeanFlow,
    /// The same under exact minibatch OT
    #[value(name = "mean_flow_ot")]
    MeanFlowOt,
    /// The same between the pairs of a pool
    #[value(name = "mean_flow_pool")]
    MeanFlowPool,
    /// The same under semidiscrete optimal transport
    #[value(name = "mean_flow_semidiscrete")]
    MeanFlowSemidiscrete,
    /// A flow map on the linear path under independent pairs, by Lagrangian self-distillation
    #[value(name = "flow_map")]
    FlowMap,
    /// The same under exact minibatch OT
    #[value(name = "flow_map_ot")]
    FlowMapOt,
    /// A flow map by regression on trajectories of a teacher on the linear path under independent pairs (CMT)
    Cmt,
    /// The same of a teacher under exact minibatch OT
    #[value(name = "cmt_ot")]
    CmtOt,
    /// The preset's own learned path with a flow map by `MeanFlow`
    #[value(name = "mean_flow_learned")]
    MeanFlowLearned,
    /// The same by Lagrangian self-distillation
    #[value(name = "flow_map_learned")]
    FlowMapLearned,
    /// A flow map by regression on trajectories of the preset's own learned path and its velocity
    #[value(name = "cmt_learned")]
    CmtLearned,
    /// The preset's own learned path
    Learned,
    /// The preset itself, whatever it trains
    Preset,
    /// A Glow path and its velocity together, by flow matching with the learned field's straightness
    Paper,
    /// The preset's own learned path as the teacher of a rectified flow: with its pairs half as many steps again as the others
    #[value(name = "learned_reflow")]
    LearnedReflow,
}

/// How long a method is trained in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// For as many gradient steps as the preset takes.
    Steps,
    /// For as long as `learned`, or else `preset`, took with the same seed.
    Time,
}

impl Budget {
    /// Both, in the order of tables.
    pub const ALL: [Self; 2] = [Self::Steps, Self::Time];
}

/// The joint form of Shankar and Geffner (arXiv 2503.20719), as far as its summaries tell, in `steps` gradient steps: a
/// twentieth for the velocity alone on the linear path, three fifths for both, and the rest for a velocity afresh. The
/// straightness of the learned field is lowered by both, by the path with the field's response to it: without, no rate
/// and no weight that was tried made the field straight.
fn joint(preset: &Config, steps: u64) -> Option<(InterpolantConfig, Vec<PhaseConfig>)> {
    let joint = &preset.compare.joint;
    let each = u64::from(joint.velocity_steps) + 1;
    let (alone, iterations) = ((steps / 20).max(1), (steps * 3 / 5 / each).max(1));
    let first = velocity_alone(preset, "linear", alone)?;
    let mut together = velocity_alone(preset, "together", iterations)?;
    let mut last = velocity_alone(preset, "final", steps.saturating_sub(alone + iterations * each).max(1))?;
    last.fresh = vec![LevelName::Velocity];
    let velocity = together.level.first_mut()?;
    let path = LevelConfig {
        level: LevelName::Interpolant,
        objective: ObjectiveConfig::MarginalStraightness { step: joint.step },
        rate: joint.rate * velocity.rate,
        times: Times::Uniform,
        clip: Some(1.0),
        ..velocity.clone()
    };
    let objective = ObjectiveConfig::FieldStraightness { derivative: DerivativeConfig::Exact };
    velocity.plus.push(TermConfig { objective, weight: joint.weight, ramp: iterations });
    velocity.steps = joint.velocity_steps;
    together.level.push(path);
    let hidden = vec![(preset.velocity.width()? / 2).max(1)];
    let glow = GlowConfig {
        steps: joint.glow_steps,
        hidden,
        transform: TransformConfig::Affine,
        conditioned: false,
        reversible: false,
    };
    Some((InterpolantConfig::Glow(glow), vec![first, together, last]))
}

/// The phases of a preset whose path learns, in `steps` gradient steps in all, with `velocity` in the place of each level that
/// trains a flow map, and of the last phase's velocity.
fn on_learned(preset: &Config, velocity: &LevelConfig, steps: u64) -> Vec<PhaseConfig> {
    let share = steps as f64 / preset.own_gradient_steps().max(1) as f64;
    let mut phases = preset.phase.clone();
    let last = phases.len().saturating_sub(1);
    for (i, phase) in phases.iter_mut().enumerate() {
        phase.iterations = ((phase.iterations as f64 * share).round() as u64).max(1);
        for level in phase.level.iter_mut().filter(|level| level.level == LevelName::Velocity) {
            if i == last || level.trains_map() {
                let LevelConfig { objective, spans, batch, times, .. } = velocity.clone();
                *level = LevelConfig { objective, spans, batch, times, plus: vec![], ..level.clone() };
            }
        }
    }
    phases
}

impl Method {
    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Ot => "ot",
            Self::ConditionalOt => "conditional_ot",
            Self::OtPool => "ot_pool",
            Self::SemidiscreteOt => "semidiscrete_ot",
            Self::Reflow => "reflow",
            Self::ReflowLonger => "reflow_longer",
            Self::Likelihood => "likelihood",
            Self::GaussianFit => "gaussian_fit",
            Self::MeanFlow => "mean_flow",
            Self::MeanFlowOt => "mean_flow_ot",
            Self::MeanFlowPool => "mean_flow_pool",
            Self::MeanFlowSemidiscrete => "mean_flow_semidiscrete",
            Self::FlowMap => "flow_map",
            Self::FlowMapOt => "flow_map_ot",
            Self::Cmt => "cmt",
            Self::CmtOt => "cmt_ot",
            Self::MeanFlowLearned => "mean_flow_learned",
            Self::FlowMapLearned => "flow_map_learned",
            Self::CmtLearned => "cmt_learned",
            Self::Learned => "learned",
            Self::Preset => "preset",
            Self::Paper => "paper",
            Self::LearnedReflow => "learned_reflow",
        }
    }

    /// Those that a preset is compared by where none are named.
    pub fn usual(preset: &Config) -> Vec<Self> {
        if !preset.is_flow_map() {
            return vec![Self::Linear, Self::Ot, Self::Reflow, Self::Likelihood, Self::Learned, Self::Paper];
        }
        let own = if preset.interpolant.family().learns { Self::Learned } else { Self::Preset };
        vec![Self::Linear, Self::Ot, own]
    }

    /// What a row of it is called.
    pub fn row(self, budget: Budget) -> String {
        match budget {
            Budget::Steps => self.name().into(),
            Budget::Time => format!("{}{SAME_TIME}", self.name()),
        }
    }

    /// Whether it can be trained for as long as another method takes: what its gradient steps are is up to us.
    pub fn is_scalable(self) -> bool {
        let is_fixed =
            matches!(self, Self::Linear | Self::Ot | Self::ConditionalOt | Self::OtPool | Self::SemidiscreteOt);
        is_fixed || self.trains_map() || matches!(self, Self::Reflow | Self::Likelihood)
    }

    /// Whether it is the preset as it stands.
    pub fn is_preset(self) -> bool {
        matches!(self, Self::Learned | Self::Preset)
    }

    fn trains_map(self) -> bool {
        let means = matches!(
            self,
            Self::MeanFlow | Self::MeanFlowOt | Self::MeanFlowPool | Self::MeanFlowSemidiscrete | Self::MeanFlowLearned
        );
        means || self.distils() || self.regresses()
    }

    fn distils(self) -> bool {
        matches!(self, Self::FlowMap | Self::FlowMapOt | Self::FlowMapLearned)
    }

    /// Whether it regresses on a teacher's trajectories.
    fn regresses(self) -> bool {
        matches!(self, Self::Cmt | Self::CmtOt | Self::CmtLearned)
    }

    /// Whether it stands on the preset's own learned path.
    fn is_on_learned(self) -> bool {
        matches!(
            self,
            Self::Learned | Self::LearnedReflow | Self::MeanFlowLearned | Self::FlowMapLearned | Self::CmtLearned
        )
    }

    /// The level of a preset's last velocity, as this method trains a flow map: at the preset's spans where it has some, a
    /// quarter off the diagonal elsewhere.
    fn map_level(self, preset: &Config) -> Option<LevelConfig> {
        let level = preset.last_velocity_level()?.clone();
        let objective = match level.objective {
            _ if self.regresses() => ObjectiveConfig::TrajectoryRegression,
            ObjectiveConfig::MeanFlow { .. } if !self.distils() => level.objective,
            _ if self.distils() => ObjectiveConfig::LagrangianDistillation,
            _ => ObjectiveConfig::MeanFlow { power: 0.0, epsilon: 1e-3 },
        };
        let spans = match level.trains_map() {
            _ if self.regresses() => Spans::default(), // trajectories have their own times
            true => level.spans,
            false => Spans { off_diagonal: 0.25, from_start: 0.0 },
        };
        Some(LevelConfig { objective, spans, steps: 1, ..velocity_level(preset)? })
    }

    /// Trainings that its gradient steps are shared out over.
    fn stages(self, rounds: u32) -> u64 {
        match self {
            Self::Reflow | Self::ReflowLonger | Self::LearnedReflow => u64::from(rounds) + 1,
            _ if self.regresses() => 2,
            _ => 1,
        }
    }

    /// The config that trains a preset's data by this method in `steps` gradient steps, those of the preset where they are
    /// to be compared at equal steps, and half as many again where the method says so.
    ///
    /// # Errors
    /// In words, why this method does not fit the preset.
    pub fn plan(self, preset: &Config, rounds: u32, steps: u64) -> Result<Config, String> {
        let mut config = preset.clone();
        config.evaluate.baseline = false;
        if config.evaluate.solver.as_deref() == Some("map") && !self.trains_map() && !self.is_preset() {
            config.evaluate.solver = None; // of a velocity that is no map
        }
        if self == Self::Preset {
            return Ok(config);
        }
        if self.is_on_learned() {
            let learns = |phase: &PhaseConfig| phase.level.iter().any(|level| level.level != LevelName::Velocity);
            match (config.phase.iter().any(learns), self) {
                (false, _) => return Err("the preset's path has nothing to learn".into()),
                (true, Self::Learned) => return Ok(config),
                (true, _) => {}
            }
        }
        let phase = velocity_alone(preset, self.name(), (steps / self.stages(rounds)).max(1));
        let mut phase = phase.ok_or("the preset's last phase does not fit the velocity")?;
        if self.trains_map() {
            if !preset.velocity.is_map() {
                return Err("the preset's velocity has no second time (`velocity.map = true`)".into());
            }
            let level = self.map_level(preset).ok_or("the preset's last phase does not fit the velocity")?;
            if matches!(self, Self::MeanFlowLearned | Self::FlowMapLearned) {
                config.phase = on_learned(preset, &level, steps);
                return Ok(config);
            }
            phase.level = vec![level];
        }
        // A flow of the preset gives way to a network of its widths.
        config.velocity = preset.velocity.network();
        if self == Self::Paper {
            let (interpolant, phase) = joint(preset, steps).ok_or("the preset's velocity is no network")?;
            return Ok(Config { interpolant, phase, coupling: CouplingConfig::Independent, ..config });
        }
        config.interpolant = InterpolantConfig::Linear;
        if matches!(self, Self::Likelihood | Self::GaussianFit) && config.source != SourceConfig::Normal {
            return Err("its source is N(0, I), and the preset's is not".into());
        }
        if self == Self::GaussianFit {
            let (coupling, phase) = (CouplingConfig::Independent, vec![]);
            return Ok(Config { coupling, phase, velocity: VelocityConfig::Gaussian, ..config });
        }
        let CompareConfig { ref solver, pairs, pairs_nfe, pool_batch, points, trajectories, trajectories_nfe, .. } =
            preset.compare;
        config.coupling = match self {
            Self::Ot | Self::MeanFlowOt | Self::FlowMapOt => CouplingConfig::Ot,
            Self::ConditionalOt if preset.data.condition.is_none() => {
                return Err("the preset's data have no condition (`data.condition`)".into());
            }
            Self::ConditionalOt if matches!(preset.coupling, CouplingConfig::ConditionalOt { .. }) => {
                preset.coupling.clone()
            }
            Self::ConditionalOt => CouplingConfig::conditional_ot(),
            Self::OtPool | Self::MeanFlowPool if matches!(preset.coupling, CouplingConfig::Pool { .. }) => {
                preset.coupling.clone()
            }
            Self::OtPool | Self::MeanFlowPool => CouplingConfig::Pool { pairs, batch: pool_batch },
            Self::SemidiscreteOt | Self::MeanFlowSemidiscrete => {
                CouplingConfig::Semidiscrete { points, tolerance: 0.05 }
            }
            Self::Cmt | Self::CmtOt | Self::CmtLearned => {
                let half = steps / self.stages(rounds);
                let matched = velocity_alone(preset, "teacher", half.max(1));
                let matched = matched.ok_or("the preset's last phase does not fit the velocity")?;
                let linear = |coupling| TeacherConfig {
                    interpolant: InterpolantConfig::Linear,
                    coupling,
                    phase: vec![matched.clone()],
                };
                let teacher = match (self, matched.level.first()) {
                    (Self::CmtLearned, Some(level)) => TeacherConfig {
                        interpolant: preset.interpolant.clone(),
                        coupling: preset.coupling.clone(),
                        phase: on_learned(preset, level, half),
                    },
                    (Self::CmtOt, _) => linear(CouplingConfig::Ot),
                    _ => linear(CouplingConfig::Independent),
                };
                CouplingConfig::Trajectories {
                    trajectories,
                    solver: solver.clone(),
                    nfe: trajectories_nfe,
                    teacher: Box::new(teacher),
                }
            }
            Self::Reflow | Self::ReflowLonger | Self::LearnedReflow => {
                let teacher = match self {
                    Self::LearnedReflow => {
                        let Config { interpolant, coupling, phase, .. } = preset.clone();
                        Some(TeacherConfig { interpolant, coupling, phase })
                    }
                    Self::ReflowLonger => velocity_alone(preset, "longer", steps).map(|phase| TeacherConfig {
                        interpolant: InterpolantConfig::Linear,
                        coupling: CouplingConfig::Independent,
                        phase: vec![phase],
                    }),
                    _ => None,
                };
                let teacher = teacher.map(Box::new);
                CouplingConfig::Reflow { rounds, pairs, solver: solver.clone(), nfe: pairs_nfe, teacher }
            }
            _ => CouplingConfig::Independent,
        };
        if self == Self::Likelihood {
            let (hidden, ema_half_lives) = (vec![64, 64], vec![]);
            config.velocity = VelocityConfig::Flow(FlowConfig {
                steps: 4,
                transform: TransformConfig::Spline,
                hidden,
                ema_half_lives,
            });
            for level in &mut phase.level {
                (level.objective, level.times) = (ObjectiveConfig::Likelihood, Times::Uniform);
                (level.rate, level.clip) = (level.rate.min(3e-3), Some(5.0));
            }
        }
        config.phase = vec![phase];
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn equal_steps_are_equal_with_those_of_teachers() {
        let phase = |objective: &str| {
            let level =
                format!("{{ level = 'velocity', objective = {{ name = '{objective}' }}, batch = 32, rate = 1e-3 }}");
            format!("[{{ name = 'fit', iterations = 4000, level = [{level}] }}]")
        };
        let teacher = format!("{{ interpolant = {{ family = 'linear' }}, phase = {} }}", phase("flow_matching"));
        let stored = "name = 'trajectories', trajectories = 64, solver = 'ab2', nfe = 16";
        let sets = [
            format!("coupling={{ {stored}, teacher = {teacher} }}"),
            format!("phase={}", phase("trajectory_regression")),
        ];
        let preset = load("fashion-mnist", &sets).unwrap();
        let steps = preset.gradient_steps();
        assert_eq!(steps, 8000, "those of its map and of the velocity that the map begins with");
        for method in [Method::Linear, Method::Ot, Method::Reflow, Method::Cmt, Method::CmtOt, Method::Preset] {
            assert_eq!(method.plan(&preset, 1, steps).unwrap().gradient_steps(), steps, "{method:?}");
        }
        assert_eq!(Method::Reflow.plan(&preset, 3, steps).unwrap().gradient_steps(), steps);
    }
}
