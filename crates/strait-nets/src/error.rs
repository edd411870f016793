use std::path::PathBuf;
use strait_core::Error as CoreError;

/// What can go wrong when a network is built or called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// A tensor does not have the shape that a layer takes.
    #[error("{layer}: shape {found:?}, expected {expected}")]
    Shape {
        /// The layer by its name, which is that of its parameters.
        layer: String,
        /// What it takes, as a shape.
        expected: String,
        /// The shape given.
        found: Vec<i64>,
    },
    /// Another number of times than the network was built for.
    #[error("the network takes {expected} times, and {found} were given")]
    Times {
        /// What it was built for.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A class that does not exist.
    #[error("label {label} is not one of the {classes} classes, 0 to {}", classes - 1)]
    Label {
        /// The label.
        label: i64,
        /// How many there are.
        classes: i64,
    },
    /// A saved module that is no velocity.
    #[error("{}: {problem}", path.display())]
    Module {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A condition for a network that was built without one.
    #[error("a condition was given to a network that was built without one; set its `condition`")]
    NoCondition,
    /// Derivatives in t of a network whose activation has none.
    #[error("derivatives in t are taken of a network whose activation is not smooth: silu and tanh are")]
    NotSmooth,
}

impl From<NetError> for CoreError {
    fn from(error: NetError) -> Self {
        Self::other(error)
    }
}

/// A shape that a layer does not take.
pub(crate) fn shape(layer: &str, expected: impl Into<String>, found: &tch::Tensor) -> CoreError {
    NetError::Shape { layer: layer.to_owned(), expected: expected.into(), found: found.size() }.into()
}
