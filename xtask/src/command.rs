//! The commands: one table for the help, the dispatch and the nearest name.

use std::ffi::OsString;

use crate::cache::Cache;
use crate::failure::{Failure, Result};
use crate::libtorch;
use crate::workspace::Workspace;
use crate::{bench, data, doctor, drill_ranks, export, gloo, launch, leaderboard, mutate, run, tasks};

/// One row of the help.
struct Command {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
}

const fn command(name: &'static str, usage: &'static str, about: &'static str) -> Command {
    Command { name, usage, about }
}

static COMMANDS: [Command; 23] = [
    command(
        "train",
        "train [PRESET or FILE] [OPTIONS]",
        "train a preset, a config (.toml) or your data (.npz); see `train --help`",
    ),
    command("sample", "sample RUN [OPTIONS]", "draw samples from a run"),
    command("evaluate", "evaluate RUN [OPTIONS]", "measure a run"),
    command("report", "report RUN RUN... [--name NAME]", "finished runs side by side on one page"),
    command("compare", "compare [PRESET or FILE] [OPTIONS]", "methods side by side, in one table and plot"),
    command("inspect", "inspect FILE [--array NAME]", "look at the columns of a file before training on it"),
    command("features", "features digits", "fit the classifier in whose features digits are compared"),
    command("export", "export RUN --onnx [FILE]", "a run's velocity or flow map in another format"),
    command("launch", "launch -n N train|evaluate|compare ...", "by N processes of this machine"),
    command("test", "test [CARGO TEST OPTIONS]", "run the whole test suite"),
    command(
        "bench",
        "bench [OPTION] [FILTER]",
        "run the benches, beside peers in Python that it brings once; --page: and write their page; --against COMMIT: beside those",
    ),
    command(
        "leaderboard",
        "leaderboard [PRESET] [OPTIONS]",
        "seconds to a fixed quality of one evaluation: --seeds N, --up-to 1/N",
    ),
    command("drill", "drill [ranks [TIMES]]", "kills, signals, full disks, closed pipes: what is lost, in a table"),
    command("hostile", "hostile [NUMBER]", "a thousand hostile inputs for the program, or one of them again"),
    command(
        "fuzz",
        "fuzz [TARGET] [--seconds N]",
        "damaged bytes for every reader, ten minutes each unless N is given",
    ),
    command("mutate", "mutate [FILTER]", "put known faults into the source: the tests must see each"),
    command("docs", "docs", "build the API documentation and, with mdbook, the book; equations need no network"),
    command("ci", "ci", "what must hold before a change goes in"),
    command("doctor", "doctor", "what is here, what is missing, and what mends it"),
    command("libtorch", "libtorch [--cuda]", "find or fetch libtorch and link it as .libtorch"),
    command("gloo", "gloo", "find or fetch the headers for training among processes"),
    command("data", "data [NAME...]", "list the data sets, or fetch some"),
    command("help", "help", "this table"),
];

/// Runs the command that the words name.
pub(crate) fn dispatch(words: &[OsString]) -> Result<i32> {
    let Some((first, rest)) = words.split_first() else { return help() };
    let name = first.to_string_lossy();
    let text: Vec<String> = rest.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let done = |result: Result<()>| result.map(|()| 0);
    match (name.as_ref(), text.as_slice()) {
        ("train" | "sample" | "evaluate" | "report" | "compare" | "inspect" | "features", _) => {
            run::command(&name, rest)
        }
        ("export", _) => export::command(&text),
        ("launch", _) => launch::command(rest),
        ("test", _) => done(tasks::test(&text)),
        ("bench", _) => done(bench::command(&text)),
        ("leaderboard", _) => done(leaderboard::command(&text)),
        ("drill", []) => done(tasks::drill()),
        ("drill", [what, rest @ ..]) if what == "ranks" => done(drill_ranks::command(rest)),
        ("hostile", _) => done(tasks::hostile(&text)),
        ("fuzz", _) => done(tasks::fuzz(&text)),
        ("mutate", _) => done(mutate::command(&text)),
        ("docs", []) => done(tasks::docs()),
        ("ci", []) => done(tasks::ci()),
        ("doctor", []) => done(doctor::command()),
        ("data", _) => done(data::command(&text)),
        ("libtorch", []) => provision(false),
        ("libtorch", [flag]) if flag == "--cuda" => provision(true),
        ("gloo", []) => {
            let headers = gloo::ensure(&Workspace::of_cargo(), &Cache::of_user()?)?;
            say!("headers of gloo, {}: {}", headers.origin, headers.folder.display());
            Ok(0)
        }
        ("help" | "--help" | "-h", _) => help(),
        (word, _) => Err(refuse(word)),
    }
}

fn provision(cuda: bool) -> Result<i32> {
    let libtorch = libtorch::ensure(&Workspace::of_cargo(), &Cache::of_user()?, cuda)?;
    say!("libtorch {} ({}) in {}", libtorch::PAIRED, libtorch.devices(), libtorch.root().display());
    Ok(0)
}

fn help() -> Result<i32> {
    say!("usage: cargo xtask COMMAND\n");
    for Command { usage, about, .. } in &COMMANDS {
        say!("  {usage:<39} {about}");
    }
    say!("\n--cuda after a command that runs the program: fetch the libtorch with CUDA");
    Ok(0)
}

fn refuse(word: &str) -> Failure {
    if let Some(known) = COMMANDS.iter().find(|row| row.name == word) {
        return Failure::Usage { usage: known.usage };
    }
    let nearest = COMMANDS.iter().map(|row| (strsim::damerau_levenshtein(word, row.name), row.name)).min();
    let nearest = nearest.filter(|(distance, name)| *distance * 2 <= name.len().max(3)).map(|(_, name)| name);
    Failure::UnknownCommand { word: word.to_owned(), nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(words: &[&str]) -> String {
        dispatch(&words.iter().map(OsString::from).collect::<Vec<_>>()).unwrap_err().to_string()
    }

    #[test]
    fn a_slip_names_the_nearest_command() {
        assert_eq!(refusal(&["trian"]), "unknown command `trian`: did you mean `cargo xtask train`?");
        assert_eq!(refusal(&["docter"]), "unknown command `docter`: did you mean `cargo xtask doctor`?");
        assert_eq!(refusal(&["qqqqq"]), "unknown command `qqqqq`: `cargo xtask help` lists the commands");
    }

    #[test]
    fn words_that_a_command_does_not_take_show_its_usage() {
        assert_eq!(refusal(&["libtorch", "--gpu"]), "usage: cargo xtask libtorch [--cuda]");
        assert_eq!(refusal(&["ci", "now"]), "usage: cargo xtask ci");
    }

    #[test]
    fn the_help_fits_a_terminal() {
        assert!(COMMANDS.iter().all(|row| row.usage.len() < 40 && row.usage.starts_with(row.name)));
    }
}
