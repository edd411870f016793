//! The table and the plot of methods side by side.

use crate::ProgramError;
use crate::diagnostics::warnings;
use crate::methods::{Budget, Method};
use crate::report::{Axis, Chart, Colour, Panel, Reference as Line, Series};
use crate::run_folder::{RunFolder, write_whole};
use crate::scores::Metric;
use crate::summary::{Evaluation, Field, Summary};
use clap::ValueEnum as _;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;

/// One measured number of one method with one seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The method, and behind it `_same_time` where it was trained for as long as `learned` took.
    pub method: String,
    /// Its seed.
    pub seed: u64,
    /// How samples or trajectories were made.
    pub solver: String,
    /// Evaluations of the field for each.
    pub nfe: usize,
    /// The metric.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Its value between two sets of real points, where that is a floor.
    pub floor: Option<f64>,
    /// Gradient steps of all that was trained.
    pub steps: u64,
    /// Seconds of all that was done before sampling.
    pub wall_seconds: f64,
    /// The field that its path was followed by.
    pub field: Field,
}

/// Where in the tables a number stands.
#[derive(Clone, Copy)]
struct At<'a> {
    field: Field,
    method: &'a str,
    metric: &'a str,
    /// None: whatever it is.
    nfe: Option<usize>,
}

impl<'a> At<'a> {
    /// Of samples, at a count of evaluations.
    fn count(field: Field, method: &'a str, metric: Metric, nfe: usize) -> Self {
        Self { field, method, metric: metric.name(), nfe: Some(nfe) }
    }

    fn holds(&self, row: &Row) -> bool {
        let Self { field, method, metric, nfe } = *self;
        row.field == field && row.method == method && row.metric == metric && nfe.is_none_or(|nfe| row.nfe == nfe)
    }
}

/// All rows, in the order of their making.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The folder's name.
    pub run: String,
    /// The command.
    pub command: String,
    /// The data set, named in full.
    pub dataset: String,
    /// What samples were compared with.
    pub reference: String,
    /// The rows.
    pub rows: Vec<Row>,
    /// Why a method is not among them.
    pub left_out: Vec<String>,
    /// What numbers say against a method, beside the linear path with the same seed.
    pub warnings: Vec<String>,
}

/// Mean and standard deviation over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    mean: f64,
    /// None of one seed.
    sd: Option<f64>,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let sd = || (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        (!values.is_empty()).then(|| Self { mean, sd: (values.len() > 1).then(sd) })
    }

    fn shown(self, metric: Metric) -> Self {
        Self { mean: metric.shown(self.mean), sd: self.sd.map(|sd| metric.shown(sd)) }
    }

    fn write(self, digits: usize) -> String {
        let sd = self.sd.map(|sd| format!(" ({sd:.digits$})")).unwrap_or_default();
        format!("{:.digits$}{sd}", self.mean)
    }
}

/// Metrics of a whole flow.
const OF_FLOW: [(&str, &str, usize); 4] = [
    ("normalised_path_energy", "normalised path energy", 3),
    ("straightness", "S", 4),
    ("residual", "residual", 2),
    ("bits_per_dimension", "bits per dimension", 3),
];

impl Comparison {
    /// Of all that is finished in a folder: its runs `METHOD-SEED` and `METHOD_same_time-SEED` with a summary, of the whole
    /// training and measured as their configs say.
    ///
    /// # Errors
    /// `Io` names a summary that cannot be read.
    pub fn of(folder: &RunFolder, command: &str, left_out: &[String]) -> Result<Self, ProgramError> {
        let (run, command, left_out) = (folder.name(), command.into(), left_out.to_vec());
        let (dataset, reference) = (String::new(), String::new());
        let (rows, said) = (vec![], vec![]);
        let mut comparison = Self { run, command, dataset, reference, rows, left_out, warnings: said };
        let mut summaries: Vec<(String, Summary)> = vec![];
        let io = ProgramError::io(folder.path());
        let names = fs::read_dir(folder.path()).map_err(io)?.flatten().filter_map(|e| e.file_name().into_string().ok());
        let names: Vec<String> = names.collect();
        let all = Budget::ALL.map(|budget| Method::value_variants().iter().map(move |method| method.row(budget)));
        for method in all.into_iter().flatten() {
            let seed = |name: &String| name.strip_prefix(&method)?.strip_prefix('-')?.parse::<u64>().ok();
            let mut seeds: Vec<u64> = names.iter().filter_map(seed).collect();
            seeds.sort_unstable();
            for seed in seeds {
                let run = RunFolder::of(&folder.path().join(format!("{method}-{seed}")));
                if let Some(summary) = Summary::finished(&run)? {
                    comparison.add(&method, &summary);
                    summaries.push((method.clone(), summary));
                }
            }
        }
        for (method, summary) in &summaries {
            let name = Method::Linear.name();
            let linear =
                |(other, linear): &&(String, Summary)| other == name && method != name && linear.seed == summary.seed;
            let linear = summaries.iter().find(linear).map(|(_, linear)| &linear.method);
            let metric = Metric::ALL.into_iter().find(|metric| metric.name() == summary.judged_by);
            let lines = warnings(&summary.method, linear, metric.unwrap_or(Metric::W2));
            let said = |line| format!("{method}, seed {}: {line}", summary.seed);
            comparison.warnings.extend(lines.into_iter().map(said));
        }
        Ok(comparison)
    }

    /// Adds what a method reached with one seed.
    fn add(&mut self, method: &str, summary: &Summary) {
        let own = &summary.method;
        self.dataset.clone_from(&summary.dataset);
        let stress = own.stress.as_ref();
        let row = |field, solver: &str, nfe, metric: &str, value, floor| {
            // The exact field costs no training beyond its path's.
            let stress = stress.filter(|_| field == Field::Stress);
            let spent = stress.map(|stress| (stress.gradient_steps, stress.wall_seconds));
            let (steps, wall_seconds) = spent.unwrap_or((own.gradient_steps, own.wall_seconds));
            let (method, seed, solver, metric) = (method.into(), summary.seed, solver.into(), metric.into());
            Row { method, seed, solver, nfe, metric, value, floor, steps, wall_seconds, field }
        };
        for (field, evaluations) in own.by_field() {
            for Evaluation { solver, nfe, metric, value, floor, reference, .. } in evaluations {
                self.reference.clone_from(reference);
                self.rows.push(row(field, solver, *nfe, metric, *value, Some(*floor)));
            }
        }
        let straightness = [(Field::Own, Some(&own.straightness)), (Field::Stress, stress.map(|s| &s.straightness))];
        for (field, s) in straightness.into_iter().filter_map(|(field, s)| Some((field, s?))) {
            for (metric, value) in [
                ("path_energy", s.path_energy),
                ("normalised_path_energy", s.normalised_path_energy),
                ("straightness", s.straightness),
                ("residual", s.residual),
            ] {
                self.rows.push(row(field, "euler", s.steps, metric, value, None));
            }
        }
        if let Some(found) = &own.likelihood {
            self.rows.push(row(Field::Own, "rk4", found.nfe, "bits_per_dimension", found.bits_per_dimension, None));
        }
    }

    /// Writes `comparison.json`, `.md`, `.csv`, `.svg` and `.png`.
    ///
    /// # Errors
    /// Those of drawing and of files.
    pub fn write(&self, folder: &RunFolder) -> Result<(), ProgramError> {
        folder.write_json("comparison.json", self)?;
        folder.write("comparison.md", &self.markdown())?;
        folder.write("comparison.csv", &self.csv())?;
        let figure = self.chart().draw()?;
        folder.write("comparison.svg", &figure.svg())?;
        write_whole(&folder.path().join("comparison.png"), &figure.png)
    }

    /// The methods that were measured with a field.
    fn methods(&self, field: Field) -> Vec<&str> {
        distinct(self.rows.iter().filter(|row| row.field == field).map(|row| row.method.as_str()))
    }

    /// The fields that any was measured with.
    fn fields(&self) -> impl Iterator<Item = Field> {
        Field::ALL.into_iter().filter(|field| self.rows.iter().any(|row| row.field == *field))
    }

    /// The metrics of samples that there are rows of.
    fn metrics(&self) -> Vec<Metric> {
        let there = |metric: &Metric| self.rows.iter().any(|row| row.metric == metric.name());
        Metric::ALL.into_iter().filter(there).collect()
    }

    fn counts(&self, field: Field) -> Vec<usize> {
        let there = |row: &&Row| row.field == field && row.floor.is_some();
        let mut counts = distinct(self.rows.iter().filter(there).map(|row| row.nfe));
        counts.sort_unstable();
        counts
    }

    /// The values over seeds at one place of a table.
    fn spread(&self, at: At<'_>, of: fn(&Row) -> f64) -> Option<Spread> {
        Spread::of(&self.rows.iter().filter(|row| at.holds(row)).map(of).collect::<Vec<_>>())
    }

    /// The ratios to another method's value with the same seed and field.
    fn ratios(&self, at: At<'_>, to: &str) -> Option<Spread> {
        let to = At { method: to, ..at };
        let of = |row: &Row| self.rows.iter().find(|other| to.holds(other) && other.seed == row.seed);
        let ratio = |row: &Row| Some(row.value / of(row)?.value);
        Spread::of(&self.rows.iter().filter(|row| at.holds(row)).filter_map(ratio).collect::<Vec<_>>())
    }

    /// The mean floor of a metric: it is the same at every count of evaluations.
    fn floor(&self, metric: &str) -> Option<Spread> {
        let rows = self.rows.iter().filter(|row| row.metric == metric);
        let floors = distinct(rows.filter_map(|row| Some((row.seed, row.floor?.to_bits()))));
        Spread::of(&floors.into_iter().map(|(_, bits)| f64::from_bits(bits)).collect::<Vec<_>>())
    }

    /// The tables in words.
    pub fn markdown(&self) -> String {
        let seeds =
            |method: &str| distinct(self.rows.iter().filter(|row| row.method == method).map(|row| row.seed)).len();
        let seeds: Vec<String> = self.methods(Field::Own).into_iter().map(|m| format!("{m} {}", seeds(m))).collect();
        let (run, dataset, reference) = (&self.run, &self.dataset, &self.reference);
        let mut text = format!("# {run}\n\n{dataset}; against {reference}.\n");
        let _ = writeln!(text, "Means and, of more than one seed, standard deviations; seeds: {}.\n", seeds.join(", "));
        let _ = writeln!(text, "    {}\n", self.command);
        for field in self.fields() {
            let _ = writeln!(text, "## {}\n", heading(field));
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
        values.push((floor, counts.iter().map(|_| shown(self.floor(metric.name()))).collect()));
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

    fn csv(&self) -> String {
        let mut text = String::from("method,seed,solver,nfe,metric,value,floor,steps,wall_seconds,field\n");
        for row in &self.rows {
            let floor = row.floor.map(|floor| floor.to_string()).unwrap_or_default();
            let Row { method, seed, solver, nfe, metric, value, steps, wall_seconds, field, .. } = row;
            let _ = write!(text, "{method},{seed},{solver},{nfe},{metric},{value},{floor},{steps},{wall_seconds}");
            let _ = writeln!(text, ",{}", field.name());
        }
        text
    }

    fn chart(&self) -> Chart {
        let fields = self.fields().filter(|field| matches!(field, Field::Own | Field::Stress));
        let metrics: Vec<Metric> = self.metrics().into_iter().filter(|metric| metric.is_distance()).collect();
        Chart {
            id: "comparison".into(),
            title: format!("Methods on {}", self.dataset),
            caption: format!("Against {}.", self.reference),
            panels: fields.flat_map(|field| metrics.iter().map(move |metric| self.panel(field, *metric))).collect(),
        }
    }

    fn panel(&self, field: Field, metric: Metric) -> Panel {
        let counts = self.counts(field);
        let shown = |spread: Option<Spread>| spread.map(|spread| spread.shown(metric));
        let series = |(i, method): (usize, &str)| {
            let at = |&nfe: &usize| {
                let values = self.spread(At::count(field, method, metric, nfe), |row| row.value);
                Some((nfe as f64, shown(values)?))
            };
            let found: Vec<(f64, Spread)> = counts.iter().filter_map(at).collect();
            let line = found.iter().map(|(nfe, spread)| (*nfe, spread.mean)).collect();
            let line = Series::line(method, Colour::of(i), line);
            let edges = |s: &Spread| s.sd.map(|sd| ((s.mean - sd).max(0.5 * s.mean), s.mean + sd));
            let band: Option<Vec<_>> = found.iter().map(|(_, spread)| edges(spread)).collect();
            // A band needs two points to lie between.
            line.with_band(band.filter(|band| band.len() > 1).unwrap_or_default())
        };
        let measured = |(_, method): &(usize, &str)| self.methods(field).contains(method);
        let floor = shown(self.floor(metric.name()));
        let of = if field == Field::Stress { ", larger velocity" } else { "" };
        Panel {
            title: format!("{}{of}", metric.heading()),
            x: Axis::evaluations(&counts.iter().map(|&nfe| nfe as u32).collect::<Vec<_>>()),
            y: Axis::log(format!("{} to the data, lower is better", metric.in_words())),
            // A method has one colour in all panels.
            series: self.methods(Field::Own).into_iter().enumerate().filter(measured).map(series).collect(),
            references: floor
                .map(|floor| Line { label: "sampling floor".into(), value: floor.mean })
                .into_iter()
                .collect(),
            ..Panel::default()
        }
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

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut found = vec![];
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
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
