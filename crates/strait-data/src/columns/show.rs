use super::{Column, Finding, Look};
use crate::Scaling;
use std::fmt;

/// Columns shown one by one; of more, those with the most to say.
const SHOWN: usize = 24;

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite(n) => write!(f, "{n} entries NaN or infinite (refused)"),
            Self::Merged => f.write_str("whole numbers that double precision cannot tell apart (refused)"),
            Self::Constant => f.write_str("constant"),
            Self::CopyOf(of) => write!(f, "the same as column {of}"),
            Self::Boolean => f.write_str("0 or 1"),
            Self::Whole => f.write_str("whole numbers"),
            Self::Rare(share) => write!(f, "one value in {:.2}% of the rows", 100.0 * share),
            Self::OneRow { row, spreads } => {
                write!(f, "row {row} makes its scale, {spreads:.3e} spreads away (refused)")
            }
            Self::HeavyTail { far_rows, spreads, .. } => {
                write!(f, "a heavy tail: {far_rows} rows are above 100 spreads away, one {spreads:.3e} (refused)")
            }
        }
    }
}

/// A number in at most ten characters.
fn number(x: f64) -> String {
    let size = x.abs();
    // -0 is 0.
    let x = x + 0.0;
    if x == 0.0 || (1e-3..1e6).contains(&size) { format!("{x:.4}") } else { format!("{x:.3e}") }
}

impl Scaling {
    /// Its name in a config, `units = "..."`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Overall => "unit",
            Self::PerCoordinate => "column",
            Self::Robust => "robust",
            Self::Own => "own",
        }
    }
}

/// Shape and type, a line for each column, what is refused, and the settings that it proposes.
impl fmt::Display for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, every, event, element, columns, repeated_rows, refused, .. } = self;
        writeln!(f, "{rows} rows of shape {event:?}, numbers of type {}", element.descr())?;
        if *every > 1 {
            writeln!(f, "one row in {every} is looked at")?;
        }
        let findings: Vec<Vec<Finding>> = columns.iter().map(|column| column.findings(*rows / *every)).collect();
        let mut shown: Vec<usize> = (0..columns.len()).collect();
        if columns.len() > SHOWN {
            shown.sort_by_key(|&at| std::cmp::Reverse(findings[at].len()));
            shown.truncate(SHOWN);
            shown.sort_unstable();
        }
        writeln!(f, "{:>8} {:>11} {:>11} {:>11} {:>11}  notes", "column", "least", "mean", "greatest", "sd")?;
        for at in shown {
            let Column { index, least, mean, greatest, sd, .. } = columns[at];
            let notes: Vec<String> = findings[at].iter().map(Finding::to_string).collect();
            let [least, mean, greatest, sd] = [least, mean, greatest, sd].map(number);
            let line = format!("{index:>8} {least:>11} {mean:>11} {greatest:>11} {sd:>11}  {}", notes.join(", "));
            writeln!(f, "{}", line.trim_end())?;
        }
        if columns.len() > SHOWN {
            writeln!(f, "... and {} more columns", columns.len() - SHOWN)?;
        }
        if *repeated_rows > 0 {
            writeln!(f, "{repeated_rows} rows repeat an earlier one")?;
        }
        match self.scale_ratio() {
            // Of two doubles, the ratio may be more than a double.
            f64::INFINITY => f.write_str("scales of columns differ by a factor above 1e308\n")?,
            ratio => writeln!(f, "scales of columns differ by a factor of {}", number(ratio))?,
        }
        self.not_read().iter().try_for_each(|line| writeln!(f, "{line}"))?;
        if let Some(error) = refused {
            writeln!(f, "refused: {error}")?;
        }
        write!(f, "proposed: {}", self.proposal())
    }
}

impl Look {
    /// A line for each array that is not all that stands at its place.
    pub fn not_read(&self) -> Vec<String> {
        let line = |array: &String| {
            format!(
                "more bytes follow array `{array}`, as a second numpy.save leaves them: as numpy.load does, only the first is read"
            )
        };
        self.followed.iter().map(line).collect()
    }

    /// The settings that it proposes, as they are written below `[data]` of a config.
    pub fn proposal(&self) -> String {
        let dequantise = if self.is_whole() { ", dequantise = true" } else { "" };
        format!("units = \"{}\"{dequantise}", self.scaling().name())
    }
}
