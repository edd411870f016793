//! Hostile inputs, each a function of its number.

use crate::common::damage::{Numbers, mutate};
use crate::common::{Place, TINY};
use std::fs;
use std::path::{Path, PathBuf};

const KEYS: [&str; 44] = [
    "seed",
    "version",
    "data",
    "data.name",
    "data.sd",
    "data.points",
    "data.file",
    "data.folder",
    "data.units",
    "data.image",
    "source",
    "coupling.name",
    "coupling",
    "interpolant.family",
    "interpolant.hidden",
    "interpolant.mixing",
    "interpolant.log_scale_bound",
    "interpolant",
    "velocity.family",
    "velocity.hidden",
    "velocity.map",
    "velocity.time_octaves",
    "velocity.ema_half_lives",
    "velocity",
    "phase",
    "phase.0",
    "phase.0.name",
    "phase.0.fresh",
    "phase.0.level.0.level",
    "phase.0.level.0.batch",
    "phase.0.level.0.rate",
    "phase.0.level.0.steps",
    "phase.0.level.0.clip",
    "phase.0.level.0.objective",
    "phase.1.level.1.objective.name",
    "phase.1.level.1.objective.acceleration",
    "evaluate.nfe",
    "evaluate.samples",
    "evaluate.solver",
    "evaluate.baseline",
    "log.every",
    "log.checkpoint",
    "log.keep",
    "x",
];

const VALUES: [&str; 40] = [
    "",
    "0",
    "-0",
    "1",
    "-1",
    "0.5",
    "1e-300",
    "1e300",
    "nan",
    "-inf",
    "3000000000",
    "9223372036854775807",
    "18446744073709551616",
    "true",
    "null",
    "\"\"",
    "\"8gaussians\"",
    "\"moons\"",
    "\"../..\"",
    "\"/dev/zero\"",
    "\"x\\u0000y\"",
    "\"\u{202e}\u{1F600}\"",
    "[]",
    "[0]",
    "[1, 2]",
    "[8]",
    "[[8]]",
    "[nan]",
    "[1e9]",
    "[-1]",
    "{}",
    "{ name = \"energy\" }",
    "{ name = 3 }",
    "{ family = \"glow\", steps = 2, hidden = [8] }",
    "{ a = { b = { c = {} } } }",
    "1979-05-27T07:32:00Z",
    "0x10",
    "'",
    "[",
    "= =",
];

/// Words of command lines.
const WORDS: [&str; 44] = [
    "train",
    "sample",
    "evaluate",
    "compare",
    "inspect",
    "features",
    "kept",
    "tiny.toml",
    "8gaussians",
    "own.npy",
    "digits",
    "--name",
    "--set",
    "--seed",
    "--nfe",
    "--count",
    "--out",
    "--solver",
    "--grid",
    "--resume",
    "--data",
    "--device",
    "--methods",
    "--seeds",
    "--class",
    "--list",
    "--array",
    "--",
    "-",
    "-x",
    "--nfe=-3",
    "--count=0",
    "--seed=99999999999999999999",
    "cpu",
    "cuda:99",
    "euler",
    "linear,ot",
    "x.npz",
    "x.txt",
    "",
    " ",
    "\n",
    "\u{1F600}",
    "..",
];

/// Files of a run.
const RECORDS: [&str; 6] =
    ["config.toml", "provenance.json", "summary.json", "metrics.jsonl", "averages.json", "checkpoints"];

/// What a command leaves when it has done its work.
pub(crate) enum Work {
    File(PathBuf),
    /// The file that its last line names.
    Named,
    Words,
}

pub(crate) struct Input {
    pub(crate) kind: &'static str,
    pub(crate) arguments: Vec<String>,
    pub(crate) work: Work,
}

/// A training on the images of a folder.
const IMAGES: &str = "version = 1\n[data]\nfolder = 'images'\n[interpolant]\nfamily = 'linear'\n[velocity]\nhidden = [8]\n\
    [[phase]]\nname = 'short'\niterations = 4\nlevel = [\n\
    { level = 'velocity', batch = 8, rate = 1e-3, objective = { name = 'flow_matching' } } ]\n\
    [evaluate]\nnfe = [1]\nsamples = 20\nbaseline = false\n";

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|word| (*word).to_owned()).collect()
}

/// A training that is short where nothing says otherwise.
fn training(place: &Place, kind: &'static str, of: &str, sets: &[String]) -> Input {
    let _ = fs::remove_dir_all(place.path("runs/hostile"));
    let mut arguments = words(&["train", of, "--name", "hostile"]);
    arguments.extend(sets.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
    Input { kind, arguments, work: Work::File(place.path("runs/hostile/summary.json")) }
}

fn npy(kind: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

/// An array whose numbers are the trouble.
fn odd_array(numbers: &mut Numbers) -> Vec<u8> {
    let odd = [0.0, -0.0, f64::NAN, f64::INFINITY, 1e308, -1e308, 1e-310, 1e39, 1e-46, 1e9, 3.0, -7.5];
    let (rows, columns) = (1 + numbers.below(60), 1 + numbers.below(4));
    let usual = numbers.below(3);
    let value = |numbers: &mut Numbers| match numbers.below(8) < usual * 3 {
        true => numbers.below(1000) as f64 / 100.0,
        false => *numbers.of(&odd),
    };
    let values: Vec<u8> = (0..rows * columns).flat_map(|_| value(numbers).to_le_bytes()).collect();
    let kinds =
        ["<f8", "<f8", "<f8", "<f8", "<i8", ">f8", "<u8", "<M8[ns]", "<c16", "|S8", "|O", "<f16", "|b1", "|V8", "<U2"];
    let shapes = [
        format!("({rows}, {columns})"),
        format!("({rows}, {columns})"),
        format!("({rows}, {columns})"),
        format!("({},)", rows * columns),
        "()".to_owned(),
        "(0, 2)".to_owned(),
        "(2, 0)".to_owned(),
        "(99999999999, 9999999999)".to_owned(),
        "(-1, 2)".to_owned(),
        format!("({rows}, {columns}, 1, 1, 1)"),
    ];
    npy(numbers.of::<&str>(&kinds), numbers.of::<String>(&shapes), &values)
}

/// A config with lines lost, doubled, exchanged, or given other values.
fn odd_config(numbers: &mut Numbers) -> Vec<u8> {
    let mut lines: Vec<String> = TINY.lines().map(str::to_owned).collect();
    for _ in 0..1 + numbers.below(4) {
        let (at, to) = (numbers.below(lines.len()), numbers.below(lines.len()));
        match numbers.below(5) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(to, lines[at].clone()),
            2 => lines.swap(at, to),
            3 => lines[at] = format!("{} = {}", numbers.of(&KEYS), numbers.of(&VALUES)),
            _ => {
                let key = lines[at].split('=').next().unwrap_or_default().to_owned();
                lines[at] = format!("{key}= {}", numbers.of(&VALUES));
            }
        }
    }
    lines.join("\n").into_bytes()
}

/// A folder of images, one file of it damaged. Returns the image that its pictures must be brought to.
fn odd_folder(folder: &Path, numbers: &mut Numbers) -> Option<&'static str> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    let idx = |axes: &[u32], numbers: &mut Numbers| {
        let mut bytes = vec![0, 0, 8, axes.len() as u8];
        axes.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
        bytes.extend((0..axes.iter().product::<u32>()).map(|_| numbers.next() as u8 % 10));
        bytes
    };
    let picture = |numbers: &mut Numbers| {
        let picture = image::RgbImage::from_fn(9, 7, |_, _| image::Rgb([numbers.next() as u8; 3]));
        let mut bytes = std::io::Cursor::new(vec![]);
        picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let form = numbers.below(3);
    let files: Vec<(String, Vec<u8>)> = match form {
        0 => ["train", "t10k"]
            .iter()
            .flat_map(|part| {
                let images = idx(&[40, 4, 4], numbers);
                [
                    (format!("{part}-images-idx3-ubyte"), images),
                    (format!("{part}-labels-idx1-ubyte"), idx(&[40], numbers)),
                ]
            })
            .collect(),
        1 => (0..6)
            .map(|k| {
                let name = if k == 0 { "test_batch.bin".to_owned() } else { format!("data_batch_{k}.bin") };
                (name, (0..8 * 3073).map(|at| if at % 3073 == 0 { 3 } else { at as u8 }).collect())
            })
            .collect(),
        _ => (0..40).map(|k| (format!("{k}.png"), picture(numbers))).collect(),
    };
    let hurt = numbers.below(files.len());
    for (k, (name, bytes)) in files.iter().enumerate() {
        let bytes = if k == hurt { mutate(bytes.clone(), bytes, numbers) } else { bytes.clone() };
        fs::write(folder.join(name), bytes).unwrap();
    }
    (form == 2).then_some("data.image=[3, 8, 8]")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// A finished run of which one record or one file of its newest checkpoint is damaged, lost, or a folder.
fn hurt_run(place: &Place, numbers: &mut Numbers) {
    let run = place.path("runs/hurt");
    let _ = fs::remove_dir_all(&run);
    copy(&place.path("runs/kept"), &run);
    let mut path = run.join(numbers.of(&RECORDS));
    if path.ends_with("checkpoints") {
        let newest = strait_optim::checkpoint::list(&path).unwrap().remove(0);
        let mut files: Vec<PathBuf> = fs::read_dir(newest).unwrap().flatten().map(|entry| entry.path()).collect();
        files.sort();
        path = numbers.of(&files).clone();
    }
    let whole = fs::read(&path).unwrap_or_default();
    match numbers.below(6) {
        0 => drop(fs::remove_file(&path)),
        1 => {
            let _ = fs::remove_file(&path);
            fs::create_dir_all(&path).unwrap();
        }
        2 => fs::write(&path, b"").unwrap(),
        _ => fs::write(&path, mutate(whole.clone(), &whole, numbers)).unwrap(),
    }
}

/// The k-th input. What it needs is written.
pub(crate) fn input(place: &Place, k: usize) -> Input {
    let mut numbers = Numbers((k as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
    let numbers = &mut numbers;
    let short = words(&["phase.0.iterations=4", "velocity.hidden=[8]", "evaluate.nfe=[1]", "evaluate.samples=20"]);
    match k % 8 {
        0 => {
            let sets: Vec<String> =
                (0..1 + numbers.below(3)).map(|_| format!("{}={}", numbers.of(&KEYS), numbers.of(&VALUES))).collect();
            training(place, "settings", "tiny.toml", &sets)
        }
        1 => {
            let text =
                if numbers.below(3) > 0 { odd_config(numbers) } else { mutate(TINY.into(), TINY.as_bytes(), numbers) };
            place.write("hostile.toml", text);
            training(place, "configs", "hostile.toml", &[])
        }
        2 | 3 => {
            let array = match k % 8 {
                2 => mutate(fs::read(place.path("own.npy")).unwrap(), b"\x93NUMPY", numbers),
                _ => odd_array(numbers),
            };
            place.write("hostile.npy", array);
            match numbers.below(3) {
                0 => Input { kind: "arrays", arguments: words(&["inspect", "hostile.npy"]), work: Work::Words },
                _ => training(place, "arrays", "hostile.npy", &short),
            }
        }
        4 => {
            let sets: Vec<String> = odd_folder(&place.path("images"), numbers).into_iter().map(str::to_owned).collect();
            training(place, "images", "images.toml", &sets)
        }
        5 => {
            hurt_run(place, numbers);
            let _ = fs::remove_file(place.path("hostile.npz"));
            let sample = ["sample", "hurt", "--count", "9", "--out", "hostile.npz"];
            let (arguments, work) = match numbers.below(3) {
                0 => (words(&sample), Work::File(place.path("hostile.npz"))),
                1 => (words(&["evaluate", "hurt"]), Work::Named),
                _ => (words(&["train", "--resume", "hurt"]), Work::Named),
            };
            Input { kind: "damaged runs", arguments, work }
        }
        6 => {
            let arguments = (0..1 + numbers.below(7)).map(|_| (*numbers.of(&WORDS)).to_owned()).collect();
            Input { kind: "command lines", arguments, work: Work::Words }
        }
        _ => {
            let options = ["--nfe", "--count", "--seed", "--solver", "--grid", "--device", "--class", "--guidance"];
            let numbers_of = [
                "0",
                "-1",
                "1",
                "7",
                "1e3",
                "99999999",
                "18446744073709551615",
                "nan",
                "euler",
                "map",
                "dopri5",
                "x",
                "",
            ];
            let _ = fs::remove_file(place.path("hostile.npz"));
            let mut arguments = words(&["sample", "kept", "--out", "hostile.npz"]);
            for _ in 0..1 + numbers.below(2) {
                arguments.extend(words(&[*numbers.of(&options), *numbers.of(&numbers_of)]));
            }
            Input { kind: "options", arguments, work: Work::File(place.path("hostile.npz")) }
        }
    }
}

pub(crate) fn prepared() -> Place {
    let place = Place::new();
    place.train("kept");
    let values: Vec<u8> = (0..240u32).flat_map(|i| (f64::from(i * 37 % 101) / 29.0 - 1.7).to_le_bytes()).collect();
    place.write("own.npy", npy("<f8", "(120, 2)", &values));
    place.write("images.toml", IMAGES);
    place
}
