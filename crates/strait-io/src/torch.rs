//! PyTorch's state dicts as `torch.save` wrote them before version 1.6: pickles, followed by the numbers.
//!
//! No code is run. The reader implements only the pickle opcodes that such files use, and the only calls that it
//! accepts make ordered dicts and tensors.

use crate::{IoError, open};
use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::Path;
use tch::{Kind, Tensor};

/// The largest file that is read.
const LONGEST: u64 = 4 << 30;
/// What the first pickle of such a file holds.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Nothing,
    Whole(i64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Name(String),
    /// A key, and the type of its numbers.
    Storage(String, Kind),
    Tensor(Lying),
}

/// Where a tensor lies in its storage.
#[derive(Debug, Clone, PartialEq)]
struct Lying {
    storage: String,
    kind: Kind,
    offset: i64,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

/// The tensors of a state dict by their names, in its order, each as it was saved. Numbers of single precision and 64-bit
/// integers are read.
///
/// # Errors
/// `System` where the file cannot be read; `Damaged` where it is none, is cut short, or holds anything else.
pub fn read(path: &Path) -> Result<Vec<(String, Tensor)>, IoError> {
    let mut bytes = vec![];
    let file = BufReader::new(open(path)?);
    file.take(LONGEST).read_to_end(&mut bytes).map_err(IoError::system(path))?;
    parse(&bytes).map_err(|problem| IoError::damaged(path, problem))
}

type Found<T> = Result<T, String>;

fn parse(bytes: &[u8]) -> Found<Vec<(String, Tensor)>> {
    let mut from = Cursor { bytes, at: 0 };
    if pickle(&mut from)? != Value::Bytes(MAGIC.to_vec()) {
        return Err("it is no state dict as PyTorch wrote them before version 1.6".into());
    }
    // The version of the protocol, and what the machine was.
    pickle(&mut from)?;
    pickle(&mut from)?;
    let Value::Dict(dict) = pickle(&mut from)? else { return Err("it holds no dict of tensors".into()) };
    let Value::List(keys) = pickle(&mut from)? else { return Err("it does not list its storages".into()) };
    let mut kinds = HashMap::new();
    for (_, value) in &dict {
        if let Value::Tensor(lying) = value {
            kinds.insert(lying.storage.clone(), lying.kind);
        }
    }
    let mut storages = HashMap::new();
    for key in keys {
        let Value::Text(key) = key else { return Err("a storage has no name".into()) };
        let kind = *kinds.get(&key).ok_or("a storage belongs to no tensor")?;
        let count = from.number(8)?;
        let length = usize::try_from(count).ok().and_then(|n| n.checked_mul(kind.elt_size_in_bytes()));
        let numbers = from.take(length.ok_or("a storage has no length")?)?;
        storages.insert(key, (Tensor::f_from_data_size(numbers, &[count], kind).map_err(|error| said(&error))?, count));
    }
    let tensor = |(name, value): (Value, Value)| {
        let (Value::Text(name), Value::Tensor(lying)) = (name, value) else {
            return Err("it holds something that is no tensor".to_owned());
        };
        let (numbers, count) = storages.get(&lying.storage).ok_or("a tensor has no storage")?;
        let last = lying.shape.iter().zip(&lying.strides).try_fold(lying.offset, |at, (&n, &stride)| {
            (n > 0 && stride >= 0).then(|| (n - 1).checked_mul(stride)?.checked_add(at)).flatten()
        });
        if lying.offset < 0 || lying.strides.len() != lying.shape.len() || last.is_none_or(|last| last >= *count) {
            return Err(format!("`{name}` does not lie within its storage"));
        }
        let view = numbers.f_as_strided(&lying.shape[..], &lying.strides[..], lying.offset);
        Ok((name, view.and_then(|view| view.f_contiguous()).map_err(|error| said(&error))?))
    };
    dict.into_iter().map(tensor).collect()
}

fn said(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Found<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|&end| end <= self.bytes.len()).ok_or("it is cut short")?;
        let part = &self.bytes[self.at..end];
        self.at = end;
        Ok(part)
    }

    /// A number of so many bytes, the lowest first.
    fn number(&mut self, n: usize) -> Found<i64> {
        Ok(self.take(n)?.iter().rev().fold(0, |value, &byte| value << 8 | i64::from(byte)))
    }

    fn line(&mut self) -> Found<String> {
        let rest = &self.bytes[self.at..];
        let n = rest.iter().position(|&byte| byte == b'\n').ok_or("it is cut short")?;
        let line = String::from_utf8_lossy(self.take(n)?).into_owned();
        self.take(1)?;
        Ok(line)
    }
}

/// The value of the next pickle.
fn pickle(from: &mut Cursor<'_>) -> Found<Value> {
    let (mut stack, mut marks, mut memo): (Vec<Value>, Vec<usize>, HashMap<i64, Value>) = Default::default();
    loop {
        let code = from.take(1)?[0];
        match code {
            0x80 => drop(from.take(1)?),
            b'.' => return stack.pop().ok_or_else(|| "it is empty".into()),
            b'(' => marks.push(stack.len()),
            b'N' => stack.push(Value::Nothing),
            0x88 => stack.push(Value::Whole(1)),
            0x89 => stack.push(Value::Whole(0)),
            b'J' => stack.push(Value::Whole(i64::from(from.number(4)? as i32))),
            b'K' => stack.push(Value::Whole(from.number(1)?)),
            b'M' => stack.push(Value::Whole(from.number(2)?)),
            0x8a => {
                let n = from.number(1)? as usize;
                stack.push(Value::Bytes(from.take(n)?.to_vec()));
            }
            b'X' => {
                let n = from.number(4)? as usize;
                stack.push(Value::Text(String::from_utf8_lossy(from.take(n)?).into_owned()));
            }
            b'c' => {
                let (module, name) = (from.line()?, from.line()?);
                stack.push(Value::Name(format!("{module}.{name}")));
            }
            b'q' | b'r' => {
                let at = from.number(if code == b'q' { 1 } else { 4 })?;
                memo.insert(at, stack.last().cloned().ok_or("it keeps what is not there")?);
            }
            b'h' | b'j' => {
                let at = from.number(if code == b'h' { 1 } else { 4 })?;
                stack.push(memo.get(&at).cloned().ok_or("it recalls what is not there")?);
            }
            b'}' => stack.push(Value::Dict(vec![])),
            b')' | b']' => stack.push(Value::List(vec![])),
            b't' => {
                let items = popped(&mut stack, marks.pop())?;
                stack.push(Value::List(items));
            }
            0x85..=0x87 => {
                let at = stack.len().checked_sub(usize::from(code - 0x84));
                let items = popped(&mut stack, at)?;
                stack.push(Value::List(items));
            }
            b'a' | b'e' => {
                let at = if code == b'a' { stack.len().checked_sub(1) } else { marks.pop() };
                let items = popped(&mut stack, at)?;
                let Some(Value::List(list)) = stack.last_mut() else { return Err("it appends to no list".into()) };
                list.extend(items);
            }
            b's' | b'u' => {
                let at = if code == b's' { stack.len().checked_sub(2) } else { marks.pop() };
                let items = popped(&mut stack, at)?;
                let Some(Value::Dict(dict)) = stack.last_mut() else { return Err("it sets an item of no dict".into()) };
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    dict.push((key, value));
                }
            }
            // The state of an object, such as the versions of a dict's modules: not looked at.
            b'b' => drop(stack.pop()),
            b'Q' => {
                let id = stack.pop();
                stack.push(storage(id)?);
            }
            b'R' => {
                let (arguments, function) = (stack.pop(), stack.pop());
                stack.push(called(function, arguments)?);
            }
            code => return Err(format!("its pickle holds the code {code:#04x}, which no state dict needs")),
        }
    }
}

fn popped(stack: &mut Vec<Value>, at: Option<usize>) -> Found<Vec<Value>> {
    match at.filter(|&at| at <= stack.len()) {
        Some(at) => Ok(stack.split_off(at)),
        None => Err("its pickle takes more than there is".into()),
    }
}

/// What `('storage', type, key, device, count, view)` names.
fn storage(id: Option<Value>) -> Found<Value> {
    if let Some(Value::List(parts)) = id
        && let [Value::Text(_), Value::Name(class), Value::Text(key), ..] = &parts[..]
    {
        let kind = match class.as_str() {
            "torch.FloatStorage" => Kind::Float,
            "torch.LongStorage" => Kind::Int64,
            other => return Err(format!("it holds a `{other}`; single precision and 64-bit integers are read")),
        };
        return Ok(Value::Storage(key.clone(), kind));
    }
    Err("it names no storage".into())
}

fn called(function: Option<Value>, arguments: Option<Value>) -> Found<Value> {
    let (Some(Value::Name(function)), Some(Value::List(arguments))) = (function, arguments) else {
        return Err("its pickle calls nothing that has a name".into());
    };
    match (function.as_str(), &arguments[..]) {
        ("collections.OrderedDict", _) => Ok(Value::Dict(vec![])),
        (
            "torch._utils._rebuild_tensor_v2",
            [Value::Storage(storage, kind), Value::Whole(offset), Value::List(shape), Value::List(strides), ..],
        ) => {
            let numbers = |values: &[Value]| -> Found<Vec<i64>> {
                let number = |value: &Value| match value {
                    Value::Whole(n) => Ok(*n),
                    _ => Err("a tensor's shape is no list of numbers".to_owned()),
                };
                values.iter().map(number).collect()
            };
            Ok(Value::Tensor(Lying {
                storage: storage.clone(),
                kind: *kind,
                offset: *offset,
                shape: numbers(shape)?,
                strides: numbers(strides)?,
            }))
        }
        (other, _) => Err(format!("its pickle calls `{other}`, which is not done")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python's pickle, protocol 2, and torch write of {"w": [[1, 2], [3, 4]]^T}.
    fn whole() -> Vec<u8> {
        let mut bytes = [&[0x80, 2, 0x8a, 10][..], &MAGIC, b"."].concat();
        bytes.extend([0x80, 2, b'M', 0xe9, 3, b'.']);
        bytes.extend([0x80, 2, b'}', b'.']);
        bytes.extend([0x80, 2]);
        bytes.extend(b"ccollections\nOrderedDict\n)R");
        bytes.extend(b"X\x01\0\0\0w");
        bytes.extend(b"ctorch._utils\n_rebuild_tensor_v2\n(");
        bytes.extend(b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x007X\x03\0\0\0cpuK\x04NtQ");
        bytes.extend(b"K\0K\x02K\x02\x86K\x01K\x02\x86\x89ccollections\nOrderedDict\n)RtRs.");
        bytes.extend(b"\x80\x02]X\x01\0\0\x007a.");
        bytes.extend(4i64.to_le_bytes());
        bytes.extend([1f32, 2.0, 3.0, 4.0].into_iter().flat_map(f32::to_le_bytes));
        bytes
    }

    #[test]
    fn tensors_come_as_they_lay() {
        let found = parse(&whole()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.as_str(), &found[0].1), ("w", &Tensor::from_slice2(&[[1f32, 3.0], [2.0, 4.0]])));
    }

    #[test]
    fn cut_anywhere_it_is_refused() {
        let bytes = whole();
        for length in 0..bytes.len() {
            assert!(parse(&bytes[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn what_would_run_code_or_lies_outside_is_refused() {
        let change = |from: &[u8], to: &[u8]| {
            let bytes = whole();
            let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
            parse(&[&bytes[..at], to, &bytes[at + from.len()..]].concat()).unwrap_err()
        };
        assert!(change(b"ccollections\nOrderedDict\n)R", b"cos\nsystem\n)R").contains("calls `os.system`"));
        assert!(change(b"K\0K\x02K\x02\x86", b"K\x01K\x02K\x02\x86").contains("does not lie within"));
        assert!(change(b"FloatStorage", b"HalfStorage").contains("HalfStorage"));
    }
}
