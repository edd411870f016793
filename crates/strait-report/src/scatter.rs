//! Samples in the plane as small multiples.

use super::{
    colour::Colour,
    error::ReportError,
    figure::{Figure, Words, check_id, left_out},
    panel::Frame,
    plane::{Plane, is_finite},
    scene::Scene,
    small_multiples::{Grid, RowHead, check_shape},
};

/// 2-D samples: a row for each method, a column for each setting, the data in a last column, and
/// the same axes everywhere.
///
/// The frame is chosen from the data (from all samples where there is no data), so that a method
/// that diverges cannot shrink the others; the caption counts the samples outside. Any number of
/// points costs about the same, for they are drawn as pixels.
///
/// ```
/// use strait_report::{Colour, ScatterCell, ScatterGrid, ScatterRow, Truth};
///
/// let grid = ScatterGrid {
///     id: "samples".into(),
///     title: "Samples".into(),
///     columns: vec!["1 evaluation".into()],
///     rows: vec![ScatterRow {
///         label: "linear".into(),
///         colour: Colour::of(0),
///         cells: vec![ScatterCell { points: vec![[0.0, 0.1], [0.2, 0.0]], note: "W2 4.39".into() }],
///     }],
///     truth: Some(Truth { label: "data".into(), points: vec![[1.0, 1.0], [-1.0, -1.0]] }),
///     ..ScatterGrid::default()
/// };
/// assert!(grid.draw()?.alt.contains("linear at 1 evaluation: W2 4.39"));
/// # Ok::<(), strait_report::ReportError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScatterGrid {
    /// The name of the figure's files.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What the reader should know to read it.
    pub caption: String,
    /// The headings of the columns.
    pub columns: Vec<String>,
    /// One row for each method.
    pub rows: Vec<ScatterRow>,
    /// The data, repeated at the end of every row.
    pub truth: Option<Truth>,
}

/// The samples of one method.
#[derive(Clone, Debug)]
pub struct ScatterRow {
    /// The method's name.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// One cell a column.
    pub cells: Vec<ScatterCell>,
}

/// The samples of one method at one setting.
#[derive(Clone, Debug, Default)]
pub struct ScatterCell {
    /// The samples.
    pub points: Vec<[f64; 2]>,
    /// A few words above, such as `W2 0.52`; may be empty.
    pub note: String,
}

/// What the samples should look like.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Its heading.
    pub label: String,
    /// Real data.
    pub points: Vec<[f64; 2]>,
}

impl ScatterGrid {
    /// Draws the figure.
    ///
    /// # Errors
    /// [`ReportError::Id`], [`ReportError::Empty`] without rows or columns, and
    /// [`ReportError::Columns`] for a row of another length.
    pub fn draw(&self) -> Result<Figure, ReportError> {
        check_id(&self.id)?;
        let lengths = self.rows.iter().map(|row| (row.label.as_str(), row.cells.len()));
        check_shape(&self.id, self.columns.len(), lengths)?;
        let plane = self.plane();
        let grid = self.grid(plane);
        let mut scene = Scene::new(grid.width, grid.height);
        grid.draw_heads(&mut scene);
        for (i, row) in self.rows.iter().enumerate() {
            let cells = row.cells.iter().map(|cell| (&cell.points, row.colour, cell.note.as_str()));
            let truth = self.truth.iter().map(|truth| (&truth.points, Colour::NEUTRAL, ""));
            for (j, (points, colour, note)) in cells.chain(truth).enumerate() {
                let view = plane.view(grid.cell(i, j));
                view.cloud(&mut scene, points, colour.rgb(), 0.45);
                view.frame(&mut scene);
                if j == 0 {
                    view.y_ticks(&mut scene);
                }
                if i + 1 == self.rows.len() {
                    view.x_ticks(&mut scene);
                }
                grid.draw_note(&mut scene, i, j, note);
            }
        }
        let words = Words {
            id: &self.id,
            title: &self.title,
            caption: &self.caption,
            left_out: self.left_out(plane),
            alt: self.alt(),
        };
        Figure::render(&scene, words)
    }

    fn samples(&self) -> impl Iterator<Item = &[f64; 2]> {
        self.rows.iter().flat_map(|row| &row.cells).flat_map(|cell| &cell.points)
    }

    fn plane(&self) -> Plane {
        match &self.truth {
            Some(truth) if truth.points.iter().any(is_finite) => Plane::around(truth.points.iter()),
            _ => Plane::around(self.samples()),
        }
    }

    fn grid(&self, plane: Plane) -> Grid<'_> {
        let rows = self.rows.iter().map(|row| RowHead { label: &row.label, colour: row.colour });
        let columns = self.columns.iter().chain(self.truth.iter().map(|truth| &truth.label));
        let notes = self.rows.iter().flat_map(|row| &row.cells).any(|cell| !cell.note.is_empty());
        let gutter = plane.view(Frame { x: 0.0, y: 0.0, w: 100.0, h: 100.0 }).gutter();
        let columns = columns.map(String::as_str).collect();
        Grid::new(rows.collect(), columns, self.truth.is_some(), notes, (gutter, 20.0), (210.0, 1.0))
    }

    fn left_out(&self, plane: Plane) -> Vec<String> {
        let broken = self.samples().filter(|point| !is_finite(point)).count();
        let outside = self.samples().filter(|point| is_finite(point) && !plane.holds(point)).count();
        let broken = left_out(broken, "sample", "not finite");
        broken.into_iter().chain(left_out(outside, "sample", "outside the frame")).collect()
    }

    fn alt(&self) -> String {
        let mut alt = format!("Scatter plots of samples for {}.", self.columns.join(", "));
        for row in &self.rows {
            for (cell, column) in row.cells.iter().zip(&self.columns) {
                if !cell.note.is_empty() {
                    alt.push_str(&format!(" {} at {column}: {}.", row.label, cell.note));
                }
            }
        }
        if let Some(truth) = &self.truth {
            alt.push_str(&format!(" The last column shows {}.", truth.label));
        }
        alt
    }
}
