//! The context of a running command: signals, ranks, progress bars, and the command that resumes it.

use super::ranks::Ranks;
use super::stop::Stop;
use crate::ProgramError;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// `cargo xtask launch` sets it for the ranks that it starts.
const LAUNCH: &str = "STRAIT_LAUNCH";

/// The context of a running command.
pub struct CommandContext<'a> {
    /// Whether a signal asked it to stop.
    pub stop: &'a Stop,
    /// The processes that work on it together.
    pub ranks: &'a Ranks,
    /// The progress bars.
    pub bars: &'a MultiProgress,
    /// The command that resumes it after an interruption.
    pub resume_command: String,
}

impl CommandContext<'_> {
    /// The command line of these words, through the runner, for the same number of ranks; where another launcher started the
    /// ranks, what each of them is to run.
    pub(crate) fn command(ranks: &Ranks, words: impl IntoIterator<Item = String>) -> String {
        line(ranks.world(), std::env::var_os(LAUNCH).is_some(), &shell_words(words))
    }

    /// The command that is running.
    pub(crate) fn this_command(ranks: &Ranks) -> String {
        Self::command(ranks, std::env::args().skip(1))
    }

    /// The command was stopped by a signal; a checkpoint of this step is there.
    pub fn interrupted(&self, step: u64) -> ProgramError {
        ProgramError::Interrupted { step, resume_command: self.resume_command.clone() }
    }

    /// As [`Stop::answered_by`]. Ranks stop together after an iteration; where it is a long one the first leaves it, and the
    /// others follow.
    pub fn answered_by<T>(&self, work: impl FnOnce() -> T) -> T {
        if let Some(first_has_left) = self.ranks.first_has_left() {
            self.stop.follow(first_has_left);
        }
        self.stop.answered_by(work)
    }

    /// As [`Stop::left_by`], on the rank that writes.
    pub fn left_by<T>(&self, rescue: impl FnOnce() -> ProgramError + Send + 'static, work: impl FnOnce() -> T) -> T {
        if self.ranks.is_first() { self.stop.left_by(rescue, work) } else { work() }
    }

    /// A progress bar.
    pub fn bar(&self, name: &str, total: u64, done: u64) -> ProgressBar {
        let style =
            ProgressStyle::with_template("{prefix:>8} {bar:30} {human_pos}/{human_len} {per_sec} eta {eta} {msg}");
        let bar = self.bars.add(ProgressBar::new(total).with_position(done).with_prefix(name.to_owned()));
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.reset_eta();
        bar
    }
}

fn line(world: usize, launched: bool, words: &str) -> String {
    match (world, launched) {
        (0 | 1, _) => format!("cargo xtask {words}"),
        (_, true) => format!("cargo xtask launch -n {world} {words}"),
        (_, false) => format!("strait {words}"),
    }
}

/// Words of a command as a shell reads them.
fn shell_words(words: impl IntoIterator<Item = String>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=,:+".contains(c);
    let quoted = |word: String| {
        if !word.is_empty() && word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    };
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{line, shell_words};

    #[test]
    fn ranks_go_on_by_what_started_them() {
        assert_eq!(line(1, false, "train x"), "cargo xtask train x");
        assert_eq!(line(2, true, "train x"), "cargo xtask launch -n 2 train x");
        assert_eq!(line(2, false, "train x"), "strait train x");
    }

    #[test]
    fn words_are_quoted_as_a_shell_reads_them() {
        let words = ["train", "--set", "a={ law = \"power\" }", "it's", ""].map(String::from);
        assert_eq!(shell_words(words), r#"train --set 'a={ law = "power" }' 'it'\''s' ''"#);
    }
}
