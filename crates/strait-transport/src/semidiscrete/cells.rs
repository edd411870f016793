//! The cells of a semidiscrete coupling: which point each source point goes to.

use super::tree::Tree;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Zip, s};
use std::ops::Range;

/// Points that are compared at once, at most.
const BLOCK: usize = 64;

/// Dimensions from which on a product of matrices is worth its packing.
const PRODUCTS: usize = 8;

/// Source points whose bounds are held at once.
const ROWS: usize = 256;

/// The points of a data set with their potentials, in blocks of near ones, so that a source point is compared only with
/// the blocks that can hold its own.
#[derive(Debug)]
pub(super) struct Cells {
    /// The mean of the points, which is the origin of what follows: digits are kept, and no difference changes.
    mean: Array1<f64>,
    blocks: Vec<Block>,
    /// Centres of the blocks, (d, B), and their squared lengths.
    centres: Array2<f64>,
    lengths: Array1<f64>,
    /// No point of a block is farther from its centre.
    radii: Array1<f64>,
    /// The greatest potential of each block.
    greatest: Array1<f64>,
}

#[derive(Debug)]
struct Block {
    /// Places in the order of the tree.
    range: Range<usize>,
    /// Points less the centre, (d, L).
    points: Array2<f64>,
    /// $-|y'|^2/2 - c \cdot y'$ of a point $c + y'$.
    fixed: Array1<f64>,
    /// That and the potential.
    offsets: Array1<f64>,
}

/// The place of a source point, in the order of the tree, and its score there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chosen {
    pub(super) place: usize,
    pub(super) score: f64,
}

const NOWHERE: Chosen = Chosen { place: 0, score: f64::NEG_INFINITY };

impl Chosen {
    /// Takes the best of the scores of places from `first` on, where it is better.
    fn take(&mut self, first: usize, scores: impl Iterator<Item = f64>) {
        for (i, score) in scores.enumerate() {
            if score > self.score {
                *self = Self { place: first + i, score };
            }
        }
    }
}

impl Cells {
    /// Of the points (k, d) of a tree, without potentials.
    pub(super) fn of(points: ArrayView2<'_, f64>, tree: &Tree) -> Self {
        let d = points.ncols();
        let mean = points.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(d));
        let ranges = tree.blocks(BLOCK);
        let mut centres = Array2::zeros((d, ranges.len()));
        let (mut radii, greatest) = (Array1::zeros(ranges.len()), Array1::zeros(ranges.len()));
        let blocks = ranges.into_iter().enumerate().map(|(number, range)| {
            let mut own = points.select(Axis(0), &tree.order[range.clone()]) - &mean;
            let centre = own.mean_axis(Axis(0)).unwrap_or_else(|| Array1::zeros(d));
            own -= &centre;
            centres.column_mut(number).assign(&centre);
            let squares = own.map_axis(Axis(1), |y| y.dot(&y));
            radii[number] = squares.iter().copied().fold(0.0, f64::max).sqrt();
            let fixed = squares * -0.5 - own.dot(&centre);
            // Axis by axis in memory, as they are read.
            let points = own.reversed_axes().as_standard_layout().into_owned();
            Block { range, points, offsets: fixed.clone(), fixed }
        });
        let blocks: Vec<Block> = blocks.collect();
        let lengths = centres.map_axis(Axis(0), |c| c.dot(&c));
        Self { mean, blocks, centres, lengths, radii, greatest }
    }

    /// Takes potentials, in the order of the tree.
    pub(super) fn set(&mut self, potentials: &[f64]) {
        for (block, greatest) in self.blocks.iter_mut().zip(&mut self.greatest) {
            let own = &potentials[block.range.clone()];
            *greatest = own.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            Zip::from(&mut block.offsets).and(&block.fixed).and(own).for_each(|sum, fixed, g| *sum = fixed + g);
        }
    }

    /// The place with the greatest $g - |x - y|^2 / 2$ for each row of (n, d).
    pub(super) fn choose(&self, x: ArrayView2<'_, f64>) -> Vec<Chosen> {
        let chunks = x.axis_chunks_iter(Axis(0), ROWS);
        chunks.flat_map(|x| self.choose_some(&(&x - &self.mean))).collect()
    }

    fn choose_some(&self, x: &Array2<f64>) -> Vec<Chosen> {
        let halves = self.half_squares(x);
        // No point of a block is nearer than its border, or has a greater potential than its greatest.
        let mut bounds = halves.clone();
        for mut row in bounds.rows_mut() {
            Zip::from(&mut row).and(&self.radii).and(&self.greatest).for_each(|bound, radius, greatest| {
                let apart = ((2.0 * *bound).sqrt() - radius).max(0.0);
                *bound = greatest - 0.5 * apart * apart;
            });
        }
        if x.ncols() < PRODUCTS { self.each(x, &halves, &bounds) } else { self.grouped(x, &halves, &bounds) }
    }

    /// Row by row: the block that promises most, then those that promise more than was found.
    fn each(&self, x: &Array2<f64>, halves: &Array2<f64>, bounds: &Array2<f64>) -> Vec<Chosen> {
        let mut scores = [0.0; BLOCK];
        let rows = x.rows().into_iter().zip(halves.rows()).zip(bounds.rows());
        rows.map(|((x, halves), bounds)| {
            let mut best = NOWHERE;
            let mut compare = |number: usize, best: &mut Chosen| {
                let block = &self.blocks[number];
                let (Some(points), Some(offsets)) = (block.points.as_slice(), block.offsets.as_slice()) else { return };
                let (many, half) = (offsets.len(), halves[number]);
                let scores = &mut scores[..many];
                scores.iter_mut().zip(offsets).for_each(|(score, offset)| *score = offset - half);
                for (x, points) in x.iter().zip(points.chunks_exact(many)) {
                    scores.iter_mut().zip(points).for_each(|(score, y)| *score += x * y);
                }
                best.take(block.range.start, scores.iter().copied());
            };
            let first = greatest(bounds);
            compare(first, &mut best);
            for (number, bound) in bounds.iter().enumerate() {
                if *bound > best.score && number != first {
                    compare(number, &mut best);
                }
            }
            best
        })
        .collect()
    }

    /// The same, by products of matrices: of all rows that a block is compared with.
    fn grouped(&self, x: &Array2<f64>, halves: &Array2<f64>, bounds: &Array2<f64>) -> Vec<Chosen> {
        let mut best = vec![NOWHERE; x.nrows()];
        let mut first = vec![vec![]; self.blocks.len()];
        for (row, bounds) in bounds.rows().into_iter().enumerate() {
            first[greatest(bounds)].push(row);
        }
        let compare = |number: usize, rows: &[usize], best: &mut [Chosen]| {
            if rows.is_empty() {
                return;
            }
            let block = &self.blocks[number];
            let products = x.select(Axis(0), rows).dot(&block.points);
            for (products, &row) in products.rows().into_iter().zip(rows) {
                let half = halves[[row, number]];
                let scores = products.iter().zip(&block.offsets).map(|(product, offset)| product + offset - half);
                best[row].take(block.range.start, scores);
            }
        };
        for (number, rows) in first.iter().enumerate() {
            compare(number, rows, &mut best);
        }
        for (number, done) in first.iter().enumerate() {
            let left = |row: &usize| bounds[[*row, number]] > best[*row].score && !done.contains(row);
            let rows: Vec<usize> = (0..x.nrows()).filter(left).collect();
            compare(number, &rows, &mut best);
        }
        best
    }

    /// Half the squared distances (n, B) to the centres.
    fn half_squares(&self, x: &Array2<f64>) -> Array2<f64> {
        let mut halves = x.dot(&self.centres);
        let own = x.map_axis(Axis(1), |x| x.dot(&x));
        for (mut row, own) in halves.rows_mut().into_iter().zip(own) {
            Zip::from(&mut row).and(&self.lengths).for_each(|v, length| *v = (0.5 * (own + length) - *v).max(0.0));
        }
        halves
    }

    /// All scores of one row of (n, d), in the order of the tree.
    pub(super) fn scores(&self, x: ArrayView2<'_, f64>, row: usize) -> Array1<f64> {
        let x = &x.slice(s![row..=row, ..]) - &self.mean;
        let halves = self.half_squares(&x);
        let mut scores = Array1::zeros(self.blocks.iter().map(|block| block.range.len()).sum::<usize>());
        for (number, block) in self.blocks.iter().enumerate() {
            let own = x.row(0).dot(&block.points) + &block.offsets - halves[[0, number]];
            scores.slice_mut(s![block.range.clone()]).assign(&own);
        }
        scores
    }
}

/// Where the greatest of some numbers is.
fn greatest(of: ArrayView1<'_, f64>) -> usize {
    let larger = |best: (usize, f64), (i, &now): (usize, &f64)| if now > best.1 { (i, now) } else { best };
    of.iter().enumerate().fold((0, f64::NEG_INFINITY), larger).0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look drawn.
    fn points(n: usize, d: usize, at: f64) -> Array2<f64> {
        let mut state = 12_345u64;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64
        };
        let clusters = 5.0;
        Array2::from_shape_fn((n, d), |(i, _)| at + next() + 4.0 * (i as f64 % clusters))
    }

    #[test]
    fn each_goes_where_no_other_place_scores_higher() {
        for (k, d) in [(1, 2), (3, 1), (700, 2), (500, 7), (300, 9)] {
            let y = points(k, d, 1e3);
            let tree = Tree::of(y.view());
            let mut cells = Cells::of(y.view(), &tree);
            let potentials: Vec<f64> = (0..k).map(|i| (i as f64 * 0.377).fract()).collect();
            cells.set(&potentials);
            let x = points(400, d, 1e3 - 1.0);
            let found = cells.choose(x.view());
            for (i, found) in found.iter().enumerate() {
                let score = |place: usize| {
                    let apart = &x.row(i) - &y.row(tree.order[place]);
                    potentials[place] - 0.5 * apart.dot(&apart)
                };
                let best = (0..k).map(score).fold(f64::NEG_INFINITY, f64::max);
                assert!(
                    (found.score - best).abs() < 1e-9 && (score(found.place) - best).abs() < 1e-9,
                    "{i}: {found:?}, {best}"
                );
                let all = cells.scores(x.view(), i);
                assert!((all[found.place] - best).abs() < 1e-9 && all.iter().all(|score| *score < best + 1e-9));
            }
        }
    }
}
