use std::{io, path::PathBuf};

/// Why a figure could not be drawn or a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A figure's id names its files, so it is limited to what every file system takes.
    #[error("figure id {id:?} must be lower-case letters, digits, '-' and '_', starting with a letter")]
    Id {
        /// The id as given.
        id: String,
    },
    /// Two figures of one page would write the same files.
    #[error("two figures are called {id:?}")]
    DuplicateId {
        /// The id that occurs twice.
        id: String,
    },
    /// A figure without panels, rows or columns.
    #[error("figure {id:?} has nothing to draw: no {what}")]
    Empty {
        /// The figure.
        id: String,
        /// What is missing.
        what: &'static str,
    },
    /// A row of a grid or a table does not have one cell a column.
    #[error("{id:?}, row {row:?}: {found} cells for {expected} columns")]
    Columns {
        /// The figure's id or the table's title.
        id: String,
        /// The row's label.
        row: String,
        /// Cells in the row.
        found: usize,
        /// Columns of the grid.
        expected: usize,
    },
    /// A cell of an image grid is not a whole number of tiles.
    #[error("figure {id:?}, row {row:?}: {found} values are no whole number of tiles of {tile} values")]
    Tiles {
        /// The figure.
        id: String,
        /// The row's label.
        row: String,
        /// Values in the cell.
        found: usize,
        /// Values in one tile, channels x height x width.
        tile: usize,
    },
    /// A figure is too large to be held as pixels.
    #[error("figure {id:?} of {width} x {height} is too large to draw")]
    TooLarge {
        /// The figure.
        id: String,
        /// Width in pixels.
        width: f64,
        /// Height in pixels.
        height: f64,
    },
    /// The PNG encoder refused.
    #[error("figure {id:?}: cannot encode a PNG")]
    Png {
        /// The figure.
        id: String,
        /// The encoder's reason.
        source: png::EncodingError,
    },
    /// A file of the report could not be written; the file that was there before is untouched.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason, for example a full disk.
        source: io::Error,
    },
}
