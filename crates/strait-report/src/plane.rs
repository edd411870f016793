//! The plane of 2-D figures: one square frame for all panels.

use super::{
    axis::Ruler,
    bitmap::Splat,
    colour::{AXIS, MUTED, Rgb},
    panel::Frame,
    raster::SCALE,
    scene::{Point, Scene, Stroke, Type},
};

/// A square window onto the plane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plane {
    x: (f64, f64),
    y: (f64, f64),
}

/// The window laid onto a square of the page.
#[derive(Debug)]
pub(super) struct View {
    frame: Frame,
    x: Ruler,
    y: Ruler,
}

impl Plane {
    /// The square around the central 99% of the points in each direction, and an eighth more on
    /// every side. Outliers therefore cannot shrink everything else to a dot.
    pub(super) fn around<'a>(points: impl Iterator<Item = &'a [f64; 2]>) -> Self {
        let (mut xs, mut ys): (Vec<f64>, Vec<f64>) =
            points.filter(|point| is_finite(point)).map(|&[x, y]| (x, y)).unzip();
        let centre_and_half = |values: &mut Vec<f64>| {
            values.sort_by(f64::total_cmp);
            let Some(last) = values.len().checked_sub(1) else { return (0.0, 1.0) };
            let tail = (last as f64 * 0.005) as usize;
            let (low, high) = (values[tail], values[last - tail]);
            (f64::midpoint(low, high), (high - low) / 2.0)
        };
        let (x, half_x) = centre_and_half(&mut xs);
        let (y, half_y) = centre_and_half(&mut ys);
        let half = half_x.max(half_y).max(1e-9 * (1.0 + x.abs() + y.abs())) * 1.25;
        Self { x: (x - half, x + half), y: (y - half, y + half) }
    }

    pub(super) fn view(self, frame: Frame) -> View {
        View {
            frame,
            x: Ruler::exact(self.x, (frame.x, frame.x + frame.w), 3),
            y: Ruler::exact(self.y, (frame.y + frame.h, frame.y), 3),
        }
    }

    pub(super) fn holds(self, [x, y]: &[f64; 2]) -> bool {
        (self.x.0..=self.x.1).contains(x) && (self.y.0..=self.y.1).contains(y)
    }
}

pub(super) fn is_finite(point: &[f64; 2]) -> bool {
    point.iter().all(|value| value.abs() < 1e150)
}

impl View {
    pub(super) fn at(&self, [x, y]: [f64; 2]) -> Option<Point> {
        Some((self.x.at(x)?, self.y.at(y)?))
    }

    /// Draws the points as one layer of pixels, so that ten thousand cost no more than ten.
    pub(super) fn cloud(&self, scene: &mut Scene, points: &[[f64; 2]], ink: Rgb, opacity: f64) {
        let Frame { x, y, w, h } = self.frame;
        let mut splat = Splat::new((w * SCALE) as usize, (h * SCALE) as usize);
        // About the same share of the square is inked for any number of points.
        let radius = (w * 0.16 / (points.len().max(1) as f64).sqrt()).clamp(0.8, 2.2);
        for point in points.iter().filter(|point| is_finite(point)) {
            if let Some((px, py)) = self.at(*point) {
                splat.disc((px - x) * SCALE, (py - y) * SCALE, radius * SCALE, opacity);
            }
        }
        scene.image((x, y), (w, h), splat.tinted(ink), false);
    }

    pub(super) fn frame(&self, scene: &mut Scene) {
        let Frame { x, y, w, h } = self.frame;
        scene.frame((x, y), (w, h), Stroke::new(AXIS, 1.0).opacity(0.6));
    }

    pub(super) fn x_ticks(&self, scene: &mut Scene) {
        let bottom = self.frame.y + self.frame.h;
        for tick in &self.x.ticks {
            if let Some(at) = self.x.at(tick.value) {
                scene.line(vec![(at, bottom), (at, bottom + 4.0)], Stroke::new(AXIS, 1.0));
                scene.text((at, bottom + 15.0), &tick.label, Type::new(11.0, MUTED).middle());
            }
        }
    }

    pub(super) fn y_ticks(&self, scene: &mut Scene) {
        let left = self.frame.x;
        for tick in &self.y.ticks {
            if let Some(at) = self.y.at(tick.value) {
                scene.line(vec![(left - 4.0, at), (left, at)], Stroke::new(AXIS, 1.0));
                scene.text((left - 7.0, at + 3.8), &tick.label, Type::new(11.0, MUTED).end());
            }
        }
    }

    /// Room that the labels of `y_ticks` need.
    pub(super) fn gutter(&self) -> f64 {
        let set = Type::new(11.0, MUTED);
        self.y.ticks.iter().map(|tick| set.width(&tick.label)).fold(0.0, f64::max) + 9.0
    }
}
