use crate::data_folder::open;
use crate::pictures::{self, Entry};
use crate::{ArrayDataset, DataError, Image};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use strait_core::{Seed, Split};
use tch::{Device, Kind};

const NAME: &str = "emoji";
const IMAGE: Image = Image { channels: 3, height: 64, width: 64 };
const REMEDY: &str = "delete its folder, and `cargo xtask train emoji` fetches it anew";
/// Of the table, which is a few megabytes.
const LONGEST: u64 = 64 << 20;

/// What the table says of a base emoji.
#[derive(Debug, Deserialize)]
struct Row {
    image: String,
    category: String,
    #[serde(default)]
    skin_variations: BTreeMap<String, Variation>,
}

#[derive(Debug, Deserialize)]
struct Variation {
    image: String,
}

/// `emoji`: the 64x64 colour pictures of Google's Noto emoji on white, as the npm package `emoji-datasource-google` 16.0.0
/// has them (MIT; the pictures Apache-2.0), with their category as class, read from `<root>/emoji/64` and
/// `<root>/emoji/emoji.json`.
///
/// Its parts are of base emoji: all skin tones of one lie in the same, and so do the few that are the same picture (the flags of
/// Norway, Svalbard and Bouvet Island are). A tenth of the base emoji is for validation and a tenth
/// for test, the same in every run. Units and levels are as those of [`fashion_mnist`](crate::fashion_mnist).
///
/// # Errors
/// `Missing` where the table or the folder is not there; `Damaged` for a table that is none.
///
/// ```
/// use tch::{Device, Kind};
/// let error = strait_data::emoji("nowhere".as_ref(), false, Kind::Float, Device::Cpu).unwrap_err();
/// assert!(matches!(error, strait_data::DataError::Missing { .. }));
/// ```
pub fn emoji(root: &Path, flips: bool, kind: Kind, device: Device) -> Result<ArrayDataset, DataError> {
    let folder = root.join(NAME);
    let path = folder.join("emoji.json");
    let damaged = |problem: String| DataError::Damaged { path: path.clone(), problem, remedy: REMEDY };
    let mut text = String::new();
    open(NAME, &path)?.take(LONGEST).read_to_string(&mut text).map_err(|error| damaged(error.to_string()))?;
    let rows: Vec<Row> = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    let categories: BTreeMap<&str, i64> = rows.iter().map(|row| (row.category.as_str(), 0)).collect();
    let categories: BTreeMap<&str, i64> = categories.into_keys().zip(0..).collect();
    let draw = Seed(0).stream("split of emoji");
    let tenth = (rows.len() / 10).max(1);
    let order = Vec::<i64>::try_from(draw.at(0).permutation(rows.len() as i64, Device::Cpu)?)?;
    let (mut entries, mut splits) = (vec![], BTreeMap::new());
    for (place, &row) in order.iter().enumerate() {
        let row = &rows[row as usize];
        let split = match place / tenth {
            0 => Split::Validation,
            1 => Split::Test,
            _ => Split::Train,
        };
        let variations = row.skin_variations.values().map(|variation| &variation.image);
        for image in std::iter::once(&row.image).chain(variations) {
            if image.contains(['/', '\\']) {
                return Err(damaged(format!("`{image}` is no name of a picture")));
            }
            let path = folder.join("64").join(image);
            splits.insert(path.clone(), split);
            entries.push(Entry { path, class: categories[row.category.as_str()] });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries.dedup_by(|a, b| a.path == b.path);
    // The table knows of pictures that other vendors alone have.
    entries.retain(|entry| entry.path.is_file());
    if entries.is_empty() {
        return Err(DataError::Missing { name: NAME.into(), path: folder.join("64") });
    }
    let (entries, skipped) = pictures::usable(entries);
    // Flags of several places are one picture, and so are families of several names.
    let split = pictures::first_of_copies(&entries).into_iter().map(|first| splits[&entries[first].path]);
    let split: Vec<Split> = split.collect();
    let name = format!("{NAME} in {} categories, split by base emoji", categories.len());
    pictures::images(&name, IMAGE, &entries, &split, &skipped)?.build(flips, (kind, device))
}
