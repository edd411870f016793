//! `features`: the classifier that a data set's samples are compared in, fitted afresh.

use crate::ProgramError;
use crate::config::DATASETS;
use crate::evaluation::classifier::refit;
use crate::run::stdout::print_line;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::PathBuf;

/// Fits the feature map that a data set's samples are compared in.
#[derive(Debug, Args)]
pub struct FeaturesArgs {
    /// Of which data
    #[arg(value_parser = with_classifier())]
    data: String,
}

/// The data sets with a feature map of their own.
fn with_classifier() -> PossibleValuesParser {
    DATASETS.iter().filter(|kind| kind.has_classifier).map(|kind| kind.key).collect::<Vec<_>>().into()
}

/// Runs `features`. Returns the path of the weights.
///
/// # Errors
/// Each one line.
pub fn features(args: &FeaturesArgs) -> Result<PathBuf, ProgramError> {
    let none = || ProgramError::Argument { argument: args.data.clone(), problem: "it has no classifier".into() };
    let kind = DATASETS.iter().find(|kind| kind.has_classifier && kind.key == args.data).ok_or_else(none)?;
    let (weights, said) = refit(kind.name)?.ok_or_else(none)?;
    print_line(&said)?;
    Ok(weights)
}
