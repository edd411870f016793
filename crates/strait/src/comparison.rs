//! The table and the plot of methods side by side.

use crate::ProgramError;
use crate::methods::Method;
use crate::report::{Axis, Chart, Colour, Panel, Reference as Line, Series};
use crate::run_folder::{RunFolder, write_whole};
use crate::scores::Metric;
use crate::summary::{Evaluation, SUMMARY, Summary};
use clap::ValueEnum as _;
use serde::Serialize;
use std::fmt::Write as _;
use std::fs;

/// One measured number of one method with one seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The method.
    pub method: &'static str,
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
    /// Of all that is finished in a folder: its runs `METHOD-SEED` with a summary.
    ///
    /// # Errors
    /// `Io` names a summary that cannot be read.
    pub fn of(folder: &RunFolder, command: &str, left_out: &[String]) -> Result<Self, ProgramError> {
        let (run, command, left_out) = (folder.name(), command.into(), left_out.to_vec());
        let (dataset, reference) = (String::new(), String::new());
        let mut comparison = Self { run, command, dataset, reference, rows: vec![], left_out };
        let io = ProgramError::io(folder.path());
        let names = fs::read_dir(folder.path()).map_err(io)?.flatten().filter_map(|e| e.file_name().into_string().ok());
        let names: Vec<String> = names.collect();
        for &method in Method::value_variants() {
            let seed = |name: &String| name.strip_prefix(method.name())?.strip_prefix('-')?.parse::<u64>().ok();
            let mut seeds: Vec<u64> = names.iter().filter_map(seed).collect();
            seeds.sort_unstable();
            for seed in seeds {
                if let Some(summary) = folder.read_json(&format!("{}-{seed}/{SUMMARY}", method.name()))? {
                    comparison.add(method, &summary);
                }
            }
        }
        Ok(comparison)
    }

    /// Adds what a method reached with one seed.
    fn add(&mut self, method: Method, summary: &Summary) {
        let own = &summary.method;
        self.dataset.clone_from(&summary.dataset);
        let row = |solver: &str, nfe, metric: &str, value, floor| Row {
            method: method.name(),
            seed: summary.seed,
            solver: solver.into(),
            nfe,
            metric: metric.into(),
            value,
            floor,
            steps: own.gradient_steps,
            wall_seconds: own.wall_seconds,
        };
        for Evaluation { solver, nfe, metric, value, floor, reference, .. } in &own.evaluations {
            self.reference.clone_from(reference);
            self.rows.push(row(solver, *nfe, metric, *value, Some(*floor)));
        }
        let (s, steps) = (&own.straightness, own.straightness.steps);
        for (metric, value) in [
            ("path_energy", s.path_energy),
            ("normalised_path_energy", s.normalised_path_energy),
            ("straightness", s.straightness),
            ("residual", s.residual),
        ] {
            self.rows.push(row("euler", steps, metric, value, None));
        }
        if let Some(likelihood) = &own.likelihood {
            self.rows.push(row("rk4", likelihood.nfe, "bits_per_dimension", likelihood.bits_per_dimension, None));
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

    fn methods(&self) -> Vec<&'static str> {
        distinct(self.rows.iter().map(|row| row.method))
    }

    /// The metrics of samples that there are rows of.
    fn metrics(&self) -> Vec<Metric> {
        let there = |metric: &Metric| self.rows.iter().any(|row| row.metric == metric.name());
        Metric::ALL.into_iter().filter(there).collect()
    }

    fn counts(&self) -> Vec<usize> {
        let mut counts = distinct(self.rows.iter().filter(|row| row.floor.is_some()).map(|row| row.nfe));
        counts.sort_unstable();
        counts
    }

    /// The values over seeds at one place of a table.
    fn spread(&self, method: &str, metric: &str, nfe: Option<usize>, of: fn(&Row) -> f64) -> Option<Spread> {
        let here = |row: &&Row| row.method == method && row.metric == metric && nfe.is_none_or(|nfe| row.nfe == nfe);
        Spread::of(&self.rows.iter().filter(here).map(of).collect::<Vec<_>>())
    }

    /// The mean floor of a metric: it is the same at every count of evaluations.
    fn floor(&self, metric: &str) -> Option<Spread> {
        let rows = self.rows.iter().filter(|row| row.metric == metric);
        let floors = distinct(rows.filter_map(|row| Some((row.seed, row.floor?.to_bits()))));
        Spread::of(&floors.into_iter().map(|(_, bits)| f64::from_bits(bits)).collect::<Vec<_>>())
    }

    /// The tables in words.
    pub fn markdown(&self) -> String {
        let seeds = |method| distinct(self.rows.iter().filter(|row| row.method == method).map(|row| row.seed)).len();
        let seeds: Vec<String> = self.methods().into_iter().map(|m| format!("{m} {}", seeds(m))).collect();
        let (run, dataset, reference) = (&self.run, &self.dataset, &self.reference);
        let mut text = format!("# {run}\n\n{dataset}; against {reference}.\n");
        let _ = writeln!(text, "Means and, of more than one seed, standard deviations; seeds: {}.\n", seeds.join(", "));
        let _ = writeln!(text, "    {}\n", self.command);
        for metric in self.metrics() {
            let head: Vec<String> = self.counts().iter().map(|nfe| format!("{} at {nfe}", metric.heading())).collect();
            let shown = |spread: Option<Spread>| written(spread.map(|spread| spread.shown(metric)), 3);
            let cell = |method: &str, nfe| shown(self.spread(method, metric.name(), Some(nfe), |row| row.value));
            let line = |method| (method, self.counts().iter().map(|&nfe| cell(method, nfe)).collect());
            let mut lines: Vec<(&str, Vec<String>)> = self.methods().into_iter().map(line).collect();
            let floor = if metric.is_distance() { "sampling floor" } else { "real points" };
            lines.push((floor, self.counts().iter().map(|_| shown(self.floor(metric.name()))).collect()));
            table(&mut text, &head, &lines);
        }
        let mut head: Vec<String> = OF_FLOW.map(|(_, name, _)| name.to_owned()).into();
        head.extend(["gradient steps".into(), "seconds".into()]);
        let line = |method| {
            let value = |(metric, _, digits)| written(self.spread(method, metric, None, |row| row.value), digits);
            let mut cells: Vec<String> = OF_FLOW.map(value).into();
            cells.push(written(self.spread(method, "path_energy", None, |row| row.steps as f64), 0));
            cells.push(written(self.spread(method, "path_energy", None, |row| row.wall_seconds), 1));
            (method, cells)
        };
        table(&mut text, &head, &self.methods().into_iter().map(line).collect::<Vec<_>>());
        text.push_str("Steps and seconds are of everything a method trained or made: a teacher and its pairs too.\n");
        for line in &self.left_out {
            let _ = writeln!(text, "\n{line}.");
        }
        text
    }

    fn csv(&self) -> String {
        let mut text = String::from("method,seed,solver,nfe,metric,value,floor,steps,wall_seconds\n");
        for row in &self.rows {
            let floor = row.floor.map(|floor| floor.to_string()).unwrap_or_default();
            let Row { method, seed, solver, nfe, metric, value, steps, wall_seconds, .. } = row;
            let _ = writeln!(text, "{method},{seed},{solver},{nfe},{metric},{value},{floor},{steps},{wall_seconds}");
        }
        text
    }

    fn chart(&self) -> Chart {
        let counts = self.counts();
        let panel = |metric: Metric| {
            let value = |spread: Option<Spread>| spread.map(|spread| spread.shown(metric));
            let series = |(i, method): (usize, &'static str)| {
                let at = |&nfe: &usize| {
                    Some((nfe as f64, value(self.spread(method, metric.name(), Some(nfe), |row| row.value))?))
                };
                let found: Vec<(f64, Spread)> = counts.iter().filter_map(at).collect();
                let line = found.iter().map(|(nfe, spread)| (*nfe, spread.mean)).collect();
                let line = Series::line(method, Colour::of(i), line);
                let edges = |s: &Spread| s.sd.map(|sd| ((s.mean - sd).max(0.5 * s.mean), s.mean + sd));
                let band: Option<Vec<_>> = found.iter().map(|(_, spread)| edges(spread)).collect();
                // A band needs two points to lie between.
                line.with_band(band.filter(|band| band.len() > 1).unwrap_or_default())
            };
            let floor = value(self.floor(metric.name()))
                .map(|floor| Line { label: "sampling floor".into(), value: floor.mean });
            Panel {
                title: metric.heading().into(),
                x: Axis::evaluations(&counts.iter().map(|&nfe| nfe as u32).collect::<Vec<_>>()),
                y: Axis::log(format!("{} to the data, lower is better", metric.in_words())),
                series: self.methods().into_iter().enumerate().map(series).collect(),
                references: floor.into_iter().collect(),
                ..Panel::default()
            }
        };
        Chart {
            id: "comparison".into(),
            title: format!("Methods on {}", self.dataset),
            caption: format!("Against {}.", self.reference),
            panels: self.metrics().into_iter().filter(|metric| metric.is_distance()).map(panel).collect(),
        }
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
