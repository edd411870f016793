//! For each row, the columns that are cheapest at the current prices, and a lower bound for all others.

use super::Costs;

/// Reduced costs $c_{ij} - v_j$ are compared in this many independent lanes, so that a row is searched with vector
/// instructions: the $k$-th smallest of the lanes' minima bounds the $k$-th smallest of the row from above.
const LANES: usize = 128;

/// How many candidates a row has at least. Fewer make bids cheaper and renewals more frequent; a problem of up to
/// `LANES` columns has them all.
const COUNT: usize = 32;

/// Lists of candidate columns, renewed row by row.
///
/// Column potentials only ever fall while a problem is solved, so a reduced cost only ever rises: what was not among
/// the smallest when a list was made is still at least `floor`. A search that stays below the floor is therefore exact
/// on the list alone; one that would pass it renews the list first.
pub(super) struct Candidates {
    count: usize,
    stride: usize,
    columns: Vec<u32>,
    costs: Vec<f64>,
    len: Vec<u32>,
    floor: Vec<f64>,
    buffer: Vec<f64>,
    reduced: Vec<f64>,
}

impl Candidates {
    /// Empty lists, which are renewed as they are asked for: their floor is below everything.
    pub(super) fn new(n: usize) -> Self {
        let (count, stride) = if n <= LANES { (n, n) } else { (COUNT, 2 * COUNT) };
        Self {
            count,
            stride,
            columns: vec![0; n * stride],
            costs: vec![0.0; n * stride],
            len: vec![0; n],
            floor: vec![f64::NEG_INFINITY; n],
            buffer: vec![0.0; n],
            reduced: vec![0.0; n],
        }
    }

    /// The candidate columns of a row and their costs.
    #[inline]
    pub(super) fn row(&self, i: usize) -> (&[u32], &[f64]) {
        let (start, end) = (i * self.stride, i * self.stride + self.len[i] as usize);
        (&self.columns[start..end], &self.costs[start..end])
    }

    /// What every reduced cost outside of the row's list is at least.
    #[inline]
    pub(super) fn floor(&self, i: usize) -> f64 {
        self.floor[i]
    }

    /// All costs of row `i`.
    pub(super) fn whole<'a>(&'a mut self, costs: &'a impl Costs, i: usize) -> &'a [f64] {
        costs.row(i, &mut self.buffer)
    }

    /// Makes the list of row `i` anew from the column potentials `v`; returns the range of its reduced costs.
    pub(super) fn renew(&mut self, costs: &impl Costs, i: usize, v: &[f64]) -> f64 {
        let n = v.len();
        let row = costs.row(i, &mut self.buffer);
        let columns = &mut self.columns[i * self.stride..][..self.stride];
        let kept = &mut self.costs[i * self.stride..][..self.stride];
        if self.count == n {
            self.floor[i] = f64::INFINITY;
            self.len[i] = n as u32;
            columns.iter_mut().zip(0..).for_each(|(column, j)| *column = j);
            kept.copy_from_slice(row);
            return spread(kept.iter().zip(v).map(|(cost, v)| cost - v));
        }
        let (mut threshold, lanes) = reduce(row, v, &mut self.reduced, self.count);
        let mut len = 0;
        let mut keep = |j: usize| {
            if self.reduced[j] <= threshold {
                if len < self.stride {
                    columns[len] = j as u32;
                    kept[len] = row[j];
                }
                len += 1;
            }
        };
        let whole = n - n % LANES;
        for block in (0..whole).step_by(LANES) {
            lanes.iter().for_each(|lane| keep(block + lane));
        }
        (whole..n).for_each(&mut keep);
        if len > self.stride {
            // Many ties, or many small costs in one lane: choose exactly. Rows break ties in favour of different
            // columns, or all would compete for the same few.
            let mut small: Vec<u32> = (0..n as u32).filter(|&j| self.reduced[j as usize] <= threshold).collect();
            let key = |&j: &u32| (self.reduced[j as usize], (j as usize + n - i) % n);
            let order = |(a, rank_a): (f64, usize), (b, rank_b)| a.total_cmp(&b).then(rank_a.cmp(&rank_b));
            let (_, next, _) = small.select_nth_unstable_by(self.count, |a, b| order(key(a), key(b)));
            threshold = self.reduced[*next as usize];
            len = self.count;
            columns[..len].copy_from_slice(&small[..len]);
            kept.iter_mut().zip(&small[..len]).for_each(|(cost, &j)| *cost = row[j as usize]);
        }
        self.floor[i] = threshold;
        self.len[i] = len as u32;
        spread(columns[..len].iter().map(|&j| self.reduced[j as usize]))
    }
}

/// The largest less the smallest.
fn spread(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    high - low
}

/// Writes `row - v` to `reduced`, and returns a threshold that at least `count` of its entries do not exceed, with the
/// lanes that hold such an entry.
fn reduce(row: &[f64], v: &[f64], reduced: &mut [f64], count: usize) -> (f64, Vec<usize>) {
    let mut lanes = [f64::INFINITY; LANES];
    let (blocks, rest) = reduced.as_chunks_mut::<LANES>();
    let (row_blocks, row_rest) = row.as_chunks::<LANES>();
    let (v_blocks, v_rest) = v.as_chunks::<LANES>();
    for ((block, row), v) in blocks.iter_mut().zip(row_blocks).zip(v_blocks) {
        for l in 0..LANES {
            let r = row[l] - v[l];
            block[l] = r;
            lanes[l] = if r < lanes[l] { r } else { lanes[l] };
        }
    }
    for ((reduced, row), v) in rest.iter_mut().zip(row_rest).zip(v_rest) {
        *reduced = row - v;
    }
    let threshold = *lanes.clone().select_nth_unstable_by(count - 1, f64::total_cmp).1;
    (threshold, (0..LANES).filter(|&l| lanes[l] <= threshold).collect())
}
