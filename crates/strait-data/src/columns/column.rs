//! What a look finds in one column.

/// A row farther from the median than this, in spreads, that holds more than half of its column's variance makes the
/// scale of the column.
pub(super) const FAR: f64 = 100.0;

/// With so many rows as far out it is the column's tail that makes its scale, and no fault of one row.
const TAIL: i64 = 3;

/// What one column holds. Numbers of rows are of all rows; quartiles, shares and distinct values of at most 16,384.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its place in a sample, counted row by row from 0.
    pub index: usize,
    /// Entries that are NaN.
    pub missing: i64,
    /// Entries that are infinite.
    pub infinite: i64,
    /// The least finite number.
    pub least: f64,
    /// The greatest finite number.
    pub greatest: f64,
    /// The mean of the finite numbers.
    pub mean: f64,
    /// Their standard deviation.
    pub sd: f64,
    /// Their median.
    pub median: f64,
    /// The distance of their quartiles over 1.349: the standard deviation of a normal law with these quartiles.
    pub spread: f64,
    /// The share of the most frequent value.
    pub commonest: f64,
    /// Whether all finite numbers are whole, and of a type and size that could hold others.
    pub whole: bool,
    /// How many distinct values there are.
    pub distinct: usize,
    /// An earlier column with the same numbers.
    pub copy_of: Option<usize>,
    /// The row farthest from the median.
    pub farthest: i64,
    /// Whether values come again so often that its law has no density: it is constant, on a grid, or often at one value.
    pub atoms: bool,
    /// How many rows lie more than 100 spreads from the median.
    pub far_rows: i64,
    /// Whether it holds integers that double precision moves by a good part of the column's spread, or makes equal.
    pub merged: bool,
}

/// Something to know about a column before training on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Finding {
    /// So many entries are NaN or infinite; it is refused.
    NotFinite(i64),
    /// Integers above $2^{53}$ that double precision cannot tell apart; it is refused.
    Merged,
    /// One value throughout. It is trained as 0 and comes back as that value.
    Constant,
    /// The same numbers as an earlier column.
    CopyOf(usize),
    /// Two values, 0 and 1.
    Boolean,
    /// Whole numbers alone: they have no density, so that a likelihood of them means nothing without dequantisation.
    Whole,
    /// One value in more than this share of the rows (above .99); a batch may hold no other.
    Rare(f64),
    /// This row alone makes the column's scale: it lies so many spreads from the median.
    OneRow {
        /// The row, counted from 0.
        row: i64,
        /// Its distance from the median in spreads.
        spreads: f64,
    },
    /// A row makes the column's scale, and were it gone another could: a tail of so many rows.
    HeavyTail {
        /// The farthest row, counted from 0.
        row: i64,
        /// Its distance from the median in spreads.
        spreads: f64,
        /// Rows more than 100 spreads from the median.
        far_rows: i64,
    },
}

impl Column {
    /// All that is worth knowing of it.
    pub fn findings(&self, rows: i64) -> Vec<Finding> {
        let mut found = vec![];
        if self.missing + self.infinite > 0 {
            found.push(Finding::NotFinite(self.missing + self.infinite));
        }
        if self.merged {
            found.push(Finding::Merged);
        } else if self.least == self.greatest {
            found.push(Finding::Constant);
        } else if self.whole && self.least == 0.0 && self.greatest == 1.0 {
            found.push(Finding::Boolean);
        } else if self.whole {
            found.push(Finding::Whole);
        }
        if self.least < self.greatest && self.commonest > 0.99 {
            found.push(Finding::Rare(self.commonest));
        }
        if let Some(of) = self.copy_of {
            found.push(Finding::CopyOf(of));
        }
        found.extend(self.one_row(rows));
        found
    }

    pub(super) fn one_row(&self, rows: i64) -> Option<Finding> {
        if self.spread == 0.0 || rows == 0 {
            return None;
        }
        // Half of the distance of the farthest point: all of it may be more than a double holds.
        let half = (self.greatest / 2.0 - self.median / 2.0).max(self.median / 2.0 - self.least / 2.0);
        let (spreads, share) = (2.0 * (half / self.spread), (2.0 * (half / self.sd)).powi(2) / rows as f64);
        let (row, far_rows) = (self.farthest, self.far_rows);
        (spreads > FAR && share > 0.5).then_some(match far_rows {
            TAIL.. => Finding::HeavyTail { row, spreads, far_rows },
            _ => Finding::OneRow { row, spreads },
        })
    }
}

/// The share of a value that a law with a density does not have, in so many rows at least.
const ATOM: (f64, f64) = (0.002, 6.0);

/// Whether a law has no density, by how many of so many values are distinct and the share of the commonest. Points that
/// are stored a few times over are none.
pub(super) fn has_atoms(column: &Column, rows: usize) -> bool {
    let rows = rows as f64;
    let common = column.commonest > ATOM.0 && column.commonest * rows >= ATOM.1;
    column.least == column.greatest || common || (column.distinct as f64) < rows / 4.0
}
