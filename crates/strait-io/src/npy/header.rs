//! The header of an array in NumPy's format: a Python dictionary with the type, the order and the shape.

use super::problem::Problem;
use crate::Element;
use std::io::Read;

pub(crate) const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// A header is a short dictionary; a longer one is not worth the memory.
const LONGEST: u64 = 1 << 20;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) element: Element,
    pub(crate) big_endian: bool,
    pub(crate) fortran_order: bool,
    pub(crate) shape: Vec<i64>,
}

impl Header {
    /// The bytes of all numbers.
    pub(crate) fn bytes(&self) -> Result<u64, Problem> {
        let width = self.element.width() as u64;
        let length = self.shape.iter().try_fold(width, |n, &k| n.checked_mul(k as u64));
        length.filter(|&n| n < i64::MAX as u64).ok_or_else(|| Problem::Damaged("its shape is impossible".into()))
    }

    /// Reads magic, version and dictionary; how many bytes that were comes with it.
    pub(crate) fn read(reader: &mut impl Read) -> Result<(Self, u64), Problem> {
        let mut start = [0; 8];
        reader.read_exact(&mut start)?;
        if start[..6] != *MAGIC {
            return Err(Problem::Damaged("it does not begin as an array".into()));
        }
        let (length, before) = match start[6] {
            1 => {
                let mut length = [0; 2];
                reader.read_exact(&mut length)?;
                (u64::from(u16::from_le_bytes(length)), 10)
            }
            2 | 3 => {
                let mut length = [0; 4];
                reader.read_exact(&mut length)?;
                (u64::from(u32::from_le_bytes(length)), 12)
            }
            version => return Err(Problem::Damaged(format!("its format is version {version}, and 1 to 3 are known"))),
        };
        let mut text = vec![];
        reader.take(length.min(LONGEST)).read_to_end(&mut text)?;
        if (text.len() as u64) < length.min(LONGEST) {
            return Err(Problem::Damaged("it is cut short".into()));
        }
        let text = String::from_utf8_lossy(&text);
        let nonsense = || {
            let shown: String = text.trim().chars().take(80).collect();
            Problem::Damaged(format!("its header makes no sense: {shown:?}"))
        };
        let dictionary = Dictionary::parse(&text).ok_or_else(nonsense)?;
        let descr = dictionary.descr.ok_or_else(nonsense)?;
        let (element, big_endian) = element(&descr)?;
        let (fortran_order, shape) = dictionary.fortran_order.zip(dictionary.shape).ok_or_else(nonsense)?;
        Ok((Self { element, big_endian, fortran_order, shape }, before + length))
    }

    /// Magic, version and dictionary as NumPy writes them, padded so that the numbers begin at a multiple of 64.
    pub(crate) fn write(element: Element, shape: &[i64]) -> Vec<u8> {
        let sizes: String = match shape {
            [one] => format!("{one},"),
            several => several.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
        };
        let descr = element.descr();
        let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
        while !(text.len() + 11).is_multiple_of(64) {
            text.push(' ');
        }
        text.push('\n');
        [&MAGIC[..], &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat()
    }
}

fn element(descr: &str) -> Result<(Element, bool), Problem> {
    let (order, name) = match descr.as_bytes().first() {
        Some(b'<' | b'>' | b'|' | b'=') => descr.split_at(1),
        _ => ("=", descr),
    };
    // What is of this machine's order in a file is of an unknown one; nearly all machines are little-endian.
    Element::named(name).map(|element| (element, order == ">")).ok_or_else(|| Problem::ElementType(descr.to_owned()))
}

/// What is known of the dictionary's entries.
#[derive(Default)]
struct Dictionary {
    descr: Option<String>,
    fortran_order: Option<bool>,
    shape: Option<Vec<i64>>,
}

impl Dictionary {
    /// `{'descr': '<f8', 'fortran_order': False, 'shape': (100, 2), }`, in any order and with either quotes.
    fn parse(text: &str) -> Option<Self> {
        let mut found = Self::default();
        let mut rest = text.trim().strip_prefix('{')?.trim_start();
        while !rest.starts_with('}') {
            let (key, after) = quoted(rest)?;
            rest = after.trim_start().strip_prefix(':')?.trim_start();
            rest = match key {
                "descr" => {
                    let (descr, after) = if rest.starts_with('[') { list(rest)? } else { quoted(rest)? };
                    found.descr = Some(descr.to_owned());
                    after
                }
                "fortran_order" => {
                    let named = [("True", true), ("False", false)];
                    let (order, after) =
                        named.iter().find_map(|(name, order)| Some((*order, rest.strip_prefix(name)?)))?;
                    found.fortran_order = Some(order);
                    after
                }
                "shape" => {
                    let (sizes, after) = rest.strip_prefix('(')?.split_once(')')?;
                    found.shape = Some(shape(sizes)?);
                    after
                }
                _ => return None,
            };
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Some(found)
    }
}

/// What stands between quotes, and what comes after them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix(['u', 'b']).unwrap_or(text);
    let quote = text.chars().next().filter(|quote| ['\'', '"'].contains(quote))?;
    text[1..].split_once(quote)
}

/// A list in brackets, of whatever depth, and what comes after it.
fn list(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0i64;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(text.split_at(at + 1));
        }
    }
    None
}

/// `100, 2`; Python 2 wrote `100L`.
fn shape(sizes: &str) -> Option<Vec<i64>> {
    let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes.map(|size| size.trim_end_matches('L').parse().ok().filter(|&size: &i64| size >= 0)).collect()
}
