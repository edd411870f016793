//! Parameters in safetensors files.

use crate::FlowError;
use std::path::Path;
use strait_core::{Error, Parameters};
use strait_io::{IoError, tensors};

fn fault(error: &IoError) -> Error {
    FlowError::File { problem: error.to_string() }.into()
}

/// Writes the tensors by name. The file appears whole or not at all.
///
/// # Errors
/// `FlowError::File` in the system's words.
pub fn save(parameters: &Parameters, path: impl AsRef<Path>) -> Result<(), Error> {
    tensors::write(path.as_ref(), &parameters.named()).map_err(|error| fault(&error))
}

/// Reads what [`save`] wrote into parameters of the same architecture.
///
/// # Errors
/// `FlowError::File` where there is no such file, or it is damaged; `Parameter` names the tensor that differs from
/// this architecture, and nothing is changed then.
pub fn load(parameters: &Parameters, path: impl AsRef<Path>) -> Result<(), Error> {
    parameters.assign(&tensors::read(path.as_ref()).map_err(|error| fault(&error))?)
}
