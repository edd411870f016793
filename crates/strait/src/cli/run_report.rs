//! What `train` and `evaluate` leave of a measured run: its summary and its report.

use crate::ProgramError;
use crate::config::{Config, InterpolantConfig};
use crate::evaluation::gallery::gallery;
use crate::evaluation::measure::{Measured, write_summary};
use crate::evaluation::planar_lines::planar_lines;
use crate::evaluation::reference::Reference;
use crate::page::{self, Method};
use crate::run::metrics;
use crate::run::summary::Summary;
use crate::training::context::RunContext;
use crate::training::training_run::TrainingRun;
use std::path::PathBuf;

/// A training and what was measured of it.
pub(super) type Found<'a> = (&'a TrainingRun<'a>, &'a Measured);

/// Writes `summary.json` and the report of a run, beside its baseline where there is one. Returns the summary and the path of
/// the report.
///
/// # Errors
/// Those of measuring, of drawing and of files.
pub(super) fn write_report(
    context: &RunContext,
    own: Found<'_>,
    baseline: Option<Found<'_>>,
    reference: &Reference,
) -> Result<(Summary, PathBuf), ProgramError> {
    let summary = write_summary(context, own.0, own.1, baseline.map(|(_, measured)| measured), reference)?;
    let mut methods = vec![method(context, own, reference)?];
    methods.extend(baseline.map(|found| method(context, found, reference)).transpose()?);
    let config = Config { evaluate: reference.settings.clone(), ..own.0.config.clone() };
    let page = page::write(&own.0.folder, &config, &summary, &methods, reference)?;
    Ok((summary, page))
}

fn method<'a>(
    context: &RunContext,
    (run, measured): Found<'a>,
    reference: &Reference,
) -> Result<Method<'a>, ProgramError> {
    Ok(Method {
        name: run.name.clone(),
        is_linear: run.config.interpolant == InterpolantConfig::Linear,
        log: metrics::read(&run.folder)?,
        lines: planar_lines(context, measured, reference)?,
        gallery: gallery(context, measured, reference)?,
        measured,
    })
}
