//! Some rows of many, for statistics.

use strait_core::Error;
use tch::Tensor;

/// Of rows `every` apart on average, the k-th of n: anywhere within its own stretch. Rows that lie by turns, such as pairs or the
/// columns of a table that was turned, would otherwise be all of one kind.
pub(crate) fn row(k: i64, every: i64, n: i64) -> i64 {
    let first = k * every;
    // SplitMix64 (Steele, Lea and Flood, 2014).
    let mut z = (k as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    first + ((z ^ (z >> 31)) % every.min(n - first) as u64) as i64
}

/// All of them, in order.
pub(crate) fn rows(every: i64, n: i64) -> impl Iterator<Item = i64> {
    (0..n.div_euclid(every) + i64::from(n % every > 0)).map(move |k| row(k, every, n))
}

/// Those of a tensor.
pub(crate) fn of(x: &Tensor, every: i64) -> Result<Tensor, Error> {
    if every == 1 {
        return Ok(x.shallow_clone());
    }
    let chosen: Vec<i64> = rows(every, x.size()[0]).collect();
    Ok(x.f_index_select(0, &Tensor::f_from_slice(&chosen)?.f_to_device(x.device())?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_row_in_each_stretch_and_each_kind_has_its_share() {
        for (every, n) in [(1, 7), (2, 7), (2, 8), (5, 23), (100, 3)] {
            let rows: Vec<i64> = rows(every, n).collect();
            assert_eq!(rows.len() as i64, (n - 1) / every + 1);
            for (k, &row) in rows.iter().enumerate() {
                assert!(row / every == k as i64 && row < n, "{every} {n}: {rows:?}");
            }
        }
        assert_eq!(rows(3, 0).count(), 0);
        for every in [2, 3, 4, 16] {
            for kinds in [2, 4] {
                let first = rows(every, 10_000 * every).filter(|row| row % kinds == 0).count() as f64;
                assert!((first / 1e4 - 1.0 / kinds as f64).abs() < 0.02, "{every}, {kinds} kinds: {first}");
            }
        }
    }
}
