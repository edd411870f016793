//! Integers of a fixed width, in which sums of doubles are exact.

use std::cmp::Ordering;

/// A two's complement number of `W` words of 64 bits, the lowest first, in units of a power of two that its user keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wide<const W: usize>([u64; W]);

/// A finite double is `whole * 2^exponent`, `whole` of up to 53 bits.
fn decode(x: f64) -> (bool, u64, i32) {
    let bits = x.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    let whole = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    (x.is_sign_negative(), whole, exponent.max(1) - 1075)
}

/// The exponents of the lowest bit of a double that is set, and of the first above all; None for zero.
pub(super) fn bits(x: f64) -> Option<(i32, i32)> {
    let (_, whole, exponent) = decode(x);
    (whole != 0).then(|| (exponent + whole.trailing_zeros() as i32, exponent + 64 - whole.leading_zeros() as i32))
}

impl<const W: usize> Wide<W> {
    pub(super) const ZERO: Self = Self([0; W]);

    /// `x` in units of `2^unit`, towards zero where it is no multiple of the unit.
    pub(super) fn new(x: f64, unit: i32) -> Self {
        let (negative, whole, exponent) = decode(x);
        let shift = exponent - unit;
        let mut words = [0; W];
        if shift < 0 {
            words[0] = if shift > -64 { whole >> -shift } else { 0 };
        } else {
            let (word, bit) = (shift as usize / 64, shift as u32 % 64);
            if word < W {
                words[word] = whole << bit;
            }
            if bit > 0 && word + 1 < W {
                words[word + 1] = whole >> (64 - bit);
            }
        }
        if negative { Self::ZERO - Self(words) } else { Self(words) }
    }

    fn is_negative(self) -> bool {
        self.0[W - 1] >> 63 == 1
    }

    /// The nearest double, in units of `2^unit`.
    pub(super) fn to_f64(self, unit: i32) -> f64 {
        let Self(words) = if self.is_negative() { Self::ZERO - self } else { self };
        let Some(top) = words.iter().rposition(|&word| word != 0) else { return 0.0 };
        // The 64 highest bits, the last of them set where any below is: rounding to 53 then sees what lies below.
        let zeros = words[top].leading_zeros();
        let below = if top > 0 { words[top - 1] } else { 0 };
        let mut high = words[top] << zeros;
        if zeros > 0 {
            high |= below >> (64 - zeros);
        }
        let rest = below << zeros != 0 || words[..top.saturating_sub(1)].iter().any(|&word| word != 0);
        high |= u64::from(rest);
        let exponent = unit + 64 * top as i32 - zeros as i32;
        let value = scale(high, exponent);
        if self.is_negative() { -value } else { value }
    }
}

/// `whole * 2^exponent`, rounded once.
fn scale(mut whole: u64, mut exponent: i32) -> f64 {
    // Below the normal numbers fewer than 53 bits are kept: what is cut off here stays in the lowest bit.
    let lost = -1074 - 2 - exponent;
    if lost > 0 {
        let kept = if lost < 64 { whole >> lost } else { 0 };
        let cut = if lost < 64 { kept << lost != whole } else { whole != 0 };
        whole = kept | u64::from(cut);
        exponent += lost;
    }
    let mut value = whole as f64;
    while exponent > 0 {
        let step = exponent.min(1000);
        value *= f64::from(step).exp2();
        exponent -= step;
    }
    while exponent < 0 {
        let step = exponent.max(-1000);
        value *= f64::from(step).exp2();
        exponent -= step;
    }
    value
}

/// The exponent of the smallest double.
pub(super) const UNIT: i32 = -1074;

/// A sum of doubles by digits of 32 bits, each in a number that has room for $2^{40}$ terms before a carry is due.
pub(super) struct Total([i128; 72]);

impl Total {
    pub(super) fn new() -> Self {
        Self([0; 72])
    }

    pub(super) fn add(&mut self, x: f64) {
        let (negative, whole, exponent) = decode(x);
        let place = (exponent - UNIT) as usize;
        let part = i128::from(whole) << (place % 32);
        self.0[place / 32] += if negative { -part } else { part };
    }

    /// The sum in units of $2^{-1074}$.
    pub(super) fn whole(&self) -> Wide<36> {
        let (mut words, mut carry) = ([0; 36], 0);
        for (word, pair) in words.iter_mut().zip(self.0.as_chunks::<2>().0) {
            let low = pair[0] + carry;
            let high = pair[1] + (low >> 32);
            carry = high >> 32;
            *word = low as u64 & 0xffff_ffff | (high as u64) << 32;
        }
        Wide(words)
    }
}

impl<const W: usize> std::ops::Add for Wide<W> {
    type Output = Self;

    #[inline]
    fn add(self, other: Self) -> Self {
        let mut sum = [0; W];
        let mut carry = false;
        for ((sum, a), b) in sum.iter_mut().zip(self.0).zip(other.0) {
            (*sum, carry) = a.carrying_add(b, carry);
        }
        Self(sum)
    }
}

impl<const W: usize> std::ops::Sub for Wide<W> {
    type Output = Self;

    #[inline]
    fn sub(self, other: Self) -> Self {
        let mut difference = [0; W];
        let mut borrow = false;
        for ((difference, a), b) in difference.iter_mut().zip(self.0).zip(other.0) {
            (*difference, borrow) = a.borrowing_sub(b, borrow);
        }
        Self(difference)
    }
}

impl<const W: usize> Ord for Wide<W> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = |x: &Self| x.0[W - 1] as i64;
        sign(self).cmp(&sign(other)).then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

impl<const W: usize> PartialOrd for Wide<W> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type All = Wide<36>;

    #[test]
    fn doubles_come_back_and_sums_round_once() {
        for x in
            [0.0, 1.0, -1.5, f64::MAX, -f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1), -f64::from_bits(12345), 1e-310]
        {
            assert_eq!(All::new(x, -1074).to_f64(-1074), x);
        }
        let sum = |terms: &[f64]| {
            let mut total = Total::new();
            terms.iter().for_each(|&x| total.add(x));
            let wide = terms.iter().fold(All::ZERO, |sum, &x| sum + All::new(x, UNIT));
            assert!(total.whole() == wide, "{terms:?}");
            wide.to_f64(UNIT)
        };
        assert_eq!(sum(&[-1.0, -1e-310, 3.0, -1e280, -f64::MAX]), -f64::MAX);
        assert_eq!(sum(&[1e300, 1.0, -1e300]), 1.0);
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, 1e-300]), 1.0 + f64::EPSILON); // above the tie
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0]), 1.0); // the tie, to even
        assert_eq!(sum(&[0.1, 0.2]), 0.1 + 0.2);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
    }

    #[test]
    fn order_is_that_of_numbers() {
        let mut values = [3.0, -1e-300, 1e300, 0.0, -7.0, 1e-320, -1e300];
        let mut wide = values.map(|x| All::new(x, -1074));
        values.sort_by(f64::total_cmp);
        wide.sort();
        assert_eq!(wide.map(|x| x.to_f64(-1074)), values);
    }
}
