//! One array in NumPy's format (numpy.lib.format, versions 1 to 3): a header that says type, order and shape, and the
//! numbers. Written here because `tch::Tensor::read_npy` trusts the header: on a file that is cut short it reads past
//! the end of its buffer.

use std::io::{self, ErrorKind, Read};
use tch::{Kind, TchError, Tensor};

pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// A header is a short dictionary; a longer one is not worth the memory.
const LONGEST_HEADER: u64 = 1 << 20;

pub(crate) enum NpyError {
    Io(io::Error),
    Damaged(String),
    ElementType(String),
    Tensor(TchError),
}

impl From<io::Error> for NpyError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Damaged("it is cut short".into()),
            // What the decompression and its checksum find.
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other => Self::Damaged(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

impl From<TchError> for NpyError {
    fn from(error: TchError) -> Self {
        Self::Tensor(error)
    }
}

struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<i64>,
}

/// The array as a tensor of its own kind.
pub(crate) fn read(mut reader: impl Read) -> Result<Tensor, NpyError> {
    let Header { descr, fortran_order, shape } = read_header(&mut reader)?;
    let (kind, big_endian) = kind_of(&descr).ok_or(NpyError::ElementType(descr))?;
    let width = kind.elt_size_in_bytes();
    let damaged = |problem: &str| NpyError::Damaged(problem.into());
    let length = shape.iter().try_fold(width as u64, |n, &k| n.checked_mul(k.try_into().ok()?));
    let length = length.ok_or_else(|| damaged("its shape is impossible"))?;
    let mut bytes = vec![];
    // Grows with what is there, not with what the header promises.
    reader.take(length.saturating_add(1)).read_to_end(&mut bytes)?;
    match (bytes.len() as u64).cmp(&length) {
        std::cmp::Ordering::Less => return Err(damaged("it is cut short")),
        std::cmp::Ordering::Greater => return Err(damaged("it is longer than its header says")),
        std::cmp::Ordering::Equal => {}
    }
    if big_endian {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    if !fortran_order {
        return Ok(Tensor::f_from_data_size(&bytes, &shape, kind)?);
    }
    let reversed: Vec<i64> = shape.iter().rev().copied().collect();
    let axes: Vec<i64> = (0..shape.len() as i64).rev().collect();
    Ok(Tensor::f_from_data_size(&bytes, &reversed, kind)?.f_permute(axes)?.f_contiguous()?)
}

fn read_header(reader: &mut impl Read) -> Result<Header, NpyError> {
    let mut start = [0; 8];
    reader.read_exact(&mut start)?;
    if start[..6] != *MAGIC {
        return Err(NpyError::Damaged("it does not begin as an array".into()));
    }
    let length = if start[6] == 1 {
        let mut length = [0; 2];
        reader.read_exact(&mut length)?;
        u64::from(u16::from_le_bytes(length))
    } else {
        let mut length = [0; 4];
        reader.read_exact(&mut length)?;
        u64::from(u32::from_le_bytes(length))
    };
    let mut header = vec![];
    reader.take(length.min(LONGEST_HEADER)).read_to_end(&mut header)?;
    let header = String::from_utf8_lossy(&header);
    parse(&header).ok_or_else(|| NpyError::Damaged(format!("its header makes no sense: {:?}", header.trim())))
}

/// `{'descr': '<f8', 'fortran_order': False, 'shape': (100, 2), }`
fn parse(header: &str) -> Option<Header> {
    let after = |key: &str| Some(header.split_once(&format!("'{key}':"))?.1.trim_start());
    let descr = after("descr")?;
    // A record type is a list, and has no single name.
    let descr = match descr.strip_prefix('\'') {
        Some(quoted) => quoted.split_once('\'')?.0,
        None => descr.split_once("'fortran_order'").map_or(descr, |(list, _)| list).trim_end_matches([',', ' ']),
    };
    let order = after("fortran_order")?;
    let fortran_order = order.starts_with("True");
    if !fortran_order && !order.starts_with("False") {
        return None;
    }
    let shape = after("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape = sizes.map(|size| size.parse().ok()).collect::<Option<_>>()?;
    Some(Header { descr: descr.to_owned(), fortran_order, shape })
}

/// The kind of a type name, and whether its bytes are the other way round.
fn kind_of(descr: &str) -> Option<(Kind, bool)> {
    let kind = match descr.get(1..)? {
        "f2" => Kind::Half,
        "f4" => Kind::Float,
        "f8" => Kind::Double,
        "u1" => Kind::Uint8,
        "i1" => Kind::Int8,
        "i2" => Kind::Int16,
        "i4" => Kind::Int,
        "i8" => Kind::Int64,
        "b1" => Kind::Bool,
        _ => return None,
    };
    match descr.as_bytes()[0] {
        b'<' | b'|' => Some((kind, false)),
        b'>' => Some((kind, true)),
        _ => None,
    }
}
