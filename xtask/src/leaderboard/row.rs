//! A training of the leaderboard, as a row of the file beside its page.

use std::fs;
use std::path::{Path, PathBuf};

use crate::circumstances::Circumstances;
use crate::failure::{Failure, Result};

/// What a training with one share and one seed reached, and where it ran.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    preset: String,
    method: String,
    share: u64,
    seed: u64,
    pub(super) value: f64,
    pub(super) floor: f64,
    pub(super) steps: u64,
    pub(super) seconds: f64,
    circumstances: Circumstances,
}

const HEAD: &str = "preset,method,share,seed,value,floor,steps,seconds,commit,day,load,machine";

impl Row {
    /// The row of a method's own field at one evaluation in a comparison's CSV; None where there is none.
    pub(super) fn of_table(
        text: &str,
        preset: &str,
        method: &str,
        metric: &str,
        share: u64,
        circumstances: &Circumstances,
    ) -> Option<Row> {
        let mut rows = text.lines().map(|row| row.split(',').collect::<Vec<_>>());
        let head = rows.next()?;
        let asked = [("method", method), ("metric", metric), ("nfe", "1"), ("field", "own")];
        let at =
            |row: &[&str], name: &str| Some((*row.get(head.iter().position(|column| *column == name)?)?).to_owned());
        let row =
            rows.find(|row| asked.iter().all(|(name, value)| at(row, name).is_some_and(|found| found == *value)))?;
        Some(Row {
            preset: preset.to_owned(),
            method: method.to_owned(),
            share,
            seed: at(&row, "seed")?.parse().ok()?,
            value: at(&row, "value")?.parse().ok()?,
            floor: at(&row, "floor")?.parse().ok()?,
            steps: at(&row, "steps")?.parse().ok()?,
            seconds: at(&row, "wall_seconds")?.parse().ok()?,
            circumstances: circumstances.clone(),
        })
    }

    fn read(line: &str) -> Option<Row> {
        let mut cells = line.splitn(HEAD.split(',').count(), ',');
        let mut next = || cells.next();
        Some(Row {
            preset: next()?.to_owned(),
            method: next()?.to_owned(),
            share: next()?.parse().ok()?,
            seed: next()?.parse().ok()?,
            value: next()?.parse().ok()?,
            floor: next()?.parse().ok()?,
            steps: next()?.parse().ok()?,
            seconds: next()?.parse().ok()?,
            circumstances: Circumstances {
                commit: next()?.to_owned(),
                day: next()?.to_owned(),
                load: next()?.parse().ok()?,
                machine: next()?.to_owned(),
            },
        })
    }

    fn written(&self) -> String {
        let Row { preset, method, share, seed, value, floor, steps, seconds, circumstances } = self;
        let Circumstances { commit, day, load, machine } = circumstances;
        format!("{preset},{method},{share},{seed},{value},{floor},{steps},{seconds},{commit},{day},{load},{machine}\n")
    }
}

/// The rows of all trainings.
pub(super) struct Rows {
    path: PathBuf,
    rows: Vec<Row>,
}

impl Rows {
    pub(super) fn read(path: &Path) -> Result<Rows> {
        let text =
            if path.exists() { fs::read_to_string(path).map_err(Failure::file("read", path))? } else { String::new() };
        let read = |(number, line)| {
            Row::read(line).ok_or_else(|| Failure::Row { path: path.to_path_buf(), line: number + 1, head: HEAD })
        };
        let rows = text.lines().enumerate().skip(1).map(read).collect::<Result<_>>()?;
        Ok(Rows { path: path.to_path_buf(), rows })
    }

    pub(super) fn of(&self, preset: &str, method: &str, share: u64, seed: u64) -> Option<&Row> {
        let is = |row: &&Row| (&*row.preset, &*row.method, row.share, row.seed) == (preset, method, share, seed);
        self.rows.iter().find(is)
    }

    pub(super) fn add(&mut self, row: Row) -> Result<()> {
        self.rows.push(row);
        self.write()
    }

    /// Leaves out the rows of a preset.
    pub(super) fn forget(&mut self, preset: &str) -> Result<()> {
        self.rows.retain(|row| row.preset != preset);
        self.write()
    }

    fn write(&self) -> Result<()> {
        let rows: String = self.rows.iter().map(Row::written).collect();
        fs::write(&self.path, format!("{HEAD}\n{rows}")).map_err(Failure::file("write", &self.path))
    }
}

/// The days, the machines, and what else they had to do.
pub(super) fn circumstances<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let all: Vec<&Circumstances> = rows.map(|row| &row.circumstances).collect();
    let of = |value: fn(&Circumstances) -> &str| {
        let mut values: Vec<&str> = all.iter().map(|at| value(at)).collect();
        values.sort_unstable();
        values.dedup();
        values
    };
    let days = of(|at| &at.day);
    let days = match (days.first(), days.last()) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (first, _) => first.copied().unwrap_or_default().to_owned(),
    };
    let loads = || all.iter().map(|at| at.load);
    format!(
        "{days}, CPU, {}, load in the last five minutes {} to {}, commits {}.",
        of(|at| &at.machine).join(" and "),
        loads().fold(f64::INFINITY, f64::min),
        loads().fold(f64::NEG_INFINITY, f64::max),
        of(|at| &at.commit).join(", ")
    )
}
