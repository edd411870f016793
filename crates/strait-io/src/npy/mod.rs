//! One array in NumPy's format (numpy.lib.format, versions 1 to 3): a header that says type, order and shape, and the
//! numbers. This reader exists because `tch::Tensor::read_npy` trusts the header: on a truncated file it reads past
//! the end of its buffer.

mod header;
mod problem;
mod row_reader;

pub use row_reader::RowReader;

use crate::whole_file::put;
use crate::{Element, IoError, open};
use header::Header;
pub(crate) use header::MAGIC;
pub(crate) use problem::Problem;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::Path;
use tch::{Device, Tensor};

/// Numbers written at a time.
const CHUNK: i64 = 1 << 16;

/// An array with the type that it has on disk.
#[derive(Debug)]
pub struct Array {
    /// Its numbers, of the kind [`Element::kind`], on the CPU, row after row.
    pub values: Tensor,
    /// Their type in the file.
    pub element: Element,
    /// Whether more bytes follow it in its file, as an array that was saved after it: `numpy.load` reads the first as well.
    pub followed: bool,
}

/// Reads the first array of a file.
///
/// # Errors
/// `System`, `Damaged`, `ElementType`, `Range` for unsigned integers from 2^63 on, `Tensor`.
pub fn read(path: &Path) -> Result<Array, IoError> {
    read_from(BufReader::new(open(path)?)).map_err(|problem| problem.of(path, ""))
}

/// Reads an array, and what it is in to its end: an archive finds by then whether a byte of it was changed.
pub(crate) fn read_from(mut reader: impl Read) -> Result<Array, Problem> {
    let (header, _) = Header::read(&mut reader)?;
    let length = header.bytes()?;
    let mut bytes = vec![];
    // Grows with what is there, not with what the header promises.
    reader.by_ref().take(length).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length {
        return Err(Problem::Damaged("it is cut short".into()));
    }
    let followed = io::copy(&mut reader, &mut io::sink())? > 0;
    let Header { element, big_endian, fortran_order, shape } = header;
    if !fortran_order {
        return Ok(Array { values: decode(bytes, element, big_endian, &shape)?, element, followed });
    }
    let reversed: Vec<i64> = shape.iter().rev().copied().collect();
    let axes: Vec<i64> = (0..shape.len() as i64).rev().collect();
    let values = decode(bytes, element, big_endian, &reversed)?.f_permute(axes)?.f_contiguous()?;
    Ok(Array { values, element, followed })
}

/// Numbers of a type from their bytes.
fn decode(mut bytes: Vec<u8>, element: Element, big_endian: bool, shape: &[i64]) -> Result<Tensor, Problem> {
    let width = element.width();
    if big_endian {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    let wide = |to: usize| -> Vec<u8> {
        let mut wide = vec![0; bytes.len() / width * to];
        wide.chunks_exact_mut(to)
            .zip(bytes.chunks_exact(width))
            .for_each(|(to, from)| to[..width].copy_from_slice(from));
        wide
    };
    let bytes = match element {
        Element::U16 => wide(4),
        Element::U32 => wide(8),
        Element::U64 if bytes.chunks_exact(8).any(|number| number[7] >= 128) => {
            return Err(Problem::Range(
                "it holds integers of 2^63 and more: convert it with .astype(\"float64\")".into(),
            ));
        }
        // NumPy takes any byte but 0 for true; libtorch computes with the byte.
        Element::Bool => bytes.into_iter().map(|byte| u8::from(byte != 0)).collect(),
        _ => bytes,
    };
    Ok(Tensor::f_from_data_size(&bytes, shape, element.kind())?)
}

/// Writes a file of one array: numbers of any kind as `element`. The file appears whole or not at all.
///
/// # Errors
/// `System`, as for a full disk; `Range` where an integer type cannot hold a number.
pub fn write(path: &Path, values: &Tensor, element: Element) -> Result<(), IoError> {
    let whole = |to: &Path| {
        let mut file = BufWriter::new(File::create(to).map_err(IoError::system(path))?);
        write_to(&mut file, values, element).map_err(|problem| problem.of(path, ""))?;
        file.flush().map_err(IoError::system(path))
    };
    put(path, whole, IoError::system(path))
}

/// The bytes of a whole file of one array.
pub(crate) fn write_to(file: &mut impl Write, values: &Tensor, element: Element) -> Result<(), Problem> {
    file.write_all(&Header::write(element, &values.size())).map_err(Problem::Io)?;
    let flat = values.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?;
    let n = flat.size()[0];
    for start in (0..n).step_by(CHUNK as usize) {
        let part = flat.f_narrow(0, start, CHUNK.min(n - start))?;
        file.write_all(&encode(&part, element)?).map_err(Problem::Io)?;
    }
    Ok(())
}

/// The bytes of numbers of a type.
fn encode(part: &Tensor, element: Element) -> Result<Vec<u8>, Problem> {
    if let Some((low, high)) = element.range()
        && part.kind() != element.kind()
    {
        let outside = part.f_lt(low)?.f_logical_or(&part.f_gt(high)?)?.f_logical_or(&part.f_isnan()?)?;
        if let Ok(at) = i64::try_from(outside.f_to_kind(tch::Kind::Int64)?.f_argmax(0, false)?)
            && outside.int64_value(&[at]) == 1
        {
            let value = part.double_value(&[at]);
            return Err(Problem::Range(format!("{value} is no number of type {}", element.descr())));
        }
    }
    let held = part.f_to_kind(element.kind())?;
    let mut bytes = vec![0; held.numel() * element.kind().elt_size_in_bytes()];
    held.f_copy_data_u8(&mut bytes, held.numel())?;
    let narrow = |from: usize, to: usize| bytes.chunks_exact(from).flat_map(|number| number[..to].to_vec()).collect();
    Ok(match element {
        Element::U16 => narrow(4, 2),
        Element::U32 => narrow(8, 4),
        _ => bytes,
    })
}
