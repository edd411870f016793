//! Images as small multiples.

use super::{
    bitmap::{Bitmap, Pixels},
    colour::{Colour, PAPER, Rgb},
    error::ReportError,
    figure::{Figure, Words, check_id},
    raster::SCALE,
    scene::Scene,
    small_multiples::{Grid, RowHead, check_shape},
};

/// Sampled images: a row for each method, a column for each setting, the data in a last column;
/// each cell a square of tiles, pixels kept crisp.
///
/// ```
/// use strait_report::{Colour, ImageCell, ImageFormat, ImageGrid, ImageRow, Shade};
///
/// let tile = [0.0, 0.5, 0.5, 1.0]; // 2 x 2, one channel
/// let cell = |note: &str| ImageCell { values: tile.repeat(9), note: note.into() };
/// let grid = ImageGrid {
///     id: "digits".into(),
///     title: "Samples".into(),
///     caption: String::new(),
///     format: ImageFormat { shade: Shade::Ink, height: 2, width: 2 },
///     columns: vec!["4 evaluations".into(), "data".into()],
///     last_is_truth: true,
///     rows: vec![ImageRow {
///         label: "learned".into(),
///         colour: Colour::of(1),
///         cells: vec![cell("Frechet 5.8"), cell("")],
///     }],
/// };
/// assert!(grid.draw()?.png.starts_with(b"\x89PNG"));
/// # Ok::<(), strait_report::ReportError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageGrid {
    /// The name of the figure's files.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What the reader should know to read it.
    pub caption: String,
    /// What the values of a cell mean.
    pub format: ImageFormat,
    /// The headings of the columns.
    pub columns: Vec<String>,
    /// Whether the last column is real data and stands apart.
    pub last_is_truth: bool,
    /// One row for each method.
    pub rows: Vec<ImageRow>,
}

/// The layout of one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageFormat {
    /// What the channels mean.
    pub shade: Shade,
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
}

/// What the values of a pixel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shade {
    /// One channel, 0 is paper and 1 is ink: handwriting.
    Ink,
    /// One channel, 0 is black and 1 is white: photographs.
    Light,
    /// Three channels, red, green and blue.
    Rgb,
}

/// The images of one method.
#[derive(Clone, Debug)]
pub struct ImageRow {
    /// The method's name.
    pub label: String,
    /// Its colour.
    pub colour: Colour,
    /// One cell a column.
    pub cells: Vec<ImageCell>,
}

/// The images of one method at one setting.
#[derive(Clone, Debug, Default)]
pub struct ImageCell {
    /// The images one after the other, shape $(n, c, h, w)$ in row-major order, values in [0, 1]
    /// (others are clipped). The largest square number of them is shown.
    pub values: Vec<f32>,
    /// A few words above, such as `Frechet 5.8`; may be empty.
    pub note: String,
}

/// Drawn where a value is not finite: a colour that no data set is made of.
const BROKEN: Rgb = [0xff, 0x00, 0x90];

impl ImageFormat {
    fn channels(self) -> usize {
        if self.shade == Shade::Rgb { 3 } else { 1 }
    }

    fn len(self) -> usize {
        self.channels() * self.height * self.width
    }

    fn pixel(self, tile: &[f32], row: usize, column: usize) -> Rgb {
        let plane = self.height * self.width;
        let value = |channel: usize| tile[channel * plane + row * self.width + column];
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let channels: [f32; 3] = std::array::from_fn(|i| value(i.min(self.channels() - 1)));
        if !channels.iter().all(|value| value.is_finite()) {
            return BROKEN;
        }
        match self.shade {
            Shade::Ink => channels.map(|value| byte(1.0 - value)),
            Shade::Light | Shade::Rgb => channels.map(byte),
        }
    }
}

impl ImageGrid {
    /// Draws the figure.
    ///
    /// # Errors
    /// [`ReportError::Id`], [`ReportError::Empty`] without rows, columns or pixels,
    /// [`ReportError::Columns`] for a row of another length, and [`ReportError::Tiles`] for a cell
    /// that is no whole number of images.
    pub fn draw(&self) -> Result<Figure, ReportError> {
        self.check()?;
        // Tiles grow by whole pixels, so the cells take their size from what the tiles fill, and from the words above them.
        let (grid, cells) = (self.grid(210.0), || self.rows.iter().flat_map(|row| &row.cells));
        let room = grid.side();
        let words = grid.unbroken(cells().map(|cell| cell.note.as_str()));
        let filled = cells().map(|cell| Tiling::new(self.format, cell, room).side()).fold(words, f64::max);
        let grid = self.grid(filled.clamp(24.0, room));
        let mut scene = Scene::new(grid.width, grid.height);
        grid.draw_heads(&mut scene);
        for (i, row) in self.rows.iter().enumerate() {
            for (j, cell) in row.cells.iter().enumerate() {
                let frame = grid.cell(i, j);
                let tiling = Tiling::new(self.format, cell, grid.side());
                if tiling.across > 0 {
                    let bitmap = tiling.bitmap(&cell.values);
                    let unit = grid.side().min(tiling.side()) / tiling.pixels() as f64;
                    let (w, h) = (bitmap.width as f64 * unit, bitmap.height as f64 * unit);
                    let x = frame.x + ((frame.w - w) / 2.0).round();
                    scene.image((x, frame.y), (w, h), bitmap, tiling.factor > 1);
                }
                grid.draw_note(&mut scene, i, j, &cell.note);
            }
        }
        let broken = self.rows.iter().flat_map(|row| &row.cells).flat_map(|cell| &cell.values);
        let broken = match broken.filter(|value| !value.is_finite()).count() {
            0 => None,
            1 => Some("1 value is not finite; its pixel is pink.".into()),
            n => Some(format!("{n} values are not finite; their pixels are pink.")),
        };
        let words = Words {
            id: &self.id,
            title: &self.title,
            caption: &self.caption,
            left_out: broken.into_iter().collect(),
            alt: self.alt(),
        };
        Figure::render(&scene, words)
    }

    fn check(&self) -> Result<(), ReportError> {
        check_id(&self.id)?;
        let lengths = self.rows.iter().map(|row| (row.label.as_str(), row.cells.len()));
        check_shape(&self.id, self.columns.len(), lengths)?;
        let tile = self.format.len();
        if tile == 0 {
            return Err(ReportError::Empty { id: self.id.clone(), what: "pixels" });
        }
        for row in &self.rows {
            for cell in &row.cells {
                let found = cell.values.len();
                if found % tile != 0 {
                    let (id, row) = (self.id.clone(), row.label.clone());
                    return Err(ReportError::Tiles { id, row, found, tile });
                }
            }
        }
        Ok(())
    }

    fn grid(&self, largest: f64) -> Grid<'_> {
        let aspect = self.format.height as f64 / self.format.width as f64;
        let rows = self.rows.iter().map(|row| RowHead { label: &row.label, colour: row.colour });
        let columns = self.columns.iter().map(String::as_str).collect();
        let notes = self.rows.iter().flat_map(|row| &row.cells).any(|cell| !cell.note.is_empty());
        Grid::new(rows.collect(), columns, self.last_is_truth, notes, (0.0, 0.0), (largest, aspect.min(1.0)))
    }

    fn alt(&self) -> String {
        let rows: Vec<&str> = self.rows.iter().map(|row| row.label.as_str()).collect();
        let mut alt = format!("Images of {} for {}.", rows.join(", "), self.columns.join(", "));
        for row in &self.rows {
            for (cell, column) in row.cells.iter().zip(&self.columns) {
                if !cell.note.is_empty() {
                    alt.push_str(&format!(" {} at {column}: {}.", row.label, cell.note));
                }
            }
        }
        alt
    }
}

/// The largest square of tiles in a cell, enlarged by a whole factor.
#[derive(Clone, Copy, Debug)]
struct Tiling {
    format: ImageFormat,
    /// Tiles in a row; none where there is no image.
    across: usize,
    /// Pixels of the bitmap to one of the image, on each side.
    factor: usize,
}

/// Pixels between two tiles.
const GUTTER: usize = 6;
/// Tiles in a row, at least, where there are as many.
const FEWEST: usize = 3;

impl Tiling {
    /// The tiling that fills a cell of `side` units of the page as far as it goes.
    fn new(format: ImageFormat, cell: &ImageCell, side: f64) -> Self {
        let all = (cell.values.len() / format.len()).isqrt();
        let room = (side * SCALE).round() as usize;
        let factor = |across: usize| {
            let longest = across.max(1) * format.width.max(format.height);
            room.saturating_sub(GUTTER * across.saturating_sub(1)) / longest
        };
        // Fewer tiles, where all would be smaller than their own pixels; too few say nothing of a law.
        let across = (FEWEST..=all).rev().find(|&across| factor(across) as f64 >= SCALE).unwrap_or(all);
        let factor = factor(across);
        // An even factor gives whole pixels also on a screen that has half of the bitmap's.
        let factor = if factor > 5 { factor & !1 } else { factor.max(1) };
        Self { format, across, factor }
    }

    fn extent(self, pixels: usize) -> usize {
        self.across * pixels * self.factor + GUTTER * self.across.saturating_sub(1)
    }

    /// The longer side of the bitmap.
    fn pixels(self) -> usize {
        self.extent(self.format.width.max(self.format.height))
    }

    /// The same in units of the page.
    fn side(self) -> f64 {
        self.pixels() as f64 / SCALE
    }

    fn bitmap(self, values: &[f32]) -> Bitmap {
        let Self { format, across, factor } = self;
        let (width, height) = (self.extent(format.width), self.extent(format.height));
        let mut pixels = vec![PAPER; width * height];
        let tiles = values.chunks_exact(format.len()).take(across * across);
        for (index, tile) in tiles.enumerate() {
            let top = (index / across) * (format.height * factor + GUTTER);
            let left = (index % across) * (format.width * factor + GUTTER);
            for y in 0..format.height * factor {
                let row = &mut pixels[(top + y) * width + left..][..format.width * factor];
                for (x, pixel) in row.iter_mut().enumerate() {
                    *pixel = format.pixel(tile, y / factor, x / factor);
                }
            }
        }
        Bitmap { width, height, pixels: Pixels::Rgb(pixels) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(tiles: usize, side: usize) -> ImageCell {
        ImageCell { values: vec![0.5; tiles * side * side], note: "Frechet distance 33.9".into() }
    }

    #[test]
    fn images_are_no_smaller_than_their_pixels_unless_few_would_be_left() {
        let tiling = |side, room| {
            let Tiling { across, factor, .. } =
                Tiling::new(ImageFormat { shade: Shade::Ink, height: side, width: side }, &cell(25, side), room);
            (across, factor)
        };
        assert_eq!((tiling(8, 125.0), tiling(28, 125.0), tiling(64, 125.0)), ((5, 5), (4, 2), (5, 1)));
        assert_eq!(tiling(64, 210.0), (3, 2));
    }

    #[test]
    fn words_above_small_images_are_whole() {
        let heads = ["1 evaluation", "100 evaluations"].map(str::to_owned);
        let row = ImageRow { label: "a".into(), colour: Colour::of(1), cells: vec![cell(1, 2), cell(1, 2)] };
        let grid = ImageGrid {
            id: "a".into(),
            title: String::new(),
            caption: String::new(),
            format: ImageFormat { shade: Shade::Ink, height: 2, width: 2 },
            columns: heads.to_vec(),
            last_is_truth: false,
            rows: vec![row],
        };
        let words = grid.grid(24.0).unbroken(["Frechet distance 33.9"].into_iter());
        assert!(words > 60.0, "{words}");
        let side = grid.grid(words.max(24.0)).side();
        let drawn = grid.draw().unwrap();
        assert!(side >= words.floor() && !drawn.svg().contains('…'), "{side} {words}");
    }
}
