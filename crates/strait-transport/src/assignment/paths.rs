//! Shortest augmenting paths over whole rows (Jonker and Volgenant, 1987).

use super::Costs;
use super::matching::{Matching, NONE};

/// Columns whose least distance is kept: where the closest column is looked for.
const BLOCK: usize = 16;

/// Work space for paths, and how much was searched.
pub(super) struct Paths {
    /// The distance of each column that is reached and not closed; infinite for the others.
    distance: Vec<f64>,
    /// The least distance of each block.
    least: Vec<f64>,
    /// Potentials of columns that are not closed; $-\infty$ for the others, which thus stay out of reach.
    open: Vec<f64>,
    buffer: Vec<f64>,
    /// Rows in the order of the search, with what is added to their reduced costs.
    tree: Vec<(u32, f64)>,
    pending: Vec<(u32, f64)>,
    /// Closed columns, and at which length of the search.
    closed: Vec<(u32, f64)>,
    /// The distance of each closed column, number for number.
    at: Vec<f64>,
    /// Rows looked at, over all paths.
    pub(super) scans: usize,
}

impl Paths {
    pub(super) fn new(n: usize) -> Self {
        Self {
            distance: vec![f64::INFINITY; n],
            least: vec![f64::INFINITY; n.div_ceil(BLOCK)],
            open: vec![0.0; n],
            buffer: vec![0.0; n],
            tree: vec![],
            pending: vec![],
            closed: vec![],
            at: vec![0.0; n],
            scans: 0,
        }
    }

    /// Gives each row that has no column its cheapest, where that is free; returns the other rows.
    pub(super) fn greedy(&mut self, matching: &mut Matching, costs: &impl Costs) -> Vec<u32> {
        let mut left = vec![];
        for i in (0..matching.v.len()).filter(|&i| matching.column_of[i] == NONE).collect::<Vec<_>>() {
            self.distance.fill(f64::INFINITY);
            let row = costs.row(i, &mut self.buffer);
            let least = reach(&mut self.distance, &mut self.least, row, &matching.v, 0.0);
            let mut tight = within(&self.distance, &self.least, least);
            match tight.find(|&j| matching.row_of[j] == NONE) {
                Some(j) => _ = matching.give(i as u32, j as u32, row[j]),
                None => left.push(i as u32),
            }
        }
        left
    }

    /// Takes paths from the free rows, the first first, until none is left or `budget` rows were looked at.
    pub(super) fn augment_all(
        &mut self,
        free: &mut Vec<u32>,
        matching: &mut Matching,
        costs: &impl Costs,
        budget: usize,
    ) {
        let mut done = 0;
        while done < free.len() && self.scans < budget {
            self.augment(free[done], matching, costs);
            done += 1;
        }
        free.drain(..done);
    }

    /// Gives row `start` a column and keeps one for every row that has one: a shortest alternating path from it to a column
    /// that is free, over lengths $c_{ij} - u_i - v_j$ (Dijkstra). Potentials fall along it, and stay feasible but for
    /// rounding. Columns at one distance are closed together, and a free one among them ends the search: ties cost
    /// one row each at most.
    fn augment(&mut self, start: u32, matching: &mut Matching, costs: &impl Costs) {
        self.distance.fill(f64::INFINITY);
        self.open.copy_from_slice(&matching.v);
        self.tree.clear();
        self.closed.clear();
        self.pending.clear();
        self.pending.push((start, 0.0));
        let mut level = f64::NEG_INFINITY;
        let end = loop {
            let Some((i, offset)) = self.pending.pop() else { return };
            let row = costs.row(i as usize, &mut self.buffer);
            self.scans += 1;
            self.tree.push((i, offset));
            let least = reach(&mut self.distance, &mut self.least, row, &self.open, offset);
            if least > level {
                if !self.pending.is_empty() {
                    continue;
                }
                level = least;
            }
            let first = self.closed.len();
            self.closed.extend(within(&self.distance, &self.least, level).map(|j| (j as u32, level)));
            if let Some(&(j, _)) = self.closed[first..].iter().find(|(j, _)| matching.row_of[*j as usize] == NONE) {
                self.closed.truncate(first);
                break j as usize;
            }
            for &(j, _) in &self.closed[first..] {
                let column = j as usize;
                let i = matching.row_of[column];
                self.pending.push((i, level - matching.u(i as usize)));
                (self.at[column], self.distance[column]) = (self.distance[column], f64::INFINITY);
                self.open[column] = f64::NEG_INFINITY;
            }
        };
        self.at[end] = self.distance[end];
        self.take(end, matching, costs);
        for &(j, at) in &self.closed {
            matching.v[j as usize] += at - level;
        }
    }

    /// Walks back from a free column: the row before a column is one of the tree that gives its distance, number for
    /// number, and was looked at before it was closed.
    fn take(&mut self, end: usize, matching: &mut Matching, costs: &impl Costs) {
        let mut column = end;
        while let Some((i, offset)) = self.tree.pop() {
            let cost = costs.row(i as usize, &mut self.buffer)[column];
            if cost - matching.v[column] + offset == self.at[column] {
                matching.row_of[column] = i;
                matching.paid[i as usize] = cost;
                let next = std::mem::replace(&mut matching.column_of[i as usize], column as u32);
                if next == NONE {
                    return;
                }
                column = next as usize;
            }
        }
    }
}

/// The columns within `level`, by blocks.
fn within(distance: &[f64], least: &[f64], level: f64) -> impl Iterator<Item = usize> {
    let blocks = distance.chunks(BLOCK).zip(least).enumerate().filter(move |(_, (_, least))| **least <= level);
    let columns = blocks.flat_map(|(b, (block, _))| block.iter().enumerate().map(move |(k, x)| (b * BLOCK + k, x)));
    columns.filter_map(move |(j, &distance)| (distance <= level).then_some(j))
}

#[inline]
fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b } // one instruction, as f64::min is not
}

/// Lowers `distance` to `row - v + offset`; writes the least of each block, and returns the least of all.
#[inline]
fn reach(distance: &mut [f64], least: &mut [f64], row: &[f64], v: &[f64], offset: f64) -> f64 {
    let (blocks, rest) = distance.as_chunks_mut::<BLOCK>();
    let (row_blocks, row_rest) = row.as_chunks::<BLOCK>();
    let (v_blocks, v_rest) = v.as_chunks::<BLOCK>();
    let mut all = f64::INFINITY;
    for (((block, row), v), least) in blocks.iter_mut().zip(row_blocks).zip(v_blocks).zip(least.iter_mut()) {
        let mut lanes = [f64::INFINITY; 4];
        for part in 0..BLOCK / 4 {
            for (l, lane) in lanes.iter_mut().enumerate() {
                let k = 4 * part + l;
                block[k] = min(row[k] - v[k] + offset, block[k]);
                *lane = min(*lane, block[k]);
            }
        }
        *least = min(min(lanes[0], lanes[1]), min(lanes[2], lanes[3]));
        all = min(all, *least);
    }
    if !rest.is_empty() {
        let mut last = f64::INFINITY;
        for ((distance, row), v) in rest.iter_mut().zip(row_rest).zip(v_rest) {
            *distance = min(row - v + offset, *distance);
            last = min(last, *distance);
        }
        least[blocks.len()] = last;
        all = min(all, last);
    }
    all
}
