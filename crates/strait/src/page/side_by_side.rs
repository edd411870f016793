//! Finished runs on one page, drawn of what their folders hold.

use super::losses::{Log, losses};
use super::method::{Headline, Outcome, metrics};
use super::samples::{Row as Samples, Shown, samples};
use super::{REPORT, figures, tables};
use crate::ProgramError;
use crate::config::{self, Config};
use crate::evaluation::diagnostics::evaluations;
use crate::evaluation::scores::Metric;
use crate::run::folder::RunFolder;
use crate::run::metrics::{self, MetricsLine};
use crate::run::summary::{SUMMARY, Summary};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use strait_report::{Better, Cell, Colour, Column, Content, Page, Row, Section, Table};

/// A finished run.
pub struct Run {
    name: String,
    config: Config,
    summary: Summary,
    log: Vec<MetricsLine>,
    /// None of a report from before samples were kept.
    shown: Option<Shown>,
}

impl Run {
    /// Reads what the run's folder holds, to be shown under `name`.
    ///
    /// # Errors
    /// `Run` where it was not measured; `Damaged` and those of files.
    pub fn read(name: String, folder: &RunFolder) -> Result<Self, ProgramError> {
        let path = folder.path();
        let missing = || {
            let problem = format!("it is not measured yet; `cargo xtask evaluate {}` does that", path.display());
            ProgramError::Run { path: path.to_owned(), problem }
        };
        Ok(Self {
            name,
            config: folder.config()?,
            summary: folder.read_json(SUMMARY)?.ok_or_else(missing)?,
            log: metrics::read(folder)?,
            shown: Shown::read(&path.join(REPORT))?,
        })
    }

    /// Why it cannot stand beside another run: its points have another shape.
    pub fn refuses(&self, other: &Self) -> Option<String> {
        let (own, others) = (&self.summary.event, &other.summary.event);
        let known = !own.is_empty() && !others.is_empty();
        (known && own != others).then(|| {
            format!(
                "its points have shape {own:?}, and those of {} {others:?}; name runs on data of one shape",
                other.name
            )
        })
    }

    fn outcome(&self, place: usize) -> Outcome<'_> {
        Outcome { name: &self.name, colour: Colour::of(place), summary: &self.summary.method }
    }

    fn headline(&self) -> Headline {
        Headline(Metric::named(&self.summary.judged_by).unwrap_or(Metric::W2))
    }

    /// What it reached, and for how much.
    fn sentence(&self, place: usize) -> String {
        let (headline, method) = (self.headline(), &self.summary.method);
        let reached: Vec<String> = self
            .outcome(place)
            .found(headline.0)
            .map(|found| format!("{} at {}", headline.note(found), evaluations(found.nfe)))
            .collect();
        format!("{}: {}, after {:.0} s of training.", self.name, reached.join(", "), method.wall_seconds)
    }
}

/// Writes the page of these runs into `folder`, and returns its path.
///
/// # Errors
/// Those of drawing and of files.
pub fn write(folder: &Path, command: String, runs: &[Run]) -> Result<PathBuf, ProgramError> {
    let outcomes: Vec<Outcome<'_>> = runs.iter().enumerate().map(|(place, run)| run.outcome(place)).collect();
    let mut quality: Vec<Content> = vec![];
    if metrics(&outcomes).any(Metric::is_distance) {
        quality.push(figures::quality(&outcomes, "One seed each.".into()).draw()?.into());
    }
    quality.extend(metrics(&outcomes).map(|metric| tables::quality(metric, &outcomes).into()));
    quality.push(tables::straightness(&outcomes, "each in the units of its own run").into());
    let logs: Vec<Log<'_>> =
        outcomes.iter().zip(runs).map(|(outcome, run)| (outcome.name, outcome.colour, &run.log[..])).collect();
    let losses = losses("losses".into(), "Losses".into(), &logs);
    let training = if losses.panels.is_empty() { vec![] } else { vec![losses.draw()?.into()] };
    let profile = figures::profile(&outcomes).draw()?.into();
    let sections = [
        ("What differs", vec![settings(runs)?.into()]),
        ("Samples", shown(runs, &outcomes)?),
        ("Quality", quality),
        ("Straightness in time", vec![profile]),
        ("Training", training),
    ];
    let section = |(heading, content): (&str, Vec<Content>)| Section { heading: heading.into(), content };
    let page = Page {
        title: runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>().join(" beside "),
        kicker: "Strait · runs side by side".into(),
        lead: runs.iter().enumerate().map(|(place, run)| run.sentence(place)).collect(),
        warnings: warnings(runs),
        sections: sections.into_iter().filter(|(_, content)| !content.is_empty()).map(section).collect(),
        command,
        ..Page::default()
    };
    Ok(page.write(folder)?)
}

/// The samples of the runs whose folders hold them, and which do not.
fn shown(runs: &[Run], outcomes: &[Outcome<'_>]) -> Result<Vec<Content>, ProgramError> {
    let all: Vec<Samples<'_>> =
        outcomes.iter().zip(runs).filter_map(|(outcome, run)| Some((*outcome, run.shown.as_ref()?))).collect();
    let mut content = vec![];
    if let Some((first, own)) = all.first() {
        let (rows, others): (Vec<_>, Vec<_>) = all.iter().partition(|(_, shown)| shown.fits(own));
        let same = runs.iter().all(|run| run.summary.dataset == runs[0].summary.dataset);
        let data = if same { "data".to_owned() } else { format!("data of {}", first.name) };
        let headline = runs[0].headline();
        content = samples(&rows, headline, "The first samples of each run, none chosen.", &data)?;
        let left_out = others.iter().map(|(outcome, _)| {
            format!("The samples of {} are shown in another way than those of {}.", outcome.name, first.name)
        });
        content.extend(left_out.map(Content::Text));
    }
    let older = runs.iter().filter(|run| run.shown.is_none()).map(|run| {
        format!(
            "The report of {} is of a version that kept no samples; `cargo xtask evaluate` writes it anew.",
            run.name
        )
    });
    content.extend(older.map(Content::Text));
    Ok(content)
}

/// Why numbers may not be comparable, and what the runs' own say against them.
fn warnings(runs: &[Run]) -> Vec<String> {
    let differ = |what: &str, of: &dyn Fn(&Run) -> String| {
        let each: Vec<String> = runs.iter().map(of).collect();
        each.iter().any(|found| *found != each[0]).then(|| {
            let each: Vec<String> =
                runs.iter().zip(&each).map(|(run, found)| format!("{} {found}", run.name)).collect();
            format!("The runs differ in {what}, and their numbers are not comparable: {}.", each.join("; "))
        })
    };
    let compared = |run: &Run| {
        let first = run.summary.method.evaluations.first();
        first.map_or_else(String::new, |found| format!("{} samples against {}", found.samples, found.reference))
    };
    let own = |run: &Run| run.summary.warnings.iter().map(|line| format!("{}: {line}", run.name)).collect::<Vec<_>>();
    let data = differ("their data", &|run| run.summary.dataset.clone());
    // The points that samples are compared with name their data.
    let measured = data.is_none().then(|| differ("what they are compared with", &compared)).flatten();
    data.into_iter().chain(measured).chain(runs.iter().flat_map(own)).collect()
}

/// The settings in which the runs differ.
fn settings(runs: &[Run]) -> Result<Table, ProgramError> {
    let each: Vec<BTreeMap<String, String>> =
        runs.iter().map(|run| config::settings(&run.config)).collect::<Result<_, _>>()?;
    let mut keys: BTreeSet<&String> = each.iter().flat_map(BTreeMap::keys).collect();
    keys.retain(|key| each.iter().any(|settings| settings.get(*key) != each[0].get(*key)));
    let row = |key: &&String| {
        let value = |settings: &BTreeMap<String, String>| settings.get(*key).cloned().map_or(Cell::Missing, Cell::Text);
        Row::reference(key.as_str(), each.iter().map(value).collect())
    };
    let same = if keys.is_empty() { "All settings are the same." } else { "All other settings are the same." };
    Ok(Table {
        title: "Settings".into(),
        note: same.into(),
        columns: runs.iter().map(|run| Column { label: run.name.clone(), better: Better::Neither }).collect(),
        rows: keys.iter().map(row).collect(),
    })
}
