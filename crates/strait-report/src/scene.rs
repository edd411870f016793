//! A drawing as a list of marks. [`svg`](super::svg) writes it and [`raster`](super::raster) fills
//! it, so that a figure's two files show the same marks.

use super::{
    bitmap::Bitmap,
    colour::{Marker, Rgb},
    font::{self, Weight},
};

pub(super) type Point = (f64, f64);

/// The paper around a figure in its files. In the page the text around it does that.
pub(super) const MARGIN: f64 = 16.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a line of text is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) ink: Rgb,
    pub(super) anchor: Anchor,
    /// A paper-coloured edge that keeps text readable on top of lines.
    pub(super) halo: bool,
}

impl Type {
    pub(super) fn new(size: f64, ink: Rgb) -> Self {
        Self { size, weight: Weight::Regular, ink, anchor: Anchor::Start, halo: false }
    }

    pub(super) fn strong(self) -> Self {
        Self { weight: Weight::SemiBold, ..self }
    }

    pub(super) fn middle(self) -> Self {
        Self { anchor: Anchor::Middle, ..self }
    }

    pub(super) fn end(self) -> Self {
        Self { anchor: Anchor::End, ..self }
    }

    pub(super) fn halo(self) -> Self {
        Self { halo: true, ..self }
    }

    pub(super) fn width(self, text: &str) -> f64 {
        font::width(text, self.size, self.weight)
    }

    /// The text, or as much of its beginning as goes into `room` with an ellipsis.
    pub(super) fn fitted(self, text: &str, room: f64) -> String {
        if self.width(text) <= room {
            return text.into();
        }
        let elided = |end: usize| format!("{}…", text[..end].trim_end());
        let ends = text.char_indices().rev().map(|(end, _)| end);
        let mut fitting = ends.map(elided).filter(|short| self.width(short) <= room);
        fitting.next().unwrap_or_else(|| "…".into())
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub(super) ink: Rgb,
    pub(super) width: f64,
    pub(super) opacity: f64,
    pub(super) dash: Option<[f64; 2]>,
}

impl Stroke {
    pub(super) fn new(ink: Rgb, width: f64) -> Self {
        Self { ink, width, opacity: 1.0, dash: None }
    }

    pub(super) fn opacity(self, opacity: f64) -> Self {
        Self { opacity, ..self }
    }

    pub(super) fn dashed(self, on: f64, off: f64) -> Self {
        Self { dash: Some([on, off]), ..self }
    }
}

#[derive(Debug)]
pub(super) enum Mark {
    Line { points: Vec<Point>, stroke: Stroke },
    Area { outline: Vec<Point>, ink: Rgb, opacity: f64 },
    Dot { at: Point, radius: f64, marker: Marker, ink: Rgb, opacity: f64, rim: bool, hint: String },
    Text { at: Point, text: String, set: Type },
    Image { at: Point, size: Point, bitmap: Bitmap, crisp: bool },
}

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) marks: Vec<Mark>,
}

impl Scene {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { width: width.ceil(), height: height.ceil(), marks: Vec::new() }
    }

    pub(super) fn line(&mut self, points: Vec<Point>, stroke: Stroke) {
        // Dashes divide a length, and points in one place have none.
        let moves = points.windows(2).any(|ends| ends[0] != ends[1]);
        let stroke = Stroke { dash: stroke.dash.filter(|_| moves), ..stroke };
        if points.len() > 1 {
            self.marks.push(Mark::Line { points, stroke });
        }
    }

    pub(super) fn frame(&mut self, (x, y): Point, (w, h): Point, stroke: Stroke) {
        self.line(vec![(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)], stroke);
    }

    pub(super) fn area(&mut self, outline: Vec<Point>, ink: Rgb, opacity: f64) {
        self.marks.push(Mark::Area { outline, ink, opacity });
    }

    pub(super) fn dot(&mut self, at: Point, radius: f64, ink: Rgb, opacity: f64) {
        let (marker, rim, hint) = (Marker::Circle, false, String::new());
        self.marks.push(Mark::Dot { at, radius, marker, ink, opacity, rim, hint });
    }

    /// A marker with a paper-coloured rim; `hint` is what a viewer shows on hovering.
    pub(super) fn marker(&mut self, at: Point, radius: f64, marker: Marker, ink: Rgb, hint: String) {
        self.marks.push(Mark::Dot { at, radius, marker, ink, opacity: 1.0, rim: true, hint });
    }

    pub(super) fn text(&mut self, at: Point, text: impl Into<String>, set: Type) {
        let text = text.into();
        if !text.is_empty() {
            self.marks.push(Mark::Text { at, text, set });
        }
    }

    /// Places pixels; `crisp` ones keep their edges when they are enlarged.
    pub(super) fn image(&mut self, at: Point, size: Point, bitmap: Bitmap, crisp: bool) {
        self.marks.push(Mark::Image { at, size, bitmap, crisp });
    }
}

impl Marker {
    /// The corners of the marker at the origin, none for a circle. All cover about the area of the
    /// circle of this radius.
    pub(super) fn corners(self, radius: f64) -> Vec<Point> {
        match self {
            Self::Circle => vec![],
            Self::Square => {
                let r = 0.89 * radius;
                vec![(-r, -r), (r, -r), (r, r), (-r, r)]
            }
            Self::Diamond => {
                let r = 1.25 * radius;
                vec![(0.0, -r), (r, 0.0), (0.0, r), (-r, 0.0)]
            }
            Self::Triangle => {
                let r = 1.3 * radius;
                vec![(0.0, -r), (0.95 * r, 0.7 * r), (-0.95 * r, 0.7 * r)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_a_length_has_no_dashes() {
        let mut scene = Scene::new(10.0, 10.0);
        let stroke = Stroke::new([0, 0, 0], 1.0).dashed(4.0, 4.0);
        scene.line(vec![(2.0, 3.0), (2.0, 3.0)], stroke);
        scene.line(vec![(2.0, 3.0), (2.0, 4.0)], stroke);
        let dashed = |mark: &Mark| matches!(mark, Mark::Line { stroke, .. } if stroke.dash.is_some());
        assert_eq!(scene.marks.iter().map(dashed).collect::<Vec<_>>(), [false, true]);
    }
}
