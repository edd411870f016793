//! What trainings say of their steps.

use crate::run::metrics::MetricsLine;
use strait_report::{Axis, Chart, Colour, Event, Panel, Series};

/// Lines of the log that a mean is over.
const WINDOW: usize = 9;

/// The log of a training, drawn under a name and in a colour.
pub(super) type Log<'a> = (&'a str, Colour, &'a [MetricsLine]);

/// The losses of one training.
pub(super) fn loss(name: &str, colour: Colour, lines: &[MetricsLine]) -> Chart {
    losses(format!("loss-{name}"), format!("Losses, {name}"), &[("", colour, lines)])
}

/// The losses of trainings together, a panel for each term of each level. The phases of a single one are marked.
pub(super) fn losses(id: String, title: String, logs: &[Log<'_>]) -> Chart {
    let mut names: Vec<(&str, &String)> = vec![];
    for level in logs.iter().flat_map(|(_, _, lines)| *lines).flat_map(|line| &line.levels) {
        for term in level.terms.keys() {
            let key = (level.level.name(), term);
            if !names.contains(&key) {
                names.push(key);
            }
        }
    }
    let events = if let [(_, _, lines)] = logs { phases(lines) } else { vec![] };
    let panel = |&(level, term): &(&str, &String)| {
        let series = |(label, colour, lines): &Log<'_>| {
            let value = |line: &MetricsLine| {
                let found = line.levels.iter().find(|found| found.level.name() == level)?;
                Some((line.step as f64, *found.terms.get(term)?))
            };
            Series::smoothed(*label, *colour, lines.iter().filter_map(value).collect(), WINDOW)
        };
        Panel {
            title: format!("{level}: {}", term.replace('_', " ")),
            x: Axis::linear("iteration"),
            y: Axis::linear(""),
            series: logs.iter().flat_map(series).collect(),
            references: vec![],
            events: events.clone(),
        }
    };
    let panels = names.iter().map(panel).collect();
    Chart { id, title, caption: "Means between log lines, and their mean over nine lines.".into(), panels }
}

/// Where each phase but the first begins.
fn phases(lines: &[MetricsLine]) -> Vec<Event> {
    let begins = |pair: &[MetricsLine]| {
        (pair[1].phase != pair[0].phase).then(|| Event { label: pair[1].phase.clone(), at: pair[0].step as f64 })
    };
    lines.windows(2).filter_map(begins).collect()
}
