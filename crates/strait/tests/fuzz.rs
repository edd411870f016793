//! Every reader of outside bytes, on damaged ones: it refuses or reads, and never panics, hangs or fills the memory.
//!
//! Whole files are mutated, without coverage feedback: bits are flipped, bytes are removed, doubled and replaced, ends
//! are cut, numbers are made huge. Archives and compressed files are also mutated inside, where a checksum over the
//! whole file would otherwise catch every mutation. A short form runs with the other tests; `cargo xtask fuzz` runs
//! each target for longer.

#[path = "fuzz/images.rs"]
mod images;

use crate::common::damage::{Numbers, mutate};
use image::ImageFormat;
use images::{cifar, idx_classes, idx_images, in_cifar, in_idx, in_pictures, picture};
use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strait::config::load;
use strait::run::folder::RunFolder;
use strait::run::metrics;
use strait::run::summary::Summary;
use strait_core::Seed;
use strait_data::{Arrays, FileOptions, digits, from_file, inspect};
use strait_io::{Element, npy, npz, sha256_of, tensors};
use strait_optim::checkpoint;
use tch::{Device, Kind, Tensor};

/// Inputs of the short form, for each target.
const SHORT: u64 = 400;
/// The longest that one input may take.
const LONGEST: Duration = Duration::from_secs(20);
/// The most memory that the process may ever have taken, in KiB; in the suite, beside other tests, the most that one input may
/// add to it.
const MOST_MEMORY: u64 = 1 << 20;

thread_local! {
    /// Whether this thread reads damaged bytes: a panic is told by its input then.
    static IN_READER: Cell<bool> = const { Cell::new(false) };
}

/// A reader, the files that it reads, and what is done with one that was damaged.
struct Target {
    name: &'static str,
    file: &'static str,
    seeds: fn() -> Vec<Vec<u8>>,
    /// What is put around the damaged bytes before they are written.
    wrap: fn(&[u8]) -> Vec<u8>,
    read: fn(&Path),
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The bytes of a file that `write` writes.
fn written(name: &str, write: impl FnOnce(&Path)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    write(&path);
    fs::read(path).unwrap()
}

fn array(seed: u64) -> Tensor {
    Seed(seed).stream("fuzz").at(0).normal(&[12, 3], Kind::Float, Device::Cpu).unwrap()
}

fn arrays() -> Vec<Vec<u8>> {
    let of = |element| written("x.npy", |path| npy::write(path, &(array(0) * 9.0), element).unwrap());
    vec![of(Element::F32), of(Element::I64)]
}

fn archives() -> Vec<Vec<u8>> {
    let labels = Tensor::arange(12, (Kind::Int64, Device::Cpu));
    let whole = [("data", &array(0), Element::F32), ("labels", &labels, Element::I64)];
    let parts = [("train", &array(0), Element::F32), ("test", &array(1), Element::F32)];
    [&whole, &parts].map(|arrays| written("x.npz", |path| npz::write(path, arrays).unwrap())).to_vec()
}

fn weights() -> Vec<Vec<u8>> {
    let named = [("a.weight".to_owned(), array(0)), ("b".to_owned(), array(1).to_kind(Kind::Double))];
    vec![written("x.safetensors", |path| tensors::write(path, &named).unwrap())]
}

fn own_data(path: &Path) {
    let options = FileOptions::default();
    let _ = from_file(path, &options, Seed(0), Kind::Float, Device::Cpu);
    let _ =
        from_file(path, &FileOptions { resident: 0, dequantise: true, ..options }, Seed(0), Kind::Float, Device::Cpu);
    let _ = inspect(path, &Arrays::default());
}

/// A checkpoint whose sums are right, so that what is in its files is looked at.
fn state(path: &Path) {
    let folder = path.parent().unwrap();
    let sum = sha256_of(&fs::read(path).unwrap());
    fs::write(folder.join("SHA256SUMS"), format!("{sum}  state.json\n")).unwrap();
    let _ = checkpoint::open(folder);
}

fn in_run(path: &Path, read: impl FnOnce(&RunFolder)) {
    read(&RunFolder::of(path.parent().unwrap()));
}

fn targets() -> Vec<Target> {
    let records = || {
        vec![
            br#"{"step":40,"phase":"velocity","wall_seconds":1.5,"levels":[{"level":"velocity","objective":"flow_matching","terms":{"flow_matching":0.5},"gradient_norm":0.25,"rate":0.001,"seconds":1.0}]}
{"step":80,"phase":"velocity","wall_seconds":2.5,"levels":[]}
"#
            .to_vec(),
        ]
    };
    let sets = || {
        ["seed=3", "velocity={ family = \"mlp\", hidden = [8, 8] }", "evaluate.nfe=[1,2,4]", "phase.0.iterations=1000"]
            .map(|set| set.as_bytes().to_vec())
            .to_vec()
    };
    let configs = || {
        ["8gaussians", "digits", "checkerboard-map", "8gaussians-joint"]
            .map(|name| strait::config::preset(name).unwrap().as_bytes().to_vec())
            .to_vec()
    };
    let states = || {
        vec![br#"{"version":1,"position":{"phase":0,"iteration":40,"step":40,"batches":120},"threads":1,"wall_seconds":1.5,"iterations":[100],"draws":2}"#.to_vec()]
    };
    let csv = || {
        let row = |k: usize| {
            (0..64).map(|i| ((i * 7 + k) % 17).to_string()).collect::<Vec<_>>().join(",") + &format!(",{}\n", k % 10)
        };
        vec![(0..1797).map(row).collect::<String>().into_bytes()]
    };
    vec![
        Target {
            name: "config",
            file: "x.toml",
            seeds: configs,
            wrap: plain,
            read: |path| {
                let _ = load(path.to_str().unwrap(), &[]);
            },
        },
        Target {
            name: "set",
            file: "set",
            seeds: sets,
            wrap: plain,
            read: |path| {
                let set = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
                let _ = load("8gaussians", &[set]);
            },
        },
        Target { name: "npy", file: "x.npy", seeds: arrays, wrap: plain, read: own_data },
        Target { name: "npz", file: "x.npz", seeds: archives, wrap: plain, read: own_data },
        // An array damaged inside an archive whose own sums are right.
        Target { name: "npz-member", file: "x.npz", seeds: arrays, wrap: stored, read: own_data },
        Target {
            name: "safetensors",
            file: "x.safetensors",
            seeds: weights,
            wrap: plain,
            read: |path| {
                let _ = tensors::read(path);
            },
        },
        Target { name: "checkpoint-state", file: "state.json", seeds: states, wrap: plain, read: state },
        Target {
            name: "metrics",
            file: "metrics.jsonl",
            seeds: records,
            wrap: plain,
            read: |path| {
                in_run(path, |run| {
                    let _ = metrics::read(run);
                    let _ = metrics::trim(run, 40);
                });
            },
        },
        Target {
            name: "summary",
            file: "summary.json",
            seeds: records,
            wrap: plain,
            read: |path| {
                in_run(path, |run| {
                    let _ = run.read_json::<Summary>("summary.json");
                });
            },
        },
        Target {
            name: "idx",
            file: "train-images-idx3-ubyte",
            seeds: idx_images,
            wrap: plain,
            read: |path| drop(in_idx(path)),
        },
        Target {
            name: "idx-classes",
            file: "train-labels-idx1-ubyte",
            seeds: idx_classes,
            wrap: plain,
            read: |path| drop(in_idx(path)),
        },
        Target {
            name: "cifar",
            file: "data_batch_1.bin",
            seeds: cifar,
            wrap: plain,
            read: |path| drop(in_cifar(path)),
        },
        Target {
            name: "png",
            file: "x.png",
            seeds: || vec![picture(ImageFormat::Png)],
            wrap: plain,
            read: |path| drop(in_pictures(path)),
        },
        Target {
            name: "jpeg",
            file: "x.jpeg",
            seeds: || vec![picture(ImageFormat::Jpeg)],
            wrap: plain,
            read: |path| drop(in_pictures(path)),
        },
        Target {
            name: "webp",
            file: "x.webp",
            seeds: || vec![picture(ImageFormat::WebP)],
            wrap: plain,
            read: |path| drop(in_pictures(path)),
        },
        Target {
            name: "digits",
            file: "digits/digits.csv.gz",
            seeds: csv,
            wrap: gzip,
            read: |path| {
                let _ = digits(path.parent().unwrap().parent().unwrap(), Kind::Float, Device::Cpu);
            },
        },
    ]
}

/// An archive with the array `data` of these bytes.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    archive.start_file("data.npy", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(bytes).unwrap();
    archive.finish().unwrap().into_inner()
}

/// The most memory that the process has taken, in KiB, where the system says.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Where a faulty input is kept.
fn kept(target: &Target, bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("strait-fuzz-{}-{}", target.name, target.file.replace('/', "-")));
    fs::write(&path, bytes).unwrap();
    path
}

/// Runs a target on `inputs` inputs, or for as long as was said. Returns how many there were.
fn run(target: &Target, inputs: u64, seconds: Option<u64>, current: &AtomicU64) -> u64 {
    let (began, seeds) = (Instant::now(), (target.seeds)());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(target.file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut count = 0;
    loop {
        let more = seconds.map_or(count < inputs, |seconds| began.elapsed().as_secs() < seconds);
        if !more {
            return count;
        }
        let mut numbers = Numbers(count.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ target.name.len() as u64);
        let seed = seeds[numbers.below(seeds.len())].clone();
        let other = &seeds[numbers.below(seeds.len())];
        // The first are whole: a reader that refuses everything would be no reader.
        let damaged =
            if count < seeds.len() as u64 { seeds[count as usize].clone() } else { mutate(seed, other, &mut numbers) };
        let bytes = (target.wrap)(&damaged);
        fs::write(&path, &bytes).unwrap();
        // In the suite other tests are in this process.
        let before = if seconds.is_some() { 0 } else { memory() };
        let start = Instant::now();
        current.store(1 + began.elapsed().as_millis() as u64, Ordering::Relaxed);
        IN_READER.set(true);
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.read)(&path)));
        IN_READER.set(false);
        current.store(0, Ordering::Relaxed);
        let (name, took, most) = (target.name, start.elapsed(), memory().saturating_sub(before));
        let fault = match outcome {
            Err(_) => Some("it panics".to_owned()),
            Ok(()) if took > LONGEST => Some(format!("it takes {took:?}")),
            Ok(()) if most > MOST_MEMORY => Some(format!("the process has taken {} MiB", most >> 10)),
            Ok(()) => None,
        };
        if let Some(fault) = fault {
            panic!("{name}, input {count}: {fault}; the input is kept as {}", kept(target, &bytes).display());
        }
        count += 1;
    }
}

/// All targets, one after the other, or the one that `STRAIT_FUZZ_TARGET` names, `STRAIT_FUZZ_SECONDS` each.
#[test]
fn no_reader_breaks_on_damaged_bytes() {
    let seconds = std::env::var("STRAIT_FUZZ_SECONDS").ok().map(|text| text.parse().expect("STRAIT_FUZZ_SECONDS"));
    let only = std::env::var("STRAIT_FUZZ_TARGET").ok();
    let all = targets();
    let names: Vec<&str> = all.iter().map(|target| target.name).collect();
    let chosen: Vec<&Target> =
        all.iter().filter(|target| only.as_deref().is_none_or(|name| name == target.name)).collect();
    assert!(!chosen.is_empty(), "there is no target {only:?}; there are {}", names.join(", "));
    // What a reader says of damaged bytes is no output of this test.
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !IN_READER.get() {
            others(panic);
        }
    }));
    for target in chosen {
        let (current, done) = (AtomicU64::new(0), AtomicU64::new(0));
        let (current, done) = (&current, &done);
        let found = std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut seen = (0, Instant::now());
                while done.load(Ordering::Relaxed) == 0 {
                    std::thread::sleep(Duration::from_millis(20));
                    let now = current.load(Ordering::Relaxed);
                    if now != seen.0 || now == 0 {
                        seen = (now, Instant::now());
                    } else if seen.1.elapsed() > LONGEST * 2 {
                        // A reader that hangs is not waited for.
                        eprintln!("{}: a reader hangs", target.name);
                        std::process::exit(1);
                    }
                }
            });
            let found = catch_unwind(AssertUnwindSafe(|| run(target, SHORT, seconds, current)));
            done.store(1, Ordering::Relaxed);
            found
        });
        match found {
            Ok(count) => println!("{}: {count} inputs", target.name),
            Err(fault) => std::panic::resume_unwind(fault),
        }
    }
}

/// What is fuzzed is read: each seed is accepted by its reader, so that damage is met behind the first check as well.
#[test]
fn the_seeds_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    };
    // Images are read by the folder.
    let own = |name: &str, bytes: &[u8]| at(&format!("of-{name}/{name}"), bytes);
    for bytes in arrays() {
        from_file(&at("x.npy", &bytes), &FileOptions::default(), Seed(0), Kind::Float, Device::Cpu).unwrap();
        from_file(&at("y.npz", &stored(&bytes)), &FileOptions::default(), Seed(0), Kind::Float, Device::Cpu).unwrap();
    }
    for bytes in archives() {
        from_file(&at("x.npz", &bytes), &FileOptions::default(), Seed(0), Kind::Float, Device::Cpu).unwrap();
    }
    for target in targets() {
        let bytes = (target.wrap)(&(target.seeds)().remove(0));
        let path = at(target.file, &bytes);
        match target.name {
            "config" => drop(load(path.to_str().unwrap(), &[]).unwrap()),
            "idx" | "idx-classes" => assert_eq!(in_idx(&own(target.file, &bytes)).unwrap().size(), [2, 1, 5, 3]),
            "cifar" => assert_eq!(in_cifar(&own(target.file, &bytes)).unwrap().size(), [2, 3, 32, 32]),
            "png" | "jpeg" | "webp" => {
                assert_eq!(in_pictures(&own(target.file, &bytes)).unwrap().size(), [2, 3, 8, 8]);
            }
            "safetensors" => assert_eq!(tensors::read(&path).unwrap().len(), 2),
            "metrics" => assert_eq!(metrics::read(&RunFolder::of(folder.path())).unwrap().len(), 2),
            "digits" => drop(digits(folder.path(), Kind::Float, Device::Cpu).unwrap()),
            "checkpoint-state" => {
                fs::write(folder.path().join("SHA256SUMS"), format!("{}  state.json\n", sha256_of(&bytes))).unwrap();
                checkpoint::open(folder.path()).unwrap();
            }
            _ => {}
        }
    }
}
