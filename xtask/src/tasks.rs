//! What a developer runs: tests, benches, documentation, and all that must hold before a change goes in.

use std::process::Command;

use crate::cache::Cache;
use crate::data::{self, DataSet};
use crate::failure::Result;
use crate::libtorch;
use crate::workspace::Workspace;

/// `cargo xtask test [ARGUMENTS...]`
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    let workspace = ready()?;
    let folder = digits()?;
    let mut tests = workspace.cargo(&["test", "--workspace"]);
    // Tests run side by side already: more threads within each would fight over the cores.
    tests.args(arguments).env("OMP_NUM_THREADS", "1").env("STRAIT_DATA", folder);
    workspace.step("cargo test", tests)
}

/// `cargo xtask bench [FILTER]`
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    let workspace = ready()?;
    let mut benches = workspace.cargo(&["bench", "--package", "strait-benches", "--"]);
    benches.args(arguments).env("STRAIT_DATA", digits()?);
    workspace.step("cargo bench", benches)
}

/// `cargo xtask docs`
pub(crate) fn docs() -> Result<()> {
    let workspace = ready()?;
    workspace.step("cargo doc", documentation(&workspace))?;
    println!("{}", workspace.target().join("doc/strait/index.html").display());
    Ok(())
}

fn documentation(workspace: &Workspace) -> Command {
    let mut documentation = workspace.cargo(&["doc", "--no-deps", "--workspace"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    documentation
}

/// `cargo xtask ci`: the cheapest check first; the first that fails ends it.
pub(crate) fn ci() -> Result<()> {
    let workspace = Workspace::of_cargo();
    announce("rustfmt");
    workspace.step("rustfmt", workspace.cargo(&["fmt", "--all", "--check"]))?;
    announce("floors, tidiness and xtask's own tests");
    workspace.step("the test of xtask", workspace.cargo(&["test", "--quiet", "--package", "xtask"]))?;
    ready()?;
    announce("clippy");
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    workspace.step("clippy", workspace.cargo(&clippy))?;
    announce("tests");
    test(&["--exclude".to_owned(), "xtask".to_owned()])?;
    announce("documentation");
    workspace.step("the documentation", documentation(&workspace))?;
    announce("all of it holds");
    Ok(())
}

fn announce(step: &str) {
    eprintln!("\n== {step}");
}

fn ready() -> Result<Workspace> {
    let workspace = Workspace::of_cargo();
    libtorch::ensure(&workspace, &Cache::of_user()?, false)?;
    Ok(workspace)
}

fn digits() -> Result<std::path::PathBuf> {
    let cache = Cache::of_user()?;
    let folder = data::folder(&cache);
    DataSet::named("digits")?.ensure(&cache, &folder)?;
    Ok(folder)
}
