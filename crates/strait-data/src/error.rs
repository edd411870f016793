/// What can be wrong with data. Every message names the file, the array or the parameter, and what would mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A parameter of a toy is outside of what makes sense.
    #[error("{toy}: {parameter} is {value}, and must be {must}")]
    Parameter {
        /// The toy.
        toy: &'static str,
        /// Which parameter.
        parameter: &'static str,
        /// The value given.
        value: String,
        /// What it must be, in words.
        must: &'static str,
    },
    /// An error of tensors behind a constructor.
    #[error(transparent)]
    Core(#[from] strait_core::Error),
}

impl From<tch::TchError> for DataError {
    fn from(error: tch::TchError) -> Self {
        Self::Core(error.into())
    }
}
