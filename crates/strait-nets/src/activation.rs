use crate::kernels::{selu, silu_jet};
use strait_autodiff::Jet;
use strait_core::Error;
use tch::Tensor;

/// The nonlinearity between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// $x \sigma(x)$ (Elfwing et al., arXiv 1702.03118).
    Silu,
    /// Self-normalising exponential units (Klambauer et al., arXiv 1706.02515).
    Selu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// Applied entry by entry; where nothing is differentiated, the memory of x may be used again.
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn apply(self, x: Tensor) -> Result<Tensor, Error> {
        Ok(match self {
            Self::Silu => x.f_silu()?,
            Self::Selu => selu(x)?,
            Self::Tanh => x.f_tanh()?,
        })
    }

    /// Whether it is twice differentiable everywhere.
    pub fn is_smooth(self) -> bool {
        self != Self::Selu
    }

    /// Applied to a jet; `None` where the activation is not twice differentiable everywhere.
    pub fn jet(self, x: &Jet) -> Option<Jet> {
        match self {
            Self::Silu => Some(silu_jet(x).ok().flatten().unwrap_or_else(|| x.silu())),
            Self::Tanh => Some(x.tanh()),
            Self::Selu => None,
        }
    }
}
