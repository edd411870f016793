//! The ratios to peers: kept as a line of JSON each, with when and on what they were measured, and written as a page.

use std::fs;
use std::path::Path;

use crate::circumstances::Circumstances;
use crate::failure::{Failure, Result};

/// The page, in the clone, and the lines that it is made of.
pub(crate) const PAGE: &str = "docs/results/ratios.md";
pub(crate) const LINES: &str = "docs/results/ratios.jsonl";

/// Adds what benches have measured to the lines that are kept: a bench's new lines take the place of all its old ones.
pub(crate) fn add(kept: &Path, new: &str, at: &Circumstances) -> Result<()> {
    let before =
        if kept.exists() { fs::read_to_string(kept).map_err(Failure::file("read", kept))? } else { String::new() };
    let anew: Vec<&str> = new.lines().filter_map(|line| field(line, "bench")).collect();
    let old = before.lines().filter(|line| !field(line, "bench").is_some_and(|bench| anew.contains(&bench)));
    let Circumstances { commit, day, load, machine } = at;
    let new = new.lines().filter_map(|line| line.strip_suffix('}')).map(|line| {
        format!("{line},\"day\":{day:?},\"machine\":{machine:?},\"load\":{load:?},\"commit\":{commit:?}}}")
    });
    let mut lines: Vec<String> = old.map(str::to_owned).chain(new).collect();
    // The cases of a bench stay in its order.
    lines.sort_by_key(|line| field(line, "bench").map(str::to_owned));
    fs::write(kept, lines.join("\n") + "\n").map_err(Failure::file("write", kept))
}

/// Writes the page of the lines that are kept. It says which of the benches have none.
pub(crate) fn write(kept: &Path, page: &Path, benches: &[&str]) -> Result<()> {
    let text = fs::read_to_string(kept).map_err(Failure::file("read", kept))?;
    let mut body = HEAD.to_owned();
    let measured = |bench: &&&str| text.lines().any(|line| field(line, "bench") == Some(**bench));
    let missing: Vec<String> =
        benches.iter().filter(|bench| !measured(bench)).map(|bench| format!("`{bench}`")).collect();
    if !missing.is_empty() {
        body.push_str(&format!("\nNot measured by this command yet: {}.\n", missing.join(", ")));
    }
    let mut section = ("", String::new());
    for (number, line) in text.lines().enumerate() {
        let unread = || Failure::Row { path: kept.to_path_buf(), line: number + 1, head: "ratios" };
        let Ratio { bench, at, row } = Ratio::of(line).ok_or_else(unread)?;
        if section != (bench, at.clone()) {
            body.push_str(&format!("\n## {bench}\n\n    cargo xtask bench --page {bench}\n\n{at}\n\n{COLUMNS}"));
            section = (bench, at);
        }
        body.push_str(&row);
    }
    fs::write(page, body).map_err(Failure::file("write", page))
}

const HEAD: &str = "# Ratios to peers\n\n\
    Written by `cargo xtask bench --page [FILTER]`, which measures, keeps each ratio as a line of `ratios.jsonl` beside this page, and\n\
    writes the page from all lines: a bench that is measured again takes the place of its old numbers, on whatever machine. Ours and\n\
    the peer's work take turns within one run. Each number is the median of the rounds (least to greatest); below 1 ours takes less\n\
    time. The ratio of the least times is disturbed less by other work. One thread, unless a row says otherwise; what each bench\n\
    does is said at the top of its file in `benches`, and what the numbers mean, with those that are no times, on the page of\n\
    [speed](speed.md).\n";

const COLUMNS: &str =
    "| case | ours, ms | peer | its, ms | ratio | of the least times |\n| --- | --- | --- | --- | --- | --- |\n";

/// A line that is kept, as the page has it.
struct Ratio<'a> {
    bench: &'a str,
    /// When and on what, in words.
    at: String,
    row: String,
}

impl Ratio<'_> {
    fn of(line: &str) -> Option<Ratio<'_>> {
        let word = |name| field(line, name);
        let spread = |name| {
            let values = word(name)?.split(',').map(|value| value.trim().parse().ok()).collect::<Option<Vec<f64>>>()?;
            let [median, least, greatest] = values[..] else { return None };
            // Three digits of the median.
            let digits = if median > 0.0 { (2 - median.log10().floor() as i32).clamp(0, 3) as usize } else { 3 };
            Some(format!("{median:.digits$} ({least:.digits$} to {greatest:.digits$})"))
        };
        let of_least: f64 = word("of_least")?.parse().ok()?;
        let row = format!(
            "| {} | {} | {} | {} | {} | {of_least:.2} |\n",
            word("case")?,
            spread("ours")?,
            word("peer")?,
            spread("theirs")?,
            spread("ratio")?
        );
        let at = format!(
            "{}, CPU, {}, load in the last five minutes {}, commit {}; {} rounds.",
            word("day")?,
            word("machine")?,
            word("load")?,
            word("commit")?,
            word("rounds")?
        );
        Some(Ratio { bench: word("bench")?, at, row })
    }
}

/// The value of a key, without its quotes or brackets, of a line as `benches/peer.rs` and `add` write it: no word in it has a quote.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
    let (value, end): (_, &[char]) = match rest.chars().next()? {
        '"' => (&rest[1..], &['"']),
        '[' => (&rest[1..], &[']']),
        _ => (rest, &[',', '}']),
    };
    Some(&value[..value.find(end)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bench: &str, case: &str, ratio: f64) -> String {
        format!(
            "{{\"bench\":\"{bench}\",\"case\":\"{case}\",\"peer\":\"jax.jit of JAX 0.7.2\",\"rounds\":15,\"ours\":[0.66, 0.55, 0.834],\
             \"theirs\":[1351.2, 1063.0, 1868.0],\"ratio\":[{ratio:?}, 0.5, 1.25],\"of_least\":0.745}}\n"
        )
    }

    fn at(day: &str) -> Circumstances {
        let [commit, machine] = ["abc1234", "AMD EPYC; 2 cores"].map(str::to_owned);
        Circumstances { commit, day: day.into(), load: 0.5, machine }
    }

    #[test]
    fn a_bench_that_is_measured_again_takes_the_place_of_its_old_numbers_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, page) = (folder.path().join("ratios.jsonl"), folder.path().join("ratios.md"));
        add(&kept, &[line("sampling", "256 points", 0.75), line("sampling", "gone", 0.3)].concat(), &at("2026-01-01"))
            .unwrap();
        add(&kept, &line("flows", "small, density", 0.6), &at("2026-01-02")).unwrap();
        let text = fs::read_to_string(&kept).unwrap();
        let first = text.lines().next().unwrap();
        assert!(
            first.starts_with("{\"bench\":\"flows\"") && first.ends_with("\"load\":0.5,\"commit\":\"abc1234\"}"),
            "{first}"
        );
        add(&kept, &line("sampling", "256 points", 0.875), &at("2026-01-03")).unwrap();
        write(&kept, &page, &["flows", "step", "sampling", "path"]).unwrap();
        let page = fs::read_to_string(page).unwrap();
        let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
        let row = "| 0.660 (0.550 to 0.834) | jax.jit of JAX 0.7.2 | 1351 (1063 to 1868) |";
        let section = |bench: &str, day: &str, case: &str, ratio: &str| {
            format!(
                "{bench}\n\n    cargo xtask bench --page {bench}\n\n{day}, CPU, AMD EPYC; 2 cores, load in the last five minutes 0.5, \
                 commit abc1234; 15 rounds.\n\n{COLUMNS}| {case} {row} {ratio} (0.500 to 1.250) | 0.74 |\n"
            )
        };
        assert_eq!(sections.len(), 2, "{page}");
        assert!(
            page.starts_with(&format!("{HEAD}\nNot measured by this command yet: `step`, `path`.\n\n## flows")),
            "{page}"
        );
        assert_eq!(sections[0], section("flows", "2026-01-02", "small, density", "0.600"));
        assert_eq!(sections[1], section("sampling", "2026-01-03", "256 points", "0.875"));
    }

    #[test]
    fn a_line_that_was_broken_by_hand_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("ratios.jsonl");
        for (from, to) in [("0.834]", "]"), ("\"of_least\":0.745", "\"of_least\":few"), ("\"case\"", "\"base\"")] {
            add(&kept, &line("sampling", "256 points", 0.75), &at("2026-01-01")).unwrap();
            let text = fs::read_to_string(&kept).unwrap();
            fs::write(&kept, text.clone() + &text.replace(from, to)).unwrap();
            let said = write(&kept, &folder.path().join("ratios.md"), &[]).unwrap_err().to_string();
            assert_eq!(said, format!("{}: line 2 is no row of ratios: mend or delete it", kept.display()));
        }
    }

    /// The page that is in the clone is that of the lines beside it.
    #[test]
    fn the_page_is_written_from_its_lines() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("ratios.md");
        write(&root.join(LINES), &page, &crate::bench::IN_TIME).unwrap();
        let [written, there] = [page, root.join(PAGE)].map(|path| fs::read_to_string(path).unwrap());
        assert!(written == there, "cargo xtask bench --page FILTER writes {PAGE}: change {LINES} or the sources");
    }
}
