//! The interface of `cargo xtask train` to the program and to its caller, with a shell script in place of cargo.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// A workspace, a libtorch, a home and a PATH, none of them the machine's.
struct Sandbox {
    folder: tempfile::TempDir,
}

impl Sandbox {
    /// `program` is the body of the shell script that stands for `cargo run ... --`.
    fn new(program: &str) -> Sandbox {
        let sandbox = Sandbox { folder: tempfile::tempdir().unwrap() };
        let header = sandbox.path("libtorch/include/torch/csrc/api/include/torch");
        for folder in [header.clone(), sandbox.path("libtorch/lib"), sandbox.path("bin"), sandbox.path("root/xtask")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::write(header.join("torch.h"), "").unwrap();
        fs::write(sandbox.path("libtorch/lib/libtorch_cpu.so"), "").unwrap();
        fs::write(sandbox.path("libtorch/lib/libtorch_cpu.dylib"), "").unwrap();
        fs::write(sandbox.path("libtorch/build-version"), "2.13.0").unwrap();
        for tool in ["sh", "sleep"] {
            let tool_path = ["/bin", "/usr/bin"].map(|folder| PathBuf::from(folder).join(tool));
            symlink(tool_path.iter().find(|path| path.exists()).unwrap(), sandbox.path("bin").join(tool)).unwrap();
        }
        let log = sandbox.path("calls");
        let script = format!("#!/bin/sh\necho \"$*\" >> {}\n{program}\n", log.display());
        // Written by another process: a file that this one has open for writing cannot be executed.
        let write = "printf '%s' \"$1\" > \"$2\" && chmod +x \"$2\"";
        let cargo = sandbox.path("cargo");
        assert!(Command::new("sh").args(["-c", write, "sh", &script]).arg(&cargo).status().unwrap().success());
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn xtask(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(words).env_clear().stdin(Stdio::null());
        command.env("PATH", self.path("bin")).env("HOME", self.path("home")).env("CARGO", self.path("cargo"));
        command.env("CARGO_MANIFEST_DIR", self.path("root/xtask")).env("CARGO_TARGET_DIR", self.path("target"));
        command.env("LIBTORCH", self.path("libtorch"));
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.xtask(words).output().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        fs::read_to_string(self.path("calls")).unwrap().lines().map(str::to_owned).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn words_output_and_exit_code_pass_through() {
    let sandbox = Sandbox::new("echo out; echo err >&2; exit 3");
    let output = sandbox.run(&["train", "digits", "--cuda", "--set", "a b=1"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), "out\n");
    assert!(text(&output.stderr).contains("err\n"));
    assert_eq!(sandbox.calls(), ["run --release --package strait -- train digits --set a b=1"]);
}

#[test]
fn the_program_learns_where_data_are() {
    let sandbox = Sandbox::new("echo $STRAIT_DATA");
    let cache = if cfg!(target_os = "macos") { "home/Library/Caches" } else { "home/.cache" };
    let expected = sandbox.path(cache).join("strait/data");
    assert_eq!(text(&sandbox.run(&["train"]).stdout), format!("{}\n", expected.display()));
    let own = sandbox.xtask(&["train"]).env("STRAIT_DATA", "/my/data").output().unwrap();
    assert_eq!(text(&own.stdout), "/my/data\n");
}

#[test]
fn missing_data_are_fetched_and_the_failure_to_is_one_line() {
    let sandbox = Sandbox::new("echo before; echo strait:missing-data digits; exit 66");
    let output = sandbox.run(&["train"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "before\n");
    let error = text(&output.stderr);
    let last = error.lines().last().unwrap();
    assert!(last.starts_with("error: cannot fetch scikit_learn==1.9.1: python3 is not on PATH"), "{last}");
}

#[test]
fn after_the_data_have_come_the_program_runs_once_more() {
    let sandbox = Sandbox::new(
        "test -e $STRAIT_DATA/twice && exit 5; : > $STRAIT_DATA/twice; echo strait:missing-data digits; exit 66",
    );
    let digits = sandbox.path("data/digits/digits.csv.gz");
    fs::create_dir_all(digits.parent().unwrap()).unwrap();
    fs::write(digits, "").unwrap();
    let output = sandbox.xtask(&["train"]).env("STRAIT_DATA", sandbox.path("data")).output().unwrap();
    assert_eq!((output.status.code(), sandbox.calls().len()), (Some(5), 2));
}

#[test]
fn data_that_do_not_help_are_not_fetched_for_ever() {
    let sandbox = Sandbox::new("echo strait:missing-data digits; exit 66");
    let digits = sandbox.path("data/digits/digits.csv.gz");
    fs::create_dir_all(digits.parent().unwrap()).unwrap();
    fs::write(digits, "").unwrap();
    let output = sandbox.xtask(&["train"]).env("STRAIT_DATA", sandbox.path("data")).output().unwrap();
    assert_eq!((output.status.code(), sandbox.calls().len()), (Some(1), 2));
    assert!(text(&output.stderr).contains("error: the program does not find `digits`"));
}

#[test]
fn unknown_data_and_the_code_or_the_line_alone_are_not_acted_on() {
    let unknown = Sandbox::new("echo strait:missing-data imagenet; exit 66").run(&["train"]);
    assert!(text(&unknown.stderr).contains("error: no data set `imagenet` that xtask knows how to fetch"));
    let silent = Sandbox::new("exit 66").run(&["train"]);
    assert_eq!(silent.status.code(), Some(66));
    let other = Sandbox::new("echo strait:missing-data digits; exit 3").run(&["train"]);
    assert_eq!(other.status.code(), Some(3));
}

#[test]
fn a_signal_reaches_the_program_once_and_xtask_waits_for_it() {
    for signal in ["INT", "TERM"] {
        // It goes on for a second after the first signal, to hear a second one, and gives up after ten without any.
        let sandbox = Sandbox::new(&format!(
            "n=0; trap 'n=$((n+1)); echo signal $n' {signal}; echo ready; i=0\n\
             while [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); [ $n -gt 0 ] && i=$((i+9)); done; echo saved; exit 9"
        ));
        let mut child = sandbox.xtask(&["train"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("ready"));
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
        assert!(sent.success());
        assert_eq!(lines.collect::<Vec<_>>(), ["signal 1", "saved"]);
        assert_eq!(child.wait().unwrap().code(), Some(9));
    }
}

#[test]
fn the_program_does_not_outlive_a_killed_xtask() {
    let sandbox = Sandbox::new("echo $$; i=0; while [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done");
    let mut child = sandbox.xtask(&["train"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let program = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let gone =
        || !Command::new("sh").args(["-c", &format!("kill -0 {program} 2>/dev/null")]).status().unwrap().success();
    let waits = std::iter::repeat_with(|| std::thread::sleep(std::time::Duration::from_millis(50)));
    assert!(waits.take(60).any(|()| gone()), "process {program} goes on");
}

#[test]
fn a_flawed_libtorch_of_the_users_stops_before_anything_runs() {
    let sandbox = Sandbox::new("");
    fs::write(sandbox.path("libtorch/build-version"), "2.4.0").unwrap();
    let output = sandbox.run(&["train"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr).lines().count(), 1);
    assert!(text(&output.stderr).contains("it is libtorch 2.4.0, and tch pairs with 2.13.0"));
    assert!(!sandbox.path("calls").exists());
}

#[test]
fn a_failing_check_names_its_step() {
    let sandbox = Sandbox::new("case $1 in clippy) exit 4;; esac");
    let output = sandbox.run(&["ci"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr).lines().last(), Some("error: clippy failed (exit code 4)"));
    assert!(sandbox.calls().iter().all(|call| !call.starts_with("test --workspace")), "it stops there");
}

#[test]
fn doctor_names_what_is_missing_and_changes_nothing() {
    let sandbox = Sandbox::new("");
    let output = sandbox.xtask(&["doctor"]).env_remove("LIBTORCH").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    for line in [
        "MISSING  C++ compiler: no c++ on PATH",
        "MISSING  Python with pip: no python3 on PATH",
        "MISSING  libtorch: none yet: cargo xtask libtorch",
        "-        data: digits: not here yet: cargo xtask data digits",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!sandbox.path("home").exists());
}
