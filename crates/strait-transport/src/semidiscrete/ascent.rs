//! Stochastic ascent on the potentials of a semidiscrete coupling, at all scales of the points at once.

use super::cells::{Cells, Chosen};
use super::tree::Tree;
use ndarray::ArrayView2;

/// Source points of a step.
pub(super) const BATCH: usize = 256;

/// Source points that a node's slope is read from, at least; a node with fewer takes those of all nodes of its size.
const ENOUGH: usize = 8;

/// Margins that a slope is read from, at least.
const SOME: f64 = 4.0;

/// Moves potentials so that each node of a tree is chosen as often as its share, against the rest of the node above.
///
/// Points that lie together are moved together: what a single point has too much says nothing about a far cluster, whose
/// borders no step of single potentials would ever move.
#[derive(Debug)]
pub(super) struct Balance<'a> {
    tree: &'a Tree,
    /// Of each node.
    shares: Vec<f64>,
    /// By how much the difference of a node's halves moves for a share of its source points, near 0 of that difference.
    slopes: Vec<f64>,
    potentials: Vec<f64>,
    /// Weighted by the step: the start is forgotten.
    mean: Vec<f64>,
    steps: f64,
}

impl<'a> Balance<'a> {
    /// From potentials and shares of the places, in the order of the tree.
    pub(super) fn new(tree: &'a Tree, shares: &[f64], potentials: Vec<f64>) -> Self {
        let shares = totals(tree, shares);
        Self { tree, shares, slopes: vec![], mean: potentials.clone(), potentials, steps: 0.0 }
    }

    /// Reads the slopes from source points (n, d), before the first step and wherever they may have changed.
    pub(super) fn look(&mut self, cells: &Cells, x: ArrayView2<'_, f64>) {
        self.slopes = slopes(self.tree, &self.shares, cells, x);
    }

    /// The potentials that the next step's places are chosen by.
    pub(super) fn potentials(&self) -> &[f64] {
        &self.potentials
    }

    /// Their average.
    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Takes the places that [`BATCH`] source points chose.
    pub(super) fn step(&mut self, chosen: &[Chosen]) {
        let counts = totals(self.tree, &counts(chosen, self.mean.len()));
        // How far each node moves, with those above it.
        let mut moves = vec![0.0; counts.len()];
        for (number, node) in self.tree.nodes.iter().enumerate() {
            let moved = moves[number];
            let Some([first, second]) = node.halves else {
                self.potentials[node.range.start] += moved;
                continue;
            };
            let share = self.shares[number];
            let (one, other) = (self.shares[first] / share, self.shares[second] / share);
            let excess = counts[first] * other - counts[second] * one;
            let expected = BATCH as f64 * share;
            // Newton's step at first, then smaller ones, as an average needs; a node that is seldom chosen begins later.
            // More than all that is expected says no more than that.
            let by = self.slopes[number] * (excess / expected.max(1.0)).clamp(-1.0, 1.0)
                / (1.0 + self.steps * expected.min(1.0)).sqrt();
            moves[first] = moved - by * other;
            moves[second] = moved + by * one;
        }
        self.steps += 1.0;
        let weight = 2.0 / (self.steps + 1.0);
        for (mean, now) in self.mean.iter_mut().zip(&self.potentials) {
            *mean += weight * (now - *mean);
        }
    }

    /// Unbiased estimates of $\chi^2 = \sum_j p_j^2 / w_j - 1$ from counts of the places over `total` fresh source points: the whole,
    /// and the greatest of its parts by scale, each as if the whole were of its kind.
    ///
    /// By Haar's basis in $L^2(w)$ on the tree, $\chi^2 = \sum_N h_N^2$ with
    /// $h_N = (p_A w_B - p_B w_A) / \sqrt{w_A w_B w_N}$ of a node N and its halves A and B, and
    /// $E (n_A w_B - n_B w_A)^2 = T (T - 1) (p_A w_B - p_B w_A)^2 + T (p_A w_B^2 + p_B w_A^2)$ of counts over T source points.
    pub(super) fn deviation(&self, counts: &[f64], total: f64) -> Deviation {
        let counts = totals(self.tree, counts);
        let mut scales: Vec<(f64, f64)> = vec![];
        for (number, node) in self.tree.nodes.iter().enumerate() {
            let Some([first, second]) = node.halves else { continue };
            let (one, other) = (self.shares[first], self.shares[second]);
            let difference = counts[first] * other - counts[second] * one;
            let noise = counts[first] * other * other + counts[second] * one * one;
            let square =
                (difference * difference - noise) / (total * (total - 1.0) * one * other * self.shares[number]);
            // Points far out that are parted from many others are few all the same.
            let [one_of, other_of] = [first, second].map(|half| self.tree.nodes[half].range.len());
            let scale = size(one_of.min(other_of));
            if scales.len() <= scale {
                scales.resize(scale + 1, (0.0, 0.0));
            }
            scales[scale].0 += square;
            scales[scale].1 += 1.0;
        }
        let nodes: f64 = scales.iter().map(|scale| scale.1).sum();
        let each = scales.iter().filter(|scale| scale.1 > 0.0).map(|(sum, count)| sum / count * nodes);
        Deviation { whole: scales.iter().map(|scale| scale.0).sum(), greatest: each.fold(0.0, f64::max) }
    }
}

/// How far the places that are chosen are from their shares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deviation {
    /// $\chi^2$.
    pub(super) whole: f64,
    /// The greatest over the scales of the tree.
    pub(super) greatest: f64,
}

/// How often each place was chosen.
pub(super) fn counts(chosen: &[Chosen], places: usize) -> Vec<f64> {
    let mut counts = vec![0.0; places];
    for chosen in chosen {
        counts[chosen.place] += 1.0;
    }
    counts
}

/// Sums over the places of each node.
fn totals(tree: &Tree, of: &[f64]) -> Vec<f64> {
    let mut totals = vec![0.0; tree.nodes.len()];
    for (number, node) in tree.nodes.iter().enumerate().rev() {
        totals[number] = match node.halves {
            Some([first, second]) => totals[first] + totals[second],
            None => of[node.range.start],
        };
    }
    totals
}

/// Nodes of k to 2 k - 1 places, k a power of 2, are of one scale.
fn size(places: usize) -> usize {
    places.max(1).ilog2() as usize
}

/// The slope of each node: the inverse density at 0 of the difference between the best scores of its halves, over the
/// source points that choose it.
fn slopes(tree: &Tree, shares: &[f64], cells: &Cells, x: ArrayView2<'_, f64>) -> Vec<f64> {
    let mut margins = vec![vec![]; tree.nodes.len()];
    let mut best = vec![0.0; tree.nodes.len()];
    for row in 0..x.nrows() {
        let scores = cells.scores(x, row);
        for (number, node) in tree.nodes.iter().enumerate().rev() {
            best[number] = match node.halves {
                Some([first, second]) => f64::max(best[first], best[second]),
                None => scores[node.range.start],
            };
        }
        let mut at = 0;
        while let Some([first, second]) = tree.nodes[at].halves {
            let margin: f64 = best[first] - best[second];
            margins[at].push(margin.abs());
            at = if margin >= 0.0 { first } else { second };
        }
    }
    let mut of_size: Vec<Vec<f64>> = vec![vec![]; size(tree.order.len()) + 1];
    for (node, margins) in tree.nodes.iter().zip(&margins) {
        of_size[size(node.range.len())].extend(margins);
    }
    let halves = 0.5;
    let mut usual: Vec<f64> = of_size.into_iter().map(|margins| slope(margins, halves)).collect();
    for i in 1..usual.len() {
        if usual[i] == 0.0 {
            usual[i] = usual[i - 1]; // nobody came by
        }
    }
    let nodes = tree.nodes.iter().zip(margins).enumerate();
    nodes
        .map(|(number, (node, margins))| match node.halves {
            Some([first, second]) if margins.len() >= ENOUGH => {
                slope(margins, shares[first].min(shares[second]) / shares[number])
            }
            _ => usual[size(node.range.len())],
        })
        .collect()
}

/// The inverse of the density of signed margins at 0, from the `share` of their absolute values that is least.
fn slope(mut margins: Vec<f64>, share: f64) -> f64 {
    if margins.is_empty() {
        return 0.0;
    }
    let count = margins.len() as f64;
    let least = (share * count).round().max(SOME).min(count);
    let (_, margin, _) = margins.select_nth_unstable_by(least as usize - 1, f64::total_cmp);
    2.0 * *margin * count / least
}
