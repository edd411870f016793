//! Paths in the plane: where the flow carries its samples, and the paths it learned from.

use super::{
    colour::{AXIS, Colour, MUTED, PAPER, Rgb, TEXT},
    error::ReportError,
    figure::{Figure, Words, check_id, left_out},
    panel::Frame,
    plane::{Plane, View, is_finite},
    scene::{Point, Scene, Stroke, Type},
};

/// Paths in the plane, a panel for each method or kind of path, all with the same axes.
///
/// A path starts at a grey dot and ends at one in the method's colour. With `chords` the straight
/// line between the two is dashed beside it: so the learned conditional paths
/// $\varphi_t(x_0; x_1)$ show how far they bend. The frame is chosen as in
/// [`ScatterGrid`](super::ScatterGrid); a path is cut where it leaves it.
///
/// ```
/// use strait_report::{Colour, Trajectories, TrajectoryPanel};
///
/// let figure = Trajectories {
///     id: "trajectories".into(),
///     title: "Trajectories".into(),
///     panels: vec![TrajectoryPanel {
///         title: "learned paths".into(),
///         colour: Colour::of(1),
///         paths: vec![vec![[0.0, 0.0], [0.6, 0.3], [1.0, 1.0]]],
///         background: vec![[1.0, 1.0], [-1.0, 1.0]],
///         chords: true,
///     }],
///     ..Trajectories::default()
/// }
/// .draw()?;
/// assert_eq!(figure.id, "trajectories");
/// # Ok::<(), strait_report::ReportError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trajectories {
    /// The name of the figure's files.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What the reader should know to read it.
    pub caption: String,
    /// One panel for each method or kind of path.
    pub panels: Vec<TrajectoryPanel>,
}

/// The paths of one panel.
#[derive(Clone, Debug)]
pub struct TrajectoryPanel {
    /// The heading of the panel.
    pub title: String,
    /// The method's colour.
    pub colour: Colour,
    /// The paths, each from its source to its end.
    pub paths: Vec<Vec<[f64; 2]>>,
    /// Points behind the paths, such as the data; may be empty.
    pub background: Vec<[f64; 2]>,
    /// Whether to dash the straight line between the endpoints of each path.
    pub chords: bool,
}

const COLUMNS: usize = 3;
const GAP: f64 = 18.0;
const HEAD: f64 = 26.0;
const FOOT: f64 = 22.0;
const LEGEND: f64 = 26.0;
const DATA: Rgb = [0x8d, 0x95, 0xa1];

impl Trajectories {
    /// Draws the figure.
    ///
    /// # Errors
    /// [`ReportError::Id`], and [`ReportError::Empty`] without a panel.
    pub fn draw(&self) -> Result<Figure, ReportError> {
        check_id(&self.id)?;
        if self.panels.is_empty() {
            return Err(ReportError::Empty { id: self.id.clone(), what: "panels" });
        }
        let plane = self.plane();
        let gutter = plane.view(Frame { x: 0.0, y: 0.0, w: 100.0, h: 100.0 }).gutter().ceil();
        let columns = self.panels.len().min(COLUMNS);
        let room = 960.0 - gutter - 1.0 - GAP * (columns - 1) as f64;
        let side = (room / columns as f64).floor().min(380.0);
        let rows = self.panels.len().div_ceil(columns);
        let width = gutter + columns as f64 * side + (columns - 1) as f64 * GAP + 1.0;
        let mut scene = Scene::new(width, LEGEND + rows as f64 * (HEAD + side + FOOT));
        self.draw_legend(&mut scene);
        for (i, panel) in self.panels.iter().enumerate() {
            let (row, column) = (i / columns, i % columns);
            let x = gutter + column as f64 * (side + GAP);
            let y = LEGEND + row as f64 * (HEAD + side + FOOT) + HEAD;
            let set = Type::new(13.5, panel.colour.rgb()).strong();
            scene.text((x, y - 9.0), set.fitted(&panel.title, side), set);
            let view = plane.view(Frame { x, y, w: side, h: side });
            panel.draw(&mut scene, &view, plane);
            view.x_ticks(&mut scene);
            if column == 0 {
                view.y_ticks(&mut scene);
            }
        }
        let words = Words {
            id: &self.id,
            title: &self.title,
            caption: &self.caption,
            left_out: self.left_out(plane),
            alt: self.alt(),
        };
        Figure::render(&scene, words)
    }

    fn paths(&self) -> impl Iterator<Item = &Vec<[f64; 2]>> {
        self.panels.iter().flat_map(|panel| &panel.paths)
    }

    /// The sources and the background say where things should be; without a background the endpoints
    /// have to.
    fn plane(&self) -> Plane {
        let background = || self.panels.iter().flat_map(|panel| &panel.background);
        let starts = self.paths().filter_map(|path| path.first());
        if background().any(is_finite) {
            Plane::around(background().chain(starts))
        } else {
            Plane::around(starts.chain(self.paths().filter_map(|path| path.last())))
        }
    }

    fn draw_legend(&self, scene: &mut Scene) {
        let set = Type::new(12.5, TEXT);
        let mut x = 0.0;
        let mut entry = |scene: &mut Scene, sample: f64, label: &str| {
            let start = x;
            scene.text((x + sample + 6.0, 13.3), label, set);
            x += sample + 6.0 + set.width(label) + 24.0;
            start
        };
        let start = entry(scene, 8.0, "source");
        scene.dot((start + 4.0, 9.0), 3.5, MUTED, 1.0);
        let mut inks: Vec<Rgb> = self.panels.iter().map(|panel| panel.colour.rgb()).collect();
        inks.dedup();
        let start = entry(scene, 10.0 * inks.len() as f64, "end");
        for (i, ink) in inks.into_iter().enumerate() {
            scene.dot((start + 5.0 + 10.0 * i as f64, 9.0), 3.5, ink, 1.0);
        }
        if self.panels.iter().any(|panel| panel.chords) {
            let start = entry(scene, 26.0, "straight line between the same endpoints");
            scene.line(vec![(start, 9.0), (start + 26.0, 9.0)], chord());
        }
        if self.panels.iter().any(|panel| !panel.background.is_empty()) {
            let start = entry(scene, 16.0, "data");
            for (dx, dy) in [(3.0, 0.0), (9.0, -3.0), (8.0, 3.0), (14.0, 1.0)] {
                scene.dot((start + dx, 9.0 + dy), 1.4, DATA, 0.8);
            }
        }
    }

    fn left_out(&self, plane: Plane) -> Vec<String> {
        let broken = self.paths().filter(|path| !path.iter().all(is_finite)).count();
        let cut = self.paths().filter(|path| path.iter().any(|p| is_finite(p) && !plane.holds(p)));
        let cut = match cut.count() {
            0 => None,
            1 => Some("1 path leaves the frame.".into()),
            n => Some(format!("{n} paths leave the frame.")),
        };
        left_out(broken, "path", "not finite everywhere").into_iter().chain(cut).collect()
    }

    fn alt(&self) -> String {
        let mut alt = String::from("Paths in the plane.");
        for panel in &self.panels {
            let chords = if panel.chords { " beside the straight lines between their endpoints" } else { "" };
            alt.push_str(&format!(" {}: {} paths{chords}.", panel.title, panel.paths.len()));
        }
        alt
    }
}

impl TrajectoryPanel {
    fn draw(&self, scene: &mut Scene, view: &View, plane: Plane) {
        view.cloud(scene, &self.background, DATA, 0.28);
        view.frame(scene);
        let inside = |point: &[f64; 2]| plane.holds(point).then(|| view.at(*point)).flatten();
        let paths = || self.paths.iter().filter(|path| path.iter().all(is_finite));
        let ends = |path: &[[f64; 2]]| Some((*path.first()?, *path.last()?));
        if self.chords {
            for (start, end) in paths().filter_map(|path| ends(path)) {
                let places = [start, end].iter().filter_map(inside).collect();
                scene.line(places, chord());
            }
        }
        // Few paths can be bold; of many, each must let the others be seen.
        let bold = if self.paths.len() <= 16 { 1.0 } else { 0.0 };
        let stroke = Stroke::new(self.colour.rgb(), 1.0 + 0.8 * bold).opacity(0.4 + 0.5 * bold);
        for path in paths() {
            for run in path.split(|point| inside(point).is_none()) {
                scene.line(run.iter().filter_map(inside).collect(), stroke);
            }
        }
        let radius = 2.2 + 1.4 * bold;
        for (start, end) in paths().filter_map(|path| ends(path)) {
            let mut dot = |at: Option<Point>, ink| {
                if let Some(at) = at {
                    scene.dot(at, radius + 0.8, PAPER, 0.9);
                    scene.dot(at, radius, ink, 1.0);
                }
            };
            dot(inside(&start), MUTED);
            dot(inside(&end), self.colour.rgb());
        }
    }
}

fn chord() -> Stroke {
    Stroke::new(AXIS, 1.3).dashed(4.0, 4.0)
}
