//! Pixels inside a figure.

use std::io::Write;

use super::colour::Rgb;

/// An image of 8 bits a channel, rows from the top.
#[derive(Debug)]
pub(super) struct Bitmap {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Pixels,
}

#[derive(Debug)]
pub(super) enum Pixels {
    Rgb(Vec<Rgb>),
    /// One ink of varying opacity. It is written with a palette, one byte a pixel.
    Tint {
        ink: Rgb,
        alpha: Vec<u8>,
    },
}

impl Bitmap {
    /// The image as straight (not premultiplied) RGBA.
    pub(super) fn rgba(&self) -> Box<dyn Iterator<Item = [u8; 4]> + '_> {
        match &self.pixels {
            Pixels::Rgb(pixels) => Box::new(pixels.iter().map(|&[r, g, b]| [r, g, b, 255])),
            Pixels::Tint { ink: [r, g, b], alpha } => Box::new(alpha.iter().map(|&a| [*r, *g, *b, a])),
        }
    }

    pub(super) fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut bytes = Vec::new();
        let (width, height) = (self.width as u32, self.height as u32);
        match &self.pixels {
            Pixels::Rgb(pixels) if pixels.iter().all(|[r, g, b]| r == g && g == b) => {
                let gray: Vec<u8> = pixels.iter().map(|pixel| pixel[0]).collect();
                encode(&mut bytes, (width, height), png::ColorType::Grayscale, &gray, |_| ())?;
            }
            Pixels::Rgb(pixels) => {
                encode(&mut bytes, (width, height), png::ColorType::Rgb, pixels.as_flattened(), |_| ())?;
            }
            Pixels::Tint { ink, alpha } => {
                encode(&mut bytes, (width, height), png::ColorType::Indexed, alpha, |encoder| {
                    as_drawing(encoder);
                    encoder.set_palette(ink.repeat(256));
                    encoder.set_trns((0..=255).collect::<Vec<u8>>());
                })?;
            }
        }
        Ok(bytes)
    }
}

/// Rows as they are, and not as differences from their neighbours: drawings are mostly runs of one colour, and so are smaller by
/// a fifth, in less time.
pub(super) fn as_drawing<W: Write>(encoder: &mut png::Encoder<'_, W>) {
    encoder.set_filter(png::Filter::NoFilter);
}

/// Writes an image of 8 bits a sample.
pub(super) fn encode<'a, W: Write>(
    to: &'a mut W,
    (width, height): (u32, u32),
    colour: png::ColorType,
    samples: &[u8],
    set: impl FnOnce(&mut png::Encoder<'_, &'a mut W>),
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(to, width, height);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced); // as small as `High` for drawings, in half the time
    set(&mut encoder);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(samples)?;
    writer.finish()
}

/// Points as small discs of one ink that darken where they overlap.
pub(super) struct Splat {
    width: usize,
    height: usize,
    /// What is still uncovered of each pixel, in [0, 1].
    clear: Vec<f32>,
}

impl Splat {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, clear: vec![1.0; width * height] }
    }

    pub(super) fn disc(&mut self, x: f64, y: f64, radius: f64, opacity: f64) {
        let reach = radius + 0.5;
        let span = |centre: f64, end: usize| {
            let first = (centre - reach).floor().max(0.0) as usize;
            let last = (centre + reach).ceil().clamp(0.0, end as f64) as usize;
            first..last
        };
        for row in span(y, self.height) {
            for column in span(x, self.width) {
                let away = (column as f64 + 0.5 - x).hypot(row as f64 + 0.5 - y);
                let cover = (reach - away).clamp(0.0, 1.0);
                self.clear[row * self.width + column] *= (1.0 - opacity * cover) as f32;
            }
        }
    }

    pub(super) fn tinted(self, ink: Rgb) -> Bitmap {
        // 33 levels cannot be told from 256 here and compress to less than half.
        let alpha = self.clear.iter().map(|clear| (((1.0 - clear) * 32.0).round() * 7.97) as u8);
        let alpha = alpha.collect();
        Bitmap { width: self.width, height: self.height, pixels: Pixels::Tint { ink, alpha } }
    }
}
