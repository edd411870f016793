//! The tables of a run.

use super::figures::{columns, heading, of_whom};
use super::method::{Method, Outcome, counts, floors};
use crate::evaluation::classes::ClassReference;
use crate::evaluation::diagnostics::evaluations;
use crate::evaluation::reference::Reference;
use crate::evaluation::scores::Metric;
use crate::run::summary::{CountSummary, Evaluation, Field, LevelSummary, StepsSummary};
use strait_report::{Better, Cell, Column, Row, Table};

pub(super) fn quality(metric: Metric, outcomes: &[Outcome<'_>]) -> Table {
    let counts = counts(outcomes);
    let row = |outcome: &Outcome<'_>| {
        let shown = |found: &Evaluation| Cell::value(metric.shown(found.value));
        let cells = counts.iter().map(|&nfe| outcome.at(metric, nfe).map_or(Cell::Missing, shown)).collect();
        Row::method(outcome.name, outcome.colour, cells)
    };
    let floor = if metric.is_distance() { "sampling floor" } else { "real points" };
    let floor = |(of, value)| Row::reference(of_whom(floor, of), counts.iter().map(|_| Cell::value(value)).collect());
    let compared = |found: &Evaluation| format!("{} samples against {}; one seed.", found.samples, found.reference);
    let mut notes: Vec<String> = outcomes.iter().flat_map(|outcome| outcome.found(metric)).map(compared).collect();
    notes.dedup();
    Table {
        title: format!("{} by number of evaluations", metric.heading()),
        note: match &notes[..] {
            [note] => note.clone(),
            _ => "Each against real points of its own; one seed.".into(),
        },
        columns: counts.iter().map(|&nfe| Column { label: evaluations(nfe), better: metric.better() }).collect(),
        rows: outcomes.iter().map(row).chain(floors(metric, outcomes).into_iter().map(floor)).collect(),
    }
}

/// The distance of each class to its real points; None where there are no classes.
pub(super) fn classes(methods: &[Method<'_>], reference: &Reference) -> Option<Table> {
    let metric = methods.first()?.measured.summary.classes.first()?.metric.clone();
    let row = |method: &Method<'_>, class: &ClassReference| {
        let own =
            method.measured.samples.iter().map(|sample| sample.classes.iter().find(|own| own.class == class.class));
        let cells = own.map(|found| found.map_or(Cell::Missing, |found| Cell::value(found.value)));
        let cells = cells.chain([Cell::value(class.floor)]).collect();
        Row::method(format!("{}: class {}", method.name(), class.class), method.colour(), cells)
    };
    let mut heads: Vec<Column> =
        columns(methods).into_iter().map(|label| Column { label, better: Better::Neither }).collect();
    heads.push(Column { label: "sampling floor".into(), better: Better::Neither });
    Some(Table {
        title: format!("{} of each class by number of evaluations", heading(&metric)),
        note: format!("Samples under a class against the real points of it, of {}; one seed.", reference.name),
        columns: heads,
        rows: methods.iter().flat_map(|method| reference.classes.iter().map(move |class| row(method, class))).collect(),
    })
}

/// None where no method has a likelihood.
pub(super) fn likelihood(methods: &[Method<'_>], reference: &Reference) -> Option<Table> {
    let found = |method: &&Method<'_>| method.measured.summary.likelihood.is_some();
    let row = |method: &Method<'_>| {
        let found = method.measured.summary.likelihood.as_ref()?;
        let cells = [found.bits_per_dimension, found.nats, found.standard_error, found.probe_error.unwrap_or(0.0)];
        Some(Row::method(method.name(), method.colour(), cells.map(Cell::value).into()))
    };
    let first = methods.iter().find(found)?.measured.summary.likelihood.as_ref()?;
    let heads = [
        ("bits per dimension", Better::Lower),
        ("nats", Better::Lower),
        ("standard error over points", Better::Neither),
        ("of the probes", Better::Neither),
    ];
    Some(Table {
        title: "How likely the flow finds held-out data".into(),
        note: format!(
            "-log p(x) in the data's own units, the mean over {} of {}; {}.",
            first.points, reference.name, first.estimator
        ),
        columns: heads.map(|(label, better)| Column { label: label.into(), better }).into(),
        rows: methods.iter().filter_map(row).collect(),
    })
}

pub(super) fn straightness(outcomes: &[Outcome<'_>], units: &str) -> Table {
    let heads = [
        ("S", Better::Lower),
        ("path energy", Better::Neither),
        ("normalised path energy", Better::Lower),
        ("residual", Better::Lower),
        ("gradient steps", Better::Neither),
        ("seconds", Better::Neither),
    ];
    let row = |outcome: &Outcome<'_>| {
        let (summary, s) = (outcome.summary, &outcome.summary.straightness);
        let cells = [
            s.straightness,
            s.path_energy,
            s.normalised_path_energy,
            s.residual,
            summary.gradient_steps as f64,
            summary.wall_seconds,
        ];
        Row::method(outcome.name, outcome.colour, cells.map(Cell::value).into())
    };
    Table {
        title: "Straightness and cost".into(),
        note: format!("S and the path energy over 100 Euler steps, the residual E|Dv/Dt|² over all of t, {units}."),
        columns: heads.map(|(label, better)| Column { label: label.into(), better }).into(),
        rows: outcomes.iter().map(row).collect(),
    }
}

/// What could be wrong with a flow although its samples are good.
pub(super) fn diagnostics(methods: &[Method<'_>], units: &str) -> Table {
    let heads = [
        "path energy",
        "its lower bound",
        "E|u|²",
        "linear's",
        "99.9% of |u|²",
        "linear's",
        "E|x_tt|²",
        "least log-det",
        "largest log-det",
        "least ESS",
        "of candidates",
    ];
    let row = |method: &Method<'_>| {
        let summary = &method.measured.summary;
        let (s, path) = (&summary.straightness, summary.path.as_ref());
        let log_det = path.and_then(|path| path.log_det);
        let cells = [
            Some(s.path_energy),
            Some(s.transport),
            path.map(|path| path.squared_speed),
            path.map(|path| path.linear_squared_speed),
            path.map(|path| path.squared_speed_tail),
            path.map(|path| path.linear_squared_speed_tail),
            path.map(|path| path.squared_acceleration),
            log_det.map(|(low, _)| low),
            log_det.map(|(_, high)| high),
            summary.ess.effective.iter().copied().reduce(f64::min),
            (summary.ess.candidates > 0).then_some(summary.ess.candidates as f64),
        ];
        let cells = cells.map(|value| value.map_or(Cell::Missing, Cell::value));
        Row::method(method.name(), method.colour(), cells.into())
    };
    Table {
        title: "What the paths do".into(),
        note: format!(
            "All {units}. The lower bound is W2² between source and data, estimated too high in many dimensions; the \
             log-determinants are of a dimension and less those of the linear path; the effective sample size is the \
             least over t of the exact field's candidates."
        ),
        columns: heads.map(|label| Column { label: label.into(), better: Better::Neither }).into(),
        rows: methods.iter().map(row).collect(),
    }
}

/// What training took, level by level.
pub(super) fn levels(methods: &[Method<'_>]) -> Table {
    let row = |method: &Method<'_>, level: &LevelSummary| {
        let cells = [level.gradient_norm, level.seconds, 100.0 * level.share].map(Cell::value);
        Row::method(format!("{}: {}", method.name(), level.level.name()), method.colour(), cells.into())
    };
    let heads = ["last gradient norm", "seconds", "% of all levels"];
    Table {
        title: "Levels".into(),
        note: "The gradient norm is a mean over the last logged iterations, before clipping.".into(),
        columns: heads.map(|label| Column { label: label.into(), better: Better::Neither }).into(),
        rows: methods
            .iter()
            .flat_map(|method| method.measured.summary.levels.iter().map(move |level| row(method, level)))
            .collect(),
    }
}

/// The heading of the metric that a choice was made by.
fn judge(name: &str) -> String {
    Metric::named(name).map_or_else(|| name.to_owned(), Metric::heading)
}

/// The moving averages that a velocity was chosen from; None where there was no choice.
pub(super) fn averages(methods: &[Method<'_>]) -> Option<Table> {
    let found = || methods.iter().filter_map(|method| Some((method, method.measured.summary.average.as_ref()?)));
    let (_, first) = found().next()?;
    let judge = judge(&first.judged_by);
    let row = |method: &Method<'_>, chosen: bool, &(half_life, value): &(f64, f64)| {
        let chosen = if chosen { ", chosen" } else { "" };
        let name = format!("{}: half-life {half_life}{chosen}", method.name());
        Row::method(name, method.colour(), vec![Cell::value(value)])
    };
    Some(Table {
        title: "Moving averages of the velocity".into(),
        note: format!(
            "The geometric mean of {} over the counts of evaluations, against {}; all other numbers are of the chosen one.",
            judge, first.reference
        ),
        columns: vec![Column { label: judge, better: Better::Neither }],
        rows: found()
            .flat_map(|(method, found)| {
                found.averages.iter().map(move |average| row(method, average.0 == found.half_life, average))
            })
            .collect(),
    })
}

/// What each flow map was tried to be followed by at each count of evaluations; None where there was no choice.
pub(super) fn solvers(methods: &[Method<'_>]) -> Option<Table> {
    let found = || methods.iter().filter_map(|method| Some((method, method.measured.summary.solvers.as_ref()?)));
    let (_, first) = found().next()?;
    let judge = judge(&first.judged_by);
    let row = |method: &Method<'_>, count: &CountSummary| {
        let steps = |StepsSummary { solver, power, .. }: &StepsSummary| {
            if *power == 1.0 { solver.clone() } else { format!("{solver}, times (i/n)^{power}") }
        };
        let values = count.tried.iter().map(|tried| {
            Row::method(
                format!("{}: {} at {}", method.name(), steps(tried), count.nfe),
                method.colour(),
                vec![Cell::value(tried.value)],
            )
        });
        values.collect::<Vec<_>>()
    };
    Some(Table {
        title: "By which steps a flow map is followed".into(),
        note: format!(
            "{} against {}, the nearest of each count first: all other numbers of samples are of that.",
            judge, first.reference
        ),
        columns: vec![Column { label: judge, better: Better::Neither }],
        rows: found()
            .flat_map(|(method, found)| found.counts.iter().flat_map(move |count| row(method, count)))
            .collect(),
    })
}

/// What other fields reach on the same paths; None where none was measured.
pub(super) fn stress(metric: Metric, methods: &[Method<'_>], reference: &Reference) -> Option<Table> {
    let summaries = || methods.iter().map(|method| (method, &method.measured.summary));
    summaries().find(|(_, summary)| summary.stress.is_some())?;
    let counts: Vec<usize> = methods.first()?.measured.samples.iter().map(|sample| sample.nfe).collect();
    let row = |method: &Method<'_>, field: Field, found: &[Evaluation]| {
        let at = |nfe: &usize| found.iter().find(|e| e.metric == metric.name() && e.nfe == *nfe);
        let cell = |nfe| at(nfe).map_or(Cell::Missing, |e| Cell::value(metric.shown(e.value)));
        let name = match field {
            Field::Own => "own velocity",
            Field::Stress => "larger velocity",
            Field::Exact => "exact field",
            Field::Map => "map alone",
        };
        Row::method(format!("{}: {name}", method.name()), method.colour(), counts.iter().map(cell).collect())
    };
    Some(Table {
        title: format!("{} on the same paths by other fields", metric.heading()),
        note: format!(
            "A larger velocity, trained afresh on each path as it is, and the exact field over training points, by Euler \
             steps; against {}.",
            reference.name
        ),
        columns: columns(methods).into_iter().map(|label| Column { label, better: Better::Neither }).collect(),
        rows: summaries()
            .flat_map(|(method, summary)| summary.by_field().map(move |(field, found)| row(method, field, found)))
            .collect(),
    })
}
