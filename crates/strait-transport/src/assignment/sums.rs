//! Sums of a few doubles without rounding (Knuth; Shewchuk, 1997).

use crate::exact_sum::two_sum;

/// An upper bound of the error of `(a - b) - (c - d)` in double precision.
#[inline]
pub(super) fn rounding(left: f64, right: f64) -> f64 {
    2.0 * f64::EPSILON * (left.abs() + right.abs())
}

/// `a + b + c`, rounded once but for its last bit.
#[inline]
pub(super) fn of_three(a: f64, b: f64, c: f64) -> f64 {
    let (sum, first) = two_sum(a, b);
    let (sum, second) = two_sum(sum, c);
    let exact = sum + (first + second);
    if exact.is_finite() { exact } else { 8.0 * (0.125 * a + 0.125 * b + 0.125 * c) }
}

/// The largest double that is at most the exact sum.
pub(super) fn at_most(terms: [f64; 3]) -> f64 {
    let expansion = expand(terms);
    // Doubles near the sum are tried from above: the rounded sum is within one unit in the last place of it.
    let mut guess = expansion.iter().sum::<f64>().next_up();
    while sign([expansion[0], expansion[1], expansion[2], -guess]) < 0.0 {
        guess = guess.next_down();
    }
    guess
}

/// A number with the sign of the exact sum.
pub(super) fn sign<const N: usize>(terms: [f64; N]) -> f64 {
    // The components of an expansion do not overlap, and the last one that is not zero is the largest.
    expand(terms).into_iter().rev().find(|&x| x != 0.0).unwrap_or(0.0)
}

/// The exact sum as numbers that do not overlap, the largest last.
fn expand<const N: usize>(terms: [f64; N]) -> [f64; N] {
    let mut expansion = [0.0; N];
    for (i, term) in terms.into_iter().enumerate() {
        let mut carry = term;
        for component in &mut expansion[..i] {
            (carry, *component) = two_sum(carry, *component);
        }
        expansion[i] = carry;
    }
    expansion
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_sums_that_round_to_zero() {
        assert!(sign([1e30, 1.0, -1e30, -0.5]) > 0.0);
        assert!(sign([1e30, -1.0, -1e30, 0.5]) < 0.0);
        assert_eq!(sign([1e300, 1e-300, -1e300, -1e-300]), 0.0);
        assert!(sign([0.1, 0.2, -0.3, 0.0]) > 0.0); // the double .3 lies below the sum of the doubles .1 and .2
    }

    #[test]
    fn the_largest_double_below_a_sum() {
        assert_eq!(at_most([1.0, 1e-30, 0.0]), 1.0);
        assert_eq!(at_most([1.0, -1e-30, 0.0]), 1f64.next_down());
        assert_eq!(at_most([1e30, 3.0, -1e30]), 3.0);
        assert_eq!(at_most([-4.0, 1e-300, 0.0]), -4.0);
    }
}
