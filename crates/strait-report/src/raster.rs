//! A scene as a PNG of two pixels to the SVG's one.

use tiny_skia::{
    Color, FillRule, FilterQuality, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, PixmapPaint,
    PremultipliedColorU8, StrokeDash, Transform,
};

use super::{
    bitmap::{Bitmap, as_drawing, encode},
    colour::{Marker, PAPER, Rgb},
    error::ReportError,
    font,
    scene::{Anchor, MARGIN, Mark, Point, Scene, Stroke, Type},
};

/// Pixels of the PNG to one unit of the SVG.
pub(super) const SCALE: f64 = 2.0;

/// From the scene to the pixels.
fn view() -> Transform {
    Transform::from_translate(MARGIN as f32, MARGIN as f32).post_scale(SCALE as f32, SCALE as f32)
}

pub(super) fn png(scene: &Scene, id: &str) -> Result<Vec<u8>, ReportError> {
    let (width, height) = ((scene.width + 2.0 * MARGIN) * SCALE, (scene.height + 2.0 * MARGIN) * SCALE);
    let mut canvas = Pixmap::new(width as u32, height as u32).ok_or_else(|| ReportError::TooLarge {
        id: id.into(),
        width,
        height,
    })?;
    canvas.fill(color(PAPER, 1.0));
    for mark in &scene.marks {
        draw(&mut canvas, mark);
    }
    // Every figure stands on paper, so its pixels are opaque and need no alpha.
    let samples: Vec<u8> = canvas.pixels().iter().flat_map(|p| [p.red(), p.green(), p.blue()]).collect();
    let mut bytes = Vec::new();
    let size = (canvas.width(), canvas.height());
    encode(&mut bytes, size, png::ColorType::Rgb, &samples, as_drawing)
        .map_err(|source| ReportError::Png { id: id.into(), source })?;
    Ok(bytes)
}

fn draw(canvas: &mut Pixmap, mark: &Mark) {
    match mark {
        Mark::Line { points, stroke } => line(canvas, polygon(points, false), *stroke),
        Mark::Area { outline, ink, opacity } => fill(canvas, polygon(outline, true), *ink, *opacity),
        Mark::Dot { at: (x, y), radius, marker, ink, opacity, rim, .. } => {
            let path = match marker {
                Marker::Circle => PathBuilder::from_circle(*x as f32, *y as f32, *radius as f32),
                _ => {
                    let corners = marker.corners(*radius);
                    let corners: Vec<Point> = corners.iter().map(|c| (x + c.0, y + c.1)).collect();
                    polygon(&corners, true)
                }
            };
            fill(canvas, path.clone(), *ink, *opacity);
            if *rim {
                line(canvas, path, Stroke::new(PAPER, 1.5));
            }
        }
        Mark::Text { at, text, set } => write(canvas, *at, text, *set),
        Mark::Image { at, size, bitmap, crisp } => {
            let quality = if *crisp { FilterQuality::Nearest } else { FilterQuality::Bilinear };
            paste(canvas, *at, *size, bitmap, quality);
        }
    }
}

fn write(canvas: &mut Pixmap, (x, y): Point, text: &str, set: Type) {
    let start = match set.anchor {
        Anchor::Start => x,
        Anchor::Middle => x - set.width(text) / 2.0,
        Anchor::End => x - set.width(text),
    };
    let path = font::outline(text, set.size, set.weight, start, y);
    if set.halo {
        line(canvas, path.clone(), Stroke::new(PAPER, 4.0));
    }
    fill(canvas, path, set.ink, 1.0);
}

fn paste(canvas: &mut Pixmap, (x, y): Point, (w, h): Point, bitmap: &Bitmap, quality: FilterQuality) {
    let Some(mut image) = Pixmap::new(bitmap.width as u32, bitmap.height as u32) else {
        return;
    };
    for (pixel, [red, green, blue, alpha]) in image.pixels_mut().iter_mut().zip(bitmap.rgba()) {
        let by_alpha = |channel: u8| ((u16::from(channel) * u16::from(alpha) + 127) / 255) as u8;
        *pixel = PremultipliedColorU8::from_rgba(by_alpha(red), by_alpha(green), by_alpha(blue), alpha)
            .unwrap_or(PremultipliedColorU8::TRANSPARENT);
    }
    let place = view()
        .pre_translate(x as f32, y as f32)
        .pre_scale(w as f32 / bitmap.width as f32, h as f32 / bitmap.height as f32);
    let paint = PixmapPaint { quality, ..PixmapPaint::default() };
    canvas.draw_pixmap(0, 0, image.as_ref(), &paint, place, None);
}

fn polygon(points: &[Point], closed: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        if i == 0 {
            builder.move_to(x as f32, y as f32);
        } else {
            builder.line_to(x as f32, y as f32);
        }
    }
    if closed {
        builder.close();
    }
    builder.finish()
}

fn fill(canvas: &mut Pixmap, path: Option<Path>, ink: Rgb, opacity: f64) {
    let Some(path) = path else { return };
    let paint = paint(ink, opacity);
    canvas.fill_path(&path, &paint, FillRule::Winding, view(), None);
}

fn line(canvas: &mut Pixmap, path: Option<Path>, stroke: Stroke) {
    let Some(path) = path else { return };
    let pen = tiny_skia::Stroke {
        width: stroke.width as f32,
        line_cap: LineCap::Round,
        line_join: LineJoin::Round,
        dash: stroke.dash.and_then(|dash| StrokeDash::new(dash.map(|d| d as f32).to_vec(), 0.0)),
        ..tiny_skia::Stroke::default()
    };
    let paint = paint(stroke.ink, stroke.opacity);
    canvas.stroke_path(&path, &paint, &pen, view(), None);
}

fn paint(ink: Rgb, opacity: f64) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(color(ink, opacity));
    paint
}

fn color([red, green, blue]: Rgb, opacity: f64) -> Color {
    Color::from_rgba8(red, green, blue, (opacity.clamp(0.0, 1.0) * 255.0).round() as u8)
}
