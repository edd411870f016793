//! From TOML to a config and back, with errors that give the line and the correct key.

use super::error::brief;
use super::unused_keys::unused;
use super::{Config, ConfigError, VERSION};
use serde::Deserialize as _;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use strait_io::IoError;
use toml::{Table, Value};

/// The presets that come with the program, by name; the first is the default.
pub const PRESETS: [(&str, &str); 27] = [
    ("digits", include_str!("../../presets/digits.toml")),
    ("digits-ot", include_str!("../../presets/digits-ot.toml")),
    ("8gaussians", include_str!("../../presets/8gaussians.toml")),
    ("8gaussians-quick", include_str!("../../presets/8gaussians-quick.toml")),
    ("moons", include_str!("../../presets/moons.toml")),
    ("checkerboard", include_str!("../../presets/checkerboard.toml")),
    ("s-curve", include_str!("../../presets/s-curve.toml")),
    ("gaussian", include_str!("../../presets/gaussian.toml")),
    ("mixture16", include_str!("../../presets/mixture16.toml")),
    ("8gaussians-map", include_str!("../../presets/8gaussians-map.toml")),
    ("8gaussians-joint", include_str!("../../presets/8gaussians-joint.toml")),
    ("moons-map", include_str!("../../presets/moons-map.toml")),
    ("checkerboard-map", include_str!("../../presets/checkerboard-map.toml")),
    ("s-curve-map", include_str!("../../presets/s-curve-map.toml")),
    ("gaussian-map", include_str!("../../presets/gaussian-map.toml")),
    ("mixture16-map", include_str!("../../presets/mixture16-map.toml")),
    ("digits-map", include_str!("../../presets/digits-map.toml")),
    ("8gaussians-classes", include_str!("../../presets/8gaussians-classes.toml")),
    ("moons-classes", include_str!("../../presets/moons-classes.toml")),
    ("fashion-mnist", include_str!("../../presets/fashion-mnist.toml")),
    ("fashion-mnist-classes", include_str!("../../presets/fashion-mnist-classes.toml")),
    ("emoji", include_str!("../../presets/emoji.toml")),
    ("cifar10", include_str!("../../presets/cifar10.toml")),
    ("published-8gaussians", include_str!("../../presets/published-8gaussians.toml")),
    ("published-moons-8gaussians", include_str!("../../presets/published-moons-8gaussians.toml")),
    ("published-moons", include_str!("../../presets/published-moons.toml")),
    ("published-s-curve", include_str!("../../presets/published-s-curve.toml")),
];

/// The text of a preset.
pub fn preset(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// A preset's name or a file's path, with `key.path=value` settings laid over it, checked.
///
/// # Errors
/// Those of [`ConfigError`], each one line.
pub fn load(name: &str, sets: &[String]) -> Result<Config, ConfigError> {
    let (origin, text) = match preset(name) {
        Some(text) => (format!("preset `{name}`"), text.to_owned()),
        None => {
            let path = Path::new(name);
            if !path.exists() {
                let nearest = nearest(name, PRESETS.iter().map(|(n, _)| *n)).map(str::to_owned);
                return Err(ConfigError::Unknown { name: name.into(), nearest });
            }
            (path.display().to_string(), text_of(path)?)
        }
    };
    parse(&origin, &text, sets)
}

/// A config with `key.path=value` settings laid over it, checked.
///
/// # Errors
/// As [`load`].
pub fn lay_over(config: &Config, origin: &str, sets: &[String]) -> Result<Config, ConfigError> {
    parse(origin, &write(config)?, sets)
}

/// The text of a regular file: pipes and other special files are refused.
fn text_of(path: &Path) -> Result<String, ConfigError> {
    const MOST: u64 = 1 << 20;
    let io = |source| ConfigError::Io { path: path.to_owned(), source };
    let refused = |problem: &str| io(std::io::Error::new(ErrorKind::InvalidData, problem));
    let file = strait_io::open(path).map_err(|error| match error {
        IoError::System { source, .. } => io(source),
        error => io(std::io::Error::other(error)),
    })?;
    let mut bytes = vec![];
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MOST {
        return Err(refused("it is larger than any config"));
    }
    String::from_utf8(bytes).map_err(|_| refused("it is no text, so no config"))
}

/// As [`load`], from a text.
///
/// # Errors
/// As [`load`].
pub(crate) fn parse(origin: &str, text: &str, sets: &[String]) -> Result<Config, ConfigError> {
    if let Some(line) = text.lines().position(is_deep) {
        let problem = "it has more dots than any config".into();
        return Err(ConfigError::Text { origin: origin.into(), line: Some(line + 1), problem });
    }
    let mut table: Table = text.parse().map_err(|error| at(origin, text, &error))?;
    match table.get("version") {
        Some(Value::Integer(version)) if *version == i64::from(VERSION) => {}
        found => {
            let found = found.map_or_else(|| "(none)".into(), Value::to_string);
            return Err(ConfigError::Version { origin: origin.into(), found, reads: VERSION });
        }
    }
    let config = toml::from_str(text).map_err(|error| at(origin, text, &error))?;
    if let Some(unused) = unused(&table).first() {
        let line = find_key(text, &unused.key).map(|offset| text[..offset].matches('\n').count() + 1);
        return Err(ConfigError::Text { origin: origin.into(), line, problem: unused.problem() });
    }
    rename(&mut table);
    let config = laid_over(config, &mut table, sets)?;
    config.check()?;
    Ok(config)
}

/// A config with settings laid over its table, one after another. Several settings together may be valid where one
/// alone is not. So a table that is not a config is an error only after the last setting; the error names the setting
/// that began it.
fn laid_over(mut config: Config, table: &mut Table, sets: &[String]) -> Result<Config, ConfigError> {
    let mut refused = None;
    for set in sets {
        let origin = format!("--set {}", brief(set));
        lay(table, set).map_err(|problem| ConfigError::Text { origin: origin.clone(), line: None, problem })?;
        match Config::deserialize(table.clone()) {
            Ok(laid) => (config, refused) = (laid, None),
            Err(error) => {
                let began = refused.map_or(origin, |(began, _)| began);
                refused = Some((began, explain(error.message())));
            }
        }
    }
    match refused.or_else(|| unused_of(table, sets)) {
        None => Ok(config),
        Some((origin, problem)) => Err(ConfigError::Text { origin, line: None, problem }),
    }
}

/// The setting that gives a key to a name that takes none, and what is wrong with it. Keys that were there for another name before
/// are none of the setting's.
fn unused_of(table: &Table, sets: &[String]) -> Option<(String, String)> {
    unused(table).into_iter().find_map(|unused| {
        let gives = |set: &&String| {
            let path = set.split('=').next().unwrap_or_default().trim();
            let path = path.split('.').map(current).collect::<Vec<_>>().join(".");
            unused.path == path || unused.path.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.'))
        };
        sets.iter().find(gives).map(|set| (format!("--set {}", brief(set)), unused.problem()))
    })
}

/// The resolved config as TOML.
///
/// # Errors
/// `Text` where a value has no TOML form.
pub fn write(config: &Config) -> Result<String, ConfigError> {
    toml::to_string(config).map_err(|error| ConfigError::Text {
        origin: "config".into(),
        line: None,
        problem: error.to_string(),
    })
}

/// A parse error with its line. serde's own place is kept unless it is a whole table; then the key that it names is
/// looked for inside.
fn at(origin: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or(0..0);
    let named = quoted(error.message()).next().unwrap_or_default();
    let inside = text.get(span.clone()).unwrap_or_default();
    let offset = if inside.lines().count() > 1 { find_key(inside, named).unwrap_or(0) } else { 0 };
    let line = text.get(..span.start + offset).map(|before| before.matches('\n').count() + 1);
    ConfigError::Text { origin: origin.into(), line, problem: explain(error.message()) }
}

/// Where in a text a line sets `key`.
fn find_key(text: &str, key: &str) -> Option<usize> {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = line.len() - line.trim_start().len();
        let rest = line.trim_start();
        if !key.is_empty() && rest.starts_with(key) && rest[key.len()..].trim_start().starts_with('=') {
            return Some(offset + start);
        }
        offset += line.len();
    }
    None
}

/// The names between backticks in a message of serde.
fn quoted(message: &str) -> impl Iterator<Item = &str> {
    message.split('`').skip(1).step_by(2)
}

/// serde's words with the nearest known name added: "unknown field `rat`, expected one of ...".
fn explain(message: &str) -> String {
    let first = &in_words(message.lines().next().unwrap_or_default());
    let mut names = quoted(first);
    let Some(unknown) = names.next().filter(|_| first.starts_with("unknown ")) else {
        return brief(first);
    };
    let known: Vec<&str> = names.collect();
    let what = if first.starts_with("unknown field") { "key" } else { "value" };
    match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("unknown {what} `{}`; did you mean `{near}`?", brief(unknown)),
        None => format!("unknown {what} `{}`; known here: {}", brief(unknown), known.join(", ")),
    }
}

/// What serde found and expects, without Rust's type names.
fn in_words(message: &str) -> String {
    let Some((found, expected)) = message.split_once(", expected ") else { return message.to_owned() };
    let found = match found.strip_prefix("invalid type: ") {
        Some("map") => "invalid type: a table".into(),
        Some("sequence") => "invalid type: a list".into(),
        Some(other) => {
            format!("invalid type: {}", other.replacen("string ", "the text ", 1).replacen("floating point ", "", 1))
        }
        None => found.to_owned(),
    };
    let of_size = |kind: &str| kind.strip_prefix("tuple of size ").map(|n| format!("a list of {n}"));
    if let Some(list) = expected.strip_prefix("a ").and_then(of_size) {
        return format!("{found}, expected {list}");
    }
    let kind = expected.strip_prefix("a ").unwrap_or(expected);
    let expected = match kind.split(' ').next().unwrap_or_default() {
        "struct" | "internally" | "adjacently" | "map" => "a table",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number of at least 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "sequence" => "a list, as in [1, 2]",
        "boolean" => "true or false",
        "string" | "borrowed" => "a text in quotes",
        "enum" | "variant" => "one name",
        _ => expected,
    };
    format!("{found}, expected {expected}")
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|k| (strsim::jaro_winkler(name, k), k))
        .filter(|(score, _)| *score > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}

/// Old names of keys, each with the present name, so that old configs and commands still work. The
/// records have the old names as aliases, too.
const RENAMED: [(&str, &str); 1] = [("turns", "iterations")];

/// The present name of a key.
fn current(key: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == key).map_or(key, |(_, new)| new)
}

/// Gives the keys of a table their present names, so that a setting that is laid over it finds them.
fn rename(table: &mut Table) {
    for (old, new) in RENAMED {
        if let Some(value) = table.remove(old) {
            table.insert(new.into(), value);
        }
    }
    table.iter_mut().for_each(|(_, value)| rename_within(value));
}

fn rename_within(value: &mut Value) {
    match value {
        Value::Table(table) => rename(table),
        Value::Array(items) => items.iter_mut().for_each(rename_within),
        _ => {}
    }
}

/// Bytes of a setting, and dots in its key: a config is shallow, and what reads it recurses.
const LONGEST: usize = 65_536;
const DEEPEST: usize = 16;

/// Whether a line may be nested too deeply for the parser: each dot of a key is a table.
fn is_deep(line: &str) -> bool {
    line.matches('.').count() > 1000
}

/// Lays `a.b.0.c=value` over a table. The value is TOML; what is not is taken as a string.
fn lay(table: &mut Table, set: &str) -> Result<(), String> {
    let (path, value) = set.split_once('=').ok_or("it has the form KEY=VALUE")?;
    let value = value.trim();
    if set.len() > LONGEST || path.matches('.').count() > DEEPEST || is_deep(value) {
        return Err("it is longer or deeper than any setting".into());
    }
    let parsed = format!("value = {value}").parse::<Table>().ok().and_then(|mut t| t.remove("value"));
    if parsed.is_none() && !value.is_empty() && value.trim_start_matches(['-', '+']).bytes().all(|b| b.is_ascii_digit())
    {
        return Err(format!("a whole number of a config is from {} to {}", i64::MIN, i64::MAX));
    }
    let mut value = parsed.unwrap_or_else(|| Value::String(value.to_owned()));
    rename_within(&mut value);
    let keys: Vec<&str> = path.trim().split('.').map(current).collect();
    let (last, parents) = keys.split_last().ok_or("it names no key")?;
    // On a copy, so that a refused setting changes nothing.
    let mut root = Value::Table(table.clone());
    let mut place = &mut root;
    for key in parents {
        place = step(place, key)?;
    }
    match place {
        Value::Table(inner) => {
            inner.insert((*last).to_owned(), value);
        }
        Value::Array(items) => {
            let at = index(items.len(), last)?;
            items[at] = value;
        }
        _ => return Err(format!("`{last}` lies below something that is not a table")),
    }
    if let Value::Table(whole) = root {
        *table = whole;
    }
    Ok(())
}

fn step<'v>(place: &'v mut Value, key: &str) -> Result<&'v mut Value, String> {
    match place {
        Value::Table(table) => Ok(table.entry(key).or_insert_with(|| Value::Table(Table::new()))),
        Value::Array(items) => {
            let at = index(items.len(), key)?;
            Ok(&mut items[at])
        }
        _ => Err(format!("`{key}` lies below something that is not a table")),
    }
}

fn index(length: usize, key: &str) -> Result<usize, String> {
    match key.parse::<usize>() {
        Ok(at) if at < length => Ok(at),
        _ => Err(format!("`{key}` is not a number below {length}, the count of entries")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CouplingConfig;

    #[test]
    fn keys_of_an_older_name_are_read_as_those_of_today() {
        let today = preset("8gaussians").unwrap();
        let older = today.replace("\niterations = ", "\nturns = ");
        assert!(older.matches("\nturns = ").count() > 1);
        let stress = |name: &str| vec![format!("evaluate.stress={{ {name} = 7 }}"), format!("phase.0.{name}=3")];
        for text in [today, &older] {
            let plain = parse("a text", text, &[]).unwrap();
            assert_eq!(plain, load("8gaussians", &[]).unwrap());
            for name in ["turns", "iterations"] {
                let set = parse("a text", text, &stress(name)).unwrap();
                assert_eq!((set.phase[0].iterations, set.evaluate.stress.iterations), (3, 7), "{name}");
                assert_eq!(set.phase[1].iterations, plain.phase[1].iterations);
            }
        }
        let written = write(&parse("a text", &older, &[]).unwrap()).unwrap();
        assert!(written.contains("iterations = ") && !written.contains("turns"));
    }

    /// What another name took before is not what a setting gives.
    #[test]
    fn a_key_beside_a_name_that_takes_none_is_refused_where_it_is_given() {
        let load = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
            load("8gaussians-map", &sets).map(|config| config.coupling).map_err(|error| error.to_string())
        };
        let CouplingConfig::Pool { .. } = load(&[]).unwrap() else { panic!("the preset has no pool") };
        assert_eq!(load(&["coupling.name=ot"]), Ok(CouplingConfig::Ot));
        for sets in [&["coupling.name=ot", "coupling.batch=7"][..], &["coupling={ name='ot', batch=7 }"]] {
            let line = load(sets).unwrap_err();
            assert!(
                line.starts_with("--set coupling") && line.ends_with("unknown key `batch`; `ot` takes none"),
                "{line}"
            );
        }
        let text = preset("8gaussians-map").unwrap().replacen("[source]\n", "[source]\nscale = 2.0\n", 1);
        let line = parse("a text", &text, &[]).unwrap_err().to_string();
        assert!(line.contains("line") && line.contains("unknown key `scale`; `normal` takes none"), "{line}");
    }
}
