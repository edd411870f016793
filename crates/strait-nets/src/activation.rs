use strait_autodiff::Jet;
use tch::Tensor;

/// The nonlinearity between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// $x\,\sigma(x)$ (Elfwing et al., arXiv 1702.03118).
    Silu,
    /// Self-normalising exponential units (Klambauer et al., arXiv 1706.02515).
    Selu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Applied entry by entry.
    pub fn apply(self, x: &Tensor) -> Tensor {
        match self {
            Self::Silu => x.silu(),
            Self::Selu => x.selu(),
            Self::Tanh => x.tanh(),
        }
    }

    /// Applied to a jet; `None` where the activation is not twice differentiable everywhere.
    pub fn jet(self, x: &Jet) -> Option<Jet> {
        match self {
            Self::Silu => Some(x.silu()),
            Self::Tanh => Some(x.tanh()),
            Self::Selu => None,
        }
    }
}
