//! Sums in twice the digits of a double: for differences of sums that are far smaller than their terms.

/// The rounded sum and what rounding took from it: `a + b` exactly, while nothing overflows.
#[inline]
pub(crate) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// Terms that are added side by side.
const LANES: usize = 8;

/// A sum as a double and what rounding took from it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum {
    high: f64,
    low: f64,
}

impl Sum {
    /// $\sum_j f(x_j)$.
    #[inline]
    pub(crate) fn of(x: &[f64], f: impl Fn(f64) -> f64) -> Self {
        let (mut high, mut low) = ([0.0; LANES], [0.0; LANES]);
        let parts = x.chunks_exact(LANES);
        let rest = parts.remainder();
        for part in parts {
            for k in 0..LANES {
                let (sum, lost) = two_sum(high[k], f(part[k]));
                high[k] = sum;
                low[k] += lost;
            }
        }
        let whole = high.into_iter().zip(low).map(|(high, low)| Self { high, low });
        whole.chain(rest.iter().map(|&x| Self { high: f(x), low: 0.0 })).sum()
    }

    /// The sum times a number.
    pub(crate) fn times(self, factor: f64) -> Self {
        let high = self.high * factor;
        Self { high, low: self.high.mul_add(factor, -high) + self.low * factor }
    }

    /// The nearest double, or one beside it.
    pub(crate) fn value(self) -> f64 {
        self.high + self.low
    }
}

impl std::iter::Sum for Sum {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::default(), |a, b| {
            let (high, lost) = two_sum(a.high, b.high);
            Self { high, low: a.low + b.low + lost }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_beside_a_large_term_comes_back() {
        // 1 to 20 beside 1e20, which is taken away again.
        let mut terms: Vec<f64> = (1..=20).map(f64::from).collect();
        terms.insert(7, 1e20);
        let all = Sum::of(&terms, |x| x);
        assert_eq!([all, Sum::of(&[-1e20], |x| x)].into_iter().sum::<Sum>().value(), 210.0);
        // (1 + 2^-52) times 3 is no double; three times it less itself twice is.
        let fine = Sum::of(&[1.0, f64::EPSILON], |x| x);
        assert_eq!([fine.times(3.0), fine.times(-2.0)].into_iter().sum::<Sum>().value(), 1.0 + f64::EPSILON);
    }
}
