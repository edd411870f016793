//! A progress bar on stderr: drawn on a terminal, silent in a log.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

const WIDTH: usize = 30;
const REDRAW: Duration = Duration::from_millis(100);

/// How far one piece of work is, in bytes.
#[derive(Debug)]
pub(crate) struct Progress {
    label: String,
    total: u64,
    start: Option<(Instant, u64)>,
    drawn: Option<Instant>,
    terminal: bool,
}

impl Progress {
    pub(crate) fn new(label: impl Into<String>, total: u64) -> Progress {
        Progress { label: label.into(), total, start: None, drawn: None, terminal: io::stderr().is_terminal() }
    }

    /// Sets what is whole, once it is known.
    pub(crate) fn of(&mut self, total: u64) {
        self.total = total;
    }

    /// Moves the bar to `done` bytes.
    pub(crate) fn at(&mut self, done: u64) {
        let now = Instant::now();
        let (since, from) = *self.start.get_or_insert((now, done));
        if !self.terminal || self.drawn.is_some_and(|drawn| now - drawn < REDRAW) {
            return;
        }
        self.drawn = Some(now);
        let line = render(&self.label, done, self.total, done.saturating_sub(from), now - since);
        let _ = write!(io::stderr(), "\r{line}\x1b[K");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn render(label: &str, done: u64, total: u64, moved: u64, elapsed: Duration) -> String {
    let filled = (WIDTH as u64 * done.min(total)).checked_div(total).unwrap_or(0) as usize;
    let bar = format!("{}{}", "#".repeat(filled), " ".repeat(WIDTH - filled));
    let seconds = elapsed.as_secs_f64();
    let mut line = format!("{label} [{bar}] {} of {} MB", megabytes(done), megabytes(total));
    if seconds > 0.5 && moved > 0 {
        let rate = moved as f64 / seconds;
        let left = total.saturating_sub(done) as f64 / rate;
        line += &format!(", {:.1} MB/s, {left:.0} s left", rate / 1e6);
    }
    line
}

/// Bytes as a whole number of megabytes (10^6), rounded up.
pub(crate) fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        let line = render("torch", 150_000_000, 300_000_000, 100_000_000, Duration::from_secs(2));
        assert_eq!(line, "torch [###############               ] 150 of 300 MB, 50.0 MB/s, 3 s left");
    }

    #[test]
    fn a_bar_of_unknown_size_does_not_divide_by_it() {
        assert_eq!(render("x", 5, 0, 0, Duration::ZERO), format!("x [{}] 1 of 0 MB", " ".repeat(WIDTH)));
    }
}
