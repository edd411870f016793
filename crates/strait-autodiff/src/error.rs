use tch::{Device, Kind, TchError};

/// What can go wrong while differentiating.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AutodiffError {
    /// libtorch has no forward-mode derivative for an operation inside the function.
    #[error("libtorch has no forward-mode derivative for `{operation}`; write it from operations that have one")]
    NoForwardDerivative {
        /// libtorch's name of the operation.
        operation: String,
    },
    /// A gradient of something computed by a kernel, ours or libtorch's, was itself to be differentiated, and the kernel has no second
    /// derivative.
    #[error("{operation} has no second derivative")]
    NoSecondDerivative {
        /// Which kernel.
        operation: String,
    },
    /// A derivative of what a compiled package computes, which would be 0 without a word.
    #[error("a package of AOTInductor has no derivatives; save the module as TorchScript (torch.jit.save) for them")]
    NoDerivative,
    /// The gradient of a tangent would go through an operation whose second derivatives libtorch gets wrong without a word.
    #[error(
        "libtorch differentiates the tangent of `{operation}` wrongly: take the tangent under `no_grad` or its gradient by \
         `tangent_gradient`, or write the operation from others (group_norm with one group for layer_norm, sums of logarithms \
         of LU diagonals for determinants, triangular solves)"
    )]
    Fragile {
        /// Which operation.
        operation: String,
    },
    /// libtorch's tangent of an operation is wrong, or left out, without a word.
    #[error(
        "libtorch has a wrong tangent for `{operation}`: write it from others (`cholesky_solve` of the identity for \
         cholesky_inverse, the exponential of sums of logarithms for products by scatter_reduce, `linalg_solve_triangular` for \
         triangular_solve, `slice_scatter` for as_strided_scatter), or give it a matrix of the form that it takes for granted ((m + m^T) / 2, tril)"
    )]
    WrongTangent {
        /// Which operation.
        operation: String,
    },
    /// What a gradient needs was written over: in place, by an optimizer's step or an operation; or, where it is the gradient
    /// of a tangent, by libtorch itself.
    #[error(
        "what a gradient needs was written over: change nothing in place before it is taken, or take it of a new graph; in \
         the tangents of softmax, logsumexp, attention and 1-norms libtorch does so itself: write them from amax (detached), exp, \
         abs and sum"
    )]
    Overwritten,
    /// libtorch viewed a tensor that does not lie row by row, as it does in the tangent of a group norm of channels-last images.
    #[error(
        "a tensor that does not lie row by row was viewed as another shape, as libtorch does in the tangent of group_norm: call \
         `contiguous` before it"
    )]
    NotContiguous,
    /// A JVP was asked for inside the function of another JVP: libtorch has one dual level only.
    #[error("a JVP inside a JVP: libtorch has one forward-mode level; take the outer derivative by `time_derivative`")]
    Nested,
    /// Two lists that must have one entry for each other do not.
    #[error("{what}: {left} against {right} tensors")]
    Count {
        /// Which two lists.
        what: &'static str,
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
    /// A tensor has another shape than what it belongs to.
    #[error("{what} number {index} has shape {found:?}, expected {expected:?}")]
    Shape {
        /// What the tensor is.
        what: &'static str,
        /// Position in its list.
        index: usize,
        /// The shape needed.
        expected: Vec<i64>,
        /// The shape given.
        found: Vec<i64>,
    },
    /// A tensor does not lie in memory as a kernel walks it: it overlaps itself, leaves gaps, or has its axes in another
    /// order than what it belongs to.
    #[error("{what} number {index} lies in memory with strides {found:?}, where {expected:?} would do")]
    Strides {
        /// What the tensor is.
        what: &'static str,
        /// Position in its list.
        index: usize,
        /// Strides that would do: those of what it belongs to, or row by row.
        expected: Vec<i64>,
        /// Its strides.
        found: Vec<i64>,
    },
    /// The bound of a bounded map is no bound.
    #[error("a bound is {value}, and must be positive and finite")]
    Bound {
        /// The bound given.
        value: f64,
    },
    /// Draws are made on CPU and CUDA devices only.
    #[error("no seeded generator for device {device:?}; use the CPU or a CUDA device")]
    Device {
        /// The device asked for.
        device: Device,
    },
    /// Draws are numbers: integers, or of a floating-point kind.
    #[error("no draws of kind {kind:?}; ask for a floating-point kind and convert them")]
    Kind {
        /// The kind asked for.
        kind: Kind,
    },
    /// Any other error of libtorch, first line only.
    #[error("libtorch: {0}")]
    Torch(String),
}

impl AutodiffError {
    /// Reads libtorch's words: a missing derivative is named, everything else is kept as its first line.
    pub(crate) fn from_message(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        // "Trying to use forward AD with OP that does not support it because ..."
        if let Some((_, rest)) = text.split_once("forward AD with ")
            && let Some((operation, _)) = rest.split_once(" that does not support it")
        {
            return Self::NoForwardDerivative { operation: operation.trim().to_owned() };
        }
        // "derivative for aten::OP_jvp is not implemented"
        if let Some((_, rest)) = text.split_once("derivative for aten::")
            && let Some((operation, _)) = rest.split_once(" is not implemented")
        {
            return Self::NoSecondDerivative { operation: format!("libtorch's `{operation}`") };
        }
        if text.contains("needed for gradient computation has been modified by an inplace operation") {
            return Self::Overwritten;
        }
        if text.contains("view size is not compatible with input tensor's size and stride") {
            return Self::NotContiguous;
        }
        if let Some((operation, _)) = text.split_once(" has no second derivative") {
            return Self::NoSecondDerivative { operation: operation.trim().to_owned() };
        }
        Self::Torch(text.lines().next().unwrap_or_default().trim().to_owned())
    }
}

impl From<TchError> for AutodiffError {
    fn from(error: TchError) -> Self {
        match error {
            TchError::Torch(text) => Self::from_message(text),
            other => Self::from_message(other.to_string()),
        }
    }
}
