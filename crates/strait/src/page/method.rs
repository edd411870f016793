//! One method of a report, and the distance that the report leads with.

use crate::evaluation::gallery::Gallery;
use crate::evaluation::lines::Lines;
use crate::evaluation::measure::Measured;
use crate::evaluation::reference::Reference;
use crate::evaluation::scores::{Metric, Scores};
use crate::run::metrics::MetricsLine;
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
    pub lines: Option<Lines>,
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

    pub(super) fn note(self, scores: &Scores) -> String {
        format!("{} {}", self.name(), significant(self.of(scores)))
    }

    pub(super) fn of(self, scores: &Scores) -> f64 {
        self.0.of(scores).map_or(f64::NAN, |(value, _)| self.0.shown(value))
    }
}

/// What was measured of a reference.
pub(super) fn measured(reference: &Reference) -> impl Iterator<Item = Metric> {
    Metric::ALL.into_iter().filter(|metric| metric.of(&reference.floor).is_some())
}
