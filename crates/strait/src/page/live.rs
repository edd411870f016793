//! The page of a run while it trains: what its folder holds so far.

use super::losses::loss;
use super::method::colour_of;
use crate::ProgramError;
use crate::config::{Config, InterpolantConfig};
use crate::run::folder::RunFolder;
use crate::run::metrics::{self, MetricsLine};
use std::fs;
use std::path::PathBuf;
use strait_report::{Content, KeyNumber, Page, Picture, Section, significant};

/// Seconds after which a browser loads the page anew.
const REFRESH: u32 = 5;

/// A training of a run: its teacher's, its own, or its baseline's.
pub struct LiveTraining {
    /// Its name: `teacher`, `learned`, `linear`, ...
    pub name: String,
    /// Where its log lies.
    pub folder: RunFolder,
    /// Whether its path is the linear one.
    pub is_linear: bool,
    /// Iterations of the whole training.
    pub total: u64,
}

impl LiveTraining {
    /// Of `config`, in `folder`.
    pub fn new(name: &str, config: &Config, folder: RunFolder) -> Self {
        let is_linear = config.interpolant == InterpolantConfig::Linear;
        Self { name: name.to_owned(), folder, is_linear, total: config.iterations() }
    }
}

/// A run that is not finished.
pub struct Live {
    /// Its folder.
    pub folder: RunFolder,
    /// Its data set, named in full.
    pub dataset: String,
    /// Its trainings, in the order in which they are taken.
    pub parts: Vec<LiveTraining>,
    /// The command that resumes it.
    pub resume_command: String,
}

/// Where a run stands.
#[derive(Clone, Copy)]
pub enum LiveState<'a> {
    /// It trains.
    Trains,
    /// It is trained, and is measured.
    Measures,
    /// It stopped, and why.
    Stopped(&'a str),
}

impl Live {
    /// Writes the page where the report will stand, and returns its path. It loads itself anew until the run stops; the report
    /// takes its place.
    ///
    /// # Errors
    /// Those of drawing and of files.
    pub fn write(&self, state: LiveState<'_>) -> Result<PathBuf, ProgramError> {
        let mut page = Page {
            title: self.folder.name(),
            kicker: format!("Strait · {}", self.dataset),
            command: self.resume_command.clone(),
            refresh: Some(REFRESH),
            ..Page::default()
        };
        let mut charts: Vec<Content> = vec![];
        for part in &self.parts {
            let log = metrics::read(&part.folder)?;
            let Some(last) = log.last() else { continue };
            page.lead.push(progress(part, &log, last));
            if last.step < part.total {
                page.key_numbers = key_numbers(part, last);
            }
            charts.push(loss(&part.name, colour_of(part.is_linear), &log).draw()?.into());
        }
        match state {
            LiveState::Trains if charts.is_empty() => page.lead.push("It has not logged a step yet.".into()),
            LiveState::Trains => {}
            LiveState::Measures => page.lead.push("It is trained, and is being measured.".into()),
            LiveState::Stopped(why) => {
                page.warnings.push(why.to_owned());
                page.refresh = None;
            }
        }
        for (heading, content) in [("Samples", self.newest_samples().into_iter().collect()), ("Training", charts)] {
            if !content.is_empty() {
                page.sections.push(Section { heading: heading.into(), content });
            }
        }
        Ok(page.write(&self.folder.path().join(super::REPORT))?)
    }

    /// The last picture that a training of images has drawn of its samples.
    fn newest_samples(&self) -> Option<Content> {
        let entries = fs::read_dir(self.folder.path().join("samples")).ok()?.flatten().map(|entry| entry.path());
        let step = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let (step, path) = entries.filter_map(|path| Some((step(&path)?, path))).max()?;
        let title = format!("After {step} iterations");
        let alt = "A grid of samples, from the same source points in each picture of this run".into();
        Some(Picture { title, alt, png: fs::read(path).ok()? }.into())
    }
}

/// Where a training stands, in a sentence.
fn progress(part: &LiveTraining, log: &[MetricsLine], last: &MetricsLine) -> String {
    let (name, total, seconds) = (&part.name, part.total, last.wall_seconds);
    if last.step >= total {
        return format!("{name}: {total} iterations, in {seconds:.0} s.");
    }
    // At the pace of this phase.
    let begin = log.iter().rev().take_while(|line| line.phase == last.phase).last().unwrap_or(last);
    let pace = (last.wall_seconds - begin.wall_seconds) / (last.step - begin.step).max(1) as f64;
    let left =
        if pace > 0.0 { format!(", about {:.0} s left", pace * (total - last.step) as f64) } else { String::new() };
    format!("{name}: iteration {} of {total}, phase {}, {seconds:.0} s so far{left}.", last.step, last.phase)
}

fn key_numbers(part: &LiveTraining, last: &MetricsLine) -> Vec<KeyNumber> {
    let done = 100.0 * last.step as f64 / part.total.max(1) as f64;
    let done = KeyNumber { label: part.name.clone(), value: format!("{done:.0} %"), note: last.phase.clone() };
    let terms = last.levels.iter().flat_map(|level| {
        level.terms.iter().map(|(term, value)| KeyNumber {
            label: term.replace('_', " "),
            value: significant(*value),
            note: level.level.name().into(),
        })
    });
    [done].into_iter().chain(terms).collect()
}
