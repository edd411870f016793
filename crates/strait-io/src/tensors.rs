//! Named tensors in safetensors files: 8 bytes of length, a JSON header, and the numbers.

use crate::whole_file::put;
use crate::{IoError, open};
use safetensors::SafeTensorError;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::Path;
use tch::{Device, Kind, TchError, Tensor};

/// A header of more bytes is none; safetensors has the same limit.
const LONGEST: u64 = 100_000_000;

/// Writes tensors under their names. The file appears whole or not at all.
///
/// # Errors
/// `System`, as for a full disk; `Tensor` for a kind that the format has not.
pub fn write(path: &Path, tensors: &[(String, Tensor)]) -> Result<(), IoError> {
    let on_host = |tensor: &Tensor| tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous();
    let tensors: Vec<(&str, Tensor)> = tensors
        .iter()
        .map(|(name, tensor)| Ok((name.as_str(), on_host(tensor)?)))
        .collect::<Result<_, TchError>>()
        .map_err(IoError::tensor(path))?;
    let whole = |to: &Path| {
        Tensor::write_safetensors(&tensors, to).map_err(|error| match error {
            TchError::Io(source) | TchError::SafeTensorError { err: SafeTensorError::IoError(source), .. } => {
                IoError::system(path)(source)
            }
            error => IoError::tensor(path)(error),
        })
    };
    put(path, whole, IoError::system(path))
}

/// A tensor as the header tells of it.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Reads all tensors of a file, in the order of their names.
///
/// # Errors
/// `System`; `Damaged` for what is no safetensors file, cut short, or whose header does not fit its numbers;
/// `ElementType` names a tensor of a kind that libtorch does not compute with.
pub fn read(path: &Path) -> Result<Vec<(String, Tensor)>, IoError> {
    let damaged = |problem: &str| IoError::damaged(path, problem);
    let file = open(path)?;
    let length = file.metadata().map_err(IoError::system(path))?.len();
    let mut file = BufReader::new(file);
    let mut header = [0; 8];
    if length < 8 {
        return Err(damaged("it is cut short"));
    }
    file.read_exact(&mut header).map_err(IoError::system(path))?;
    let header_length = u64::from_le_bytes(header);
    if header_length > LONGEST {
        return Err(damaged("it does not begin as a safetensors file"));
    }
    let Some(data_length) = (length - 8).checked_sub(header_length) else {
        return Err(damaged("it is cut short"));
    };
    let mut header = vec![0; header_length as usize];
    file.read_exact(&mut header).map_err(IoError::system(path))?;
    let mut entries = entries(&header).ok_or_else(|| damaged("its header is none of a safetensors file"))?;
    entries.sort_by_key(|(_, entry)| entry.data_offsets);
    let mut end = 0;
    for (name, entry) in &entries {
        let (start, stop) = entry.data_offsets;
        if start != end || stop < start || stop > data_length {
            return Err(damaged(&format!("tensor `{name}`: it is cut short, or lies where another does")));
        }
        end = stop;
    }
    if end != data_length {
        return Err(damaged("it is longer than its header says"));
    }
    let mut tensors = vec![];
    for (name, Entry { dtype, shape, data_offsets: (start, stop) }) in entries {
        let kind = kind(&dtype).ok_or_else(|| IoError::ElementType {
            path: path.to_owned(),
            array: name.clone(),
            found: dtype.clone(),
            remedy: "save it as F32",
        })?;
        let width = kind.elt_size_in_bytes() as u64;
        let bytes = shape.iter().try_fold(width, |n, &k| n.checked_mul(k));
        if bytes != Some(stop - start) || shape.iter().any(|&k| i64::try_from(k).is_err()) {
            return Err(damaged(&format!("tensor `{name}`: shape {shape:?} does not fit its {} bytes", stop - start)));
        }
        let mut bytes = vec![0; (stop - start) as usize];
        file.read_exact(&mut bytes).map_err(IoError::system(path))?;
        let shape: Vec<i64> = shape.iter().map(|&k| k as i64).collect();
        tensors.push((name, Tensor::f_from_data_size(&bytes, &shape, kind).map_err(IoError::tensor(path))?));
    }
    tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(tensors)
}

fn entries(header: &[u8]) -> Option<Vec<(String, Entry)>> {
    let mut header: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header).ok()?;
    header.remove("__metadata__");
    header.into_iter().map(|(name, entry)| Some((name, serde_json::from_value(entry).ok()?))).collect()
}

fn kind(dtype: &str) -> Option<Kind> {
    Some(match dtype {
        "BOOL" => Kind::Bool,
        "U8" => Kind::Uint8,
        "I8" => Kind::Int8,
        "I16" => Kind::Int16,
        "I32" => Kind::Int,
        "I64" => Kind::Int64,
        "F16" => Kind::Half,
        "BF16" => Kind::BFloat16,
        "F32" => Kind::Float,
        "F64" => Kind::Double,
        _ => return None,
    })
}
