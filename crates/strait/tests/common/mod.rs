//! A temporary folder to run the program in, and its helpers.

pub(crate) mod damage;
pub(crate) mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// A config small enough for a test, with every moving part.
pub(crate) const TINY: &str = r#"
version = 1
seed = 3

[data]
name = "8gaussians"
sd = 0.5

[interpolant]
family = "affine"
hidden = [8]
mixing = "triangular"
log_scale_bound = 10.0

[velocity]
hidden = [16, 16]
ema_half_lives = [5.0, 20.0]

[[phase]]
name = "warm-up"
iterations = 20

[[phase.level]]
level = "velocity"
objective = { name = "flow_matching" }
batch = 64
rate = 4e-3

[[phase]]
name = "together"
iterations = 60

[[phase.level]]
level = "velocity"
objective = { name = "flow_matching" }
steps = 2
batch = 64
rate = 4e-3

[[phase.level]]
level = "interpolant"
objective = { name = "energy", acceleration = 2e-3 }
batch = 64
rate = 4e-3
clip = 1.0

[[phase]]
name = "final"
iterations = 60
fresh = ["velocity"]

[[phase.level]]
level = "velocity"
objective = { name = "flow_matching" }
batch = 64
rate = 4e-3

[evaluate]
nfe = [1, 4]
samples = 64

[evaluate.dynamics]
steps = 20

[evaluate.likelihood]
steps = 10

[evaluate.exact_field]
candidates = 128
sampled_candidates = 256
trajectories = 64

[evaluate.grid_search]
points = 64
trials = 20

[evaluate.stress]
iterations = 1000

[compare]
pairs = 16384
pairs_nfe = 10

[log]
every = 5
checkpoint = 10
keep = 3
"#;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_strait");

/// Files of a folder, by their paths in it.
type Files = Vec<(String, Vec<u8>)>;

fn read(root: &Path, below: &str, files: &mut Files) {
    for entry in fs::read_dir(root.join(below)).unwrap().map(Result::unwrap) {
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        match entry.file_type().unwrap().is_dir() {
            true => read(root, &path, files),
            false => files.push((path.clone(), fs::read(root.join(&path)).unwrap())),
        }
    }
}

pub(crate) struct Place(pub(crate) TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        place.write("tiny.toml", TINY);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.0.path()).env("OMP_NUM_THREADS", "1").env("RUST_LOG", "warn");
        command.env("STRAIT_DATA", self.path("data")).env_remove("RUST_BACKTRACE");
        command
    }

    /// A rank of a group that meets at a port.
    pub(crate) fn rank(&self, (rank, world): (usize, usize), port: u16, deadline: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", port.to_string()).env("STRAIT_DEADLINE", deadline);
        command.env("RANK", rank.to_string()).env("WORLD_SIZE", world.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A finished run of `tiny.toml`, with the linear path beside it. The run `a` of `TINY` itself is trained once for all tests.
    pub(crate) fn train(&self, name: &str) {
        static TRAINED: OnceLock<Files> = OnceLock::new();
        self.trained(name, &[], &TRAINED);
    }

    /// Without the linear path beside it, which takes as long.
    pub(crate) fn train_alone(&self, name: &str) {
        static TRAINED: OnceLock<Files> = OnceLock::new();
        self.trained(name, &["--set", "evaluate.baseline=false"], &TRAINED);
    }

    fn trained(&self, name: &str, more: &[&str], trained: &OnceLock<Files>) {
        let train = |place: &Self| {
            let output = place.run(&[&["train", "tiny.toml", "--name", name], more].concat());
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        if name != "a" || fs::read_to_string(self.path("tiny.toml")).unwrap() != TINY {
            return train(self);
        }
        let files = trained.get_or_init(|| {
            let place = Self::new();
            train(&place);
            let mut files = vec![];
            read(&place.path(""), "runs/a", &mut files);
            files
        });
        for (path, bytes) in files {
            fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
            self.write(path, bytes);
        }
    }

    /// The one line of a refusal, and its exit code.
    pub(crate) fn refusal(&self, arguments: &[&str]) -> (String, i32) {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(lines.len(), 1, "not one line: {text}");
        (lines[0].to_owned(), output.status.code().unwrap())
    }
}

/// A port that is free now.
#[cfg(feature = "distributed")]
pub(crate) fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The tensors of a run's newest checkpoint, by file.
pub(crate) fn tensors(run: &Path) -> Vec<(String, Vec<u8>)> {
    let newest = strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap().remove(0);
    let mut files: Vec<_> = fs::read_dir(&newest).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
    files.sort();
    files.iter().map(|path| (path.file_name().unwrap().to_string_lossy().into(), fs::read(path).unwrap())).collect()
}
