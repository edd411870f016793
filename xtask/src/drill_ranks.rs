//! `cargo xtask drill ranks [TIMES]`: the faults that may end a group of ranks, each that many times.

use crate::cache::Cache;
use crate::failure::{Failure, Result};
use crate::workspace::Workspace;
use crate::{gloo, libtorch};

const TIMES: &str = "20";

pub(crate) fn command(arguments: &[String]) -> Result<()> {
    let times = match arguments {
        [] => TIMES,
        [times] if times.parse::<u32>().is_ok_and(|times| times > 0) => times,
        _ => return Err(Failure::Usage { usage: "drill [ranks [TIMES]]" }),
    };
    let (workspace, cache) = (Workspace::of_cargo(), Cache::of_user()?);
    libtorch::ensure(&workspace, &cache, false)?;
    gloo::ensure(&workspace, &cache)?;
    let words = [
        "test",
        "--package",
        "strait",
        "--features",
        "distributed",
        "--test",
        "suite",
        "drill_ranks::",
        "--",
        "--nocapture",
    ];
    let mut drill = workspace.cargo(&words);
    drill.env("OMP_NUM_THREADS", "1").env("STRAIT_DRILL_TIMES", times);
    workspace.step("the drill of ranks", drill)
}
