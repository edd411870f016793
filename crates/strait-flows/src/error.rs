use strait_core::Error;
use tch::{Device, Kind};

/// What can go wrong in this crate beyond the vocabulary's own errors.
///
/// It travels inside [`strait_core::Error::Other`], from which `downcast_ref::<FlowError>()` brings it back.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowError {
    /// Data-dependent initialisation of an empty batch.
    #[error("cannot initialise from an empty batch")]
    EmptyBatch,
    /// Data-dependent initialisation with one number a channel: it has no spread.
    #[error("cannot initialise from one value a channel: give at least two samples")]
    OneValue,
    /// Data-dependent initialisation of a batch none of whose channels varies.
    #[error("every channel is constant in the batch (the first is {value}): there is no scale to initialise from")]
    ConstantBatch {
        /// The value of the first channel.
        value: f64,
    },
    /// A reversible walk back did not end where the flow was started.
    #[error(
        "reversible gradients: the input came back off by {off:.1e} of its size, and {most:.0e} is the most; take ordinary \
         memory, double precision, or fewer or tamer layers"
    )]
    NotReversible {
        /// The largest deviation of a sample, relative to its largest number.
        off: f64,
        /// The most that is accepted.
        most: f64,
    },
    /// A list that was to be a permutation of `0..len` is none.
    #[error("{order:?} is not a permutation of 0..{}", order.len())]
    NotAPermutation {
        /// The list.
        order: Vec<i64>,
    },
    /// A setting that no layer can be built with.
    #[error("{setting} = {value}: {rule}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it must satisfy.
        rule: &'static str,
    },
    /// A tensor of another element kind, or on another device, than the layer's parameters.
    #[error("{what} is {found:?} on {found_device:?}, and the layer {expected:?} on {expected_device:?}")]
    Placement {
        /// Which tensor.
        what: &'static str,
        /// The layer's element kind.
        expected: Kind,
        /// The layer's device.
        expected_device: Device,
        /// The tensor's element kind.
        found: Kind,
        /// The tensor's device.
        found_device: Device,
    },
    /// A file could not be read or written.
    #[error("{problem}")]
    File {
        /// The file and what is wrong, in the words of whoever failed.
        problem: String,
    },
}

impl From<FlowError> for Error {
    fn from(error: FlowError) -> Self {
        Self::other(error)
    }
}
