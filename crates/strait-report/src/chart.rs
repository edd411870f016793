//! Lines against axes, in one panel or in several side by side.

use super::{
    axis::Scale,
    colour::{Colour, MUTED, TEXT},
    error::ReportError,
    figure::{Figure, Words, check_id, left_out},
    number,
    panel::{Frame, Layout},
    plot::{LineStyle, Panel},
    scene::{Scene, Stroke, Type},
};

/// A figure of lines: losses against steps, quality against evaluations.
///
/// One panel has its lines labelled at their ends, several share a legend. Values that are not
/// finite, or not positive on a logarithmic axis, leave a gap in their line and are counted in the
/// caption.
///
/// ```
/// use strait_report::{Axis, Chart, Colour, Panel, ReferenceLine, Series};
///
/// let chart = Chart {
///     id: "quality".into(),
///     title: "Quality against evaluations".into(),
///     caption: "Mean over three seeds.".into(),
///     panels: vec![Panel {
///         x: Axis::evaluations(&[1, 2, 4]),
///         y: Axis::log("W2"),
///         series: vec![
///             Series::line("linear", Colour::of(0), vec![(1.0, 4.4), (2.0, 1.7), (4.0, 0.6)]),
///             Series::line("learned", Colour::of(1), vec![(1.0, 1.1), (2.0, f64::NAN), (4.0, 0.5)]),
///         ],
///         references: vec![ReferenceLine { label: "sampling floor".into(), value: 0.21, colour: Colour::NEUTRAL }],
///         ..Panel::default()
///     }],
/// };
/// let figure = chart.draw()?;
/// assert!(figure.svg().starts_with("<svg"));
/// assert!(figure.caption.ends_with("1 point is not finite and is left out."));
/// # Ok::<(), strait_report::ReportError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// The name of the figure's files.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What the reader should know to read it.
    pub caption: String,
    /// One or more sets of axes.
    pub panels: Vec<Panel>,
}

impl Chart {
    /// Draws the figure.
    ///
    /// # Errors
    /// [`ReportError::Id`], and [`ReportError::Empty`] without a panel.
    pub fn draw(&self) -> Result<Figure, ReportError> {
        check_id(&self.id)?;
        if self.panels.is_empty() {
            return Err(ReportError::Empty { id: self.id.clone(), what: "panels" });
        }
        let layout = Layout::of(&self.panels);
        let entries = if layout.labels_at_ends { vec![] } else { self.entries() };
        let legend = legend_rows(&entries, layout.width);
        let top = 24.0 * legend.len() as f64;
        let mut scene = Scene::new(layout.width, top + layout.height);
        draw_legend(&mut scene, &legend);
        for (i, panel) in self.panels.iter().enumerate() {
            let cell = layout.cell(i);
            panel.draw(&mut scene, Frame { y: cell.y + top, ..cell }, &layout);
        }
        let words = Words {
            id: &self.id,
            title: &self.title,
            caption: &self.caption,
            left_out: self.left_out(),
            alt: self.alt(),
        };
        Figure::render(&scene, words)
    }

    fn left_out(&self) -> Vec<String> {
        let (mut broken, mut low) = (0, 0);
        for panel in &self.panels {
            let points = panel.series.iter().flat_map(|series| &series.points);
            for &(x, y) in points.filter(|point| !panel.has(**point)) {
                let finite = Scale::Linear.takes(x) && Scale::Linear.takes(y);
                *(if finite { &mut low } else { &mut broken }) += 1;
            }
        }
        let broken = left_out(broken, "point", "not finite");
        let low = left_out(low, "point", "not positive on a logarithmic axis");
        broken.into_iter().chain(low).collect()
    }

    /// The figure in words: where each line begins and ends.
    fn alt(&self) -> String {
        let mut alt = String::new();
        for panel in &self.panels {
            let title = if panel.title.is_empty() { String::new() } else { format!("{}: ", panel.title) };
            alt.push_str(&format!("{title}{} against {}.", panel.y.label, panel.x.label));
            for series in panel.series.iter().filter(|series| !series.label.is_empty()) {
                let mut points = series.points.iter().filter(|point| panel.has(**point));
                let Some(first) = points.next() else { continue };
                let last = points.next_back().unwrap_or(first);
                let [x0, y0, x1, y1] = [first.0, first.1, last.0, last.1].map(number::short);
                alt.push_str(&format!(" {}: {y0} at {x0}, {y1} at {x1}.", series.label));
            }
            for reference in &panel.references {
                let value = number::short(reference.value);
                alt.push_str(&format!(" {}: {value}.", reference.label));
            }
            alt.push(' ');
        }
        alt.trim_end().into()
    }

    /// The legend: every labelled line once, then the references.
    fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = vec![];
        let lines = self.panels.iter().flat_map(|panel| &panel.series).map(|series| Entry {
            label: series.label.clone(),
            colour: series.colour,
            style: Some(series.style),
            marked: series.is_marked(),
        });
        let references = self.panels.iter().flat_map(|panel| &panel.references);
        let references = references.map(|reference| Entry {
            label: reference.label.clone(),
            colour: reference.colour,
            style: None,
            marked: false,
        });
        for entry in lines.chain(references) {
            if !entry.label.is_empty() && entries.iter().all(|known| known.label != entry.label) {
                entries.push(entry);
            }
        }
        entries
    }
}

#[derive(Clone, Debug)]
struct Entry {
    label: String,
    colour: Colour,
    /// None for a reference.
    style: Option<LineStyle>,
    marked: bool,
}

const SAMPLE: f64 = 26.0;

fn entry_type(entry: &Entry) -> Type {
    Type::new(12.5, if entry.style.is_some() { TEXT } else { MUTED })
}

/// Breaks the legend into rows that fit, each entry with its left edge.
fn legend_rows(entries: &[Entry], width: f64) -> Vec<Vec<(f64, &Entry)>> {
    let mut rows: Vec<Vec<(f64, &Entry)>> = vec![];
    let mut x = f64::INFINITY;
    for entry in entries {
        let needed = SAMPLE + 7.0 + entry_type(entry).width(&entry.label);
        if x + needed > width {
            rows.push(vec![]);
            x = 0.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((x, entry));
        }
        x += needed + 24.0;
    }
    rows
}

fn draw_legend(scene: &mut Scene, rows: &[Vec<(f64, &Entry)>]) {
    for (i, row) in rows.iter().enumerate() {
        let y = 9.0 + 24.0 * i as f64;
        for (x, entry) in row {
            let stroke = match entry.style {
                None => Stroke::new(entry.colour.rgb(), 1.5).dashed(2.0, 4.0),
                Some(style) => style.stroke(entry.colour),
            };
            scene.line(vec![(*x, y), (x + SAMPLE, y)], stroke);
            if entry.marked {
                let marker = entry.colour.marker();
                scene.marker((x + SAMPLE / 2.0, y), 4.0, marker, entry.colour.rgb(), String::new());
            }
            scene.text((x + SAMPLE + 7.0, y + 4.3), &entry.label, entry_type(entry));
        }
    }
}
