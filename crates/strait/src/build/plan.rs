//! Phases with their objectives, from `[[phase]]`.

use super::one_step::OneStep;
use super::{Data, source};
use crate::ProgramError;
use crate::config::{Config, DerivativeConfig, LevelConfig, ObjectiveConfig, PhaseConfig};
use strait_core::{Error, Objective, Seed, Source, Split};
use strait_optim::objectives::{
    ConditionalVariance, Energy, FieldStraightness, FlowMatching, LagrangianDistillation, Likelihood, MapResidual,
    MarginalFlowMatching, MarginalStraightness, MeanFlow, ProgressiveDistillation, SquaredVelocity, Straightness,
    StraightnessConfig, TrajectoryRegression, TransportCost,
};
use strait_optim::{LearningRate, LevelName, LevelPlan, OptimError, Phase, Term};
use strait_paths::Along;

/// The step of central differences along a flow.
const STEP: f64 = 5e-3;

/// What the phases of a config are made from.
pub struct Plans<'a> {
    /// The config.
    pub config: &'a Config,
    /// Its data.
    pub data: &'a Data,
    /// The flow that the velocity is one step of, where it is one.
    pub flow: Option<&'a OneStep>,
    /// The map that the path goes through, where it does.
    pub map: Option<&'a OneStep>,
}

impl Plans<'_> {
    /// All phases, in order.
    ///
    /// # Errors
    /// `Plan` for an objective that these models have no meaning for; those of the objectives.
    pub fn phases(&self) -> Result<Vec<Phase>, ProgramError> {
        self.config.phase.iter().map(|phase| self.phase(phase)).collect()
    }

    fn phase(&self, config: &PhaseConfig) -> Result<Phase, ProgramError> {
        Ok(Phase {
            name: config.name.clone(),
            iterations: config.iterations,
            levels: config.level.iter().map(|level| self.level(level)).collect::<Result<_, ProgramError>>()?,
            fresh: config.fresh.clone(),
        })
    }

    fn level(&self, config: &LevelConfig) -> Result<LevelPlan, ProgramError> {
        let mut terms = vec![Term { objective: self.objective(config.level, config.objective)?, weight: 1.0, ramp: 0 }];
        for term in &config.plus {
            let objective = self.objective(config.level, term.objective)?;
            terms.push(Term { objective, weight: term.weight, ramp: term.ramp });
        }
        Ok(LevelPlan {
            level: config.level,
            terms,
            steps: config.steps,
            batch: config.batch,
            parts: config.parts,
            times: config.times,
            spans: config.spans,
            noise: config.noise,
            condition_drop: config.condition_drop,
            rate: LearningRate { peak: config.rate, warm_up: config.warm_up, decay: config.decay },
            betas: config.betas,
            weight_decay: config.weight_decay,
            clip: config.clip.unwrap_or(f64::INFINITY),
        })
    }

    fn objective(&self, level: LevelName, config: ObjectiveConfig) -> Result<Box<dyn Objective + Send>, ProgramError> {
        let map = || self.map.cloned().ok_or_else(|| missing("map that the path goes through"));
        Ok(match config {
            ObjectiveConfig::FlowMatching => Box::new(FlowMatching),
            ObjectiveConfig::MarginalFlowMatching { candidates } => {
                let source = self.source_of("marginal_flow_matching")?;
                Box::new(MarginalFlowMatching::new(source, candidates)?)
            }
            ObjectiveConfig::Likelihood if level == LevelName::Transport => {
                Box::new(Likelihood { law: Box::new(map()?) })
            }
            ObjectiveConfig::Likelihood => {
                let flow = self.flow.cloned().ok_or_else(|| missing("flow to take the likelihood of"))?;
                Box::new(Likelihood { law: Box::new(flow) })
            }
            ObjectiveConfig::TransportCost => Box::new(TransportCost { map: Box::new(map()?) }),
            ObjectiveConfig::SquaredVelocity => Box::new(SquaredVelocity),
            ObjectiveConfig::Energy { acceleration } => Box::new(Energy { acceleration }),
            ObjectiveConfig::Straightness { candidates, times, until, floor, derivative } => {
                let along = match derivative {
                    DerivativeConfig::Exact if self.config.interpolant.family().has_closed_derivative => Along::Forward,
                    DerivativeConfig::Exact => Along::Reverse,
                    DerivativeConfig::Difference => Along::Difference { step: STEP },
                };
                let config = StraightnessConfig { candidates, times, until, floor, along };
                Box::new(Straightness::new(self.source_of("straightness")?, config)?)
            }
            ObjectiveConfig::FieldStraightness { derivative } => Box::new(FieldStraightness {
                along: match derivative {
                    DerivativeConfig::Exact => Along::Forward,
                    DerivativeConfig::Difference => Along::Difference { step: STEP },
                },
            }),
            ObjectiveConfig::MarginalStraightness { step } => Box::new(MarginalStraightness { step }),
            ObjectiveConfig::ConditionalVariance => Box::new(ConditionalVariance),
            ObjectiveConfig::MeanFlow { power, epsilon } => Box::new(MeanFlow { power, epsilon }),
            ObjectiveConfig::LagrangianDistillation => Box::new(LagrangianDistillation),
            ObjectiveConfig::ProgressiveDistillation => Box::new(ProgressiveDistillation),
            ObjectiveConfig::TrajectoryRegression => Box::new(TrajectoryRegression),
            ObjectiveConfig::MapResidual { acceleration } => Box::new(MapResidual { acceleration }),
        })
    }

    /// The source, for an objective that asks it for densities: a run would come to that in its last phase.
    fn source_of(&self, objective: &str) -> Result<Box<dyn Source + Send>, ProgramError> {
        let source = source(self.config.source, self.data)?;
        let mut draws = Seed(self.config.seed).stream("density").at(0);
        let point = self.data.points.points(Split::Train, 1, &mut draws)?;
        if let Err(error @ Error::NoDensity { .. }) = source.log_density(&point) {
            let problem =
                format!("{objective} needs the density of its source, and {error}; take another source or objective");
            return Err(OptimError::Plan { problem }.into());
        }
        Ok(source)
    }
}

fn missing(what: &str) -> OptimError {
    OptimError::Plan { problem: format!("there is no {what}") }
}
