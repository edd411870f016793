use strait_core::Error as CoreError;

/// Writes "sample 3", or "the batch" where no single sample is to blame.
fn who(sample: Option<i64>) -> String {
    sample.map_or_else(|| "the batch".into(), |index| format!("sample {index}"))
}

/// A time to six places: floats of single precision have no more.
pub(crate) fn time(t: f64) -> f64 {
    (t * 1e6).round() / 1e6
}

/// What can go wrong while a trajectory is integrated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OdeError {
    /// A time grid needs at least two points.
    #[error("a time grid needs at least one step, and {points} points give none")]
    GridTooShort {
        /// How many points were given.
        points: usize,
    },
    /// A point of a time grid is not in $[0, 1]$.
    #[error("time {t} at position {index} of the grid is not in [0, 1]")]
    GridTime {
        /// Its position.
        index: usize,
        /// The time.
        t: f64,
    },
    /// A time grid does not run in one direction.
    #[error("the grid goes from {before} to {after} at position {index}; its times must be strictly monotone")]
    GridOrder {
        /// The position of the second of the two.
        index: usize,
        /// The time before it.
        before: f64,
        /// The time that does not follow.
        after: f64,
    },
    /// No method has this name.
    #[error("no method is called `{name}`; there are {}", crate::Method::NAMES.join(", "))]
    UnknownMethod {
        /// The name given.
        name: String,
    },
    /// A count of evaluations that no whole number of steps takes.
    #[error("{method} takes {per_step} evaluations a step, and {nfe} is not a positive multiple of that")]
    NotAMultiple {
        /// The method.
        method: &'static str,
        /// Evaluations a step.
        per_step: usize,
        /// The count asked for.
        nfe: usize,
    },
    /// An adaptive method was asked for a fixed number of steps.
    #[error("{method} chooses its steps by tolerance; it has no fixed number of evaluations")]
    Adaptive {
        /// The method.
        method: &'static str,
    },
    /// An option has a value that makes no sense.
    #[error("{option} = {value}: {expected}")]
    Option {
        /// Its name.
        option: &'static str,
        /// The value given.
        value: f64,
        /// What is needed, in words.
        expected: &'static str,
    },
    /// A state whose entries are not floating-point numbers.
    #[error("x has kind {kind:?}; a state must be of a floating-point kind")]
    Kind {
        /// Its kind.
        kind: tch::Kind,
    },
    /// A velocity, or the state itself, is NaN or infinite.
    #[error(
        "{what} of sample {sample} is not finite at t = {}, step {step} ({count} of {of} samples): take more evaluations or another \
         solver; where that does not help, the field itself has diverged",
        time(*.t)
    )]
    NonFinite {
        /// "velocity" or "state".
        what: &'static str,
        /// The step, from 0.
        step: usize,
        /// The time of the evaluation, or of the state.
        t: f64,
        /// The first sample that has it, in the whole batch.
        sample: i64,
        /// How many of the samples carried together have it.
        count: i64,
        /// Of how many.
        of: i64,
    },
    /// The tolerance asks for steps that the arithmetic cannot resolve.
    #[error("step size underflow at t = {} in {}, step {step}: h = {h:.3e}; the field is too stiff there, or the tolerance too tight", time(*.t), who(*.sample))]
    Underflow {
        /// The step, from 0, rejected ones counted.
        step: usize,
        /// The time reached.
        t: f64,
        /// The step size asked for.
        h: f64,
        /// The sample, where each has its own step.
        sample: Option<i64>,
    },
    /// The limit on steps was reached before the end.
    #[error("{steps} steps did not suffice: {} is at t = {} still; raise the limit or the tolerance", who(*.sample), time(*.t))]
    TooManySteps {
        /// The limit, rejected steps counted.
        steps: usize,
        /// The time reached.
        t: f64,
        /// The sample that is furthest behind, where each has its own step.
        sample: Option<i64>,
    },
    /// The field failed.
    #[error("the field failed at step {step}, between t = {} and {}: {source}", time(*.from), time(*.to))]
    Field {
        /// The step, from 0.
        step: usize,
        /// The time at its start.
        from: f64,
        /// The time at its end.
        to: f64,
        /// What it said.
        source: CoreError,
    },
    /// An error of the vocabulary: shapes, values that are not finite, libtorch's own.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl From<tch::TchError> for OdeError {
    fn from(error: tch::TchError) -> Self {
        Self::Core(error.into())
    }
}
