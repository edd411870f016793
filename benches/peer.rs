//! A peer in Python that works on request, and the output of the ratios to it.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::thread::{self, JoinHandle};

/// Why there is no comparison.
pub enum Failure {
    /// This machine has no peer to compare with.
    NoPeer(String),
    /// Anything else.
    Other(String),
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.to_string())
    }
}

/// Runs a comparison, unless `cargo bench FILTER` asks for others; a machine without the peer is no failure.
pub fn run(name: &str, compare: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    if filter.is_some_and(|filter| !name.contains(&filter)) {
        return ExitCode::SUCCESS;
    }
    strait_optim::keep_freed_memory(); // as the program does
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::NoPeer(problem)) => {
            eprintln!("{name}: left out: {problem}");
            ExitCode::SUCCESS
        }
        Err(Failure::Other(problem)) => {
            eprintln!("{name}: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// A script of `peers/` that answers each line with seconds.
pub struct Peer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    errors: Option<JoinHandle<io::Result<u64>>>,
}

impl Peer {
    /// Starts the peer and reads its first line, its version. `STRAIT_PYTHON` names a Python that has what the script
    /// imports, as `cargo xtask bench` sets it, else it is `python3`.
    ///
    /// # Errors
    /// `NoPeer` where it cannot be started.
    pub fn start(script: &str, arguments: &[&str]) -> Result<(Self, String), Failure> {
        let python = std::env::var("STRAIT_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = format!("{}/peers/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(&python);
        command.arg(&script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Failure::NoPeer(format!("{python}: {error}")))?;
        let (Some(to), Some(from), Some(mut errors)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(Failure::NoPeer(format!("{python} has no standard input, output or error")));
        };
        let mut peer = Self { child, to, from: BufReader::new(from), errors: None };
        let Ok(version) = peer.line() else {
            drop(peer);
            let said = io::read_to_string(errors).unwrap_or_default();
            let error = said.trim_end().lines().next_back().unwrap_or("it said nothing");
            return Err(Failure::NoPeer(format!(
                "{python} cannot run {script} ({error}): `cargo xtask bench` brings what it needs, or set STRAIT_PYTHON to a \
                 Python that has it"
            )));
        };
        // What it says later is for the reader.
        peer.errors = Some(thread::spawn(move || io::copy(&mut errors, &mut io::stderr())));
        Ok((peer, version))
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        if line.is_empty() { Err(Failure::Other("the peer stopped".into())) } else { Ok(line.trim().to_owned()) }
    }

    /// The seconds that what a line asks for took.
    ///
    /// # Errors
    /// `Other` where it stopped or answers with no number.
    pub fn seconds(&mut self, request: &str) -> Result<f64, Failure> {
        writeln!(self.to, "{request}")?;
        Ok(self.line()?.parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.errors.take().map(JoinHandle::join);
    }
}

/// A peer to set beside ours: what it is called, its script with arguments, and what its requests begin with.
pub struct Rival {
    /// For the reader.
    pub name: &'static str,
    /// Of `peers/`.
    pub script: &'static str,
    /// Of the script.
    pub arguments: &'static [&'static str],
    /// Which of its works the script is asked for.
    pub work: &'static str,
}

/// Those of some rivals that this machine has.
pub struct Rivals(Vec<(String, &'static str, Peer)>);

impl Rivals {
    /// Starts each.
    ///
    /// # Errors
    /// `NoPeer` where none can be started; of those that cannot, standard error says why.
    pub fn start(all: &[Rival]) -> Result<Self, Failure> {
        let mut found = vec![];
        for Rival { name, script, arguments, work } in all {
            match Peer::start(script, arguments) {
                Ok((peer, version)) => found.push((name.replace("{}", &version), *work, peer)),
                Err(Failure::NoPeer(problem)) => eprintln!("{name} is left out: {problem}"),
                Err(failure) => return Err(failure),
            }
        }
        if found.is_empty() { Err(Failure::NoPeer("no peer can be started".into())) } else { Ok(Self(found)) }
    }

    /// Prints what ours takes, in milliseconds, and the ratio to each rival: in turns, after a round to warm up. A rival's
    /// seconds for a request are those of so many works. Each ratio is kept as one of a bench's cases.
    ///
    /// # Errors
    /// Those of ours, and of a rival that stops.
    pub fn compare(
        &mut self,
        (bench, case): (&str, &str),
        rounds: usize,
        (request, works): (&str, u32),
        mut ours: impl FnMut() -> Result<f64, Failure>,
    ) -> Result<(), Failure> {
        let mut found = vec![vec![]; self.0.len()];
        for round in 0..=rounds {
            let ours = ours()?;
            for ((_, work, peer), found) in self.0.iter_mut().zip(&mut found) {
                let theirs = 1e3 * peer.seconds(&format!("{work} {request}"))? / f64::from(works);
                if round > 0 {
                    found.push((ours, theirs));
                }
            }
        }
        println!("  strait: {} ms", Spread::of(&found[0], |r| r.0));
        for ((name, _, _), found) in self.0.iter().zip(&found) {
            let (theirs, ratio) = (Spread::of(found, |r| r.1), Spread::of(found, |r| r.0 / r.1));
            let of_least = of_least(found);
            println!("  {name}: {theirs} ms; ratio {ratio:.2}, of the least times {of_least:.2}");
            keep(bench, case, name, found)?;
        }
        Ok(())
    }
}

/// Adds the ratio to a peer to the file that `STRAIT_RATIOS` names, as `cargo xtask bench` asks for it: a line of JSON. A round is
/// (ours, the peer's), in milliseconds.
///
/// # Errors
/// Those of the file.
pub fn keep(bench: &str, case: &str, peer: &str, rounds: &[(f64, f64)]) -> io::Result<()> {
    let Some(path) = std::env::var_os("STRAIT_RATIOS") else { return Ok(()) };
    let spread = |pick: fn(&(f64, f64)) -> f64| Spread::of(rounds, pick).0;
    let (ours, theirs, ratio) = (spread(|r| r.0), spread(|r| r.1), spread(|r| r.0 / r.1));
    let line = format!(
        "{{\"bench\":{bench:?},\"case\":{case:?},\"peer\":{peer:?},\"rounds\":{},\"ours\":{ours:?},\"theirs\":{theirs:?},\
         \"ratio\":{ratio:?},\"of_least\":{:?}}}",
        rounds.len(),
        of_least(rounds)
    );
    writeln!(OpenOptions::new().create(true).append(true).open(path)?, "{line}")
}

/// The ratio of the least times, which a busy machine disturbs less.
fn of_least(rounds: &[(f64, f64)]) -> f64 {
    let least = |pick: fn(&(f64, f64)) -> f64| rounds.iter().map(pick).fold(f64::INFINITY, f64::min);
    least(|r| r.0) / least(|r| r.1)
}

/// Median, least and greatest of some rounds.
pub struct Spread([f64; 3]);

impl Spread {
    /// Of at least one round, each (ours, the peer's).
    pub fn of(rounds: &[(f64, f64)], pick: impl Fn(&(f64, f64)) -> f64) -> Self {
        let mut values: Vec<f64> = rounds.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        Self([values[values.len() / 2], values[0], values[values.len() - 1]])
    }
}

/// `median (least to greatest)`, with as many digits as are asked for.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self([median, least, greatest]), digits) = (self, f.precision().unwrap_or(3));
        write!(f, "{median:.digits$} ({least:.digits$} to {greatest:.digits$})")
    }
}
