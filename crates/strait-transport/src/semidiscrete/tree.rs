//! Points in halves of halves, down to single ones: the scales of a point set.

use ndarray::ArrayView2;
use std::cmp::Ordering;
use std::ops::Range;

/// A binary tree over the rows of a point set. Each node holds a range of [`Tree::order`], and its halves are parted where
/// they lie closest together: far clusters are parted before anything within them is.
#[derive(Debug)]
pub(super) struct Tree {
    /// The rows of the points.
    pub(super) order: Vec<usize>,
    /// The root first, and each node before its halves.
    pub(super) nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Node {
    /// Into the order.
    pub(super) range: Range<usize>,
    /// Its two halves among the nodes; None of a single point.
    pub(super) halves: Option<[usize; 2]>,
    /// How many nodes are above it.
    pub(super) depth: usize,
}

impl Tree {
    /// Of the rows of (k, d), k at least 1.
    pub(super) fn of(points: ArrayView2<'_, f64>) -> Self {
        let k = points.nrows();
        let mut order: Vec<usize> = (0..k).collect();
        let mut nodes = vec![Node { range: 0..k, halves: None, depth: 0 }];
        // Splits at a gap may leave one point behind each: so deep and no deeper, then in the middle.
        let deep = 4 * k.max(2).ilog2() as usize;
        let mut next = 0;
        while next < nodes.len() {
            let Node { range, depth, .. } = &nodes[next];
            let (range, depth) = (range.clone(), depth + 1);
            if range.len() > 1 {
                let first = split(&mut order[range.clone()], points, depth > deep);
                let halves = [range.start..range.start + first, range.start + first..range.end];
                nodes[next].halves = Some([nodes.len(), nodes.len() + 1]);
                nodes.extend(halves.map(|range| Node { range, halves: None, depth }));
            }
            next += 1;
        }
        Self { order, nodes }
    }

    /// The largest nodes of at most so many points, in order.
    pub(super) fn blocks(&self, most: usize) -> Vec<Range<usize>> {
        let (mut blocks, mut left) = (vec![], vec![0]);
        while let Some(node) = left.pop().map(|node| &self.nodes[node]) {
            match node.halves {
                Some([first, second]) if node.range.len() > most => left.extend([second, first]),
                _ => blocks.push(node.range.clone()),
            }
        }
        blocks
    }
}

/// Sorts rows along the axis of their greatest variance, and returns how many are in the first half: the cut that leaves the
/// least variance within halves, or the middle.
fn split(rows: &mut [usize], points: ArrayView2<'_, f64>, in_the_middle: bool) -> usize {
    let n = rows.len();
    let variance = |axis: usize| {
        let mean = rows.iter().map(|&row| points[[row, axis]]).sum::<f64>() / n as f64;
        rows.iter().map(|&row| (points[[row, axis]] - mean).powi(2)).sum::<f64>()
    };
    let spreads: Vec<f64> = (0..points.ncols()).map(variance).collect();
    let widest = (0..spreads.len()).max_by(|&a, &b| spreads[a].total_cmp(&spreads[b]));
    let Some(axis) = widest else { return n / 2 };
    let along = |row: usize| points[[row, axis]];
    rows.sort_unstable_by(|&a, &b| along(a).total_cmp(&along(b)).then(a.cmp(&b)));
    if in_the_middle {
        return n / 2;
    }
    let mean = rows.iter().map(|&row| along(row)).sum::<f64>() / n as f64;
    // What parting them there takes from the variance: n1 n2 (m1 - m2)^2 / n^2 = sum^2 / (n1 n2), by the first half's sum.
    let mut sum = 0.0;
    let gains = rows[..n - 1].iter().enumerate().map(|(i, &row)| {
        sum += along(row) - mean;
        sum * sum / ((i + 1) * (n - i - 1)) as f64
    });
    let best = gains.enumerate().max_by(|a, b| a.1.partial_cmp(&b.1).unwrap_or(Ordering::Equal));
    best.map_or(n / 2, |(i, gain)| if gain > 0.0 { i + 1 } else { n / 2 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn far_clusters_are_parted_first_and_every_point_ends_alone() {
        // 3 near 0, 17 near 100, in no order.
        let points = Array2::from_shape_fn((20, 2), |(i, axis)| {
            let at = if i % 7 == 3 { 0.0 } else { 100.0 };
            if axis == 0 { at + (i as f64 * 0.618).fract() } else { (i as f64 * 0.377).fract() }
        });
        let tree = Tree::of(points.view());
        let [first, second] = tree.nodes[0].halves.unwrap().map(|half| tree.nodes[half].range.clone());
        assert_eq!((first, second), (0..3, 3..20));
        let mut small: Vec<usize> = tree.order[..3].to_vec();
        small.sort_unstable();
        assert_eq!(small, [3, 10, 17]);
        let mut alone: Vec<usize> =
            tree.nodes.iter().filter(|node| node.halves.is_none()).map(|node| node.range.start).collect();
        alone.sort_unstable();
        assert_eq!(alone, (0..20).collect::<Vec<_>>());
        assert!(tree.nodes.iter().all(|node| (node.range.len() == 1) == node.halves.is_none()));
        let blocks = tree.blocks(5);
        assert_eq!((blocks[0].clone(), blocks.iter().map(Range::len).sum::<usize>()), (0..3, 20));
        assert!(blocks.iter().all(|block| block.len() <= 5));
    }

    #[test]
    fn points_that_lie_ever_farther_apart_make_no_deep_tree() {
        let points = Array2::from_shape_fn((200, 1), |(i, _)| 2f64.powi(i as i32));
        let tree = Tree::of(points.view());
        assert!(tree.nodes.iter().all(|node| node.depth <= 4 * 7 + 9));
        assert_eq!(tree.nodes.len(), 399);
    }
}
