//! The plane of 2-D figures: one square frame for all panels.

use super::{
    axis::Ruler,
    bitmap::Splat,
    colour::{AXIS, MUTED, Rgb},
    panel::Frame,
    raster::SCALE,
    scene::{Point, Scene, Stroke, Type},
};

/// Directions whose widths differ by more than this have a scale each.
const UNEQUAL: f64 = 5.0;

/// A window onto the plane, drawn as a square.
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
    /// Around the central 99% of the points in each direction, and an eighth more on every side. Outliers therefore cannot
    /// shrink everything else to a dot. Both directions have one scale, as distances in the plane need, unless one of them
    /// would be a line: columns of a table may have other units each.
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
        let widest = half_x.max(half_y);
        let alike = widest <= UNEQUAL * half_x.min(half_y) || half_x.min(half_y) == 0.0;
        let (half_x, half_y) = if alike { (widest, widest) } else { (half_x, half_y) };
        // As wide as the points, whatever their size, but not below what the digits of a double tell apart.
        let range = |centre: f64, half: f64| {
            let extent = half.max(1e-14 * (x.abs() + y.abs()));
            let half = if extent > 0.0 { 1.25 * extent } else { 1.0 };
            (centre - half, centre + half)
        };
        Self { x: range(x, half_x), y: range(y, half_y) }
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
        let set = Type::new(11.0, MUTED);
        let mut free = f64::NEG_INFINITY;
        for tick in &self.x.ticks {
            let Some(at) = self.x.at(tick.value) else { continue };
            scene.line(vec![(at, bottom), (at, bottom + 4.0)], Stroke::new(AXIS, 1.0));
            // A label as long as its neighbour is near is left out.
            let half = set.width(&tick.label) / 2.0;
            if at - half > free {
                scene.text((at, bottom + 15.0), &tick.label, set.middle());
                free = at + half + 4.0;
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

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { x: 10.0, y: 20.0, w: 200.0, h: 200.0 };

    /// Whatever their size and wherever they lie, points fill the square; ticks differ.
    #[test]
    fn a_window_is_as_wide_as_its_points() {
        for (offset, size) in [(0.0, 1e-30), (0.0, 1e-200), (0.0, 1e100), (1e9, 1.0), (-1e12, 1.0), (3e-5, 1e-9)] {
            let points: Vec<[f64; 2]> = [-1.0, -0.5, 0.5, 1.0].map(|x| [offset + size * x, offset - size * x]).to_vec();
            let view = Plane::around(points.iter()).view(FRAME);
            let across: Vec<f64> = points.iter().map(|&point| view.at(point).unwrap().0 - FRAME.x).collect();
            for (found, share) in across.iter().zip([0.1, 0.3, 0.7, 0.9]) {
                assert!((found / FRAME.w - share).abs() < 1e-3, "{offset} +- {size}: {across:?}");
            }
            let labels: Vec<&str> = view.x.ticks.iter().map(|tick| &*tick.label).collect();
            assert!(labels.len() > 1 && labels.windows(2).all(|pair| pair[0] != pair[1]), "{labels:?}");
        }
        for tenths in 10..100 {
            let end = f64::from(tenths) / 10.0;
            let view = Plane::around([[-end, end], [end, -end]].iter()).view(FRAME);
            assert!(view.x.ticks.len() > 1 && view.y.ticks.len() > 1, "+- {end}");
        }
        for (wide, across) in [(4.0, 0.2), (50.0, 0.8), (1e-3, 0.8)] {
            let points: Vec<[f64; 2]> = [-1.0, -0.5, 0.5, 1.0].map(|x| [x, wide * x]).to_vec();
            let view = Plane::around(points.iter()).view(FRAME);
            let ends = [points[0], points[3]].map(|point| view.at(point).unwrap());
            assert!(((ends[1].0 - ends[0].0) / FRAME.w - across).abs() < 1e-3, "{wide}: {ends:?}");
            assert!(((ends[0].1 - ends[1].1) / FRAME.h - 0.8).abs() < 1e-3, "{wide}: {ends:?}");
        }
        for constant in [0.0, 7.0, -1e100] {
            let view = Plane::around([[constant, constant]].iter()).view(FRAME);
            let (x, y) = view.at([constant; 2]).unwrap();
            assert!((x - 110.0).abs() < 1.0 && (y - 120.0).abs() < 1.0, "{constant}: ({x}, {y})");
        }
    }
}
