//! `inspect`: a look at the columns of a file before anything is trained on it.

use crate::ProgramError;
use crate::build;
use crate::config::{ArraysConfig, DataConfig};
use crate::run::stdout::print_line;
use clap::Args;
use std::path::PathBuf;
use strait_data::columns::Look;
use strait_data::inspect as look_at;
use tracing::info;

/// Looks at the columns of an .npy or .npz file.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file
    file: PathBuf,
    /// The array to look at [default: the training points, or those that are split]
    #[arg(long)]
    array: Option<String>,
}

/// Runs `inspect`.
///
/// # Errors
/// Those of the file.
pub fn inspect(args: &InspectArgs) -> Result<(), ProgramError> {
    let arrays = build::arrays(&ArraysConfig { data: args.array.clone(), ..ArraysConfig::default() });
    let look = look_at(&args.file, &arrays).map_err(|error| build::of_file(error, &args.file))?;
    print_line(&look.to_string())
}

/// The lines of a look before a training: shape, what is refused or worth knowing, and what is proposed.
const LINES: usize = 12;

/// Says in a few lines what a file holds that is trained on; of data with a name there is nothing to say.
///
/// # Errors
/// Those of the file.
pub(super) fn say_look(data: &DataConfig) -> Result<(), ProgramError> {
    let Some(file) = &data.file else { return Ok(()) };
    let arrays = build::arrays(&data.arrays);
    let look = look_at(file, &arrays).map_err(|error| build::of_file(error, file))?;
    let unused = arrays.passed_over(file, data.condition.as_deref()).map_err(|error| build::of_file(error, file))?;
    if !unused.is_empty() {
        info!("arrays of it that are not used: {}", unused.join(", "));
    }
    brief(&look).iter().for_each(|line| info!("{line}"));
    Ok(())
}

fn brief(look: &Look) -> Vec<String> {
    let mut lines =
        vec![format!("{} rows of shape {:?}, numbers of type {}", look.rows, look.event, look.element.descr())];
    if look.every > 1 {
        lines.push(format!("it stays in its file, and one row in {} is looked at", look.every));
    }
    lines.extend(look.not_read());
    for column in &look.columns {
        let findings: Vec<String> = column.findings(look.rows / look.every).iter().map(ToString::to_string).collect();
        if !findings.is_empty() {
            lines.push(format!("column {}: {}", column.index, findings.join(", ")));
        }
    }
    let more = lines.len().saturating_sub(LINES);
    lines.truncate(LINES);
    if more > 0 {
        lines.push(format!("and {more} columns more; `cargo xtask inspect` shows them"));
    }
    lines.push(format!("its columns propose {}", look.proposal()));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    /// What is proposed is taken, and is what would be chosen.
    #[test]
    fn each_proposal_is_a_setting_of_the_config() {
        let normal = Tensor::from_slice(&[0.3, -1.2, 0.7, 2.1, -0.4, 0.1, -0.9, 1.4]).view([8, 1]);
        let heavy = Tensor::from_slice(&[0.3, -1.2, 0.7, 40.0, -0.4, 0.1, -0.9, 1.4]).view([8, 1]);
        let whole = Tensor::from_slice(&[3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]).view([8, 1]);
        let mut seen = vec![];
        for columns in [vec![&normal], vec![&normal, &whole], vec![&heavy], vec![&whole]] {
            for factor in [1.0, 1000.0] {
                let first = columns[0] * factor;
                let all: Vec<&Tensor> = std::iter::once(&first).chain(columns.iter().copied()).collect();
                let look = Look::of(&Tensor::cat(&all, 1), strait_io::Element::F64).unwrap();
                let shown = look.to_string();
                let proposed = shown.lines().last().unwrap().strip_prefix("proposed: ").unwrap();
                let text = format!("file = 'x.npy'\n{}", proposed.replace(", ", "\n"));
                let config: DataConfig = toml::from_str(&text).unwrap_or_else(|error| panic!("{proposed}: {error}"));
                assert_eq!(config.units.map(build::scaling), Some(look.scaling()), "{proposed}");
                assert_eq!(config.dequantise, look.is_whole(), "{proposed}");
                assert!(brief(&look).last().unwrap().ends_with(proposed));
                // One word for each: what is written is what was read.
                let written = toml::to_string(&config).unwrap();
                assert!(
                    written.contains(&proposed.replace(", ", "\n").lines().next().unwrap().to_owned()),
                    "{written}"
                );
                seen.push(proposed.to_owned());
            }
        }
        seen.sort();
        seen.dedup();
        assert!(seen.len() > 3, "{seen:?}");
    }

    /// Lines of 30 columns: so many whole ones first, the rest measured.
    fn lines(whole: i64) -> Vec<String> {
        let x = Tensor::arange(3000, (Kind::Double, Device::Cpu)).view([100, 30]);
        let x = x.remainder(37.0);
        let mut measured = x.narrow(1, whole, 30 - whole);
        measured += 0.25;
        brief(&Look::of(&x, strait_io::Element::F64).unwrap())
    }

    #[test]
    fn a_look_before_a_training_is_short_and_says_what_it_leaves_out() {
        assert_eq!(lines(0), ["100 rows of shape [30], numbers of type <f8", "its columns propose units = \"unit\""]);
        let some = lines(3);
        assert_eq!(some.len(), 5, "{some:?}");
        assert_eq!((some[1].as_str(), some[3].as_str()), ("column 0: whole numbers", "column 2: whole numbers"));
        let many = lines(29);
        assert_eq!(many.len(), LINES + 2, "{many:?}");
        assert_eq!(many[LINES - 1], "column 10: whole numbers");
        assert_eq!(many[LINES], "and 18 columns more; `cargo xtask inspect` shows them");
        assert_eq!(many[LINES + 1], "its columns propose units = \"unit\"", "one column is measured");
        assert_eq!(lines(30).last().unwrap(), "its columns propose units = \"unit\", dequantise = true");
    }
}
