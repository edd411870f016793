//! `objective` and `plus`: what the steps of a level lower.

use serde::{Deserialize, Serialize};

/// An objective.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum ObjectiveConfig {
    /// $E|v - u|^2$, for the velocity.
    FlowMatching,
    /// $E|v - \hat v|^2$ with the marginal field over the batch's data points, for the velocity.
    MarginalFlowMatching {
        /// Pairs of each batch of which the data points alone are taken, as further ends of the field.
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
}

impl ObjectiveConfig {
    /// Pairs of each batch that lend their data points alone, where a velocity is trained.
    pub fn candidates(self) -> i64 {
        match self {
            Self::MarginalFlowMatching { candidates } => candidates,
            _ => 0,
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
    /// Turns over which the weight rises from 0.
    #[serde(default)]
    pub ramp: u64,
}
