//! The two embedded faces: what they measure, and their outlines.

use std::sync::LazyLock;

use tiny_skia::PathBuilder;
use ttf_parser::{Face, OutlineBuilder};

pub(super) const REGULAR: &[u8] = include_bytes!("fonts/Inter-Regular.ttf");
pub(super) const SEMI_BOLD: &[u8] = include_bytes!("fonts/Inter-SemiBold.ttf");

/// What a viewer without the embedded face should fall back to.
pub(super) const FAMILY: &str = "Inter, Helvetica, Arial, sans-serif";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    SemiBold,
}

static FACES: LazyLock<[Face<'static>; 2]> =
    LazyLock::new(|| [REGULAR, SEMI_BOLD].map(|bytes| Face::parse(bytes, 0).expect("the embedded font is valid")));

impl Weight {
    fn face(self) -> &'static Face<'static> {
        match self {
            Self::Regular => &FACES[0],
            Self::SemiBold => &FACES[1],
        }
    }
}

/// The width of a line of text in pixels, without kerning.
pub(super) fn width(text: &str, size: f64, weight: Weight) -> f64 {
    let face = weight.face();
    let units: f64 = text
        .chars()
        .map(|c| {
            let glyph = face.glyph_index(c).unwrap_or_default();
            f64::from(face.glyph_hor_advance(glyph).unwrap_or(0))
        })
        .sum();
    units * size / f64::from(face.units_per_em())
}

/// The outline of a line of text whose baseline starts at `(x, y)`.
pub(super) fn outline(text: &str, size: f64, weight: Weight, x: f64, y: f64) -> Option<tiny_skia::Path> {
    let face = weight.face();
    let scale = size as f32 / f32::from(face.units_per_em());
    let mut pen = Pen { path: PathBuilder::new(), x: x as f32, y: y as f32, scale };
    for c in text.chars() {
        let glyph = face.glyph_index(c).unwrap_or_default();
        face.outline_glyph(glyph, &mut pen);
        pen.x += f32::from(face.glyph_hor_advance(glyph).unwrap_or(0)) * scale;
    }
    pen.path.finish()
}

/// Carries a glyph's outline (y up, font units) to the page (y down, pixels).
struct Pen {
    path: PathBuilder,
    x: f32,
    y: f32,
    scale: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, self.y - y * self.scale)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (x1, y1) = self.at(x1, y1);
        let (x, y) = self.at(x, y);
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (x1, y1) = self.at(x1, y1);
        let (x2, y2) = self.at(x2, y2);
        let (x, y) = self.at(x, y);
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
