//! The plot of a comparison.

use super::{At, Comparison, Spread};
use crate::comparison::methods::SAME_TIME;
use crate::evaluation::scores::Metric;
use crate::run::summary::Field;
use strait_report::{Axis, Chart, Colour, LineStyle, Panel, ReferenceLine, Series};

impl Comparison {
    /// Distances against evaluations, a panel for each field and metric.
    pub(super) fn chart(&self) -> Chart {
        let fields = self.fields().filter(|field| matches!(field, Field::Own | Field::Stress));
        let metrics: Vec<Metric> = self.metrics().into_iter().filter(|metric| metric.is_distance()).collect();
        Chart {
            id: "comparison".into(),
            title: format!("Methods on {}", self.dataset),
            caption: format!(
                "Means, in bands of one standard deviation over the seeds, which are cut at half the mean; against {}.",
                self.reference
            ),
            panels: fields.flat_map(|field| metrics.iter().map(move |metric| self.panel(field, *metric))).collect(),
        }
    }

    fn panel(&self, field: Field, metric: Metric) -> Panel {
        let counts = self.counts(field);
        let shown = |spread: Option<Spread>| spread.map(|spread| spread.shown(metric));
        // A method has one colour in all panels, and its row at equal time the same.
        let all: Vec<&str> = self.methods(Field::Own).into_iter().filter(|method| steps(method) == *method).collect();
        let series = |method: &str| {
            let i = all.iter().position(|other| *other == steps(method)).unwrap_or(all.len());
            let style = match (method == steps(method), i < Colour::COUNT) {
                (false, _) => LineStyle::Dashed,
                (true, true) => LineStyle::Solid,
                (true, false) => LineStyle::Dotted,
            };
            let at = |&nfe: &usize| {
                let values = self.spread(At::count(field, method, metric, nfe), |row| row.value);
                Some((nfe as f64, shown(values)?))
            };
            let found: Vec<(f64, Spread)> = counts.iter().filter_map(at).collect();
            let line = found.iter().map(|(nfe, spread)| (*nfe, spread.mean)).collect();
            let line = Series { style, ..Series::line(method, Colour::of(i), line) };
            let edges = |s: &Spread| s.sd.map(|sd| ((s.mean - sd).max(0.5 * s.mean), s.mean + sd));
            let band: Option<Vec<_>> = found.iter().map(|(_, spread)| edges(spread)).collect();
            // A band needs two points to lie between.
            line.with_band(band.filter(|band| band.len() > 1).unwrap_or_default())
        };
        let floor = shown(self.floor(field, metric.name()));
        let of = if field == Field::Stress { ", larger velocity" } else { "" };
        Panel {
            title: format!("{}{of}", metric.heading()),
            x: Axis::evaluations(&counts.iter().map(|&nfe| nfe as u32).collect::<Vec<_>>()),
            y: Axis::log(format!("{} to the data, lower is better", metric.in_words())),
            series: self.methods(field).into_iter().map(series).collect(),
            references: floor
                .map(|floor| ReferenceLine {
                    label: "sampling floor".into(),
                    value: floor.mean,
                    colour: Colour::NEUTRAL,
                })
                .into_iter()
                .collect(),
            ..Panel::default()
        }
    }
}

/// The method whose row at equal steps goes with this row.
fn steps(row: &str) -> &str {
    row.strip_suffix(SAME_TIME).unwrap_or(row)
}
