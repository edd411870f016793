//! Axes: their range, their ticks, and where a value lies.

use super::number;

/// How an axis measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps are equal differences.
    #[default]
    Linear,
    /// Equal steps are equal factors. Values that are not positive have no place on it and are
    /// left out, like those that are not finite.
    Log,
}

impl Scale {
    /// Whether the value has a place on an axis of this scale. The bound keeps every difference
    /// of two values finite.
    pub(super) fn takes(self, value: f64) -> bool {
        value.abs() < 1e300 && (self == Self::Linear || value > 1e-300)
    }

    fn map(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.log10(),
        }
    }
}

/// The description of an axis.
///
/// ```
/// use strait_report::{Axis, Scale};
///
/// let steps = Axis::linear("gradient step");
/// let quality = Axis::log("W2");
/// let nfe = Axis::evaluations(&[1, 2, 4, 8, 100]);
/// assert_eq!(nfe.scale, Scale::Log);
/// assert_eq!(nfe.ticks, [1.0, 2.0, 4.0, 8.0, 100.0]);
/// assert!(steps.ticks.is_empty() && quality.ticks.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What is measured, with its unit.
    pub label: String,
    /// How it is measured.
    pub scale: Scale,
    /// The values that get a tick, in rising order; empty leaves the choice to the figure. The
    /// axis always reaches from the first to the last of them.
    pub ticks: Vec<f64>,
}

impl Axis {
    /// A linear axis that chooses its ticks.
    #[must_use]
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Linear, ticks: vec![] }
    }

    /// A logarithmic axis that chooses its ticks.
    #[must_use]
    pub fn log(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Log, ticks: vec![] }
    }

    /// The logarithmic axis of the number of velocity evaluations (NFE), ticked where there are
    /// measurements.
    #[must_use]
    pub fn evaluations(counts: &[u32]) -> Self {
        let ticks = counts.iter().map(|&count| f64::from(count)).collect();
        Self { label: "velocity evaluations".into(), scale: Scale::Log, ticks }
    }
}

/// An axis laid onto the page: from values to pixels.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    scale: Scale,
    /// The range in mapped units (the logarithm on a logarithmic axis).
    low: f64,
    high: f64,
    /// The pixels of `low` and `high`.
    start: f64,
    end: f64,
    pub(super) ticks: Vec<Tick>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub(super) value: f64,
    pub(super) label: String,
}

impl Ruler {
    /// Lays an axis that holds all `values` between the pixels `start` and `end`, with `about` so
    /// many ticks unless the axis names its own.
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, (start, end): (f64, f64), about: usize) -> Self {
        let scale = axis.scale;
        let named = axis.ticks.iter().copied().filter(|&tick| scale.takes(tick));
        let (mut low, mut high) = values
            .chain(named.clone())
            .filter(|&value| scale.takes(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if low > high {
            (low, high) = if scale == Scale::Log { (0.1, 10.0) } else { (0.0, 1.0) };
        }
        if scale == Scale::Linear && low > 0.0 && low < 0.4 * high {
            low = 0.0;
        }
        let ticks = if axis.ticks.is_empty() {
            let spacing = Spacing::new(scale, low, high, about);
            (low, high) = spacing.reach(scale, low, high);
            spacing.ticks(low, high)
        } else {
            let values: Vec<f64> = named.collect();
            labelled(&values)
        };
        // Where a linear axis ends at a tick it needs no room beyond it. A single value gets room
        // on both sides, of a size that its own rounding cannot swallow.
        let ends_round = |end: f64| scale == Scale::Linear && ticks.iter().any(|t| t.value == end);
        let (round_low, round_high) = (ends_round(low), ends_round(high));
        let (low, high) = (scale.map(low), scale.map(high));
        let room = match scale {
            _ if high > low => 0.04 * (high - low),
            Scale::Log => 0.3,
            Scale::Linear => low.abs().max(1.0) * 0.1,
        };
        let below = if round_low && high > low { 0.0 } else { room };
        let above = if round_high && high > low { 0.0 } else { room };
        Self { scale, low: low - below, high: high + above, start, end, ticks }
    }

    /// A linear axis over exactly this range, with two ticks at least: one alone tells no scale.
    pub(super) fn exact((low, high): (f64, f64), (start, end): (f64, f64), about: usize) -> Self {
        let scale = Scale::Linear;
        let ticks = |about| Spacing::new(scale, low, high, about).ticks(low, high);
        let ticks = (about..=2 * about).map(ticks).find(|ticks| ticks.len() > 1).unwrap_or_else(|| ticks(about));
        Self { scale, low, high, start, end, ticks }
    }

    /// The pixel of a value, if it has one.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        if !self.scale.takes(value) {
            return None;
        }
        let share = (self.scale.map(value) - self.low) / (self.high - self.low);
        Some(self.start + share * (self.end - self.start))
    }
}

/// Where an axis may have ticks.
#[derive(Clone, Copy, Debug)]
enum Spacing {
    /// At the whole multiples of a round step.
    Steps(f64),
    /// At 1, 2 and 5 times every power of ten.
    Fine,
    /// At every power of ten whose exponent is a multiple of this.
    Decades(i32),
    /// At one value, the only one there is.
    Single(f64),
}

impl Spacing {
    fn new(scale: Scale, low: f64, high: f64, about: usize) -> Self {
        if high <= low {
            return Self::Single(low);
        }
        if scale == Scale::Log {
            let most = (high / low).log10().ceil() as i32 + 1;
            let spacings = [Self::Fine].into_iter().chain((1..=most).map(Self::Decades));
            let count = |spacing: &Self| spacing.values(low, high).len();
            match spacings.into_iter().find(|spacing| count(spacing) <= about + 2) {
                Some(spacing) if count(&spacing) >= 2 => return spacing,
                _ => {}
            }
        }
        Self::Steps(linear_step((high - low) / about.max(1) as f64))
    }

    /// The ticks within `low..=high`.
    fn ticks(self, low: f64, high: f64) -> Vec<Tick> {
        let values = self.values(low, high);
        match self {
            Self::Steps(step) => {
                let label = |value| Tick { value, label: number::tick(value, step) };
                values.into_iter().map(label).collect()
            }
            // It is no round number.
            Self::Single(value) => vec![Tick { value, label: number::short(value) }],
            _ => labelled(&values),
        }
    }

    fn values(self, low: f64, high: f64) -> Vec<f64> {
        let powers = |mantissas: &[f64], every: i32| -> Vec<f64> {
            let exponents = low.log10().floor() as i32..=high.log10().ceil() as i32;
            exponents
                .filter(|exponent| exponent.rem_euclid(every) == 0)
                .flat_map(|exponent| mantissas.iter().map(move |m| m * 10f64.powi(exponent)))
                .filter(|value| (low * 0.999..=high * 1.001).contains(value))
                .collect()
        };
        match self {
            Self::Steps(step) => {
                let (first, last) = ((low / step - 1e-6).ceil(), (high / step + 1e-6).floor());
                let count = (last - first).clamp(-1.0, 50.0) as i32;
                (0..=count).map(|i| (first + f64::from(i)) * step).collect()
            }
            Self::Fine => powers(&[1.0, 2.0, 5.0], 1),
            Self::Decades(every) => powers(&[1.0], every),
            Self::Single(value) => vec![value],
        }
    }

    /// The range, widened to the next tick on each side where that is near.
    fn reach(self, scale: Scale, low: f64, high: f64) -> (f64, f64) {
        let reach = 0.14 * (scale.map(high) - scale.map(low));
        let (lowest, highest) = match scale {
            Scale::Linear => (low - reach, high + reach),
            Scale::Log => (low / 10f64.powf(reach), high * 10f64.powf(reach)),
        };
        let values = self.values(lowest, highest);
        let below = values.iter().copied().filter(|&value| value <= low);
        let above = values.iter().copied().filter(|&value| value >= high);
        (below.fold(f64::NAN, f64::max).min(low), above.fold(f64::NAN, f64::min).max(high))
    }
}

/// The round step (1, 2 or 5 times a power of ten) nearest to `wanted`, rather above than below.
fn linear_step(wanted: f64) -> f64 {
    let power = 10f64.powf(wanted.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= wanted * 0.8);
    round.unwrap_or(10.0) * power
}

/// The values as ticks that are no multiples of one step. If one has to be written as a power of
/// ten, all are, but for those next to 1.
fn labelled(values: &[f64]) -> Vec<Tick> {
    let plain = values.iter().all(|value| (1e-3..1e5).contains(value));
    let near_one = |value: f64| (0.1..=10.0).contains(&value);
    let label = |value| {
        if plain || near_one(value) { number::plain(value) } else { number::power(value) }
    };
    values.iter().map(|&value| Tick { value, label: label(value) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, low: f64, high: f64, about: usize) -> Vec<String> {
        let ticks = Spacing::new(scale, low, high, about).ticks(low, high);
        ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        let table: [(Scale, f64, f64, &[&str]); 13] = [
            (Scale::Linear, 0.0, 1.0, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            (Scale::Linear, 0.0, 4000.0, &["0", "1,000", "2,000", "3,000", "4,000"]),
            (Scale::Linear, -4.3, 4.1, &["−4", "−2", "0", "2", "4"]),
            (Scale::Linear, 0.0, 0.00034, &["0.0000", "0.0001", "0.0002", "0.0003"]),
            (Scale::Linear, 7.0, 7.0, &["7"]),
            (Scale::Linear, 2.005932, 2.005932, &["2.01"]),
            (Scale::Log, 1.0, 100.0, &["1", "2", "5", "10", "20", "50", "100"]),
            (Scale::Log, 0.17, 4.4, &["0.2", "0.5", "1", "2"]),
            (Scale::Log, 1e-4, 1.0, &["10⁻⁴", "10⁻³", "10⁻²", "0.1", "1"]),
            (Scale::Log, 3e-3, 2e3, &["0.01", "0.1", "1", "10", "100", "1,000"]),
            (Scale::Log, 1e-12, 1e3, &["10⁻¹²", "10⁻⁹", "10⁻⁶", "10⁻³", "1", "10³"]),
            (Scale::Log, 0.31, 0.42, &["0.32", "0.34", "0.36", "0.38", "0.40", "0.42"]),
            (Scale::Log, 2.0, 2.0, &["2"]),
        ];
        for (scale, low, high, expected) in table {
            assert_eq!(labels(scale, low, high, 5), expected, "{scale:?} {low} to {high}");
        }
    }

    #[test]
    fn an_axis_of_evaluations_ticks_its_counts() {
        let counts = [1, 2, 4, 8, 100];
        let ruler = Ruler::new(&Axis::evaluations(&counts), std::iter::empty(), (0.0, 500.0), 5);
        let labels: Vec<&str> = ruler.ticks.iter().map(|tick| tick.label.as_str()).collect();
        assert_eq!(labels, ["1", "2", "4", "8", "100"]);
        let at = |v| ruler.at(v).unwrap();
        assert!((at(2.0) - at(1.0) - (at(4.0) - at(2.0))).abs() < 1e-9, "equal factors");
        assert!(at(1.0) > 0.0 && at(100.0) < 500.0, "ticks stand inside the frame");
    }

    #[test]
    fn an_axis_reaches_to_a_near_tick_and_no_further() {
        let table = [
            (Axis::linear(""), [0.0, 3998.0], (0.0, 4000.0)),
            (Axis::linear(""), [0.3, 1.0], (0.0, 1.0)),
            (Axis::log(""), [0.21, 4.39], (0.2, 5.0)),
        ];
        for (axis, values, (low, high)) in table {
            let ruler = Ruler::new(&axis, values.into_iter(), (0.0, 1.0), 5);
            let ends = (ruler.ticks[0].value, ruler.ticks.last().unwrap().value);
            assert_eq!(ends, (low, high), "{values:?}");
        }
        let far = Ruler::new(&Axis::log(""), [2.1e-2, 27.0].into_iter(), (0.0, 1.0), 5);
        assert_eq!(far.ticks.last().unwrap().value, 10.0);
    }

    #[test]
    fn a_value_without_a_place_has_none() {
        let log = Ruler::new(&Axis::log(""), [1.0, 10.0].into_iter(), (0.0, 1.0), 5);
        assert_eq!([0.0, -1.0, f64::NAN, f64::INFINITY].map(|v| log.at(v)), [None; 4]);
        let huge = Ruler::new(&Axis::linear(""), [-9e299, 9e299, f64::MAX].into_iter(), (0.0, 1.0), 5);
        assert!((huge.at(0.0).unwrap() - 0.5).abs() < 1e-9);
        let empty = Ruler::new(&Axis::linear(""), [f64::NAN].into_iter(), (0.0, 1.0), 5);
        assert!(empty.at(0.5).is_some());
    }
}
