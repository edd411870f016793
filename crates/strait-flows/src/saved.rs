//! Parameters in safetensors files.

use crate::FlowError;
use std::path::Path;
use strait_core::{Error, Parameters, write_whole};
use tch::Tensor;

fn fault(path: &Path, problem: impl std::fmt::Display) -> Error {
    FlowError::File { path: path.display().to_string(), problem: problem.to_string() }.into()
}

/// Writes the tensors by name. The file appears whole or not at all.
///
/// # Errors
/// `FlowError::File` in the system's words.
pub fn save(parameters: &Parameters, path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let named: Vec<(String, Tensor)> =
        parameters.named().into_iter().map(|(name, x)| (name, x.to_device(tch::Device::Cpu).contiguous())).collect();
    write_whole(path, |to| Tensor::write_safetensors(&named, to)).map_err(|error| fault(path, error))
}

/// Reads what [`save`] wrote into parameters of the same architecture.
///
/// # Errors
/// `FlowError::File` where there is no such file, or it is damaged; `Parameter` names the tensor that differs from
/// this architecture, and nothing is changed then.
pub fn load(parameters: &Parameters, path: impl AsRef<Path>) -> Result<(), Error> {
    let path = path.as_ref();
    let values = Tensor::read_safetensors(path).map_err(|error| fault(path, error))?;
    parameters.assign(&values)
}
