//! Folders of pictures, decoded as they are drawn.

mod decode;
mod skipped;

pub use skipped::{Reason, Skipped};

use crate::Splits;
use crate::byte_images::LEVELS;
use crate::image_dataset::{Images, at};
use crate::row_store::{RowStore, Stored};
use crate::{DataError, Image};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread;
use strait_core::{Error, Seed, Split};
use tch::{Device, Tensor};

/// Up to so many bytes of samples are kept once they are decoded.
const KEPT: usize = 512 << 20;
/// Extensions of files that are looked at, in lower case.
const EXTENSIONS: [&str; 4] = ["png", "jpg", "jpeg", "webp"];

/// A file, and the place of its class in the list of classes.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) class: i64,
}

/// Pictures in files.
#[derive(Debug)]
struct Pictures {
    paths: Vec<PathBuf>,
    image: Image,
    /// What was decoded before, where all of it may be kept.
    kept: Option<Vec<OnceLock<Box<[u8]>>>>,
}

impl Pictures {
    fn new(paths: Vec<PathBuf>, image: Image) -> Self {
        let fits = paths.len().saturating_mul(image.numbers() as usize) <= KEPT;
        let kept = fits.then(|| paths.iter().map(|_| OnceLock::new()).collect());
        Self { paths, image, kept }
    }

    fn sample(&self, row: i64, to: &mut [u8]) -> Result<(), Error> {
        let place = self.kept.as_ref().map(|kept| &kept[row as usize]);
        if let Some(known) = place.and_then(OnceLock::get) {
            to.copy_from_slice(known);
            return Ok(());
        }
        let path = &self.paths[row as usize];
        let bytes = decode::decode(path, self.image).map_err(|problem| {
            let remedy = "remove or replace it";
            Error::other(DataError::Damaged { path: path.clone(), problem, remedy })
        })?;
        to.copy_from_slice(&bytes);
        if let Some(place) = place {
            // Another thread may have been faster, with the same bytes.
            let _ = place.set(bytes);
        }
        Ok(())
    }
}

impl RowStore for Pictures {
    fn read(&self, rows: &[i64]) -> Result<Tensor, Error> {
        let size = self.image.numbers() as usize;
        let mut bytes = vec![0; rows.len() * size];
        let share = rows.len().div_ceil(threads()).max(1);
        thread::scope(|scope| {
            let parts = rows.chunks(share).zip(bytes.chunks_mut(share * size));
            let readers: Vec<_> = parts
                .map(|(rows, bytes)| {
                    scope.spawn(move || {
                        rows.iter().zip(bytes.chunks_mut(size)).try_for_each(|(&row, to)| self.sample(row, to))
                    })
                })
                .collect();
            readers.into_iter().try_for_each(|reader| reader.join().unwrap_or_else(|_| Err(stopped())))
        })?;
        self.image.batch(&bytes)
    }

    fn is_slow(&self) -> bool {
        true
    }
}

fn stopped() -> Error {
    Error::other(std::io::Error::other("a thread that decodes pictures ended without a result"))
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, |n| n.get().min(16))
}

/// Looks at each file without decoding it: those that can be used, in their order, and those that are passed over.
pub(crate) fn usable(entries: Vec<Entry>) -> (Vec<Entry>, Skipped) {
    let share = entries.len().div_ceil(threads()).max(1);
    let looks: Vec<Result<(u32, u32), Reason>> = thread::scope(|scope| {
        let readers: Vec<_> = entries
            .chunks(share)
            .map(|part| {
                let look = |entry: &Entry| decode::look(&entry.path);
                (part.len(), scope.spawn(move || part.iter().map(look).collect::<Vec<_>>()))
            })
            .collect();
        // A decoder that panics has met a damaged file; which of the part is not known.
        let all = |(n, reader): (usize, thread::ScopedJoinHandle<'_, Vec<_>>)| {
            reader.join().unwrap_or_else(|_| vec![Err(Reason::Damaged); n])
        };
        readers.into_iter().flat_map(all).collect()
    });
    let (mut used, mut skipped) = (vec![], Skipped::default());
    for (entry, look) in entries.into_iter().zip(looks) {
        match look {
            Ok(_) => used.push(entry),
            Err(reason) => skipped.files.push((entry.path, reason)),
        }
    }
    (used, skipped)
}

/// Of each file the first that has the same bytes; itself, where none before it has. Read are those of one length alone.
pub(crate) fn first_of_copies(entries: &[Entry]) -> Vec<usize> {
    let mut alike: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (row, entry) in entries.iter().enumerate() {
        if let Ok(file) = fs::metadata(&entry.path) {
            alike.entry(file.len()).or_default().push(row);
        }
    }
    let mut doubtful: Vec<usize> = alike.into_values().filter(|rows| rows.len() > 1).flatten().collect();
    doubtful.sort_unstable();
    let share = doubtful.len().div_ceil(threads()).max(1);
    let digests: Vec<Option<String>> = thread::scope(|scope| {
        let digest = |row: &usize| strait_io::sha256(&entries[*row].path).ok();
        let readers: Vec<_> = doubtful
            .chunks(share)
            .map(|rows| (rows.len(), scope.spawn(move || rows.iter().map(digest).collect::<Vec<_>>())))
            .collect();
        readers.into_iter().flat_map(|(n, reader)| reader.join().unwrap_or_else(|_| vec![None; n])).collect()
    });
    let (mut first, mut known) = ((0..entries.len()).collect::<Vec<_>>(), BTreeMap::new());
    for (row, digest) in doubtful.into_iter().zip(digests) {
        if let Some(digest) = digest {
            first[row] = *known.entry(digest).or_insert(row);
        }
    }
    first
}

/// The images of files, with the split that a rule gives each.
pub(crate) fn images(
    name: &str,
    image: Image,
    entries: &[Entry],
    split: &[Split],
    skipped: &Skipped,
) -> Result<Images, DataError> {
    let classes: Vec<i64> = entries.iter().map(|entry| entry.class).collect();
    let store = Arc::new(Pictures::new(entries.iter().map(|entry| entry.path.clone()).collect(), image));
    let of = |wanted: Split| -> Result<Vec<i64>, DataError> {
        let rows: Vec<i64> = (0..).zip(split).filter(|(_, split)| **split == wanted).map(|(row, _)| row).collect();
        match rows.len() as i64 {
            0 => Err(DataError::TooFewRows { array: wanted.name().into(), rows: 0, needed: 1 }),
            _ => Ok(rows),
        }
    };
    let lists = Splits { train: of(Split::Train)?, validation: of(Split::Validation)?, test: of(Split::Test)? };
    let labels = lists.try_map(|_, rows| Ok::<_, DataError>(at(&classes, rows)))?;
    let rows = lists.try_map(|_, rows| Ok::<_, DataError>(Stored::new(store.clone(), rows, 1.0 / LEVELS)))?;
    let [train, validation, test] = [&lists.train, &lists.validation, &lists.test].map(Vec::len);
    let Image { channels, height, width } = image;
    let mut said = format!("{channels}x{height}x{width}, {train} train, {validation} validation, {test} test");
    if !skipped.files.is_empty() {
        said = format!("{said}; {skipped}");
    }
    Ok(Images { name: format!("{name} ({said})"), image, rows, labels, skipped: skipped.clone() })
}

/// A folder whose sub-folders are classes; or with `train`, `test` and perhaps `validation` of such sub-folders each.
pub(crate) fn folder(folder: &Path, image: Image, seed: Seed) -> Result<Images, DataError> {
    let name = folder.file_name().map_or_else(|| "pictures".into(), |name| name.to_string_lossy().into_owned());
    let part = |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|path| path.is_dir());
    let parts = (part(&["train", "training"]), part(&["test", "testing"]), part(&["validation", "valid", "val"]));
    let (mut found, mut given) = (vec![], vec![]);
    match parts {
        (Some(train), Some(test), validation) => {
            let parts = [(Some(train), Split::Train), (validation, Split::Validation), (Some(test), Split::Test)];
            for (path, split) in parts.into_iter().filter_map(|(path, split)| Some((path?, split))) {
                let entries = tree(&path)?;
                given.extend(entries.iter().map(|_| split));
                found.extend(entries);
            }
        }
        _ => found = tree(folder)?,
    }
    let names: BTreeMap<String, i64> = found.iter().map(|(_, class)| (class.clone(), 0)).collect();
    let names: BTreeMap<String, i64> = names.into_keys().zip(0..).collect();
    let all = found.len();
    let entry = |(path, class): (PathBuf, String)| Entry { path, class: names.get(&class).copied().unwrap_or(0) };
    let listed: Vec<Entry> = found.into_iter().map(entry).collect();
    let split_of: BTreeMap<PathBuf, Split> = listed.iter().map(|entry| entry.path.clone()).zip(given).collect();
    let given = !split_of.is_empty();
    let (entries, skipped) = usable(listed);
    if entries.is_empty() {
        let path = folder.to_owned();
        return Err(DataError::NoPictures { path, found: all, skipped: skipped.to_string() });
    }
    let first = first_of_copies(&entries);
    let is_copy = |row: usize| first[row] != row;
    let copies = (0..entries.len()).filter(|&row| is_copy(row)).count();
    if !given && entries.len() - copies < 3 {
        return Err(DataError::FewPictures { path: folder.to_owned(), found: entries.len() - copies });
    }
    let mut split: Vec<Split> =
        entries.iter().map(|entry| split_of.get(&entry.path).copied().unwrap_or(Split::Train)).collect();
    let held = |split: &[Split], wanted| split.contains(&wanted);
    if !held(&split, Split::Validation) {
        // Copies of a picture lie in its part: samples are to be held to pictures that no training saw.
        let rows: Vec<usize> = (0..split.len()).filter(|&row| split[row] == Split::Train && !is_copy(row)).collect();
        let order = seed.stream("split of a folder").at(0).permutation(rows.len() as i64, Device::Cpu)?;
        let order = Vec::<i64>::try_from(order)?;
        let tenth = (rows.len() / 10).max(1);
        let mut drawn = order.into_iter().map(|at| rows[at as usize]);
        drawn.by_ref().take(tenth).for_each(|row| split[row] = Split::Validation);
        if !held(&split, Split::Test) {
            drawn.take(tenth).for_each(|row| split[row] = Split::Test);
        }
        for row in 0..split.len() {
            if split[row] == Split::Train {
                split[row] = split[first[row]];
            }
        }
    }
    let mut name = if names.len() > 1 { format!("{name}, {} classes", names.len()) } else { name };
    let astray = (0..split.len()).filter(|&row| split[row] != split[first[row]]).count();
    if astray > 0 {
        name = format!("{name}, {astray} of validation or test copies of pictures of another part");
    } else if copies > 0 {
        name = format!("{name}, {copies} copies of others, each in the part of the other");
    }
    images(&name, image, &entries, &split, &skipped)
}

/// The pictures below a folder with the name of their class: the sub-folder of it that they are below, in order of names.
fn tree(folder: &Path) -> Result<Vec<(PathBuf, String)>, DataError> {
    let (mut found, above) = (vec![], place(folder)?);
    for path in sorted(folder)? {
        if path.is_dir() {
            let class = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let mut below = vec![];
            walk(&path, &mut vec![above.clone()], &mut below)?;
            found.extend(below.into_iter().map(|path| (path, class.clone())));
        } else if is_picture(&path) {
            found.push((path, String::new()));
        }
    }
    Ok(found)
}

/// Folders within folders that are gone into.
const DEEPEST: usize = 16;

/// The pictures below a folder. A link that leads back to a folder that it is in is passed over: its pictures would be found
/// again and again.
fn walk(folder: &Path, above: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) -> Result<(), DataError> {
    let own = place(folder)?;
    if above.contains(&own) || above.len() > DEEPEST + 1 {
        return Ok(());
    }
    above.push(own);
    for path in sorted(folder)? {
        if path.is_dir() {
            walk(&path, above, found)?;
        } else if is_picture(&path) {
            found.push(path);
        }
    }
    above.pop();
    Ok(())
}

/// Where a folder lies, whatever links lead to it.
fn place(folder: &Path) -> Result<PathBuf, DataError> {
    folder.canonicalize().map_err(|source| DataError::Io { path: folder.to_owned(), source })
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// What is in a folder, in the order of names. What begins with a dot is hidden: copies that editors and viewers make.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(io)?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(io)?;
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    paths.retain(|path| !hidden(path));
    paths.sort_unstable();
    Ok(paths)
}
