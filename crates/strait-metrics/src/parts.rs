//! Rows of points by parts, so that what is between all of them and all others is never held at once.

use tch::Tensor;

/// Numbers of a part of a matrix: 32 MiB of doubles.
const ENTRIES: i64 = 1 << 22;

/// Parts of x (n, ...) whose matrices with `others` points are small, each after the row that it begins with.
pub(crate) fn parts(x: &Tensor, others: i64) -> impl Iterator<Item = (i64, Tensor)> {
    let (n, rows) = (x.size()[0], (ENTRIES / others.max(1)).max(1));
    let part = move |first: i64| (first, x.narrow(0, first, rows.min(n - first)));
    (0..n).step_by(rows as usize).map(part)
}
