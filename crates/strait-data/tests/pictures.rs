//! Folders of pictures that are made here, whole ones and every kind that is passed over.

use image::{DynamicImage, ImageFormat, RgbImage};
use std::fs;
use std::io::Cursor;
use std::path::Path;
use strait_core::{Dataset, Seed, Split};
use strait_data::pictures::Reason;
use strait_data::{ArrayDataset, DataError, FolderOptions, Image, emoji, from_folder};
use tch::{Device, Kind, Tensor};

const CPU: (Kind, Device) = (Kind::Double, Device::Cpu);
const IMAGE: Image = Image { channels: 3, height: 8, width: 8 };

/// One colour all over.
fn picture(value: u8, width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(vec![]);
    let picture = RgbImage::from_pixel(width, height, image::Rgb([value; 3]));
    DynamicImage::ImageRgb8(picture).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn load(folder: &Path) -> Result<ArrayDataset, DataError> {
    from_folder(folder, FolderOptions { image: Some(IMAGE), flips: false }, Seed(0), CPU.0, CPU.1)
}

fn levels(data: &ArrayDataset, split: Split) -> Vec<i64> {
    let x = data.in_order(split, &mut Seed(0).stream("x").at(0)).unwrap();
    let first = (data.denormalise(&x).unwrap() * 256.0 + 1e-9).floor().flatten(1, -1).select(1, 0);
    Vec::<f64>::try_from(first).unwrap().into_iter().map(|level| level as i64).collect()
}

#[test]
fn a_sub_folder_is_a_class_and_sizes_may_differ() {
    let folder = tempfile::tempdir().unwrap();
    for (class, name) in ["boots", "coats/long", "shirts"].iter().enumerate() {
        let below = folder.path().join(name);
        fs::create_dir_all(&below).unwrap();
        for i in 0..10u8 {
            let value = 80 * class as u8 + i;
            let (format, extension) = if i == 0 { (ImageFormat::WebP, "webp") } else { (ImageFormat::Png, "PNG") };
            let bytes = picture(value, 8 + u32::from(i), 11, format);
            fs::write(below.join(format!("{i}.{extension}")), bytes).unwrap();
        }
    }
    fs::write(folder.path().join("readme.txt"), "no picture").unwrap();
    let data = load(folder.path()).unwrap();
    assert!(data.remarks().skipped.files.is_empty());
    assert!(data.name().contains("3 classes (3x8x8, 24 train, 3 validation, 3 test)"), "{}", data.name());
    let mut all = vec![];
    for split in [Split::Train, Split::Validation, Split::Test] {
        let labels = Vec::<i64>::try_from(data.labels(split).unwrap()).unwrap();
        let found = levels(&data, split);
        found.iter().zip(&labels).for_each(|(level, label)| assert_eq!(level / 80, *label));
        all.extend(found);
    }
    all.sort_unstable();
    assert_eq!(all, (0..3).flat_map(|class| (0..10).map(move |i| 80 * class + i)).collect::<Vec<i64>>());
}

/// The batch of a step, by a loader that reads ahead or by one that begins with it, as after a resume.
#[test]
fn a_batch_is_its_step_alone_whatever_was_read_ahead() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..40u8 {
        fs::write(folder.path().join(format!("{i:02}.png")), picture(6 * i, 8, 8, ImageFormat::Png)).unwrap();
    }
    let (running, resumed) = (load(folder.path()).unwrap(), load(folder.path()).unwrap());
    let stream = Seed(7).stream("data");
    let batches: Vec<Tensor> = (0..9).map(|step| running.minibatch(5, step, stream).unwrap()).collect();
    for step in [6usize, 7, 8, 2] {
        assert_eq!(resumed.minibatch(5, step as u64, stream).unwrap(), batches[step], "step {step}");
    }
    // Of another size than was expected.
    assert_eq!(running.minibatch(3, 9, stream).unwrap(), resumed.minibatch(3, 9, stream).unwrap());
    assert!(running.waited() > std::time::Duration::ZERO);
}

#[test]
fn given_parts_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (part, first, n) in [("train", 0u8, 20u8), ("test", 100, 4)] {
        for i in first..first + n {
            let below = folder.path().join(part).join(if i % 2 == 0 { "even" } else { "odd" });
            fs::create_dir_all(&below).unwrap();
            fs::write(below.join(format!("{i}.png")), picture(i, 8, 8, ImageFormat::Png)).unwrap();
        }
    }
    let data = load(folder.path()).unwrap();
    assert_eq!([Split::Train, Split::Validation, Split::Test].map(|split| data.len(split).unwrap()), [18, 2, 4]);
    let mut test = levels(&data, Split::Test);
    test.sort_unstable();
    assert_eq!(test, [100, 101, 102, 103]);
    let labels = Vec::<i64>::try_from(data.labels(Split::Train).unwrap()).unwrap();
    levels(&data, Split::Train).iter().zip(labels).for_each(|(level, label)| assert_eq!(level % 2, label));
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&name[..], &(body.len() as u32).to_le_bytes(), body, &[0][..body.len() % 2]].concat()
}

/// One frame of a still WebP as the two of an animated one.
fn animated_webp() -> Vec<u8> {
    let still = picture(9, 8, 8, ImageFormat::WebP);
    let frame = [&[0; 6][..], &[7, 0, 0, 7, 0, 0, 40, 0, 0, 0], &still[12..]].concat();
    let canvas = [2, 0, 0, 0, 7, 0, 0, 7, 0, 0];
    let chunks = [chunk(b"VP8X", &canvas), chunk(b"ANIM", &[0; 6]), chunk(b"ANMF", &frame), chunk(b"ANMF", &frame)];
    let body = [&b"WEBP"[..], &chunks.concat()].concat();
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

fn animated_png() -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, 2, 2);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0; 4]).unwrap();
    writer.write_image_data(&[9; 4]).unwrap();
    drop(writer);
    bytes
}

/// The frame header of a JPEG of four colours, as which it is passed over before its pixels are looked at.
fn four_colours() -> Vec<u8> {
    let frame = [0xff, 0xc0, 0, 20, 8, 0, 8, 0, 8, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0];
    [&[0xff, 0xd8][..], &frame, &[0xff, 0xd9]].concat()
}

#[test]
fn what_cannot_be_used_is_passed_over_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    for i in 0..6u8 {
        put(&format!("good{i}.png"), &picture(i, 8, 8, ImageFormat::Png));
    }
    put("good.jpg", &picture(6, 20, 8, ImageFormat::Jpeg));
    let (whole, jpeg, webp) = (
        picture(1, 40, 40, ImageFormat::Png),
        picture(1, 40, 40, ImageFormat::Jpeg),
        picture(1, 40, 40, ImageFormat::WebP),
    );
    let bad: Vec<(&str, Vec<u8>, Reason)> = vec![
        ("a.png", vec![], Reason::Empty),
        ("b.png", b"a text that is called a picture".to_vec(), Reason::OtherFormat),
        ("c.png", whole[..whole.len() - 14].to_vec(), Reason::CutShort),
        ("d.jpg", jpeg[..jpeg.len() - 2].to_vec(), Reason::CutShort),
        ("e.webp", webp[..webp.len() - 3].to_vec(), Reason::CutShort),
        ("f.webp", animated_webp(), Reason::Animated),
        ("g.png", animated_png(), Reason::Animated),
        ("h.jpeg", four_colours(), Reason::FourColours),
        ("i.png", [&whole[..16], &[0; 13], &whole[29..]].concat(), Reason::Damaged),
    ];
    bad.iter().for_each(|(name, bytes, _)| put(name, bytes));
    let data = load(folder.path()).unwrap();
    let expected: Vec<_> = bad.iter().map(|(name, _, reason)| (folder.path().join(name), *reason)).collect();
    assert_eq!(data.remarks().skipped.files, expected);
    let said = "9 skipped: 1 without a byte, 1 neither PNG, JPEG nor WebP, 3 cut short, 1 damaged, 1 of four colours (CMYK), \
                2 animated";
    assert!(data.name().ends_with(&format!("{said})")), "{}", data.name());
    let count: i64 = [Split::Train, Split::Validation, Split::Test].map(|split| data.len(split).unwrap()).iter().sum();
    assert_eq!(count, 7);
}

/// Notebooks and viewers keep copies of pictures below names that begin with a dot, and a link may lead in a circle: each
/// picture is one sample all the same.
#[cfg(unix)]
#[test]
fn copies_that_are_hidden_and_circles_of_links_add_no_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let below = |name: &str| folder.path().join(name);
    for class in ["boots", "shirts"] {
        for place in [class.to_owned(), format!("{class}/.ipynb_checkpoints"), ".thumbnails".to_owned()] {
            fs::create_dir_all(below(&place)).unwrap();
            for i in 0..10u8 {
                fs::write(below(&place).join(format!("{i}.png")), picture(i, 8, 8, ImageFormat::Png)).unwrap();
            }
        }
        fs::write(below(class).join("._1.png"), "of a Mac").unwrap();
        std::os::unix::fs::symlink("..", below(class).join("up")).unwrap();
        std::os::unix::fs::symlink("../nowhere.png", below(class).join("lost.png")).unwrap();
    }
    std::os::unix::fs::symlink("boots", below("more")).unwrap(); // a class of its own, though its pictures are others'
    let data = load(folder.path()).unwrap();
    assert!(data.name().contains("3 classes, 20 copies of others, each in the part of the other (3x8x8, 24 train, 3 validation, 3 test; 3 skipped"), "{}", data.name());
}

#[test]
fn a_folder_of_too_few_pictures_says_how_many_it_has() {
    for found in 0..3u8 {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..found {
            fs::write(folder.path().join(format!("{i}.png")), picture(i, 8, 8, ImageFormat::Png)).unwrap();
        }
        let line = load(folder.path()).unwrap_err().to_string();
        let words = if found == 0 {
            "holds no PNG, JPEG or WebP file, and no idx or CIFAR files".to_owned()
        } else {
            format!("but only {found} different ones of the 3 that its parts need at least")
        };
        assert!(line.ends_with(&words), "{line}");
    }
}

#[test]
fn damage_that_only_decoding_shows_stops_with_the_files_name() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..9u8 {
        let mut bytes = picture(i, 30, 30, ImageFormat::Png);
        if i == 4 {
            let at = bytes.windows(4).position(|four| four == b"IDAT").unwrap() + 8;
            bytes[at] ^= 0xff;
        }
        fs::write(folder.path().join(format!("{i}.png")), bytes).unwrap();
    }
    let said = load(folder.path()).unwrap_err().to_string();
    assert!(said.contains("4.png is damaged") && said.contains("remove or replace it"), "{said}");
    for i in 0..9 {
        fs::write(folder.path().join(format!("{i}.png")), b"").unwrap();
    }
    let said = load(folder.path()).unwrap_err().to_string();
    assert!(said.contains("holds no picture that can be used, of 9 (9 skipped: 9 without a byte)"), "{said}");
}

/// The levels of each part, all of them apart from those of the others.
fn levels_apart(data: &ArrayDataset) -> [Vec<i64>; 3] {
    let parts = [Split::Train, Split::Validation, Split::Test].map(|split| levels(data, split));
    for (i, part) in parts.iter().enumerate() {
        for other in &parts[..i] {
            assert!(part.iter().all(|level| !other.contains(level)), "{parts:?}");
        }
    }
    parts
}

#[test]
fn copies_of_one_picture_lie_in_one_part_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..40u8 {
        let below = folder.path().join(format!("class {}", i / 10));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join(format!("{i}.png")), picture(i % 20, 8, 8, ImageFormat::Png)).unwrap();
    }
    let data = load(folder.path()).unwrap();
    assert!(data.name().contains("4 classes, 20 copies of others, each in the part of the other"), "{}", data.name());
    assert_eq!(levels_apart(&data).map(|part| part.len()), [32, 4, 4]);

    // Parts that are given stay as they are.
    let folder = tempfile::tempdir().unwrap();
    for (part, from) in [("train", 0..20u8), ("test", 18..24)] {
        fs::create_dir_all(folder.path().join(part)).unwrap();
        for i in from {
            fs::write(folder.path().join(part).join(format!("{i}.png")), picture(i, 8, 8, ImageFormat::Png)).unwrap();
        }
    }
    let data = load(folder.path()).unwrap();
    assert!(data.name().contains("2 of validation or test copies of pictures of another part"), "{}", data.name());
    assert_eq!(levels(&data, Split::Test).len(), 6);

    let folder = tempfile::tempdir().unwrap();
    for i in 0..9 {
        fs::write(folder.path().join(format!("{i}.png")), picture(7, 8, 8, ImageFormat::Png)).unwrap();
    }
    let said = load(folder.path()).unwrap_err().to_string();
    assert!(said.contains("only 1 different ones of the 3 that its parts need at least"), "{said}");
}

#[test]
fn emoji_that_are_one_picture_lie_in_one_part() {
    let root = tempfile::tempdir().unwrap();
    let below = root.path().join("emoji/64");
    fs::create_dir_all(&below).unwrap();
    let row = |i: u8| {
        fs::write(below.join(format!("{i}.png")), picture(i % 30, 64, 64, ImageFormat::Png)).unwrap();
        format!(r#"{{"image": "{i}.png", "category": "flags"}}"#)
    };
    let rows: Vec<String> = (0..60).map(row).collect();
    fs::write(root.path().join("emoji/emoji.json"), format!("[{}]", rows.join(", "))).unwrap();
    let data = emoji(root.path(), false, CPU.0, CPU.1).unwrap();
    let parts = levels_apart(&data);
    assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 60, "{parts:?}");
}

#[test]
fn tones_of_one_emoji_lie_in_one_part() {
    let root = tempfile::tempdir().unwrap();
    let below = root.path().join("emoji/64");
    fs::create_dir_all(&below).unwrap();
    let put = |name: &str, value: u8| fs::write(below.join(name), picture(value, 64, 64, ImageFormat::Png)).unwrap();
    let mut rows = vec![];
    for base in 0..20u8 {
        put(&format!("{base}.png"), base * 10);
        let tones: Vec<String> = (1..3)
            .map(|tone| {
                put(&format!("{base}-{tone}.png"), base * 10 + tone);
                format!(r#""T{tone}": {{"image": "{base}-{tone}.png", "unified": "x"}}"#)
            })
            .collect();
        rows.push(format!(
            r#"{{"image": "{base}.png", "category": "c{}", "skin_variations": {{{}}}}}"#,
            base % 4,
            tones.join(", ")
        ));
    }
    // Of another vendor alone.
    rows.push(r#"{"image": "none.png", "category": "c0"}"#.into());
    fs::write(root.path().join("emoji/emoji.json"), format!("[{}]", rows.join(", "))).unwrap();
    let data = emoji(root.path(), false, CPU.0, CPU.1).unwrap();
    let parts = [Split::Train, Split::Validation, Split::Test].map(|split| (split, levels(&data, split)));
    let bases = |found: &[i64]| found.iter().map(|level| level / 10).collect::<std::collections::BTreeSet<_>>();
    for (i, (split, found)) in parts.iter().enumerate() {
        let labels = Vec::<i64>::try_from(data.labels(*split).unwrap()).unwrap();
        found.iter().zip(labels).for_each(|(level, label)| assert_eq!(level / 10 % 4, label));
        assert_eq!(found.len(), 3 * bases(found).len());
        for (_, other) in &parts[..i] {
            assert!(bases(found).is_disjoint(&bases(other)));
        }
    }
    assert_eq!(parts.iter().map(|(_, found)| found.len()).sum::<usize>(), 60);
    fs::write(root.path().join("emoji/emoji.json"), r#"[{"image": "../x.png", "category": "c"}]"#).unwrap();
    let said = emoji(root.path(), false, CPU.0, CPU.1).unwrap_err().to_string();
    assert!(said.contains("is no name of a picture"), "{said}");
}
