//! Methods side by side: what was measured of each, gathered for the tables and the plot.

pub mod methods;
pub mod part;
mod plot;
mod tables;

use crate::ProgramError;
use crate::comparison::methods::{Budget, Method};
use crate::evaluation::diagnostics::warnings;
use crate::evaluation::scores::Metric;
use crate::run::folder::{COMPARISON, RunFolder};
use crate::run::summary::{Evaluation, Field, Summary};
use clap::ValueEnum as _;
use serde::{Deserialize, Serialize};
use std::fmt;
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

/// A method, or one seed of it, that is not in the tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The method, as its rows are called.
    pub method: String,
    /// Which seed; None: all.
    pub seed: Option<u64>,
    /// Why.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed.map(|seed| format!(" with seed {seed}")).unwrap_or_default();
        write!(f, "{}{seed} is left out: {}", self.method, self.why)
    }
}

/// What a comparison that is added to has said before. What cannot be read of it is not gone on from.
#[derive(Default, Deserialize)]
struct Before {
    #[serde(default)]
    commands: Vec<String>,
    #[serde(default)]
    left_out: Vec<LeftOut>,
}

/// All rows, in the order of their making.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The folder's name.
    pub run: String,
    /// The commands that made it, one after another.
    pub commands: Vec<String>,
    /// The data set, named in full.
    pub dataset: String,
    /// What samples were compared with.
    pub reference: String,
    /// The rows.
    pub rows: Vec<Row>,
    /// What is not among them.
    pub left_out: Vec<LeftOut>,
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

impl Comparison {
    /// Of all that is finished in a folder: its runs `METHOD-SEED` and `METHOD_same_time-SEED` with a summary, of the whole
    /// training and measured as their configs say, on the data and in the features of the first of them. What was left out
    /// before, and is still not there, stays said.
    ///
    /// # Errors
    /// `Io` names a summary that cannot be read.
    pub fn of(folder: &RunFolder, command: &str, left_out: &[LeftOut]) -> Result<Self, ProgramError> {
        let before = folder.read_json::<Before>(COMPARISON).ok().flatten().unwrap_or_default();
        let mut comparison = Self {
            run: folder.name(),
            commands: distinct(before.commands.into_iter().chain([command.to_owned()])),
            dataset: String::new(),
            reference: String::new(),
            rows: vec![],
            left_out: left_out.to_vec(),
            warnings: vec![],
        };
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
                let Some(summary) = Summary::finished(&run)? else { continue };
                match comparison.is_of_others(&summary) {
                    Some(why) => comparison.left_out.push(LeftOut { method: method.clone(), seed: Some(seed), why }),
                    None => {
                        comparison.add(&method, &summary);
                        summaries.push((method.clone(), summary));
                    }
                }
            }
        }
        for old in before.left_out {
            let made = |row: &Row| row.method == old.method && old.seed.is_none_or(|seed| row.seed == seed);
            let said = |new: &LeftOut| new.method == old.method && new.seed == old.seed;
            if !comparison.rows.iter().any(made) && !comparison.left_out.iter().any(said) {
                comparison.left_out.push(old);
            }
        }
        for (method, summary) in &summaries {
            let name = Method::Linear.name();
            let linear =
                |(other, linear): &&(String, Summary)| other == name && method != name && linear.seed == summary.seed;
            let linear = summaries.iter().find(linear).map(|(_, linear)| &linear.method);
            let metric = Metric::named(&summary.judged_by).unwrap_or(Metric::W2);
            let lines = warnings(&summary.method, linear, metric);
            let said = |line| format!("{method}, seed {}: {line}", summary.seed);
            comparison.warnings.extend(lines.into_iter().map(said));
        }
        Ok(comparison)
    }

    /// Why a summary cannot stand beside those that are there: it is of other data, or of other features.
    fn is_of_others(&self, summary: &Summary) -> Option<String> {
        let reference = &summary.method.evaluations.first()?.reference;
        let same = self.rows.is_empty() || (summary.dataset == self.dataset && *reference == self.reference);
        let why = || {
            let first = &self.reference;
            format!(
                "it is of {}, against {reference}, and the first row of {}, against {first}; remove the summary.json of \
                 each that is out of date, and repeat the command",
                summary.dataset, self.dataset
            )
        };
        (!same).then(why)
    }

    /// Adds what a method reached with one seed.
    fn add(&mut self, method: &str, summary: &Summary) {
        let own = &summary.method;
        self.dataset.clone_from(&summary.dataset);
        self.reference = own.evaluations.first().map(|e| e.reference.clone()).unwrap_or_default();
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
            for Evaluation { solver, nfe, metric, value, floor, .. } in evaluations {
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
            // A flow of one step has its density exactly, any other by an ODE.
            let solver = if found.nfe > 1 { "rk4" } else { "euler" };
            self.rows.push(row(Field::Own, solver, found.nfe, "bits_per_dimension", found.bits_per_dimension, None));
        }
    }

    /// Writes `comparison.json`, `.md`, `.csv`, `.svg` and `.png`.
    ///
    /// # Errors
    /// Those of drawing and of files.
    pub fn write(&self, folder: &RunFolder) -> Result<(), ProgramError> {
        folder.write_json(COMPARISON, self)?;
        folder.write("comparison.md", self.markdown())?;
        folder.write("comparison.csv", self.csv())?;
        let figure = self.chart().draw()?;
        folder.write("comparison.svg", figure.svg())?;
        folder.write("comparison.png", &figure.png).map(|_| ())
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
        Metric::all().filter(there).collect()
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

    /// The mean floor of a metric, over the seeds that a field was measured with: it is the same at every count.
    fn floor(&self, field: Field, metric: &str) -> Option<Spread> {
        let rows = self.rows.iter().filter(|row| row.field == field && row.metric == metric);
        let floors = distinct(rows.filter_map(|row| Some((row.seed, row.floor?.to_bits()))));
        Spread::of(&floors.into_iter().map(|(_, bits)| f64::from_bits(bits)).collect::<Vec<_>>())
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

#[cfg(test)]
mod tests {
    use super::*;
    use strait_report::{Colour, LineStyle};

    fn comparison(rows: impl IntoIterator<Item = (&'static str, u64, Field)>) -> Comparison {
        let row = |(method, seed, field): (&str, u64, Field)| Row {
            method: method.into(),
            seed,
            solver: "euler".into(),
            nfe: 1,
            metric: "w2".into(),
            value: 2.0 + seed as f64,
            floor: Some(0.5 * seed as f64),
            steps: 10,
            wall_seconds: 1.0,
            field,
        };
        Comparison {
            run: "c".into(),
            commands: vec!["cargo xtask compare".into()],
            dataset: "points".into(),
            reference: "10 of them".into(),
            rows: rows.into_iter().map(row).collect(),
            left_out: vec![],
            warnings: vec![],
        }
    }

    /// Each table says how many seeds it is of, and its floor is of those.
    #[test]
    fn each_field_has_its_own_seeds() {
        let rows = [("linear", 1, Field::Own), ("linear", 3, Field::Own), ("linear", 1, Field::Stress)];
        let text = comparison(rows).markdown();
        let (own, stress) = text.split_once("## With a larger velocity").unwrap();
        assert!(own.contains("Seeds: linear 2.") && own.contains("| sampling floor | 1.000 (0.707) |"), "{own}");
        assert!(stress.contains("Seeds: linear 1.") && stress.contains("| sampling floor | 0.500 |"), "{stress}");
    }

    /// No two lines of a plot are drawn alike, and a method has one colour at equal steps and at equal time.
    #[test]
    fn lines_are_told_apart() {
        let methods =
            ["linear", "ot", "reflow", "reflow_longer", "likelihood", "gaussian_fit", "learned", "linear_same_time"];
        let chart = comparison(methods.map(|method| (method, 1, Field::Own))).chart();
        let drawn: Vec<_> = chart.panels[0].series.iter().map(|line| (line.colour, line.style)).collect();
        for (i, line) in drawn.iter().enumerate() {
            assert!(!drawn[..i].contains(line), "{} is drawn as another: {drawn:?}", methods[i]);
        }
        assert_eq!((drawn[0].0, drawn[7]), (drawn[7].0, (Colour::of(0), LineStyle::Dashed)));
    }
}
