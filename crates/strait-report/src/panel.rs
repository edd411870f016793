//! One panel of a chart on the page.

use super::{
    axis::Ruler,
    colour::{AXIS, Colour, GRID, MUTED, Rgb, TEXT},
    number,
    plot::{LineStyle, Panel, Series},
    scene::{Point, Scene, Stroke, Type},
};

/// A rectangle on the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

/// Where the panels of a chart stand.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// A single panel names its lines at their ends; several, or very many lines, have a legend.
    pub(super) labels_at_ends: bool,
    columns: usize,
    cell: (f64, f64),
    /// Room left of the axes for the tick labels, and right of them for the names of the lines.
    gutter: f64,
    margin: f64,
    /// Room above the axes for the headings.
    head: f64,
}

const FOOT: f64 = 42.0;
const GAP: f64 = 32.0;
const TICK_SIZE: f64 = 12.0;

impl Layout {
    pub(super) fn of(panels: &[Panel]) -> Self {
        let names = || panels.iter().flat_map(|panel| panel.names(&|_| Some(0.0)));
        let labels_at_ends = panels.len() == 1 && names().count() <= 12;
        let columns = match panels.len() {
            n @ 1..=3 => n,
            4 => 2,
            _ => 3,
        };
        let rows = panels.len().div_ceil(columns);
        let (width, plot) = match columns {
            1 => (760.0, 300.0),
            2 => (960.0, 270.0),
            _ => (960.0, 215.0),
        };
        let widest = |labels: Vec<f64>| labels.into_iter().fold(0.0, f64::max);
        let ticks = panels.iter().flat_map(|panel| panel.y_ruler(0.0, plot).ticks);
        let tick_type = Type::new(TICK_SIZE, MUTED);
        let gutter = widest(ticks.map(|tick| tick_type.width(&tick.label)).collect()) + 10.0;
        // The last tick may stand at the very end, and then half of its label beyond.
        let last = panels.iter().filter_map(|panel| panel.x_ruler(0.0, width).ticks.pop());
        let margin = widest(last.map(|tick| tick_type.width(&tick.label) / 2.0).collect());
        let names = names().filter(|_| labels_at_ends);
        let names = widest(names.map(|name| name.set().width(&name.label) + 12.0).collect());
        let margin = margin.max(names) + 2.0;
        let head = if panels.iter().any(|panel| !panel.title.is_empty()) { 46.0 } else { 26.0 };
        let cell = ((width - GAP * (columns - 1) as f64) / columns as f64, head + plot + FOOT);
        let height = cell.1 * rows as f64 + 20.0 * (rows - 1) as f64;
        Self { width, height, labels_at_ends, columns, cell, gutter, margin, head }
    }

    pub(super) fn cell(&self, index: usize) -> Frame {
        let (row, column) = (index / self.columns, index % self.columns);
        let (w, h) = self.cell;
        Frame { x: column as f64 * (w + GAP), y: row as f64 * (h + 20.0), w, h }
    }
}

impl LineStyle {
    pub(super) fn stroke(self, colour: Colour) -> Stroke {
        let ink = colour.rgb();
        match self {
            Self::Solid => Stroke::new(ink, 2.0),
            Self::Dashed => Stroke::new(ink, 2.0).dashed(6.0, 5.0),
            Self::Dotted => Stroke::new(ink, 2.0).dashed(2.0, 3.0),
            Self::Faint => Stroke::new(ink, 1.0).opacity(0.25),
        }
    }
}

impl Series {
    /// Few points are measurements and get markers; many are a curve.
    pub(super) fn is_marked(&self) -> bool {
        self.points.len() <= 12 && self.style != LineStyle::Faint
    }
}

/// A name in the right margin, at the height of what it names.
struct Name {
    y: f64,
    label: String,
    ink: Rgb,
    strong: bool,
}

impl Name {
    fn new(y: f64, label: &str, ink: Rgb, strong: bool) -> Self {
        let name = Self { y, label: String::new(), ink, strong };
        let label = name.set().fitted(label, 240.0);
        Self { label, ..name }
    }

    fn set(&self) -> Type {
        let set = Type::new(12.5, self.ink);
        if self.strong { set.strong() } else { set }
    }
}

impl Panel {
    /// Whether both axes have a place for the point.
    pub(super) fn has(&self, (x, y): (f64, f64)) -> bool {
        self.x.scale.takes(x) && self.y.scale.takes(y)
    }

    pub(super) fn draw(&self, scene: &mut Scene, cell: Frame, layout: &Layout) {
        let plot = Frame {
            x: cell.x + layout.gutter,
            y: cell.y + layout.head,
            w: cell.w - layout.gutter - layout.margin,
            h: cell.h - layout.head - FOOT,
        };
        let x = self.x_ruler(plot.x, plot.x + plot.w);
        let y = self.y_ruler(plot.y, plot.y + plot.h);
        self.draw_headings(scene, cell);
        self.draw_axes(scene, plot, &x, &y);
        self.draw_events(scene, plot, &x);
        for series in &self.series {
            draw_band(scene, series, &x, &y);
        }
        for series in &self.series {
            draw_line(scene, series, &x, &y);
        }
        for series in self.series.iter().filter(|series| series.is_marked()) {
            self.draw_markers(scene, series, &x, &y);
        }
        if !self.series.iter().flat_map(|s| &s.points).any(|&point| self.has(point)) {
            let set = Type::new(13.0, MUTED).middle();
            scene.text((plot.x + plot.w / 2.0, plot.y + plot.h / 2.0), "no finite values", set);
        }
        if layout.labels_at_ends {
            draw_names(scene, plot, self.names(&|value| y.at(value)));
        }
    }

    fn x_ruler(&self, left: f64, right: f64) -> Ruler {
        let points = self.series.iter().flat_map(|s| &s.points).filter(|point| self.has(**point));
        let events = self.events.iter().map(|event| event.at);
        let about = ((right - left) / 80.0) as usize;
        Ruler::new(&self.x, points.map(|point| point.0).chain(events), (left, right), about)
    }

    fn y_ruler(&self, top: f64, bottom: f64) -> Ruler {
        let points = self.series.iter().flat_map(|s| &s.points).filter(|point| self.has(**point));
        let bands = self.series.iter().flat_map(|s| &s.band).flat_map(|&(low, high)| [low, high]);
        let references = self.references.iter().map(|reference| reference.value);
        let values = points.map(|point| point.1).chain(bands).chain(references);
        Ruler::new(&self.y, values, (bottom, top), 5)
    }

    fn draw_headings(&self, scene: &mut Scene, cell: Frame) {
        let mut y = cell.y + 13.0;
        if !self.title.is_empty() {
            let set = Type::new(13.5, TEXT).strong();
            scene.text((cell.x, y), set.fitted(&self.title, cell.w), set);
            y += 19.0;
        }
        let set = Type::new(12.5, MUTED);
        scene.text((cell.x, y), set.fitted(&self.y.label, cell.w), set);
    }

    fn draw_axes(&self, scene: &mut Scene, plot: Frame, x: &Ruler, y: &Ruler) {
        let (right, bottom) = (plot.x + plot.w, plot.y + plot.h);
        let tick_type = Type::new(TICK_SIZE, MUTED);
        for tick in &y.ticks {
            if let Some(at) = y.at(tick.value) {
                scene.line(vec![(plot.x, at), (right, at)], Stroke::new(GRID, 1.0));
                scene.text((plot.x - 8.0, at + 4.2), &tick.label, tick_type.end());
            }
        }
        scene.line(vec![(plot.x, bottom), (right, bottom)], Stroke::new(AXIS, 1.0));
        let ticks = x.ticks.iter().filter_map(|tick| Some((x.at(tick.value)?, tick.label.as_str())));
        let ticks: Vec<(f64, &str)> = ticks.collect();
        for &(at, _) in &ticks {
            scene.line(vec![(at, bottom), (at, bottom + 5.0)], Stroke::new(AXIS, 1.0));
        }
        for (at, label) in without_overlap(&ticks, tick_type) {
            scene.text((at, bottom + 18.0), label, tick_type.middle());
        }
        let middle = (plot.x + plot.w / 2.0, bottom + 36.0);
        scene.text(middle, &self.x.label, Type::new(12.5, MUTED).middle());
        for reference in &self.references {
            if let Some(at) = y.at(reference.value) {
                let stroke = Stroke::new(reference.colour.rgb(), 1.5).dashed(2.0, 4.0);
                scene.line(vec![(plot.x, at), (right, at)], stroke);
            }
        }
    }

    fn draw_events(&self, scene: &mut Scene, plot: Frame, x: &Ruler) {
        let set = Type::new(11.5, MUTED).halo();
        let mut free = f64::NEG_INFINITY;
        for event in &self.events {
            let Some(at) = x.at(event.at) else { continue };
            let stroke = Stroke::new(AXIS, 1.0).dashed(4.0, 4.0);
            scene.line(vec![(at, plot.y), (at, plot.y + plot.h)], stroke);
            // A name that would run into its neighbour or out of the frame is left to the caption.
            let end = at + 6.0 + set.width(&event.label);
            if at > free && end <= plot.x + plot.w {
                scene.text((at + 5.0, plot.y + 10.0), &event.label, set);
                free = end;
            }
        }
    }

    fn draw_markers(&self, scene: &mut Scene, series: &Series, x: &Ruler, y: &Ruler) {
        for point in &series.points {
            if let (Some(px), Some(py)) = (x.at(point.0), y.at(point.1)) {
                let [at, value] = [point.0, point.1].map(number::short);
                let hint = format!("{}: {value} at {at} {}", series.label, self.x.label);
                scene.marker((px, py), 4.5, series.colour.marker(), series.colour.rgb(), hint);
            }
        }
    }

    fn names(&self, height: &dyn Fn(f64) -> Option<f64>) -> Vec<Name> {
        let lines = self.series.iter().filter_map(|series| {
            let last = series.points.iter().rev().find(|point| self.has(**point))?;
            Some(Name::new(height(last.1)?, &series.label, series.colour.rgb(), true))
        });
        let references = self.references.iter().filter_map(|reference| {
            let label = format!("{} {}", reference.label, number::short(reference.value));
            Some(Name::new(height(reference.value)?, &label, MUTED, false))
        });
        lines.chain(references).filter(|name| !name.label.is_empty()).collect()
    }
}

/// The ticks whose labels fit: the two outermost first, then from the left.
fn without_overlap<'a>(ticks: &[(f64, &'a str)], set: Type) -> Vec<(f64, &'a str)> {
    let mut kept: Vec<(f64, &str)> = vec![];
    let outer = ticks.first().into_iter().chain(ticks.last());
    for &(at, label) in outer.chain(ticks) {
        let half = set.width(label) / 2.0;
        if kept.iter().all(|(x, other)| (x - at).abs() > half + set.width(other) / 2.0 + 6.0) {
            kept.push((at, label));
        }
    }
    kept
}

/// Sets names in the right margin, moved apart where they would overlap as little as possible:
/// overlapping ones form a block around the mean of their places.
fn draw_names(scene: &mut Scene, plot: Frame, mut names: Vec<Name>) {
    const LINE: f64 = 16.0;
    names.sort_by(|a, b| a.y.total_cmp(&b.y));
    let within = |middle: f64, n: usize| {
        let half = LINE * (n - 1) as f64 / 2.0;
        middle.min(plot.y + plot.h - half).max(plot.y + half)
    };
    let mut blocks: Vec<(f64, usize)> = vec![];
    for name in &names {
        blocks.push((within(name.y, 1), 1));
        while let [.., (upper, m), (lower, n)] = blocks[..] {
            if lower - upper >= LINE * (m + n) as f64 / 2.0 {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            let middle = (upper * m as f64 + lower * n as f64) / (m + n) as f64;
            blocks.push((within(middle, m + n), m + n));
        }
    }
    let heights =
        blocks.iter().flat_map(|&(middle, n)| (0..n).map(move |i| middle + LINE * (i as f64 - (n - 1) as f64 / 2.0)));
    for (name, y) in names.iter().zip(heights) {
        scene.text((plot.x + plot.w + 10.0, y + 4.3), &name.label, name.set());
    }
}

fn draw_band(scene: &mut Scene, series: &Series, x: &Ruler, y: &Ruler) {
    let edges = series.points.iter().zip(&series.band);
    let edges = edges.map(|(point, band)| Some((x.at(point.0)?, y.at(band.0)?, y.at(band.1)?)));
    for run in unbroken(edges) {
        let upper = run.iter().map(|&(x, _, high)| (x, high));
        let lower = run.iter().rev().map(|&(x, low, _)| (x, low));
        scene.area(upper.chain(lower).collect(), series.colour.rgb(), 0.16);
    }
}

fn draw_line(scene: &mut Scene, series: &Series, x: &Ruler, y: &Ruler) {
    let places = series.points.iter().map(|point| Some((x.at(point.0)?, y.at(point.1)?)));
    let stroke = series.style.stroke(series.colour);
    for run in unbroken(places) {
        // A value alone between two gaps would have no line, and no marker on a curve.
        if run.len() == 1 && !series.is_marked() {
            scene.dot(run[0], stroke.width, stroke.ink, stroke.opacity);
        }
        scene.line(thinned(run), stroke);
    }
}

/// Splits at the gaps.
fn unbroken<T>(places: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut runs = vec![vec![]];
    for place in places {
        match (place, runs.last_mut()) {
            (Some(place), Some(run)) => run.push(place),
            _ => runs.push(vec![]),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Leaves of every pixel column its first, lowest, highest and last point: the line looks the
/// same, and a run of a million steps makes no larger page than one of a thousand.
fn thinned(points: Vec<Point>) -> Vec<Point> {
    if points.len() < 1000 {
        return points;
    }
    let mut kept: Vec<Point> = vec![];
    for column in points.chunk_by(|a, b| a.0.floor() == b.0.floor()) {
        let by_height = |i: &usize, j: &usize| column[*i].1.total_cmp(&column[*j].1);
        let (lowest, highest) = ((0..column.len()).min_by(by_height), (0..column.len()).max_by(by_height));
        let mut indices = vec![0, column.len() - 1];
        indices.extend(lowest.into_iter().chain(highest));
        indices.sort_unstable();
        indices.dedup();
        kept.extend(indices.into_iter().map(|i| column[i]));
    }
    kept
}
