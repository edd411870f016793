//! Keys beside a name that takes none: serde passes them over where it reads such a name in a table with a tag.

use super::{CouplingConfig, InterpolantConfig, MapConfig, ObjectiveConfig, SourceConfig};
use serde::de::DeserializeOwned;
use strait_optim::Times;
use toml::{Table, Value};

/// A key that its table has no use for.
#[derive(Debug, PartialEq)]
pub(super) struct Unused {
    /// Where it stands, as `--set` would name it.
    pub(super) path: String,
    /// The key alone.
    pub(super) key: String,
    /// The name that takes none.
    name: String,
}

impl Unused {
    /// What is wrong, in words.
    pub(super) fn problem(&self) -> String {
        format!("unknown key `{}`; `{}` takes none", super::error::brief(&self.key), self.name)
    }
}

/// All of a config.
pub(super) fn unused(config: &Table) -> Vec<Unused> {
    let mut found = vec![];
    config.iter().for_each(|(key, value)| visit(key, key, value, &mut found));
    found
}

fn visit(at: &str, key: &str, value: &Value, found: &mut Vec<Unused>) {
    match value {
        Value::Table(table) => {
            if let Some((tag, name)) = takes_none(key, table) {
                let others = table.keys().filter(|other| *other != tag);
                found.extend(others.map(|key| Unused {
                    path: format!("{at}.{key}"),
                    key: key.clone(),
                    name: name.clone(),
                }));
            }
            table.iter().for_each(|(key, value)| visit(&format!("{at}.{key}"), key, value, found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| visit(&format!("{at}.{i}"), key, item, found));
        }
        _ => {}
    }
}

/// The tag of a table of this key, and its name where that takes no keys.
fn takes_none(key: &str, table: &Table) -> Option<(&'static str, String)> {
    let (tag, reads): (_, fn(Table) -> bool) = match key {
        "source" => ("name", reads::<SourceConfig>),
        "coupling" => ("name", reads::<CouplingConfig>),
        "interpolant" | "base" => ("family", reads::<InterpolantConfig>),
        "map" => ("kind", reads::<MapConfig>),
        "objective" => ("name", reads::<ObjectiveConfig>),
        "times" => ("law", reads::<Times>),
        _ => return None,
    };
    let name = table.get(tag)?.as_str()?.to_owned();
    let nonsense = [(tag, name.as_str()), ("?", "")].map(|(key, value)| (key.to_owned(), Value::String(value.into())));
    reads(nonsense.into_iter().collect()).then_some((tag, name))
}

fn reads<T: DeserializeOwned>(table: Table) -> bool {
    T::deserialize(table).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{COUPLINGS, FAMILIES, OBJECTIVES, PRESETS};

    fn paths(text: &str) -> Vec<String> {
        unused(&text.parse().unwrap()).into_iter().map(|unused| unused.path).collect()
    }

    #[test]
    fn a_name_without_keys_takes_none_wherever_it_stands() {
        let text = "source = { name = 'normal', nois = 1 }\n\
                    coupling = { name = 'reflow', teacher = { coupling = { name = 'ot', batch = 3 } } }\n\
                    interpolant = { family = 'residual', base = { family = 'linear', power = 2.0 } }\n\
                    [[phase]]\n\
                    [[phase.level]]\n\
                    times = { law = 'uniform', mean = 1.0 }\n\
                    objective = { name = 'flow_matching', power = 1.0 }\n\
                    plus = [{ objective = { name = 'transport_cost', step = 1 } }]\n";
        assert_eq!(
            paths(text),
            [
                "coupling.teacher.coupling.batch",
                "interpolant.base.power",
                "phase.0.level.0.objective.power",
                "phase.0.level.0.plus.0.objective.step",
                "phase.0.level.0.times.mean",
                "source.nois"
            ]
        );
        let first = &unused(&text.parse().unwrap())[0];
        assert_eq!(first.problem(), "unknown key `batch`; `ot` takes none");
    }

    /// No key that a name takes is refused, nor one of a preset; each name of the tables is tried.
    #[test]
    fn keys_that_are_taken_are_left_alone() {
        for (name, text) in PRESETS {
            assert!(paths(text).is_empty(), "{name}: {:?}", paths(text));
        }
        let names = COUPLINGS.iter().map(|row| ("coupling", "name", row.name));
        let names = names.chain(FAMILIES.iter().map(|row| ("interpolant", "family", row.name)));
        let names = names.chain(OBJECTIVES.iter().map(|row| ("objective", "name", row.name)));
        let mut without = vec![];
        for (table, tag, name) in names {
            if !paths(&format!("{table} = {{ {tag} = '{name}', nonsense = 1 }}")).is_empty() {
                without.push(name);
            }
        }
        for name in ["independent", "ot", "linear", "trigonometric", "flow_matching", "lagrangian_distillation"] {
            assert!(without.contains(&name), "{name}: {without:?}");
        }
        for name in ["pool", "conditional_ot", "power", "glow", "mean_flow", "energy"] {
            assert!(!without.contains(&name), "{name}: {without:?}");
        }
    }
}
