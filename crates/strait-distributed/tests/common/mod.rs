//! Ranks as processes: the test program starts itself again as each rank of a group, with the name of the case to run.

use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A port that is free now.
pub(crate) fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process of a group, and what it prints.
pub(crate) struct Rank {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Rank `rank` of `world`, in a part of those of a file.
pub(crate) fn start(file: &str, part: &str, (rank, world): (usize, usize), port: u16, deadline: &str) -> Rank {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("{file}::a_rank_plays_its_part")]);
    command.args(["--ignored", "--nocapture", "--test-threads", "1"]);
    command.env("STRAIT_TEST_PART", part).env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", port.to_string());
    command.env("RANK", rank.to_string()).env("WORLD_SIZE", world.to_string()).env("STRAIT_DEADLINE", deadline);
    command.env("OMP_NUM_THREADS", "1").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    Rank { process, lines }
}

pub(crate) fn start_all(file: &str, part: &str, world: usize, deadline: &str) -> Vec<Rank> {
    let port = port();
    (0..world).map(|rank| start(file, part, (rank, world), port, deadline)).collect()
}

impl Rank {
    /// Until it works with the others.
    pub(crate) fn at_work(mut self) -> Self {
        assert!(self.lines.any(|line| line.unwrap().contains("at work")), "a rank ended before it began");
        self
    }

    /// All that it prints to its end.
    pub(crate) fn lines(mut self) -> Vec<String> {
        let lines: Vec<String> = self.lines.by_ref().map_while(Result::ok).collect();
        self.process.wait().unwrap();
        lines
    }

    /// What it says at its end.
    pub(crate) fn said(self) -> String {
        let lines = self.lines();
        let said = lines.iter().rev().find_map(|line| line.split_once("said: "));
        said.map_or_else(|| lines.join("\n"), |(_, words)| words.to_owned())
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}
