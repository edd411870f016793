//! Numbers as a careful author would print them.

const MINUS: char = '\u{2212}';

/// `value` with `decimals` digits after the point, thousands set off, and a true minus sign.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(w, r)| (w, r));
    let mut out = String::new();
    if value < 0.0 && text.chars().any(|c| ('1'..='9').contains(&c)) {
        out.push(MINUS);
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !rest.is_empty() {
        out.push('.');
        out.push_str(rest);
    }
    out
}

/// Three significant digits; powers of ten below a thousandth and from a million on.
pub fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return fixed(value, 0);
    }
    let exponent = magnitude(value);
    if (-3..6).contains(&exponent) {
        return fixed(value, (2 - exponent).max(0) as usize);
    }
    let mantissa = value / 10f64.powi(exponent);
    format!("{}×10{}", fixed(mantissa, 2), superscript(exponent))
}

/// Three significant digits, without zeros at the end that stand for nothing known.
pub(super) fn short(value: f64) -> String {
    let text = significant(value);
    if text.contains('.') && !text.contains('×') {
        text.trim_end_matches('0').trim_end_matches('.').into()
    } else {
        text
    }
}

/// A tick of an axis whose ticks lie `step` apart.
pub(super) fn tick(value: f64, step: f64) -> String {
    let decimals = if step > 0.0 { (-magnitude_floor(step)).max(0) } else { 0 };
    if value == 0.0 || (decimals <= 4 && value.abs() < 1e7) {
        return fixed(value, if value == 0.0 && decimals > 4 { 0 } else { decimals as usize });
    }
    // Digits after the first that tell the value from its neighbours.
    match magnitude_floor(value) - magnitude_floor(step) {
        ..2 => power(value),
        _ if decimals == 0 && value.abs() < 1e15 => fixed(value, 0),
        digits => {
            let exponent = magnitude_floor(value);
            let mantissa = value / 10f64.powi(exponent);
            format!("{}×10{}", fixed(mantissa, digits.min(16) as usize), superscript(exponent))
        }
    }
}

/// All digits of a value that has few, such as a tick of a logarithmic axis.
pub(super) fn plain(value: f64) -> String {
    let whole = |decimals: &usize| {
        let scaled = value * 10f64.powi(*decimals as i32);
        (scaled - scaled.round()).abs() < 1e-6 * scaled.abs()
    };
    fixed(value, (0..6).find(whole).unwrap_or(6))
}

/// The decimals that one column of a table shares: from a typical spread, which keeps one digit, or
/// two where it begins with 1; without spreads three digits of the largest value and at least two
/// of the smallest. None where the values are so far apart that no one number suits them all.
pub(super) fn decimals(values: &[f64], spreads: &[f64]) -> Option<usize> {
    let values = sizes(values);
    let (Some(&least), Some(&most)) = (values.first(), values.last()) else { return Some(0) };
    if most / least > 1e4 || !(1e-3..1e6).contains(&most) {
        return None;
    }
    let spreads = sizes(spreads);
    let wanted = match spreads.get(spreads.len() / 2) {
        Some(&typical) => {
            let exponent = magnitude(typical);
            i32::from(typical < 1.95 * 10f64.powi(exponent)) - exponent
        }
        None => (2 - magnitude(most)).max(1 - magnitude(least)),
    };
    Some(wanted.clamp(0, 5) as usize)
}

/// The absolute values that have a size, from the smallest on.
fn sizes(values: &[f64]) -> Vec<f64> {
    let sizes = values.iter().map(|v| v.abs()).filter(|v| v.is_finite() && *v > 0.0);
    let mut sizes: Vec<f64> = sizes.collect();
    sizes.sort_by(f64::total_cmp);
    sizes
}

/// The exponent of ten of the value as it is printed with three digits.
fn magnitude(value: f64) -> i32 {
    let exponent = magnitude_floor(value);
    let rounded = (value.abs() / 10f64.powi(exponent) * 100.0).round() / 100.0;
    if rounded >= 10.0 { exponent + 1 } else { exponent }
}

fn magnitude_floor(value: f64) -> i32 {
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    // A step of 0.1 has a logarithm that rounds to just below -1.
    (value.abs().log10() + 1e-9).floor() as i32
}

/// The value as a power of ten, with a factor before it where it is none.
pub(super) fn power(value: f64) -> String {
    let exponent = magnitude(value);
    let mantissa = value / 10f64.powi(exponent);
    if value == 0.0 {
        "0".into()
    } else if (mantissa - 1.0).abs() < 1e-6 {
        format!("10{}", superscript(exponent))
    } else {
        let digits = usize::from((mantissa.fract().abs() > 1e-6) && (mantissa.fract().abs() < 1.0 - 1e-6));
        format!("{}×10{}", fixed(mantissa, digits), superscript(exponent))
    }
}

fn superscript(exponent: i32) -> String {
    exponent
        .to_string()
        .chars()
        .map(|c| match c {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            c => char::from_u32(0x2070 + c.to_digit(10).unwrap_or(0)).unwrap_or(c),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_printed_as_an_author_would() {
        let table = [
            (4.386, "4.39"),
            (0.5204, "0.520"),
            (0.031_24, "0.0312"),
            (9.9996, "10.0"),
            (-27.13, "−27.1"),
            (679.2, "679"),
            (12_345.6, "12,346"),
            (1.24e-5, "1.24×10⁻⁵"),
            (9e5, "900,000"),
            (9.2e23, "9.20×10²³"),
            (0.0, "0"),
        ];
        for (value, expected) in table {
            assert_eq!(significant(value), expected, "{value}");
        }
        assert_eq!([0.21, 4.0, 100.0, 0.0].map(short), ["0.21", "4", "100", "0"]);
    }

    #[test]
    fn ticks_are_short() {
        let table = [(1.0, "1"), (0.2, "0.2"), (0.001, "0.001"), (20_000.0, "20,000")];
        for (value, expected) in table {
            assert_eq!(plain(value), expected);
        }
        let table = [(1e-4, "10⁻⁴"), (2e-4, "2×10⁻⁴"), (1e6, "10⁶"), (1.5e6, "1.5×10⁶"), (0.0, "0")];
        for (value, expected) in table {
            assert_eq!(power(value), expected);
        }
        // As many digits as tell a tick from the next.
        for (value, step, expected) in [
            (1e9, 2.0, "1,000,000,000"),
            (1e9 + 2.0, 2.0, "1,000,000,002"),
            (-2e9, 1e9, "−2×10⁹"),
            (1.5e8, 5e7, "1.5×10⁸"),
            (0.500_02, 1e-5, "5.0002×10⁻¹"),
            (2e-30, 2e-30, "2×10⁻³⁰"),
            (1e16 + 2.0, 2.0, "1.0000000000000002×10¹⁶"),
            (0.0, 1e-30, "0"),
        ] {
            assert_eq!(tick(value, step), expected);
        }
    }

    #[test]
    fn a_column_shares_its_decimals() {
        let table: [(&[f64], &[f64], Option<usize>); 7] = [
            (&[4.39, 1.14], &[0.06, 0.03], Some(2)),
            (&[4.39, 1.14], &[0.012, 0.014], Some(3)),
            (&[136.0, 4.8], &[2.4, 3.0], Some(0)),
            (&[4.39, 0.36], &[], Some(2)),
            (&[0.26, 0.16], &[], Some(3)),
            (&[9e5, 0.16], &[], None),
            (&[f64::NAN, 0.0], &[], Some(0)),
        ];
        for (values, spreads, expected) in table {
            assert_eq!(decimals(values, spreads), expected, "{values:?} {spreads:?}");
        }
    }
}
