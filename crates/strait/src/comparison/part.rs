//! One method with one seed.

use super::LeftOut;
use super::methods::{Budget, Method, SAME_TIME};
use clap::ValueEnum as _;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A part of a comparison: one method with one seed, an ordinary run in a folder of its own. Written `METHOD,SEED`.
///
/// ```
/// use strait::comparison::part::Part;
/// let part: Part = "ot_same_time,4".parse()?;
/// assert_eq!((part.to_string().as_str(), part.seed), ("ot_same_time,4", 4));
/// assert!("ot".parse::<Part>().is_err() && "to,4".parse::<Part>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// How it is trained.
    pub method: Method,
    /// For how long.
    pub budget: Budget,
    /// With which seed.
    pub seed: u64,
}

impl Part {
    /// What its rows are called.
    pub fn row(self) -> String {
        self.method.row(self.budget)
    }

    /// Its folder, below that of the comparison.
    pub fn folder(self, comparison: &Path) -> PathBuf {
        comparison.join(format!("{}-{}", self.row(), self.seed))
    }

    /// That its method is in no table for a reason that has nothing to do with the seed.
    pub fn unfit(self, why: String) -> LeftOut {
        LeftOut { method: self.row(), seed: None, why }
    }

    /// That this seed of it is in no table.
    pub fn failed(self, why: String) -> LeftOut {
        LeftOut { method: self.row(), seed: Some(self.seed), why }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.row(), self.seed)
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (row, seed) = text.split_once(',').ok_or("a method and a seed are needed, as in `ot,3`")?;
        let (name, budget) = match row.strip_suffix(SAME_TIME) {
            Some(name) => (name, Budget::Time),
            None => (row, Budget::Steps),
        };
        let method = Method::from_str(name, false).map_err(|_| format!("`{name}` is no method"))?;
        let seed = seed.parse().map_err(|_| format!("`{seed}` is no seed"))?;
        Ok(Self { method, budget, seed })
    }
}
