//! What stands on a set of axes, as plain records.

use super::{axis::Axis, colour::Colour};

/// One set of axes and what is drawn on it.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    /// A heading of its own, where there are several; may be empty.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The lines, the last on top.
    pub series: Vec<Series>,
    /// Horizontal lines to compare with.
    pub references: Vec<ReferenceLine>,
    /// Vertical lines, such as the start of a phase.
    pub events: Vec<Event>,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name; empty for a line that another one explains.
    pub label: String,
    /// The method it belongs to.
    pub colour: Colour,
    /// How it is drawn.
    pub style: LineStyle,
    /// The points in drawing order. At most a dozen get markers.
    pub points: Vec<(f64, f64)>,
    /// For each point the lower and upper edge of its spread; empty for none.
    pub band: Vec<(f64, f64)>,
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineStyle {
    /// A full line.
    #[default]
    Solid,
    /// A dashed line, for the second quantity of a method.
    Dashed,
    /// A dotted line, for methods beyond those that have a colour of their own.
    Dotted,
    /// A thin pale line, for raw values behind a smoothed line.
    Faint,
}

/// A horizontal line to compare with, such as the sampling floor of a metric.
#[derive(Clone, Debug)]
pub struct ReferenceLine {
    /// What it is.
    pub label: String,
    /// Where it is.
    pub value: f64,
    /// That of the line that it belongs to; `Colour::NEUTRAL` where it belongs to all.
    pub colour: Colour,
}

/// A vertical line at something that happened, such as the start of a phase.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub label: String,
    /// Where on the horizontal axis.
    pub at: f64,
}

impl Series {
    /// A full line without a band.
    #[must_use]
    pub fn line(label: impl Into<String>, colour: Colour, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.into(), colour, style: LineStyle::Solid, points, band: vec![] }
    }

    /// The raw values as a faint line, and on it their mean over a centred window of `window`
    /// points (values that are not finite count in no mean).
    ///
    /// ```
    /// use strait_report::{Colour, LineStyle, Series};
    ///
    /// let raw = vec![(0.0, 1.0), (1.0, 5.0), (2.0, f64::NAN), (3.0, 3.0)];
    /// let [faint, smooth] = Series::smoothed("loss", Colour::of(0), raw, 3);
    /// assert_eq!((faint.style, faint.label.as_str()), (LineStyle::Faint, ""));
    /// assert_eq!(smooth.points[1], (1.0, 3.0));
    /// assert_eq!(smooth.points[3], (3.0, 3.0));
    /// ```
    #[must_use]
    pub fn smoothed(label: impl Into<String>, colour: Colour, raw: Vec<(f64, f64)>, window: usize) -> [Self; 2] {
        let reach = window / 2;
        let mean = |i: usize| {
            let near = &raw[i.saturating_sub(reach)..raw.len().min(i + reach + 1)];
            let finite = || near.iter().map(|point| point.1).filter(|y| y.is_finite());
            finite().sum::<f64>() / finite().count() as f64
        };
        let smooth = raw.iter().enumerate().map(|(i, point)| (point.0, mean(i))).collect();
        let smooth = Self::line(label, colour, smooth);
        [Self { style: LineStyle::Faint, ..Self::line("", colour, raw) }, smooth]
    }

    /// The line with the band between `low` and `high` at each point.
    #[must_use]
    pub fn with_band(self, band: Vec<(f64, f64)>) -> Self {
        Self { band, ..self }
    }
}
