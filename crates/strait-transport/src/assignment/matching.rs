//! The state of the auction and of the repair: potentials, and which row has which column.

/// No row, no column.
pub(super) const NONE: u32 = u32::MAX;

/// A partial assignment with column potentials. The potential of an assigned row is implied: `paid[i] - v[column]`.
#[derive(Clone)]
pub(super) struct Matching {
    /// Column potentials; they only ever fall.
    pub(super) v: Vec<f64>,
    pub(super) column_of: Vec<u32>,
    pub(super) row_of: Vec<u32>,
    /// The cost of each row at its column.
    pub(super) paid: Vec<f64>,
}

impl Matching {
    pub(super) fn new(v: Vec<f64>) -> Self {
        let n = v.len();
        Self { v, column_of: vec![NONE; n], row_of: vec![NONE; n], paid: vec![0.0; n] }
    }

    /// Gives column `j` at cost `cost` to row `i`, and returns the row that had it.
    #[inline]
    pub(super) fn give(&mut self, i: u32, j: u32, cost: f64) -> Option<u32> {
        let displaced = self.row_of[j as usize];
        self.row_of[j as usize] = i;
        self.column_of[i as usize] = j;
        self.paid[i as usize] = cost;
        if displaced == NONE {
            return None;
        }
        self.column_of[displaced as usize] = NONE;
        Some(displaced)
    }

    /// The potential of an assigned row, $u_i = c_{i \sigma(i)} - v_{\sigma(i)}$.
    #[inline]
    pub(super) fn u(&self, i: usize) -> f64 {
        self.paid[i] - self.v[self.column_of[i] as usize]
    }
}
