//! The tables of a comparison.

use super::{At, Comparison, Row, Spread, distinct};
use crate::comparison::methods::{Budget, Method};
use crate::evaluation::scores::Metric;
use crate::run::summary::Field;
use std::fmt::Write as _;

/// Metrics of a whole flow.
const OF_FLOW: [(&str, &str, usize); 4] = [
    ("normalised_path_energy", "normalised path energy", 3),
    ("straightness", "S", 4),
    ("residual", "residual", 2),
    ("bits_per_dimension", "bits per dimension", 3),
];

impl Comparison {
    /// The tables in words.
    pub fn markdown(&self) -> String {
        let (run, dataset, reference) = (&self.run, &self.dataset, &self.reference);
        let mut text = format!("# {run}\n\n{dataset}; against {reference}.\n");
        let _ = writeln!(text, "Means and, of more than one seed, standard deviations.\n");
        self.commands.iter().for_each(|command| text.push_str(&format!("    {command}\n")));
        text.push('\n');
        for field in self.fields() {
            let _ = writeln!(text, "## {}\n\nSeeds: {}.\n", heading(field), self.seeds(field));
            for metric in self.metrics() {
                self.quality(&mut text, field, metric);
            }
            if matches!(field, Field::Own | Field::Stress) {
                self.of_flow(&mut text, field);
            }
        }
        text.push_str("Steps and seconds are of everything a method trained or made: a teacher and its pairs too.\n");
        for line in &self.left_out {
            let _ = writeln!(text, "\n{line}.");
        }
        if !self.warnings.is_empty() {
            text.push_str("\n## What speaks against a number\n\n");
            self.warnings.iter().for_each(|line| text.push_str(&format!("- {line}\n")));
        }
        text
    }

    /// How many seeds each method has, in words.
    fn seeds(&self, field: Field) -> String {
        let of = |method: &str| {
            let rows = self.rows.iter().filter(|row| row.field == field && row.method == method);
            format!("{method} {}", distinct(rows.map(|row| row.seed)).len())
        };
        self.methods(field).into_iter().map(of).collect::<Vec<_>>().join(", ")
    }

    /// A metric at each count, and what a distance is of the linear path's.
    fn quality(&self, text: &mut String, field: Field, metric: Metric) {
        let (counts, methods) = (self.counts(field), self.methods(field));
        let lines = |cell: &dyn Fn(&str, usize) -> String| -> Vec<(&str, Vec<String>)> {
            methods.iter().map(|&method| (method, counts.iter().map(|&nfe| cell(method, nfe)).collect())).collect()
        };
        let head: Vec<String> = counts.iter().map(|nfe| format!("{} at {nfe}", metric.heading())).collect();
        let shown = |spread: Option<Spread>| written(spread.map(|spread| spread.shown(metric)), 3);
        let value = |method: &str, nfe| shown(self.spread(At::count(field, method, metric, nfe), |row| row.value));
        let mut values = lines(&value);
        let floor = if metric.is_distance() { "sampling floor" } else { "real points" };
        values.push((floor, counts.iter().map(|_| shown(self.floor(field, metric.name()))).collect()));
        table(text, &head, &values);
        let linear = Budget::ALL.map(|budget| Method::Linear.row(budget));
        for to in linear.iter().filter(|to| metric.is_distance() && methods.len() > 1 && methods.contains(&to.as_str()))
        {
            let head: Vec<String> = counts.iter().map(|nfe| format!("of {to}'s at {nfe}")).collect();
            table(
                text,
                &head,
                &lines(&|method, nfe| written(self.ratios(At::count(field, method, metric, nfe), to), 3)),
            );
        }
    }

    /// What is measured of a whole flow, and what it took.
    fn of_flow(&self, text: &mut String, field: Field) {
        let mut head: Vec<String> = OF_FLOW.map(|(_, name, _)| name.to_owned()).into();
        head.extend(["gradient steps".into(), "seconds".into()]);
        let line = |method| {
            let at = |metric| At { field, method, metric, nfe: None };
            let value = |(metric, _, digits)| written(self.spread(at(metric), |row| row.value), digits);
            let mut cells: Vec<String> = OF_FLOW.map(value).into();
            cells.push(written(self.spread(at("path_energy"), |row| row.steps as f64), 0));
            cells.push(written(self.spread(at("path_energy"), |row| row.wall_seconds), 1));
            (method, cells)
        };
        table(text, &head, &self.methods(field).into_iter().map(line).collect::<Vec<_>>());
    }

    pub(super) fn csv(&self) -> String {
        let mut text = String::from("method,seed,solver,nfe,metric,value,floor,steps,wall_seconds,field\n");
        for row in &self.rows {
            let floor = row.floor.map(|floor| floor.to_string()).unwrap_or_default();
            let Row { method, seed, solver, nfe, metric, value, steps, wall_seconds, field, .. } = row;
            let _ = write!(text, "{method},{seed},{solver},{nfe},{metric},{value},{floor},{steps},{wall_seconds}");
            let _ = writeln!(text, ",{}", field.name());
        }
        text
    }
}

fn heading(field: Field) -> &'static str {
    match field {
        Field::Own => "With the velocity that each method trains",
        Field::Stress => "With a larger velocity, trained afresh on each method's path",
        Field::Exact => "With the exact field of each method's path, by Euler steps",
        Field::Map => "With the map alone that a method's path goes through",
    }
}

fn written(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(|| "-".into(), |spread| spread.write(digits))
}

fn table(text: &mut String, head: &[String], lines: &[(&str, Vec<String>)]) {
    let _ = writeln!(text, "| | {} |\n| --- |{}", head.join(" | "), " --- |".repeat(head.len()));
    for (name, cells) in lines {
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text.push('\n');
}
