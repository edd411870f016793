//! The tables of a run.

use super::Method;
use super::figures::columns;
use crate::measure::Reference;
use crate::report::{Better, Cell, Column, Row, Table};
use crate::scores::{Metric, Scores};

pub(super) fn quality(metric: Metric, methods: &[Method<'_>], reference: &Reference) -> Table {
    let cell = |scores: &Scores| metric.of(scores).map_or(Cell::Missing, |(value, _)| Cell::value(metric.shown(value)));
    let row = |method: &Method<'_>| {
        let cells = method.measured.samples.iter().map(|s| cell(&s.scores)).collect();
        Row::method(method.name(), method.colour(), cells)
    };
    let mut rows: Vec<Row> = methods.iter().map(row).collect();
    let floor = if metric.is_distance() { "sampling floor" } else { "real points" };
    rows.push(Row::reference(floor, columns(methods).iter().map(|_| cell(&reference.floor)).collect()));
    let first = methods.first().and_then(|method| method.measured.samples.first());
    let count = first.and_then(|sample| metric.of(&sample.scores)).map_or(0, |(_, samples)| samples);
    Table {
        title: format!("{} by number of evaluations", metric.heading()),
        note: format!("{count} samples against {}; one seed.", reference.name),
        columns: columns(methods).into_iter().map(|label| Column { label, better: metric.better() }).collect(),
        rows,
    }
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

pub(super) fn straightness(methods: &[Method<'_>]) -> Table {
    let heads = [
        ("S", Better::Lower),
        ("path energy", Better::Neither),
        ("normalised path energy", Better::Lower),
        ("residual", Better::Lower),
        ("gradient steps", Better::Neither),
        ("seconds", Better::Neither),
    ];
    let row = |method: &Method<'_>| {
        let (summary, s) = (&method.measured.summary, &method.measured.summary.straightness);
        let cells = [
            s.straightness,
            s.path_energy,
            s.normalised_path_energy,
            s.residual,
            summary.gradient_steps as f64,
            summary.wall_seconds,
        ];
        Row::method(method.name(), method.colour(), cells.map(Cell::value).into())
    };
    Table {
        title: "Straightness and cost".into(),
        note:
            "S and the path energy over 100 Euler steps, the residual E|Dv/Dt|² over all of t, in units in which the \
               data have variance 1."
                .into(),
        columns: heads.map(|(label, better)| Column { label: label.into(), better }).into(),
        rows: methods.iter().map(row).collect(),
    }
}
