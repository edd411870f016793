//! Reading a zip archive: as much of the format as wheels use, which is neither zip64 nor encryption.
//!
//! The archives are checked by sha256 before they are read; an archive that is malformed nevertheless is an error, not
//! a panic.

use std::fs::File;
use std::io::{self, BufReader, Error, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Component, Path};

use flate2::read::DeflateDecoder;

const END: u32 = 0x0605_4b50;
const ENTRY: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// An open archive and its table of contents.
#[derive(Debug)]
pub(crate) struct Archive {
    file: File,
    pub(crate) members: Vec<Member>,
}

/// One file in an archive.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// Relative, with `/`, and without `..`.
    pub(crate) name: String,
    /// Unpacked.
    pub(crate) size: u64,
    packed: u64,
    method: u16,
    offset: u64,
}

impl Archive {
    pub(crate) fn open(path: &Path) -> io::Result<Archive> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        // The end record is 22 bytes and a comment of at most 65,535.
        let tail_at = length.saturating_sub(22 + 0xffff);
        file.seek(SeekFrom::Start(tail_at))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let whole = |at: &usize| {
            let comment = u16_at(&tail, at + 20).map(usize::from);
            u32_at(&tail, *at) == Some(END) && comment.is_some_and(|comment| at + 22 + comment == tail.len())
        };
        let end = (0..tail.len()).rev().find(whole).ok_or_else(|| malformed("no zip archive, or a truncated one"))?;
        let field = |at| u32_at(&tail, end + at).ok_or_else(|| malformed("its end record is cut off"));
        let count = field(10)? & 0xffff;
        let (size, start) = (field(12)?, field(16)?);
        file.seek(SeekFrom::Start(u64::from(start)))?;
        let mut table = Vec::new();
        (&file).take(u64::from(size)).read_to_end(&mut table)?;
        let members = contents(&table, count).ok_or_else(|| malformed("its table of contents is malformed"))?;
        Ok(Archive { file, members })
    }

    /// A reader of the unpacked bytes.
    pub(crate) fn read(&self, member: &Member) -> io::Result<Box<dyn Read + '_>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(member.offset))?;
        let mut header = [0; 30];
        file.read_exact(&mut header)?;
        if u32_at(&header, 0) != Some(LOCAL) {
            return Err(malformed("a member is not where the table of contents says"));
        }
        let skip = [26, 28].iter().filter_map(|&at| u16_at(&header, at)).map(i64::from).sum();
        file.seek(SeekFrom::Current(skip))?;
        let packed = BufReader::with_capacity(1 << 17, file.take(member.packed));
        match member.method {
            STORED => Ok(Box::new(packed)),
            DEFLATED => Ok(Box::new(DeflateDecoder::new(packed))),
            _ => Err(malformed("a member is packed by an unknown method")),
        }
    }
}

/// The files among `count` entries of the central directory.
fn contents(table: &[u8], count: u32) -> Option<Vec<Member>> {
    let (mut members, mut at) = (Vec::new(), 0);
    for _ in 0..count {
        if u32_at(table, at)? != ENTRY {
            return None;
        }
        let lengths = [28, 30, 32].map(|field| u16_at(table, at + field).map(usize::from));
        let [name, extra, comment] = [lengths[0]?, lengths[1]?, lengths[2]?];
        let text = std::str::from_utf8(table.get(at + 46..at + 46 + name)?).ok()?;
        let inside = Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
        if inside && !text.ends_with('/') {
            members.push(Member {
                name: text.to_owned(),
                size: u64::from(u32_at(table, at + 24)?),
                packed: u64::from(u32_at(table, at + 20)?),
                method: u16_at(table, at + 10)?,
                offset: u64::from(u32_at(table, at + 42)?),
            });
        }
        at += 46 + name + extra + comment;
    }
    Some(members)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    /// A zip archive of deflated members.
    pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut bytes, mut table) = (Vec::new(), Vec::new());
        for (name, contents) in members {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(contents).unwrap();
            let packed = encoder.finish().unwrap();
            let offset = bytes.len() as u32;
            let mut common = Vec::new();
            for field in [20, 0, DEFLATED, 0, 0] {
                common.extend(field.to_le_bytes());
            }
            for field in [0, packed.len() as u32, contents.len() as u32] {
                common.extend(field.to_le_bytes());
            }
            common.extend((name.len() as u16).to_le_bytes());
            common.extend(0_u16.to_le_bytes());
            bytes.extend([&LOCAL.to_le_bytes(), &common[..], name.as_bytes(), &packed].concat());
            table.extend([&ENTRY.to_le_bytes(), &20_u16.to_le_bytes()[..], &common, &[0; 10]].concat());
            table.extend([&offset.to_le_bytes(), name.as_bytes()].concat());
        }
        let (start, count) = (bytes.len() as u32, members.len() as u16);
        let counts = [0, 0, count, count].map(u16::to_le_bytes).concat();
        let extent = [table.len() as u32, start].map(u32::to_le_bytes).concat();
        [&bytes, &table, &END.to_le_bytes()[..], &counts, &extent, &[0; 2]].concat()
    }

    fn opened(bytes: &[u8]) -> io::Result<(tempfile::TempDir, Archive)> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.zip");
        fs::write(&path, bytes)?;
        let archive = Archive::open(&path)?;
        Ok((folder, archive))
    }

    #[test]
    fn members_come_back_as_they_went_in() {
        let long = b"abc".repeat(100_000);
        let (_folder, archive) = opened(&zip(&[("a/b.txt", b"hello"), ("c", &long), ("empty", b"")])).unwrap();
        let read = |index: usize| {
            let mut bytes = Vec::new();
            archive.read(&archive.members[index]).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(archive.members[0].name, "a/b.txt");
        assert_eq!(archive.members[1].size, 300_000);
        assert_eq!((read(0), read(1), read(2)), (b"hello".to_vec(), long, vec![]));
    }

    #[test]
    fn a_member_that_leads_out_is_not_listed() {
        let (_folder, archive) =
            opened(&zip(&[("../a", b"x"), ("/b", b"x"), ("c/../../d", b"x"), ("e", b"x")])).unwrap();
        assert_eq!(archive.members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["e"]);
    }

    #[test]
    fn an_archive_cut_anywhere_is_an_error_and_no_panic() {
        let whole = zip(&[("a", b"hello hello hello"), ("b", b"world")]);
        for length in 0..whole.len() {
            assert!(opened(&whole[..length]).is_err(), "cut to {length} of {} bytes", whole.len());
        }
    }
}
