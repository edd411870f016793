//! Fills the report of a run.

mod figures;
mod tables;

pub(crate) use figures::points;

use crate::measure::{Measured, Reference};
use crate::report::{Colour, KeyNumber, Page, Section};
use crate::setting::Setting;
use crate::summary::Summary;
use crate::track::Track;
use crate::{ProgramError, config};
use std::path::PathBuf;

/// One method of the report, the run's own first.
pub struct Method<'a> {
    /// Its training.
    pub track: &'a Track<'a>,
    /// What was measured.
    pub measured: &'a Measured,
}

impl Method<'_> {
    fn name(&self) -> &str {
        &self.track.name
    }

    /// Linear has one colour in every report, whatever stands beside it.
    fn colour(&self) -> Colour {
        Colour::of(usize::from(self.name() != "linear"))
    }

    fn w2(&self, nfe: usize) -> Option<f64> {
        self.measured.samples.iter().find(|s| s.nfe == nfe).map(|s| s.distances.w2)
    }
}

/// Writes `report/` and returns the path of its page.
///
/// # Errors
/// Those of drawing and of files.
pub fn write(
    setting: &Setting<'_>,
    summary: &Summary,
    methods: &[Method<'_>],
    reference: &Reference,
) -> Result<PathBuf, ProgramError> {
    let mut sections = vec![
        Section { heading: "Samples".into(), content: vec![figures::samples(setting, methods, reference)?.into()] },
        Section {
            heading: "Quality".into(),
            content: vec![
                figures::quality(methods, reference).draw()?.into(),
                tables::table(methods, reference).into(),
                tables::straightness(methods).into(),
            ],
        },
    ];
    if reference.data.size()[1..] == [2] {
        sections.push(Section {
            heading: "Paths".into(),
            content: vec![
                "A trajectory of the flow is what the sampler follows; a conditional path is what the velocity was \
                 trained on. The learned paths bend so that the flow need not."
                    .into(),
                figures::flow_lines(setting, methods, reference)?.into(),
                figures::path_lines(setting, methods, reference)?.into(),
            ],
        });
    }
    sections.push(Section {
        heading: "Straightness in time".into(),
        content: vec![figures::profile(methods).draw()?.into()],
    });
    let mut losses = vec![];
    for method in methods {
        losses.push(figures::loss(method, &method.track.read_metrics()?).draw()?.into());
    }
    sections.push(Section { heading: "Training".into(), content: losses });
    let page = Page {
        title: summary.run.clone(),
        kicker: format!("Strait · {}", summary.dataset),
        lead: verdict(methods, reference),
        warnings: warnings(methods),
        key_numbers: key_numbers(methods, reference),
        sections,
        facts: facts(summary, reference),
        command: format!(
            "cargo xtask train {} --device {}",
            setting.folder.path().join("config.toml").display(),
            summary.device
        ),
        settings: config::write(setting.config)?,
    };
    Ok(page.write(&setting.folder.path().join("report"))?)
}

fn verdict(methods: &[Method<'_>], reference: &Reference) -> Vec<String> {
    let Some((own, rest)) = methods.split_first() else { return vec![] };
    let counts: Vec<usize> = own.measured.samples.iter().map(|s| s.nfe).collect();
    let (Some(&few), Some(&many)) = (counts.first(), counts.last()) else { return vec![] };
    let at = |method: &Method<'_>, nfe| method.w2(nfe).unwrap_or(f64::NAN);
    let mut lines = vec![match rest.first() {
        Some(other) => format!(
            "At {} the {} path reaches W2 {:.3}, where the {} path of as many gradient steps has {:.3}; at {} it is {:.3} \
             against {:.3}.",
            evaluations(few),
            own.name(),
            at(own, few),
            other.name(),
            at(other, few),
            evaluations(many),
            at(own, many),
            at(other, many)
        ),
        None => format!(
            "At {} W2 is {:.3}; at {} it is {:.3}.",
            evaluations(few),
            at(own, few),
            evaluations(many),
            at(own, many)
        ),
    }];
    lines.push(format!(
        "Two sets of as many real points are {:.3} apart: no sampler can be expected below that. One seed; no spread.",
        reference.floor.w2
    ));
    lines
}

/// What a reader must know before believing the numbers.
fn warnings(methods: &[Method<'_>]) -> Vec<String> {
    let Some((own, rest)) = methods.split_first() else { return vec![] };
    let mut lines = vec![];
    for other in rest {
        for sample in &own.measured.samples {
            let theirs = other.w2(sample.nfe).unwrap_or(f64::INFINITY);
            if sample.distances.w2 > 1.1 * theirs {
                lines.push(format!(
                    "At {} the {} path is worse than the {} one: W2 {:.3} against {theirs:.3}.",
                    evaluations(sample.nfe),
                    own.name(),
                    other.name(),
                    sample.distances.w2
                ));
            }
        }
        let residual = |method: &Method<'_>| method.measured.summary.straightness.residual;
        if residual(own) > residual(other) {
            lines.push(format!(
                "The {} flow is not straighter over all of t: residual {:.3} against {:.3}.",
                own.name(),
                residual(own),
                residual(other)
            ));
        }
    }
    lines
}

fn key_numbers(methods: &[Method<'_>], reference: &Reference) -> Vec<KeyNumber> {
    let Some((own, rest)) = methods.split_first() else { return vec![] };
    let beside = |text: String| rest.first().map(|other| format!("{} {text}", other.name())).unwrap_or_default();
    let mut numbers: Vec<KeyNumber> = own
        .measured
        .samples
        .iter()
        .filter(|sample| [1, 4].contains(&sample.nfe))
        .map(|sample| {
            let theirs = rest.first().and_then(|other| other.w2(sample.nfe)).unwrap_or(f64::NAN);
            KeyNumber {
                label: format!("W2 at {}", evaluations(sample.nfe)),
                value: format!("{:.3}", sample.distances.w2),
                note: format!("{} · floor {:.3}", beside(format!("{theirs:.3}")), reference.floor.w2),
            }
        })
        .collect();
    let s = |method: &Method<'_>| method.measured.summary.straightness.straightness;
    let theirs = rest.first().map_or(f64::NAN, s);
    numbers.push(KeyNumber {
        label: "Straightness S".into(),
        value: format!("{:.4}", s(own)),
        note: beside(format!("{theirs:.4}")),
    });
    let wall = |method: &Method<'_>| method.measured.summary.wall_seconds;
    let theirs = rest.first().map_or(f64::NAN, wall);
    numbers.push(KeyNumber {
        label: "Training".into(),
        value: format!("{:.0} s", wall(own)),
        note: beside(format!("{theirs:.0} s")),
    });
    numbers
}

fn facts(summary: &Summary, reference: &Reference) -> Vec<(String, String)> {
    let versions = summary.versions.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>();
    [
        ("Data", summary.dataset.clone()),
        ("Compared with", reference.name.clone()),
        ("Seed", summary.seed.to_string()),
        ("Device", format!("{}, {} threads", summary.device, summary.threads)),
        ("Gradient steps", summary.method.gradient_steps.to_string()),
        ("Parameters", summary.method.parameters.to_string()),
        ("Versions", versions.join(", ")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn evaluations(nfe: usize) -> String {
    if nfe == 1 { "1 evaluation".into() } else { format!("{nfe} evaluations") }
}
