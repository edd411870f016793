//! One method of a report, what was measured of it, and the distance that the report leads with.

use crate::evaluation::gallery::Gallery;
use crate::evaluation::measure::Measured;
use crate::evaluation::planar_lines::PlanarLines;
use crate::evaluation::reference::Reference;
use crate::evaluation::scores::{Metric, Scores};
use crate::run::metrics::MetricsLine;
use crate::run::summary::{Evaluation, MethodSummary};
use strait_report::{Colour, significant};

/// One method of the report, the run's own first.
pub struct Method<'a> {
    /// Its name.
    pub name: String,
    /// Whether its path is the linear one.
    pub is_linear: bool,
    /// What its training said of its steps.
    pub log: Vec<MetricsLine>,
    /// What was measured.
    pub measured: &'a Measured,
    /// Lines of its flow and of its path; None of data that are not planar.
    pub lines: Option<PlanarLines>,
    /// What only images show; None of data that are none.
    pub gallery: Option<Gallery>,
}

impl Method<'_> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn colour(&self) -> Colour {
        colour_of(self.is_linear)
    }

    pub(super) fn score(&self, headline: Headline, nfe: usize) -> f64 {
        let sample = self.measured.samples.iter().find(|s| s.nfe == nfe);
        sample.map_or(f64::NAN, |s| headline.of(&s.scores))
    }

    pub(super) fn outcome(&self) -> Outcome<'_> {
        Outcome { name: &self.name, colour: self.colour(), summary: &self.measured.summary }
    }
}

/// The numbers of a training under a name and a colour: of a method of a report, or of a run among others.
#[derive(Clone, Copy)]
pub(super) struct Outcome<'a> {
    pub(super) name: &'a str,
    pub(super) colour: Colour,
    pub(super) summary: &'a MethodSummary,
}

impl<'a> Outcome<'a> {
    /// What a metric said, at each count of evaluations.
    pub(super) fn found(self, metric: Metric) -> impl Iterator<Item = &'a Evaluation> {
        self.summary.evaluations.iter().filter(move |found| found.metric == metric.name())
    }

    pub(super) fn at(self, metric: Metric, nfe: usize) -> Option<&'a Evaluation> {
        self.found(metric).find(|found| found.nfe == nfe)
    }
}

/// What was measured of any of them.
pub(super) fn metrics(outcomes: &[Outcome<'_>]) -> impl Iterator<Item = Metric> {
    Metric::all().filter(|metric| outcomes.iter().any(|outcome| outcome.found(*metric).next().is_some()))
}

/// All counts of evaluations at which any was measured, in order.
pub(super) fn counts(outcomes: &[Outcome<'_>]) -> Vec<usize> {
    let mut counts: Vec<usize> =
        outcomes.iter().flat_map(|outcome| outcome.summary.evaluations.iter().map(|found| found.nfe)).collect();
    counts.sort_unstable();
    counts.dedup();
    counts
}

/// What real points reach, with whose it is where they are not all compared with the same ones.
pub(super) fn floors(metric: Metric, outcomes: &[Outcome<'_>]) -> Vec<(Option<String>, f64)> {
    let of = |outcome: &Outcome<'_>| Some((outcome.name.to_owned(), metric.shown(outcome.found(metric).next()?.floor)));
    let found: Vec<(String, f64)> = outcomes.iter().filter_map(of).collect();
    if found.iter().all(|(_, value)| *value == found[0].1) {
        return found.into_iter().take(1).map(|(_, value)| (None, value)).collect();
    }
    found.into_iter().map(|(name, value)| (Some(name), value)).collect()
}

/// The linear path has one colour in every report, whatever its pairs and whatever stands beside it.
pub(super) fn colour_of(is_linear: bool) -> Colour {
    Colour::of(usize::from(!is_linear))
}

/// The distance that a page leads with.
#[derive(Clone, Copy)]
pub(super) struct Headline(pub(super) Metric);

impl Headline {
    pub(super) fn new(reference: &Reference) -> Self {
        Self(reference.leading())
    }

    pub(super) fn name(self) -> &'static str {
        self.0.in_words()
    }

    /// `W2 1.14`.
    pub(super) fn note(self, found: &Evaluation) -> String {
        format!("{} {}", self.name(), significant(self.0.shown(found.value)))
    }

    pub(super) fn of(self, scores: &Scores) -> f64 {
        self.0.of(scores).map_or(f64::NAN, |(value, _)| self.0.shown(value))
    }
}
