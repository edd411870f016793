//! `report`: finished runs on one page, of what their folders hold.

use crate::ProgramError;
use crate::page::side_by_side::{Run, write};
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::run::ranks::Ranks;
use clap::Args;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use strait_report::Colour;

/// Draws finished runs side by side.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Runs, by name or path
    #[arg(required = true, num_args = 1.., value_name = "RUN")]
    runs: Vec<String>,
    /// The folder below runs/ that the page is written into [default: report-RUN-RUN]
    #[arg(long)]
    name: Option<String>,
}

/// Runs `report`. Returns the path of the page.
///
/// # Errors
/// Each one line.
pub fn report(args: &ReportArgs) -> Result<PathBuf, ProgramError> {
    let refused = |argument: &str, problem: String| ProgramError::Argument { argument: argument.to_owned(), problem };
    if let [only] = &args.runs[..] {
        let path = RunFolder::open(only)?.path().join("report/index.html");
        let problem = format!("name one run more to put beside it; its own report is {}", path.display());
        return Err(refused(only, problem));
    }
    if args.runs.len() > Colour::COUNT {
        let problem = format!("at most {} runs stand on one page, each in its own colour", Colour::COUNT);
        return Err(refused(&args.runs[Colour::COUNT], problem));
    }
    let folders: Vec<RunFolder> = args.runs.iter().map(|run| RunFolder::open(run)).collect::<Result<_, _>>()?;
    let mut seen = HashSet::new();
    for (run, folder) in args.runs.iter().zip(&folders) {
        if !seen.insert(folder.path().canonicalize().map_err(ProgramError::io(folder.path()))?) {
            return Err(refused(run, "it is named twice".into()));
        }
    }
    let names = names(&folders);
    let name = args.name.clone().unwrap_or_else(|| {
        let plain = |name: &String| name.replace(['/', '\\'], "-");
        format!("report-{}", names.iter().map(plain).collect::<Vec<_>>().join("-"))
    });
    let to = RunFolder::of(&RunFolder::below_runs(&name)?);
    if to.is_there() {
        return Err(refused(&format!("--name {name}"), "a run is there; choose another name".into()));
    }
    let runs: Vec<Run> =
        names.into_iter().zip(&folders).map(|(name, run)| Run::read(name, run)).collect::<Result<_, _>>()?;
    for (run, folder) in runs.iter().zip(&folders).skip(1) {
        if let Some(problem) = run.refuses(&runs[0]) {
            return Err(ProgramError::Run { path: folder.path().to_owned(), problem });
        }
    }
    let words = std::iter::once("report".to_owned()).chain(args.runs.iter().cloned());
    write(to.path(), CommandContext::command(&Ranks::default(), words), &runs)
}

/// What the page calls the runs: by their folders, and by as much of the path to these as tells them apart.
fn names(folders: &[RunFolder]) -> Vec<String> {
    let tail = |path: &Path, parts: usize| {
        let all: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        all[all.len().saturating_sub(parts)..].join("/")
    };
    let longest = folders.iter().map(|folder| folder.path().iter().count()).max().unwrap_or(1);
    let of = |parts| folders.iter().map(|folder| tail(folder.path(), parts)).collect::<Vec<_>>();
    let differ = |names: &Vec<String>| names.iter().collect::<HashSet<_>>().len() == names.len();
    (1..longest).map(of).find(differ).unwrap_or_else(|| of(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_called_by_what_tells_them_apart() {
        let of = |paths: &[&str]| names(&paths.iter().map(|path| RunFolder::of(Path::new(path))).collect::<Vec<_>>());
        assert_eq!(of(&["runs/a", "runs/b"]), ["a", "b"]);
        assert_eq!(of(&["runs/x/linear-0", "runs/y/linear-0", "c"]), ["x/linear-0", "y/linear-0", "c"]);
        assert_eq!(of(&["a", "b/a"]), ["a", "b/a"]);
    }
}
