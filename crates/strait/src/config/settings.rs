//! A config as single settings, each under the key that `--set` takes.

use super::{Config, ConfigError};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// `phase.0.level.1.rate` and its like, each with its value as TOML.
///
/// # Errors
/// `Text` where a value has no TOML form.
pub fn settings(config: &Config) -> Result<BTreeMap<String, String>, ConfigError> {
    let table = Table::try_from(config).map_err(|error| ConfigError::Text {
        origin: "config".into(),
        line: None,
        problem: error.to_string(),
    })?;
    let mut found = BTreeMap::new();
    table.into_iter().for_each(|(name, value)| walk(name, value, &mut found));
    Ok(found)
}

fn walk(key: String, value: Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            table.into_iter().for_each(|(name, value)| walk(format!("{key}.{name}"), value, found));
        }
        Value::Array(list) if list.iter().any(Value::is_table) => {
            list.into_iter().enumerate().for_each(|(i, value)| walk(format!("{key}.{i}"), value, found));
        }
        value => drop(found.insert(key, value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn another_setting_is_another_value_of_its_key() {
        let config = load("8gaussians", &[]).unwrap();
        let found = settings(&config).unwrap();
        assert!(found.contains_key("phase.0.level.0.rate") && found.contains_key("data.name") && found.len() > 30);
        let other = load("8gaussians", &["phase.0.level.0.rate=0.125".into()]).unwrap();
        let other = settings(&other).unwrap();
        let mut differ = other.iter().filter(|(key, value)| found.get(*key) != Some(*value));
        assert_eq!(differ.next(), Some((&"phase.0.level.0.rate".to_owned(), &"0.125".to_owned())));
        assert_eq!(differ.next(), None);
    }
}
