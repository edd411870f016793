//! From a file to the bytes of a sample, by one rule.

use super::skipped::Reason;
use crate::Image;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::imageops::{FilterType, crop_imm, resize};
use image::{DynamicImage, ImageDecoder, ImageFormat, Limits, RgbImage};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// The most pixels a side.
const LARGEST: u32 = 16_384;
/// Bytes at the end of a JPEG among which its end marker is looked for: some programs write a few behind it.
const TAIL: u64 = 1024;

/// What can be seen of a picture without decoding it: width and height.
pub(super) fn look(path: &Path) -> Result<(u32, u32), Reason> {
    let unreadable = |_| Reason::Unreadable;
    let mut file = strait_io::open(path).map_err(|_| Reason::Unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length == 0 {
        return Err(Reason::Empty);
    }
    let (mut start, mut end) = (vec![], vec![]);
    (&file).take(16).read_to_end(&mut start).map_err(unreadable)?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(unreadable)?;
    (&file).take(TAIL).read_to_end(&mut end).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let format = image::guess_format(&start).map_err(|_| Reason::OtherFormat)?;
    let reader = BufReader::new(file);
    let size = match format {
        ImageFormat::Png => {
            if !end.windows(4).any(|four| four == b"IEND") {
                return Err(Reason::CutShort);
            }
            let decoder = PngDecoder::new(reader).map_err(|_| Reason::Damaged)?;
            if decoder.is_apng().map_err(|_| Reason::Damaged)? {
                return Err(Reason::Animated);
            }
            decoder.dimensions()
        }
        ImageFormat::Jpeg => {
            // Within the coded pixels 0xFF is followed by 0, so that this is no chance.
            if !end.windows(2).any(|two| two == [0xff, 0xd9]) {
                return Err(Reason::CutShort);
            }
            if jpeg_components(path).ok_or(Reason::Damaged)? == 4 {
                return Err(Reason::FourColours);
            }
            JpegDecoder::new(reader).map_err(|_| Reason::Damaged)?.dimensions()
        }
        ImageFormat::WebP => {
            let said = start.get(4..8).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
            if said.is_none_or(|said| u64::from(said) + 8 > length) {
                return Err(Reason::CutShort);
            }
            let decoder = WebPDecoder::new(reader).map_err(|_| Reason::Damaged)?;
            if decoder.has_animation() {
                return Err(Reason::Animated);
            }
            decoder.dimensions()
        }
        _ => return Err(Reason::OtherFormat),
    };
    match size {
        (0, _) | (_, 0) => Err(Reason::Damaged),
        (width, height) if width > LARGEST || height > LARGEST => Err(Reason::TooLarge),
        size => Ok(size),
    }
}

/// How many colours a JPEG has, by its frame header.
fn jpeg_components(path: &Path) -> Option<u8> {
    let mut file = BufReader::new(File::open(path).ok()?);
    file.seek(SeekFrom::Start(2)).ok()?;
    loop {
        let mut byte = [0; 1];
        file.read_exact(&mut byte).ok()?;
        if byte[0] != 0xff {
            return None;
        }
        // Any number of fill bytes.
        while byte[0] == 0xff {
            file.read_exact(&mut byte).ok()?;
        }
        let marker = byte[0];
        let mut length = [0; 2];
        file.read_exact(&mut length).ok()?;
        let length = i64::from(u16::from_be_bytes(length));
        // Frame headers are C0 to CF, but for tables (C4, CC) and an extension (C8).
        if (0xc0..=0xcf).contains(&marker) && ![0xc4, 0xc8, 0xcc].contains(&marker) {
            let mut frame = [0; 6];
            file.read_exact(&mut frame).ok()?;
            return Some(frame[5]);
        }
        if marker == 0xda || length < 2 {
            return None;
        }
        file.seek_relative(length - 2).ok()?;
    }
}

/// The bytes of a sample (channels, height, width) of a picture:
///
/// 1. 16 bits become 8 by rounding v / 257; grey becomes red = green = blue; a palette its colours;
/// 2. what is transparent is laid over white;
/// 3. it is scaled, by a triangle filter over what a pixel of it covers, so that it just covers the image, and what
///    sticks out is cut off at both sides alike (the odd pixel on the right or below); of the same size it stays as it is;
/// 4. one channel is .2126 red + .7152 green + .0722 blue.
///
/// A rotation that the file's metadata speaks of is not done.
pub(super) fn decode(path: &Path, to: Image) -> Result<Box<[u8]>, String> {
    let file = strait_io::open(path).map_err(|error| error.to_string())?;
    let mut reader = image::ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|e| e.to_string())?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(LARGEST), Some(LARGEST));
    reader.limits(limits);
    Ok(sample(reader.decode().map_err(|error| error.to_string())?, to))
}

fn sample(picture: DynamicImage, to: Image) -> Box<[u8]> {
    let (width, height) = (to.width as u32, to.height as u32);
    let fitted = fit(&over_white(picture), width, height);
    let planes = to.channels as usize;
    let mut bytes = vec![0; planes * (width * height) as usize];
    let pixels = (width * height) as usize;
    for (at, pixel) in fitted.pixels().enumerate() {
        match planes {
            1 => {
                let [r, g, b] = pixel.0.map(u32::from);
                bytes[at] = ((2126 * r + 7152 * g + 722 * b + 5000) / 10_000) as u8;
            }
            _ => (0..planes).for_each(|plane| bytes[plane * pixels + at] = pixel.0[plane]),
        }
    }
    bytes.into()
}

fn over_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    let mut flat = RgbImage::new(picture.width(), picture.height());
    for (to, from) in flat.pixels_mut().zip(picture.pixels()) {
        let [colour @ .., alpha] = from.0.map(u32::from);
        to.0 = colour.map(|value| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    flat
}

/// Scaled so that it covers width and height, and cut to them.
fn fit(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (w, h) = picture.dimensions();
    if (w, h) == (width, height) {
        return picture.clone();
    }
    let scale = (f64::from(width) / f64::from(w)).max(f64::from(height) / f64::from(h));
    let scaled = |side: u32, least: u32| ((f64::from(side) * scale).round() as u32).max(least);
    let (w, h) = (scaled(w, width), scaled(h, height));
    let scaled = resize(picture, w, h, FilterType::Triangle);
    crop_imm(&scaled, (w - width) / 2, (h - height) / 2, width, height).to_image()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayAlphaImage, ImageBuffer, Luma, LumaA, Rgb};

    const GREY: Image = Image { channels: 1, height: 1, width: 4 };

    /// Where a common library clips 16-bit grey to white.
    #[test]
    fn sixteen_bits_are_rounded_and_not_clipped() {
        let picture = ImageBuffer::<Luma<u16>, _>::from_vec(4, 1, vec![0u16, 257, 32_896, 65_535]).unwrap();
        assert_eq!(&*sample(DynamicImage::ImageLuma16(picture), GREY), [0, 1, 128, 255]);
        let colour = ImageBuffer::<Rgb<u16>, _>::from_vec(1, 1, vec![127u16, 129, 65_535]).unwrap();
        let one = Image { channels: 3, height: 1, width: 1 };
        assert_eq!(&*sample(DynamicImage::ImageRgb16(colour), one), [0, 1, 255]);
    }

    #[test]
    fn what_is_transparent_lies_over_white() {
        let picture = GrayAlphaImage::from_vec(4, 1, vec![0, 0, 0, 255, 0, 128, 200, 255]).unwrap();
        assert_eq!(&*sample(DynamicImage::ImageLumaA8(picture), GREY), [255, 0, 127, 200]);
        let deep = ImageBuffer::<LumaA<u16>, _>::from_vec(1, 1, vec![0u16, 0]).unwrap();
        let one = Image { channels: 3, height: 1, width: 1 };
        assert_eq!(&*sample(DynamicImage::ImageLumaA16(deep), one), [255; 3]);
    }

    #[test]
    fn it_just_covers_and_is_cut_in_the_middle() {
        let ramp = RgbImage::from_fn(7, 2, |x, _| Rgb([x as u8 * 10; 3]));
        // Of the same height: nothing is scaled, and 2 columns are left out before and 3 behind.
        let cut: Vec<u8> = fit(&ramp, 2, 2).pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(cut, [20, 30, 20, 30]);
        let small = RgbImage::from_fn(8, 8, |x, _| Rgb([if x < 4 { 0 } else { 200 }; 3]));
        let halves: Vec<u8> = fit(&small, 2, 2).pixels().map(|pixel| pixel.0[0]).collect();
        assert!(halves[0] < 40 && halves[1] > 160, "{halves:?}");
        assert_eq!(fit(&RgbImage::new(1, 1000), 3, 5).dimensions(), (3, 5));
    }

    #[test]
    fn colours_become_grey_by_their_weights() {
        let picture = RgbImage::from_vec(4, 1, vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9]).unwrap();
        assert_eq!(&*sample(DynamicImage::ImageRgb8(picture), GREY), [54, 182, 18, 9]);
    }
}
