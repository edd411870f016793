use std::fmt;
use std::path::PathBuf;

/// Why a picture is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// It has no bytes.
    Empty,
    /// Its first bytes are those of no PNG, JPEG or WebP.
    OtherFormat,
    /// It ends before its end marker, or before the length in its header.
    CutShort,
    /// What it says of itself cannot be read.
    Damaged,
    /// A JPEG of four colours (cyan, magenta, yellow, black), whose inks say no colour without a profile.
    FourColours,
    /// A PNG or WebP of several frames.
    Animated,
    /// More than 16,384 pixels wide or high.
    TooLarge,
    /// The system does not let it be read.
    Unreadable,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "without a byte",
            Self::OtherFormat => "neither PNG, JPEG nor WebP",
            Self::CutShort => "cut short",
            Self::Damaged => "damaged",
            Self::FourColours => "of four colours (CMYK)",
            Self::Animated => "animated",
            Self::TooLarge => "larger than 16,384 pixels",
            Self::Unreadable => "not to be read",
        })
    }
}

/// The pictures of a folder that are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Each with its reason, in the order of their names.
    pub files: Vec<(PathBuf, Reason)>,
}

/// As "3 skipped: 2 cut short, 1 animated"; nothing where none is.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts: Vec<(Reason, usize)> = vec![];
        let mut reasons: Vec<Reason> = self.files.iter().map(|(_, reason)| *reason).collect();
        reasons.sort_unstable();
        for reason in reasons {
            match counts.last_mut() {
                Some((last, count)) if *last == reason => *count += 1,
                _ => counts.push((reason, 1)),
            }
        }
        if counts.is_empty() {
            return Ok(());
        }
        let each: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        write!(f, "{} skipped: {}", self.files.len(), each.join(", "))
    }
}
