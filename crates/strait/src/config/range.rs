//! The range of every number of a config, in one table: for checks, error messages and the documentation.

use super::error::{ConfigError, shown};
use super::{Config, VERSION};
use toml::Value;

/// The numbers that keys of a name take.
#[derive(Debug, Clone, Copy)]
pub struct Range {
    /// The end of the key, without the places in lists: `level.batch` is of `phase.0.level.1.batch`.
    pub key: &'static str,
    /// The least.
    pub least: f64,
    /// Whether the least is itself out of range.
    pub above: bool,
    /// The greatest.
    pub most: f64,
    /// Numbers that a list of them may hold; 0 of one that is no list.
    pub entries: usize,
}

const fn of(key: &'static str, least: f64, most: f64) -> Range {
    Range { key, least, most, above: false, entries: 0 }
}

const fn above(key: &'static str, least: f64, most: f64) -> Range {
    Range { above: true, ..of(key, least, most) }
}

const fn list(range: Range, entries: usize) -> Range {
    Range { entries, ..range }
}

const MANY: f64 = 1e9;
/// Iterations, in all of which their count and that of their steps are far from the end of a u64.
const ITERATIONS: f64 = 1e15;
/// Any finite number.
const ANY: f64 = f64::MAX;

/// All numbers of a config. Where several rows fit a key, the longest applies.
pub const RANGES: [Range; 90] = [
    of("version", VERSION as f64, VERSION as f64),
    of("seed", 0.0, i64::MAX as f64),
    list(of("data.image", 1.0, 65_536.0), 3),
    above("data.sd", 0.0, 1e6),
    above("data.radius", 0.0, 1e6),
    of("data.points", 2.0, MANY),
    of("data.dimension", 2.0, 1024.0),
    of("source.noise", 0.0, 1e6),
    above("source.scale", 0.0, 1e6),
    list(of("source.shift", -1e6, 1e6), 2),
    above("source.radius", 0.0, 1e6),
    above("source.sd", 0.0, 1e6),
    above("coupling.share", 0.0, 1.0),
    of("coupling.rounds", 1.0, 64.0),
    of("coupling.pairs", 1.0, MANY),
    of("coupling.batch", 1.0, 16_384.0),
    of("coupling.points", 2.0, MANY),
    above("coupling.tolerance", 0.0, 1.0),
    of("coupling.trajectories", 1.0, MANY),
    of("coupling.nfe", 1.0, 100_000.0),
    list(of("hidden", 1.0, 32_768.0), 64),
    above("beta", 0.0, 1e4),
    of("interpolant.power", 1.0, 12.0),
    of("degree", 2.0, 512.0),
    above("log_scale_bound", 0.0, 80.0),
    of("steps", 1.0, 256.0),
    of("time_octaves", 0.0, 64.0),
    of("velocity.stem", 1.0, 64.0),
    of("velocity.channels", 1.0, 4096.0),
    list(of("velocity.multipliers", 1.0, 64.0), 16),
    of("velocity.blocks", 1.0, 64.0),
    of("velocity.attention", 0.0, 4096.0),
    of("velocity.heads", 1.0, 256.0),
    of("velocity.patch", 1.0, 256.0),
    of("velocity.width", 1.0, 8192.0),
    of("velocity.depth", 1.0, 256.0),
    of("velocity.embedding", 1.0, 8192.0),
    list(of("ema_half_lives", 1e-6, ITERATIONS), 32),
    of("phase.iterations", 1.0, ITERATIONS),
    of("level.steps", 1.0, 10_000.0),
    of("level.batch", 1.0, 16_777_216.0),
    of("level.parts", 1.0, 16_777_216.0),
    of("times.mean", -1e3, 1e3),
    above("times.sd", 0.0, 1e3),
    above("times.sharpness", 0.0, 700.0),
    above("times.power", 0.0, 1e3),
    of("level.noise", 0.0, 1e6),
    of("level.condition_drop", 0.0, 1.0),
    above("level.rate", 0.0, 1e3),
    of("level.warm_up", 0.0, ITERATIONS),
    list(of("level.betas", 0.0, 1.0), 2),
    of("level.weight_decay", 0.0, 1e6),
    of("level.clip", 1e-9, ANY),
    of("plus.weight", -1e6, 1e6),
    of("plus.ramp", 0.0, ITERATIONS),
    of("objective.candidates", 0.0, 16_777_216.0),
    of("objective.times", 1.0, 16_777_216.0),
    above("objective.until", 0.0, 1.0),
    of("objective.floor", 1.0, 16_777_216.0),
    above("objective.step", 0.0, 0.5),
    of("objective.acceleration", 0.0, 1e6),
    of("objective.power", 0.0, 1e3),
    above("objective.epsilon", 0.0, 1e6),
    of("spans.off_diagonal", 0.0, 1.0),
    of("spans.from_start", 0.0, 1.0),
    list(of("evaluate.nfe", 1.0, 100_000.0), 64),
    of("evaluate.guidance", -1e3, 1e3),
    of("evaluate.samples", 2.0, 1_000_000.0),
    of("dynamics.steps", 1.0, 100_000.0),
    of("dynamics.trajectories", 1.0, MANY),
    of("dynamics.times", 1.0, 100_000.0),
    of("likelihood.exact_dimensions", 0.0, 65_536.0),
    of("likelihood.steps", 1.0, 100_000.0),
    of("likelihood.points", 2.0, MANY),
    of("likelihood.probed_points", 2.0, MANY),
    of("likelihood.probe_pairs", 1.0, 100_000.0),
    of("exact_field", 1.0, MANY),
    of("exact_field.most_nfe", 0.0, 100_000.0),
    of("exact_field.most_dimensions", 0.0, MANY),
    of("grid_search", 1.0, MANY),
    of("stress.iterations", 1.0, 1e12),
    of("compare.pairs", 1.0, MANY),
    of("compare.trajectories", 1.0, MANY),
    of("compare", 1.0, 100_000.0),
    of("joint.glow_steps", 1.0, 256.0),
    of("joint.weight", -1e6, 1e6),
    above("joint.step", 0.0, 0.5),
    above("joint.rate", 0.0, 1e3),
    of("joint.velocity_steps", 1.0, 10_000.0),
    of("log", 1.0, ITERATIONS),
];

impl Range {
    /// Of a key, given by its parts.
    fn find(parts: &[&str]) -> Option<&'static Self> {
        let fits = |range: &&Self| {
            let own: Vec<&str> = range.key.split('.').collect();
            // The end of the key, or a table and any number in it.
            parts.ends_with(&own) || (!parts.is_empty() && parts[..parts.len() - 1].ends_with(&own))
        };
        let exact = |range: &Self| parts.ends_with(&range.key.split('.').collect::<Vec<_>>());
        RANGES.iter().filter(fits).max_by_key(|range| (exact(range), range.key.split('.').count()))
    }

    fn holds(&self, value: f64) -> bool {
        value <= self.most && (value > self.least || (value == self.least && !self.above))
    }

    /// In words, as "from 1 to 512".
    pub fn words(&self) -> String {
        let above = if self.above { "above " } else { "from " };
        match (self.least, self.most) {
            (least, most) if least == most => number(least),
            (least, ANY) => format!("{}{} and finite", if self.above { "above " } else { "at least " }, number(least)),
            (least, most) => format!("{above}{} to {}", number(least), number(most)),
        }
    }
}

/// A bound in its most readable form: 16,777,216, 1e15, 0.5.
fn number(x: f64) -> String {
    let digits = format!("{x}");
    if x.fract() != 0.0 || x.abs() < 1e4 {
        return digits;
    }
    if x.abs() >= 1e18 {
        return "9,223,372,036,854,775,807".into();
    }
    let (sign, digits) = if x < 0.0 { ("-", &digits[1..]) } else { ("", &digits[..]) };
    let groups: Vec<&str> = {
        let first = (digits.len() - 1) % 3 + 1;
        std::iter::once(&digits[..first])
            .chain((first..digits.len()).step_by(3).map(|at| &digits[at..at + 3]))
            .collect()
    };
    format!("{sign}{}", groups.join(","))
}

/// Refuses a number of an argument, such as `--nfe 0`, that is out of the range of a key.
///
/// # Errors
/// `Value` with the argument and the range.
pub fn check_range(argument: &str, key: &str, value: f64) -> Result<(), ConfigError> {
    match Range::find(&key.split('.').collect::<Vec<_>>()) {
        Some(range) if !range.holds(value) => Err(ConfigError::Value { key: argument.to_owned(), must: range.words() }),
        _ => Ok(()),
    }
}

impl Config {
    /// Refuses numbers out of their range, and lists of too many.
    pub(super) fn check_ranges(&self) -> Result<(), ConfigError> {
        let text = |error: toml::ser::Error| ConfigError::Text {
            origin: "config".into(),
            line: None,
            problem: error.to_string(),
        };
        walk(&Value::try_from(self).map_err(text)?, &mut vec![], &mut vec![])
    }
}

/// The most entries of a list of tables.
const TABLES: usize = 1000;

fn walk(value: &Value, path: &mut Vec<String>, parts: &mut Vec<String>) -> Result<(), ConfigError> {
    let refuse = |value: &Value, must: String| {
        Err(ConfigError::Value { key: format!("{} = {}", path.join("."), shown(value)), must })
    };
    let found = || Range::find(&parts.iter().map(String::as_str).collect::<Vec<_>>());
    match value {
        Value::Integer(n) => match found() {
            Some(range) if !range.holds(*n as f64) => refuse(value, range.words()),
            _ => Ok(()),
        },
        Value::Float(x) => match found() {
            Some(range) if !range.holds(*x) => refuse(value, range.words()),
            _ => Ok(()),
        },
        Value::Array(items) => {
            let most = found().map_or(TABLES, |range| if range.entries == 0 { TABLES } else { range.entries });
            if items.len() > most {
                let key = format!("{} of {} entries", path.join("."), items.len());
                return Err(ConfigError::Value { key, must: format!("of at most {most}") });
            }
            items.iter().enumerate().try_for_each(|(at, item)| {
                path.push(at.to_string());
                let done = walk(item, path, parts);
                path.pop();
                done
            })
        }
        Value::Table(table) => table.iter().try_for_each(|(key, item)| {
            path.push(key.clone());
            parts.push(key.clone());
            let done = walk(item, path, parts);
            path.pop();
            parts.pop();
            done
        }),
        Value::String(_) | Value::Boolean(_) | Value::Datetime(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PRESETS, load};

    fn range(key: &str) -> Option<&'static Range> {
        Range::find(&key.split('.').collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_end_of_a_key_says_its_range() {
        for (key, most) in [
            ("interpolant.map.steps", 256.0),
            ("phase.level.steps", 10_000.0),
            ("coupling.teacher.phase.level.steps", 10_000.0),
            ("evaluate.dynamics.steps", 100_000.0),
            ("evaluate.exact_field.queries", MANY),
            ("compare.joint.step", 0.5),
            ("log.keep", ITERATIONS),
        ] {
            assert_eq!(range(key).map(|range| range.most), Some(most), "{key}");
        }
        let mut keys = RANGES.map(|range| range.key);
        keys.sort_unstable();
        assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
    }

    /// A number of a config that the table does not know is found here.
    #[test]
    fn every_number_has_a_range() {
        fn numbers(value: &Value, path: &str, found: &mut Vec<String>) {
            match value {
                Value::Integer(_) | Value::Float(_) => found.push(path.trim_start_matches('.').to_owned()),
                Value::Array(items) => items.iter().for_each(|item| numbers(item, path, found)),
                Value::Table(table) => {
                    table.iter().for_each(|(key, item)| numbers(item, &format!("{path}.{key}"), found));
                }
                _ => {}
            }
        }
        let mut found = vec![];
        let settings = [
            "evaluate.dynamics.steps=99",
            "evaluate.likelihood.steps=49",
            "evaluate.exact_field.queries=63",
            "evaluate.grid_search.points=511",
            "evaluate.stress.iterations=7",
            "compare.pairs=7",
        ];
        for (name, _) in PRESETS {
            let config = load(name, &settings.map(str::to_owned)).unwrap();
            numbers(&Value::try_from(&config).unwrap(), "", &mut found);
        }
        assert!(found.len() > 100);
        for key in found {
            assert!(range(&key).is_some(), "{key} has no range");
        }
    }

    /// A table with one number, or a list of it, at a key of the table of ranges.
    fn config_of(range: &Range, number: Value, count: usize) -> Value {
        let leaf = if range.entries == 0 { number } else { Value::Array(vec![number; count]) };
        range.key.rsplit('.').fold(leaf, |value, key| Value::Table([(key.to_owned(), value)].into_iter().collect()))
    }

    /// Each row of the table at both of its ends, which are taken, and just outside of them, which is refused in one line with the key and
    /// the range; of a list, also one entry too many.
    #[test]
    fn both_ends_of_every_range_are_taken_and_what_is_beyond_is_refused() {
        for range in &RANGES {
            let check = |number: Value, count: usize| {
                walk(&config_of(range, number, count), &mut vec![], &mut vec![]).map_err(|error| error.to_string())
            };
            let refused = |number: Value| {
                let line = check(number, 1).expect_err(range.key);
                let named = line.contains(range.key) && line.ends_with(&format!("must be {}", range.words()));
                assert!(named && line.lines().count() == 1, "{line}");
            };
            let least = if range.above { range.least.next_up() } else { range.least };
            for end in [least, range.most] {
                assert_eq!(check(Value::Float(end), 1), Ok(()), "{} = {end}", range.key);
            }
            let below = if range.above { range.least } else { range.least.next_down() };
            for beyond in [below, range.most.next_up(), f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
                refused(Value::Float(beyond));
            }
            let is_whole = |x: f64| x.fract() == 0.0 && x.abs() < 9e15;
            if is_whole(range.least) {
                refused(Value::Integer(range.least as i64 - i64::from(!range.above)));
                let first = range.least as i64 + i64::from(range.above);
                assert_eq!(check(Value::Integer(first), 1).is_ok(), first as f64 <= range.most, "{}", range.key);
            }
            if is_whole(range.most) {
                refused(Value::Integer(range.most as i64 + 1));
                assert_eq!(check(Value::Integer(range.most as i64), 1), Ok(()), "{}", range.key);
            }
            if range.entries > 0 {
                assert_eq!(check(Value::Float(range.most), range.entries), Ok(()), "{}", range.key);
                let line = check(Value::Float(range.most), range.entries + 1).unwrap_err();
                assert!(line.contains(range.key) && line.contains("entries"), "{line}");
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_named_with_its_range() {
        for (set, says) in [
            ("velocity.hidden=[64,0]", "velocity.hidden.1 = 0 must be from 1 to 32,768"),
            ("evaluate.nfe=[100000000000]", "evaluate.nfe.0 = 100000000000 must be from 1 to 100,000"),
            ("phase.0.level.0.rate=nan", "phase.0.level.0.rate = nan must be above 0 to 1000"),
            ("data.sd=0", "data.sd = 0.0 must be above 0 to 1,000,000"),
            ("version=2", "version = 2 must be 1"),
        ] {
            let line = load("8gaussians", &[set.to_owned()]).unwrap_err().to_string();
            assert_eq!(line, format!("config: {says}"));
        }
    }
}
