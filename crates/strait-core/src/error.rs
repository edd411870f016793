use strait_autodiff::AutodiffError;
use tch::TchError;

/// What can go wrong behind the traits of this crate. Crates with more to say wrap their own error in `Other`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor does not have the shape that it must have.
    #[error("{what}: shape {found:?}, expected {expected}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// What was needed, in words or as a shape.
        expected: String,
        /// The shape given.
        found: Vec<i64>,
    },
    /// A value is NaN or infinite.
    #[error("{what} is not finite in {count} of {of} entries{at}")]
    NonFinite {
        /// Which tensor.
        what: &'static str,
        /// How many entries.
        count: i64,
        /// Of how many.
        of: i64,
        /// Where it arose (a time, a step, a row), in words, or empty.
        at: String,
    },
    /// A layer that is conditioned on something was called without it.
    #[error("{layer} needs {missing} in its condition")]
    MissingCondition {
        /// The layer.
        layer: &'static str,
        /// "a context" or "a time".
        missing: &'static str,
    },
    /// A condition that is looked for and not there.
    #[error("there is no condition `{wanted}` (there are: {present})")]
    NoSuchCondition {
        /// The one.
        wanted: String,
        /// The names of those that are there.
        present: String,
    },
    /// A model was given conditions and takes none.
    #[error("conditions were given to a velocity that takes none; build it with a condition, or leave them out")]
    Unconditional,
    /// A method needs a flow map, and the field is no map's diagonal.
    #[error("{what} needs a flow map, a network of two times, and this velocity has one time")]
    NotFlowMap {
        /// The method.
        what: &'static str,
    },
    /// A log-density was asked of a distribution that has none in closed form.
    #[error("{what} has no log-density in closed form")]
    NoDensity {
        /// The distribution.
        what: String,
    },
    /// A method needs independent pairs, and the coupling does not give them.
    #[error("{what} is valid under independent coupling only, and the pairs come from {coupling}")]
    NotIndependent {
        /// The method.
        what: &'static str,
        /// The coupling.
        coupling: String,
    },
    /// A method needs a path that is invertible in its source point.
    #[error("{what} needs a path that is invertible in x0, and this one is not")]
    NotInvertible {
        /// The method.
        what: &'static str,
    },
    /// An estimate over candidates of which too few carry weight.
    #[error(
        "{what} rests on {effective:.1} of {candidates} candidates (the median of its points), below the floor of {floor}; \
         take more candidates, end at an earlier time, or lower the energy instead"
    )]
    EffectiveSize {
        /// The estimate.
        what: &'static str,
        /// The median effective sample size.
        effective: f64,
        /// Of how many.
        candidates: i64,
        /// The least that was asked for.
        floor: f64,
    },
    /// A time outside of where an expression is defined.
    #[error("{what} is not defined at t = {t}; {domain}")]
    Time {
        /// The expression.
        what: &'static str,
        /// The offending time.
        t: f64,
        /// Where it is defined, in words.
        domain: &'static str,
    },
    /// A number that a model is built with and that makes none.
    #[error("{what} is {value}, and must be {must}")]
    Setting {
        /// Which number.
        what: &'static str,
        /// The number.
        value: f64,
        /// What it must be, in words.
        must: &'static str,
    },
    /// A set of tensors differs from what a model expects.
    #[error("tensor `{name}`: {problem}")]
    Parameter {
        /// The tensor's stable name.
        name: String,
        /// What differs.
        problem: String,
    },
    /// A derivative could not be taken.
    #[error(transparent)]
    Autodiff(#[from] AutodiffError),
    /// An error of another crate behind a trait of this one.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// Wraps the error of a crate that implements one of the traits.
    pub fn other(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Other(Box::new(error))
    }
}

impl From<TchError> for Error {
    fn from(error: TchError) -> Self {
        Self::Autodiff(error.into())
    }
}
