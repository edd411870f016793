//! Fills the report of a run.

mod figures;
pub mod live;
mod losses;
mod method;
mod samples;
pub mod side_by_side;
mod tables;

pub(crate) use figures::points;
pub use method::Method;

use self::method::{Headline, Outcome, metrics};
use self::samples::Shown;
use crate::ProgramError;
use crate::config::{self, Config, UnitsConfig};
use crate::evaluation::diagnostics::evaluations;
use crate::evaluation::reference::Reference;
use crate::evaluation::scores::Metric;
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::run::ranks::Ranks;
use crate::run::summary::Summary;
use std::path::PathBuf;
use strait_report::{KeyNumber, Page, Section, significant};

/// Where the page of a run stands, in its folder.
const REPORT: &str = "report";

/// Writes `report/` and returns the path of its page.
///
/// # Errors
/// Those of drawing and of files.
pub fn write(
    folder: &RunFolder,
    config: &Config,
    summary: &Summary,
    methods: &[Method<'_>],
    reference: &Reference,
) -> Result<PathBuf, ProgramError> {
    let units = match config.data.units {
        None if config.data.file.is_some() => "in units that the data's columns propose",
        None | Some(UnitsConfig::Unit) => "in units in which the data have variance 1",
        Some(UnitsConfig::Column) => "in units in which each coordinate of the data has variance 1",
        Some(UnitsConfig::Robust) => "in units in which the quartiles of each coordinate are those of a normal law",
        Some(UnitsConfig::Own) => "in the data's own units",
    };
    let outcomes: Vec<Outcome<'_>> = methods.iter().map(Method::outcome).collect();
    let mut quality = vec![figures::quality(&outcomes, format!("One seed, {}.", reference.name)).draw()?.into()];
    quality.extend(metrics(&outcomes).map(|metric| tables::quality(metric, &outcomes).into()));
    quality.push(tables::straightness(&outcomes, units).into());
    quality.extend(tables::stress(reference.leading(), methods, reference).map(Into::into));
    quality.extend(tables::averages(methods).map(Into::into));
    quality.extend(tables::solvers(methods).map(Into::into));
    quality.push(tables::diagnostics(methods, units).into());
    quality.extend(tables::likelihood(methods, reference).map(Into::into));
    let shown = methods.iter().map(|method| Shown::of(method, reference)).collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<_> = outcomes.iter().copied().zip(&shown).collect();
    let mut samples = samples::samples(&rows, Headline::new(reference), same_source(reference), "data")?;
    for grid in [figures::neighbours(methods, reference), figures::image_trajectories(methods, reference)] {
        samples.extend(grid.map(|grid| grid.draw()).transpose()?.map(Into::into));
    }
    let mut sections = vec![
        Section { heading: "Samples".into(), content: samples },
        Section { heading: "Quality".into(), content: quality },
    ];
    if let Some(first) = methods.first()
        && let Some(figure) = figures::classes(first, reference)?
    {
        let mut content = vec![figure.into()];
        content.extend(tables::classes(methods, reference).map(Into::into));
        sections.push(Section { heading: "Classes".into(), content });
    }
    if methods.iter().any(|method| method.lines.is_some()) {
        sections.push(Section {
            heading: "Paths".into(),
            content: vec![
                "A trajectory of the flow is what the sampler follows; a conditional path is what the velocity was \
                 trained on. The learned paths bend so that the flow need not."
                    .into(),
                figures::flow_lines(methods, reference)?.into(),
                figures::path_lines(methods, reference)?.into(),
            ],
        });
    }
    sections.push(Section {
        heading: "Straightness in time".into(),
        content: vec![figures::profile(&outcomes).draw()?.into()],
    });
    let mut training = vec![];
    if methods.iter().any(|method| !method.measured.summary.levels.is_empty()) {
        training.push(tables::levels(methods).into());
    }
    for method in methods {
        if !method.log.is_empty() {
            training.push(losses::loss(&method.name, method.colour(), &method.log).draw()?.into());
        }
    }
    if !training.is_empty() {
        sections.push(Section { heading: "Training".into(), content: training });
    }
    let page = Page {
        title: summary.run.clone(),
        kicker: format!("Strait · {}", summary.dataset),
        lead: verdict(methods, reference),
        warnings: summary.warnings.clone(),
        key_numbers: key_numbers(methods, reference),
        sections,
        facts: facts(summary, reference),
        command: CommandContext::command(
            &Ranks::default(),
            [
                "train".into(),
                folder.path().join("config.toml").display().to_string(),
                "--device".into(),
                summary.device.clone(),
            ],
        ),
        settings: config::write(config)?,
        refresh: None,
    };
    let report = folder.path().join(REPORT);
    let page = page.write(&report)?;
    shown.first().map_or(Ok(()), |own| own.write(&report))?;
    Ok(page)
}

/// What stands under a figure of samples of methods.
fn same_source(reference: &Reference) -> &'static str {
    match reference.picture {
        Some(_) => {
            "The first samples, at most 25, from the same source points in every cell, none chosen; the real images are of \
             the split that the numbers are measured on."
        }
        None if reference.data.size()[1..] == [2] => "From the same source points in every cell.",
        None => "From the same source points in every cell. The first two coordinates are shown.",
    }
}

fn verdict(methods: &[Method<'_>], reference: &Reference) -> Vec<String> {
    let Some((own, rest)) = methods.split_first() else { return vec![] };
    let counts: Vec<usize> = own.measured.samples.iter().map(|s| s.nfe).collect();
    let (Some(&few), Some(&many)) = (counts.first(), counts.last()) else { return vec![] };
    let headline = Headline::new(reference);
    let at = |method: &Method<'_>, nfe| significant(method.score(headline, nfe));
    let (name, mine) = (headline.name(), own.name());
    let (few_words, many_words) = (evaluations(few), evaluations(many));
    let mut lines = vec![match rest.first() {
        Some(other) => format!(
            "At {few_words} the {mine} path reaches {name} {}, where the {} path of as many gradient steps has {}; at \
             {many_words} it is {} against {}.",
            at(own, few),
            other.name(),
            at(other, few),
            at(own, many),
            at(other, many)
        ),
        None => format!("{name} at {few_words} is {}; at {many_words} it is {}.", at(own, few), at(own, many)),
    }];
    let floor = headline.of(&reference.floor);
    let real = match reference.floor.features {
        Some(found) => format!("{} training images are {floor:.3} away", found.samples),
        None => format!("Two sets of as many real points are {floor:.3} apart"),
    };
    lines.push(format!(
        "{real}: by this number, samples that are as near cannot be told from real ones. One seed; no spread."
    ));
    let guidance = reference.settings.guidance;
    if !guidance.is_none() {
        lines.push(format!(
            "Samples are guided to their condition by a weight of {}: they are of no law that was trained. Straightness and \
             likelihood are those of the velocity itself.",
            guidance.0
        ));
    }
    if headline.0 != Metric::W2 {
        lines.push(
            "W2 itself is in the tables: in this many dimensions it is mostly its sampling floor, and blurred samples lie \
             nearer to all real points than real points do to each other."
                .into(),
        );
    }
    lines
}

fn key_numbers(methods: &[Method<'_>], reference: &Reference) -> Vec<KeyNumber> {
    let Some((own, rest)) = methods.split_first() else { return vec![] };
    let headline = Headline::new(reference);
    let beside = |value: &dyn Fn(&Method<'_>) -> String| {
        rest.first().map(|other| format!("{} {}", other.name(), value(other))).unwrap_or_default()
    };
    let mut numbers: Vec<KeyNumber> = own
        .measured
        .samples
        .iter()
        .map(|sample| sample.nfe)
        .filter(|nfe| [1, 4].contains(nfe))
        .map(|nfe| {
            let value = |method: &Method<'_>| significant(method.score(headline, nfe));
            let floor = format!("floor {}", significant(headline.of(&reference.floor)));
            KeyNumber {
                label: format!("{} at {}", headline.name(), evaluations(nfe)),
                value: value(own),
                note: if rest.is_empty() { floor } else { format!("{} · {floor}", beside(&value)) },
            }
        })
        .collect();
    let s = |method: &Method<'_>| format!("{:.4}", method.measured.summary.straightness.straightness);
    numbers.push(KeyNumber { label: "Straightness S".into(), value: s(own), note: beside(&s) });
    let wall = |method: &Method<'_>| format!("{:.0} s", method.measured.summary.wall_seconds);
    numbers.push(KeyNumber { label: "Training".into(), value: wall(own), note: beside(&wall) });
    numbers
}

fn facts(summary: &Summary, reference: &Reference) -> Vec<(String, String)> {
    let threads = match summary.threads {
        1 => "one thread".to_owned(),
        n => format!("{n} threads"),
    };
    let versions = summary.versions.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>();
    [
        ("Data", summary.dataset.clone()),
        ("Compared with", reference.name.clone()),
        ("Guidance", reference.settings.guidance.0.to_string()),
        ("Seed", summary.seed.to_string()),
        ("Device", format!("{}, {}", summary.device, threads)),
        ("Gradient steps", summary.method.gradient_steps.to_string()),
        ("Parameters", summary.method.parameters.to_string()),
        ("Versions", versions.join(", ")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
