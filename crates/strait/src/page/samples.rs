//! Samples at each count of evaluations: drawn, and kept beside the page for pages of several runs.

use super::figures::{POINTS, TILES, points};
use super::method::{Headline, Method, Outcome, counts};
use crate::ProgramError;
use crate::evaluation::diagnostics::evaluations;
use crate::evaluation::reference::Reference;
use std::collections::BTreeMap;
use std::path::Path;
use strait_io::tensors;
use strait_report::{
    Content, ImageCell, ImageFormat, ImageGrid, ImageRow, ReportError, ScatterCell, ScatterGrid, ScatterRow, Shade,
    Truth, significant,
};
use tch::{Kind, Tensor};

/// The file, in the folder of a report: `SHADE/NFE` and `SHADE/data`.
const FILE: &str = "samples.safetensors";
const DATA: &str = "data";

/// What a cell is, and its name in the file; points in the plane are none of images.
const SHADES: [(Option<Shade>, &str); 4] =
    [(None, "plane"), (Some(Shade::Ink), "ink"), (Some(Shade::Light), "light"), (Some(Shade::Rgb), "rgb")];

/// What a page shows of samples and of the data: points (n, 2), or images (n, c, h, w) on the scale from 0 to 1.
pub(super) struct Shown {
    shade: Option<Shade>,
    /// By the count of evaluations.
    counts: BTreeMap<usize, Tensor>,
    data: Tensor,
}

impl Shown {
    pub(super) fn of(method: &Method<'_>, reference: &Reference) -> Result<Self, ProgramError> {
        let shown = |x: &Tensor| {
            let Some(picture) = reference.picture else {
                let flat = points(x, POINTS).concat();
                return Ok(Tensor::f_from_slice(&flat)?.f_view([-1, 2])?);
            };
            let ImageFormat { shade, height, width } = picture.format;
            let channels = if shade == Shade::Rgb { 3 } else { 1 };
            let values = Tensor::f_from_slice(&picture.values(x, TILES))?;
            Ok::<_, ProgramError>(values.f_view([-1, channels, height as i64, width as i64])?)
        };
        let counts = method.measured.samples.iter().map(|sample| Ok((sample.nfe, shown(&sample.x)?)));
        let counts = counts.collect::<Result<_, ProgramError>>()?;
        let shade = reference.picture.map(|picture| picture.format.shade);
        Ok(Self { shade, counts, data: shown(&reference.data)? })
    }

    /// Writes it into the folder of a report.
    ///
    /// # Errors
    /// Those of the file.
    pub(super) fn write(&self, folder: &Path) -> Result<(), ProgramError> {
        let prefix = SHADES.iter().find(|(shade, _)| *shade == self.shade).map_or("plane", |(_, name)| name);
        let counts = self.counts.iter().map(|(nfe, x)| (nfe.to_string(), x));
        let all = counts.chain([(DATA.to_owned(), &self.data)]);
        let named: Vec<_> = all.map(|(name, x)| (format!("{prefix}/{name}"), x.shallow_clone())).collect();
        Ok(tensors::write(&folder.join(FILE), &named)?)
    }

    /// Reads it again; None of a report that was written before samples were kept.
    ///
    /// # Errors
    /// Those of the file, and `Damaged` for one that holds something else.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, ProgramError> {
        let path = folder.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let (mut shade, mut counts, mut data) = (None, BTreeMap::new(), None);
        for (name, x) in tensors::read(&path)? {
            let parts = name.split_once('/');
            let known = parts.and_then(|(prefix, _)| SHADES.iter().find(|(_, name)| *name == prefix));
            let channels = |found| if found == Shade::Rgb { 3 } else { 1 };
            let fits = known.is_some_and(|(found, _)| match (found, &x.size()[..]) {
                // Single precision in older reports.
                (None, [_, 2]) => matches!(x.kind(), Kind::Double | Kind::Float),
                (Some(found), [_, c, h, w]) => x.kind() == Kind::Float && *c == channels(*found) && *h > 0 && *w > 0,
                _ => false,
            });
            let fits = fits && known.map(|(found, _)| *found) == shade.or(known.map(|k| k.0));
            let damaged = || ProgramError::Damaged { path: path.clone(), problem: format!("it holds `{name:.40}`") };
            let (Some((found, _)), Some((_, count)), true) = (known, parts, fits) else { return Err(damaged()) };
            shade = Some(*found);
            match count.parse() {
                Ok(nfe) => drop(counts.insert(nfe, x)),
                Err(_) if count == DATA => data = Some(x),
                Err(_) => return Err(damaged()),
            }
        }
        let missing = || ProgramError::Damaged { path: path.clone(), problem: "it holds no data".into() };
        Ok(Some(Self { shade: shade.flatten(), counts, data: data.ok_or_else(missing)? }))
    }

    /// None of points in the plane.
    fn format(&self) -> Option<ImageFormat> {
        let [.., height, width] = self.data.size()[..] else { return None };
        Some(ImageFormat { shade: self.shade?, height: height as usize, width: width as usize })
    }

    /// Whether it can stand in one figure with another.
    pub(super) fn fits(&self, other: &Self) -> bool {
        self.format() == other.format()
    }
}

/// A row of samples: of a method of a report, or of a run among others.
pub(super) type Row<'a> = (Outcome<'a>, &'a Shown);

/// All counts of evaluations side by side, and larger one at a time. The rows are of one format.
///
/// # Errors
/// Those of drawing.
pub(super) fn samples(
    rows: &[Row<'_>],
    headline: Headline,
    caption: &str,
    data: &str,
) -> Result<Vec<Content>, ReportError> {
    let Some((_, first)) = rows.first() else { return Ok(vec![]) };
    let (title, below) = ("One count at a time", "The same samples; the arrow keys move the slider.");
    let (all, each) = match first.format() {
        Some(format) => {
            let grid = images(rows, headline, caption, format);
            (grid.draw()?, grid.slider(title, below)?)
        }
        None => {
            let grid = scatter(rows, headline, caption, data);
            (grid.draw()?, grid.slider(title, below)?)
        }
    };
    let each = (each.figures.len() > 1).then(|| each.into());
    Ok([all.into()].into_iter().chain(each).collect())
}

const ID: &str = "samples";
const TITLE: &str = "Samples by number of evaluations";

/// The counts of all rows, and a cell of a row at each.
fn cells<'a, T>(
    rows: &[Row<'a>],
    headline: Headline,
    cell: impl Fn(Option<&'a Tensor>, String) -> T,
) -> (Vec<String>, Vec<Vec<T>>) {
    let outcomes: Vec<Outcome<'_>> = rows.iter().map(|(outcome, _)| *outcome).collect();
    let counts = counts(&outcomes);
    let of = |(outcome, shown): &Row<'a>| {
        let at = |nfe: &usize| {
            let note = outcome.at(headline.0, *nfe).map(|found| headline.note(found));
            cell(shown.counts.get(nfe), note.unwrap_or_default())
        };
        counts.iter().map(at).collect()
    };
    (counts.iter().map(|nfe| evaluations(*nfe)).collect(), rows.iter().map(of).collect())
}

fn scatter(rows: &[Row<'_>], headline: Headline, caption: &str, data: &str) -> ScatterGrid {
    let cell = |x: Option<&Tensor>, note| ScatterCell { points: x.map_or(vec![], |x| points(x, i64::MAX)), note };
    let (columns, cells) = cells(rows, headline, cell);
    let row = |((outcome, _), cells): (&Row<'_>, Vec<ScatterCell>)| ScatterRow {
        label: outcome.name.into(),
        colour: outcome.colour,
        cells,
    };
    let truth = rows.first().map(|(_, shown)| Truth { label: data.into(), points: points(&shown.data, i64::MAX) });
    ScatterGrid {
        id: ID.into(),
        title: TITLE.into(),
        caption: caption.into(),
        columns,
        rows: rows.iter().zip(cells).map(row).collect(),
        truth,
    }
}

fn images(rows: &[Row<'_>], headline: Headline, caption: &str, format: ImageFormat) -> ImageGrid {
    let values = |x: &Tensor| Vec::<f32>::try_from(x.contiguous().view([-1])).unwrap_or_default();
    let cell = |x: Option<&Tensor>, note| ImageCell { values: x.map_or(vec![], values), note };
    let (mut columns, cells) = cells(rows, headline, cell);
    columns.push("real images".into());
    let row = |((outcome, shown), mut cells): (&Row<'_>, Vec<ImageCell>)| {
        let floor = outcome.found(headline.0).next().map(|found| significant(headline.0.shown(found.floor)));
        cells.push(cell(Some(&shown.data), floor.map_or_else(String::new, |floor| format!("floor {floor}"))));
        ImageRow { label: outcome.name.into(), colour: outcome.colour, cells }
    };
    ImageGrid {
        id: ID.into(),
        title: TITLE.into(),
        caption: caption.into(),
        format,
        columns,
        last_is_truth: true,
        rows: rows.iter().zip(cells).map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_comes_back_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Shown::read(folder.path()).unwrap().is_none());
        let x = Tensor::arange(24, (Kind::Float, tch::Device::Cpu));
        let image = |shade| Shown {
            shade: Some(shade),
            counts: [(1, x.view([4, 1, 3, 2]))].into(),
            data: x.narrow(0, 0, 12).view([2, 1, 3, 2]),
        };
        let plane =
            Shown { shade: None, counts: [(2, x.view([12, 2])), (10, x.view([12, 2]))].into(), data: x.view([12, 2]) };
        // Points at 1e9, a distance of 1 apart, which single precision holds as one.
        let far = x.to_kind(Kind::Double).view([12, 2]) + 1e9;
        let far = Shown { shade: None, counts: [(2, far.shallow_clone())].into(), data: far };
        for shown in [image(Shade::Ink), image(Shade::Light), plane, far] {
            shown.write(folder.path()).unwrap();
            let read = Shown::read(folder.path()).unwrap().unwrap();
            assert!(read.shade == shown.shade && read.data == shown.data && read.fits(&shown));
            assert!(read.counts.iter().eq(shown.counts.iter()));
        }
        assert!(!image(Shade::Ink).fits(&image(Shade::Light)));
        for (name, x) in [
            ("plane/1", x.view([-1, 3])),
            ("plane/one", x.view([-1, 2])),
            ("film/1", x.view([-1, 2])),
            ("1", x.view([-1, 2])),
            ("plane/1", x.view([-1, 2]).to_kind(Kind::Int64)),
            ("ink/1", x.view([4, 1, 3, 2]).to_kind(Kind::Double)),
            ("rgb/1", x.view([4, 1, 3, 2])),
            ("plane/1", x.view([-1, 2])),
        ] {
            tensors::write(&folder.path().join(FILE), &[(name.to_owned(), x)]).unwrap();
            let line = Shown::read(folder.path()).err().unwrap().to_string();
            assert!(line.contains("it is damaged (it holds "), "{name}: {line}");
        }
    }
}
