//! `objective` and `plus`: what the steps of a level minimise; with the table of objectives.

use super::error::{ConfigError, need, positive};
use serde::{Deserialize, Serialize};
use strait_optim::LevelName;

/// An objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectiveConfig {
    /// $E|v - u|^2$, for the velocity.
    FlowMatching,
    /// $E|v - \hat v|^2$ with the marginal field over the batch's data points, for the velocity.
    MarginalFlowMatching {
        /// Pairs of each batch of which only the data points are used, as additional endpoints of the field.
        #[serde(default)]
        candidates: i64,
    },
    /// $-E \log p(x_1)$, for a velocity that is a flow and for the transport.
    Likelihood,
    /// $E|T(x_0) - x_0|^2$, for the transport.
    TransportCost,
    /// $E|u|^2$, for the transport and the interpolant.
    SquaredVelocity,
    /// $E[2u \cdot v - |v|^2] + \lambda E|x_{tt}|^2$, for the interpolant and the transport.
    Energy {
        /// $\lambda$.
        acceleration: f64,
    },
    /// $E|Dv^\ast/Dt|^2$ of the exact field, for the interpolant.
    Straightness {
        /// Pairs of each batch whose data points are the exact field's candidates; the others are its points.
        candidates: i64,
        /// Times that the points share.
        times: i64,
        /// The last time, below 1.
        until: f64,
        /// The least median effective sample size with which it begins.
        floor: f64,
        /// How the derivative is taken.
        #[serde(default)]
        derivative: DerivativeConfig,
    },
    /// $E|Dv/Dt|^2$ of the learned field, for the interpolant and the velocity.
    FieldStraightness {
        /// How the derivative is taken.
        #[serde(default)]
        derivative: DerivativeConfig,
    },
    /// $E|Dv^\ast/Dt|^2$ by the learned field and its response to the paths, for the interpolant.
    MarginalStraightness {
        /// The step along the flow.
        step: f64,
    },
    /// $E|u - v|^2$ through the path, for the interpolant.
    ConditionalVariance,
    /// MeanFlow, for a velocity that is a flow map.
    MeanFlow {
        /// The power of the adaptive weight $(|\cdot|^2 + \epsilon)^{-p}$; 0: every pair counts alike.
        #[serde(default)]
        power: f64,
        /// $\epsilon$.
        #[serde(default = "epsilon")]
        epsilon: f64,
    },
    /// Lagrangian self-distillation, for a velocity that is a flow map.
    LagrangianDistillation,
    /// Progressive self-distillation, for a velocity that is a flow map.
    ProgressiveDistillation,
    /// Regression on stored trajectories, for a velocity that is a flow map.
    TrajectoryRegression,
    /// The part of the paths' velocity that a flow map cannot fit, with $\lambda E|x_{tt}|^2$, for the interpolant.
    MapResidual {
        /// $\lambda$.
        acceleration: f64,
    },
}

fn epsilon() -> f64 {
    1e-3
}

/// The properties of an objective that are known without building it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectiveKind {
    /// Its name in a config.
    pub name: &'static str,
    /// The levels whose steps may lower it.
    pub levels: &'static [LevelName],
    /// Whether it uses the exact field, and so needs independent pairs and a source with a density.
    pub needs_independent: bool,
    /// Whether it needs an invertible path.
    pub needs_invertible: bool,
    /// Whether it needs a velocity that is a flow map.
    pub needs_map: bool,
    /// Whether it is trained on trajectories that were made before.
    pub needs_trajectories: bool,
    /// Its keys beside `name`.
    pub example: &'static str,
}

/// All objectives.
pub const OBJECTIVES: [ObjectiveKind; 15] = {
    use LevelName::{Interpolant, Transport, Velocity};
    [
        of("flow_matching", &[Velocity]),
        ObjectiveKind { needs_independent: true, ..of("marginal_flow_matching", &[Velocity]) },
        of("likelihood", &[Velocity, Transport]),
        of("transport_cost", &[Transport]),
        of("squared_velocity", &[Transport, Interpolant]),
        ObjectiveKind { example: "acceleration = 2e-3", ..of("energy", &[Interpolant, Transport]) },
        ObjectiveKind {
            needs_independent: true,
            needs_invertible: true,
            example: "candidates = 32, times = 4, until = 0.9, floor = 1.5",
            ..of("straightness", &[Interpolant])
        },
        of("field_straightness", &[Interpolant, Velocity]),
        ObjectiveKind { example: "step = 0.1", ..of("marginal_straightness", &[Interpolant]) },
        of("conditional_variance", &[Interpolant]),
        ObjectiveKind { needs_map: true, example: "power = 0.75", ..of("mean_flow", &[Velocity]) },
        ObjectiveKind { needs_map: true, ..of("lagrangian_distillation", &[Velocity]) },
        ObjectiveKind { needs_map: true, ..of("progressive_distillation", &[Velocity]) },
        ObjectiveKind { needs_map: true, needs_trajectories: true, ..of("trajectory_regression", &[Velocity]) },
        ObjectiveKind { needs_map: true, example: "acceleration = 2e-3", ..of("map_residual", &[Interpolant]) },
    ]
};

const fn of(name: &'static str, levels: &'static [LevelName]) -> ObjectiveKind {
    ObjectiveKind {
        name,
        levels,
        needs_independent: false,
        needs_invertible: false,
        needs_map: false,
        needs_trajectories: false,
        example: "",
    }
}

impl ObjectiveConfig {
    /// Its row of the table.
    pub fn kind(self) -> &'static ObjectiveKind {
        let [flow, marginal_flow, likelihood, cost, speed, energy, straightness, field, marginal, variance, rest @ ..] =
            &OBJECTIVES;
        let [mean_flow, distillation, progressive, regression, residual] = rest;
        match self {
            Self::FlowMatching => flow,
            Self::MarginalFlowMatching { .. } => marginal_flow,
            Self::Likelihood => likelihood,
            Self::TransportCost => cost,
            Self::SquaredVelocity => speed,
            Self::Energy { .. } => energy,
            Self::Straightness { .. } => straightness,
            Self::FieldStraightness { .. } => field,
            Self::MarginalStraightness { .. } => marginal,
            Self::ConditionalVariance => variance,
            Self::MeanFlow { .. } => mean_flow,
            Self::LagrangianDistillation => distillation,
            Self::ProgressiveDistillation => progressive,
            Self::TrajectoryRegression => regression,
            Self::MapResidual { .. } => residual,
        }
    }

    /// Whether a velocity level that lowers it learns more of a flow map than its diagonal.
    pub fn trains_map(self) -> bool {
        self.kind().needs_map && self.kind().levels.contains(&LevelName::Velocity)
    }

    /// Pairs of each batch of which only the data points are used, where a velocity is trained.
    pub fn candidates(self) -> i64 {
        match self {
            Self::MarginalFlowMatching { candidates } => candidates,
            _ => 0,
        }
    }

    /// Refuses settings that do not fit the objective.
    pub(super) fn check(self, key: &str) -> Result<(), ConfigError> {
        match self {
            Self::Straightness { candidates: k, times, until, floor, .. } => {
                need(k >= 2 && k % 2 == 0, &format!("{key}.candidates"), k, "even and at least 2")?;
                need(times >= 1, &format!("{key}.times"), times, "at least 1")?;
                need(until > 0.0 && until < 1.0, &format!("{key}.until"), until, "above 0 and below 1")?;
                let reached = floor >= 1.0 && floor <= k as f64;
                need(reached, &format!("{key}.floor"), floor, "at least 1 and at most the candidates")
            }
            Self::Energy { acceleration: a } | Self::MapResidual { acceleration: a } => {
                need(a.is_finite() && a >= 0.0, &format!("{key}.acceleration"), a, "at least 0")
            }
            Self::MeanFlow { power, epsilon } => {
                need(power.is_finite() && power >= 0.0, &format!("{key}.power"), power, "at least 0")?;
                need(positive(epsilon), &format!("{key}.epsilon"), epsilon, "above 0")
            }
            Self::MarginalFlowMatching { candidates: k } => need(k >= 0, &format!("{key}.candidates"), k, "at least 0"),
            Self::MarginalStraightness { step } => {
                need(positive(step) && step <= 0.5, &format!("{key}.step"), step, "above 0 and at most 0.5")
            }
            _ => Ok(()),
        }
    }
}

/// How a derivative along a flow is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DerivativeConfig {
    /// In closed form or by automatic differentiation.
    #[default]
    Exact,
    /// By a central difference of step .005.
    Difference,
}

/// `plus = [{ objective = ..., weight = ..., ramp = ... }]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TermConfig {
    /// The objective.
    pub objective: ObjectiveConfig,
    /// Its weight beside the level's first objective.
    pub weight: f64,
    /// Iterations over which the weight rises from 0.
    #[serde(default)]
    pub ramp: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::error::variants;

    #[test]
    fn the_table_holds_every_objective_of_the_config() {
        assert_eq!(variants::<ObjectiveConfig>("name = '?'"), OBJECTIVES.map(|objective| objective.name));
        for kind in &OBJECTIVES {
            let text = format!("name = '{}'\n{}", kind.name, kind.example.replace(", ", "\n"));
            let config: ObjectiveConfig = toml::from_str(&text).unwrap();
            assert_eq!(config.kind(), kind);
            config.check("objective").unwrap();
            assert!(!kind.levels.is_empty());
        }
    }
}
