//! The leaderboard: how many seconds of training a method takes until its samples of ONE evaluation are of a fixed quality.
//!
//! A method is trained with growing shares of a preset's iterations, each time from the start, for the learning rate of a
//! longer training falls later. The first share that reaches the quality counts, with all that it trained or made.
//!
//! Each training is a row of a file beside the page, written as soon as it is measured. So a board is made in as many sessions,
//! and on as many machines, as it takes: what has a row is not trained again.

mod row;

use std::fs;
use std::path::Path;

use self::row::{Row, Rows};
use crate::cache::Cache;
use crate::circumstances::Circumstances;
use crate::failure::{Failure, Result};
use crate::libtorch;
use crate::tasks::digits;
use crate::workspace::Workspace;

/// What is asked of the samples of a preset's data, and of which methods.
struct Entry {
    preset: &'static str,
    metric: &'static str,
    in_words: &'static str,
    /// How far above the sampling floor it may be.
    above: f64,
    methods: &'static [&'static str],
}

const BOARD: [Entry; 5] = [
    Entry { preset: "8gaussians-map", metric: "w2", in_words: "W2", above: 0.25, methods: POINTS },
    Entry { preset: "moons-map", metric: "w2", in_words: "W2", above: 0.1, methods: POINTS },
    Entry { preset: "checkerboard-map", metric: "w2", in_words: "W2", above: 0.15, methods: POINTS },
    Entry { preset: "mixture16-map", metric: "w2", in_words: "W2", above: 2.0, methods: POINTS },
    Entry {
        preset: "digits-map",
        metric: "frechet_classifier",
        in_words: "Frechet distance in classifier features",
        above: 10.0,
        methods: &["linear", "ot", "preset"],
    },
];

/// The methods for data of points.
const POINTS: &[&str] = &["linear", "ot", "ot_pool", "reflow", "likelihood", "preset"];

/// The shares of a preset's iterations, 1/N each.
const SHARES: [u64; 6] = [32, 16, 8, 4, 2, 1];

/// The page, in the clone, and the rows that it is made of.
const PAGE: &str = "docs/results/leaderboard.md";
const ROWS: &str = "docs/results/leaderboard.csv";
const USAGE: &str = "leaderboard [PRESET] [--seeds N] [--up-to 1/N] [--anew]";

/// `cargo xtask leaderboard [PRESET] [--seeds N] [--up-to 1/N] [--anew]`
pub(crate) fn command(words: &[String]) -> Result<()> {
    let asked = Asked::of(words)?;
    let workspace = Workspace::of_cargo();
    libtorch::ensure(&workspace, &Cache::of_user()?, false)?;
    let data = digits()?;
    let (page, rows) = (workspace.root().join(PAGE), workspace.root().join(ROWS));
    for entry in BOARD.iter().filter(|entry| asked.preset.is_none_or(|preset| preset == entry.preset)) {
        let mut rows = Rows::read(&rows)?;
        if asked.anew {
            rows.forget(entry.preset)?;
        }
        let lines = measure(&workspace, Path::new("."), &data, entry, &asked, &mut rows)?;
        let text = fs::read_to_string(&page).map_err(Failure::file("read", &page))?;
        let block = block(entry, &asked, &lines);
        fs::write(&page, replaced(&text, entry.preset, &block)).map_err(Failure::file("write", &page))?;
        say!("{}: {}", page.display(), entry.preset);
    }
    Ok(())
}

struct Asked {
    preset: Option<&'static str>,
    seeds: u64,
    /// The largest share is 1 over this.
    up_to: u64,
    /// Whether the rows of earlier are left out of account.
    anew: bool,
}

impl Asked {
    fn of(words: &[String]) -> Result<Asked> {
        let usage = || Failure::Usage { usage: USAGE };
        let mut asked = Asked { preset: None, seeds: 5, up_to: 1, anew: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(usage);
            match word.as_str() {
                "--seeds" => asked.seeds = value()?.parse().ok().filter(|n| *n > 0).ok_or_else(usage)?,
                "--up-to" => {
                    let share = value()?.strip_prefix("1/").and_then(|n| n.parse().ok());
                    asked.up_to = share.filter(|n| SHARES.contains(n)).ok_or_else(usage)?;
                }
                "--anew" => asked.anew = true,
                name if asked.preset.is_none() => {
                    let known = BOARD.iter().find(|entry| entry.preset == name);
                    asked.preset = Some(known.ok_or_else(usage)?.preset);
                }
                _ => return Err(usage()),
            }
        }
        Ok(asked)
    }

    fn shares(&self) -> impl Iterator<Item = u64> {
        SHARES.into_iter().filter(|share| *share >= self.up_to)
    }

    fn command(&self, preset: &str) -> String {
        let up_to = if self.up_to == 1 { String::new() } else { format!(" --up-to 1/{}", self.up_to) };
        format!("cargo xtask leaderboard {preset} --seeds {}{up_to}", self.seeds)
    }
}

/// What a method reached with one share: a row for each seed.
#[derive(Debug, Clone)]
struct Line {
    method: &'static str,
    share: u64,
    reached: bool,
    rows: Vec<Row>,
}

impl Line {
    fn each(&self, value: impl Fn(&Row) -> f64) -> Vec<f64> {
        self.rows.iter().map(value).collect()
    }

    fn seconds(&self) -> Vec<f64> {
        self.each(|row| row.seconds)
    }
}

/// Of each method the first share with which it reaches the quality, or the largest.
fn measure(
    workspace: &Workspace,
    here: &Path,
    data: &Path,
    entry: &Entry,
    asked: &Asked,
    rows: &mut Rows,
) -> Result<Vec<Line>> {
    let preset = workspace.root().join("crates/strait/presets").join(format!("{}.toml", entry.preset));
    let iterations = iterations(&fs::read_to_string(&preset).map_err(Failure::file("read", &preset))?);
    let mut lines: Vec<Line> = vec![];
    for share in asked.shares() {
        let reached = |method: &&&str| lines.iter().any(|line| line.method == **method && line.reached);
        let left: Vec<&str> = entry.methods.iter().filter(|method| !reached(method)).copied().collect();
        for seed in 1..=asked.seeds {
            let missing = |method: &&&str| rows.of(entry.preset, method, share, seed).is_none();
            let missing: Vec<&str> = left.iter().filter(missing).copied().collect();
            if missing.is_empty() {
                continue;
            }
            let name = format!("leaderboard-{}-{share}-{seed}", entry.preset);
            let mut compare =
                workspace.cargo(&["run", "--release", "--package", "strait", "--", "compare", entry.preset]);
            compare.args(["--methods", &missing.join(","), "--seeds", "1", "--name", &name]);
            compare.args(["--set", &format!("seed={seed}"), "--set", "evaluate.nfe=[1]"]);
            compare.args(["--set", "evaluate.samples=2000"]);
            for (phase, whole) in iterations.iter().enumerate() {
                compare.args(["--set", &format!("phase.{phase}.iterations={}", (whole / share).max(1))]);
            }
            workspace.step("compare", {
                compare.current_dir(here).env("STRAIT_DATA", data);
                compare
            })?;
            let folder = here.join("runs").join(name);
            let table = folder.join("comparison.csv");
            let text = fs::read_to_string(&table).map_err(Failure::file("read", &table))?;
            let circumstances = Circumstances::now(workspace.root()).and_threads();
            for method in missing {
                let row = Row::of_table(&text, entry.preset, method, entry.metric, share, &circumstances)
                    .ok_or_else(|| Failure::Table { path: table.clone(), method: method.into() })?;
                rows.add(row)?;
            }
            // What has a row is measured; what another build left here would be taken for this one's.
            fs::remove_dir_all(&folder).map_err(Failure::file("remove", &folder))?;
        }
        for method in left {
            let rows: Vec<Row> =
                (1..=asked.seeds).filter_map(|seed| rows.of(entry.preset, method, share, seed)).cloned().collect();
            let above: Vec<f64> = rows.iter().map(|row| row.value - row.floor).collect();
            lines.retain(|before| before.method != method);
            lines.push(Line { method, share, reached: mean(&above) <= entry.above, rows });
        }
    }
    lines.sort_by(|a, b| (!a.reached, mean(&a.seconds())).partial_cmp(&(!b.reached, mean(&b.seconds()))).unwrap());
    Ok(lines)
}

/// The iterations of a preset's phases.
fn iterations(preset: &str) -> Vec<u64> {
    preset.lines().filter_map(|line| line.strip_prefix("iterations = ")?.trim().parse().ok()).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// `1.234 (.056)`: the mean, and of more than one value the standard deviation.
fn spread(values: &[f64], digits: usize) -> String {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    match values.len() {
        0 | 1 => format!("{mean:.digits$}"),
        n => format!("{mean:.digits$} ({:.digits$})", (squares / (n - 1) as f64).sqrt()),
    }
}

/// The section of a preset.
fn block(entry: &Entry, asked: &Asked, lines: &[Line]) -> String {
    let seeds = if asked.seeds == 1 { "Seed 1, no spread".into() } else { format!("Seeds 1 to {}", asked.seeds) };
    let shares = asked.shares().map(|share| format!("1/{share}")).collect::<Vec<_>>().join(", ");
    let circumstances = row::circumstances(lines.iter().flat_map(|line| &line.rows));
    let mut text = format!(
        "## {}\n\n    {}\n\n{} of 2,000 samples of one evaluation, at most {} above the sampling floor. {seeds}; shares tried: \
         {shares}. {circumstances}\n\n| method | seconds | share | gradient steps | {} | floor |\n| --- | --- | --- | --- | --- | \
         --- |\n",
        entry.preset,
        asked.command(entry.preset),
        entry.in_words,
        entry.above,
        entry.in_words
    );
    for line in lines {
        let not = if line.reached { "" } else { "not in " };
        let steps = line.rows.first().map_or(0, |row| row.steps);
        text.push_str(&format!(
            "| {} | {not}{} | 1/{} | {steps} | {} | {} |\n",
            line.method,
            spread(&line.seconds(), 1),
            line.share,
            spread(&line.each(|row| row.value), 3),
            spread(&line.each(|row| row.floor), 3)
        ));
    }
    text
}

/// The page with the section of a preset in its place, or at its end.
fn replaced(page: &str, preset: &str, block: &str) -> String {
    let (begin, end) = (format!("<!-- leaderboard {preset} -->\n"), "<!-- end -->\n");
    let whole = format!("{begin}\n{block}\n{end}");
    let before = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    match before {
        Some((before, after)) => format!("{before}{whole}{after}"),
        None => format!("{}\n\n{whole}", page.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::{Sandbox, script};

    fn asked(words: &str) -> Result<Asked> {
        Asked::of(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    /// The short form: a program in the place of ours, whose methods are as good as their steps are many. With too few of
    /// them one seed alone reaches the quality; the method that never does is the fastest.
    #[test]
    fn the_first_share_that_reaches_the_quality_counts() {
        let sandbox = Sandbox::new();
        let presets = sandbox.workspace.root().join("crates/strait/presets");
        fs::create_dir_all(&presets).unwrap();
        fs::write(presets.join("8gaussians-map.toml"), "[[phase]]\niterations = 640\n\n[[phase]]\niterations = 64\n")
            .unwrap();
        let here = sandbox.path("here");
        let program = "while [ $# -gt 0 ]; do case $1 in\n\
             --methods) methods=$2;; --name) name=$2;; seed=*) seed=${1#*=};; phase.0.iterations=*) n=${1#*=};; esac; shift; done\n\
             mkdir -p runs/$name; exec > runs/$name/comparison.csv\n\
             echo method,seed,solver,nfe,metric,value,floor,steps,wall_seconds,field\n\
             for method in $(echo $methods | tr , ' '); do case $method in\n\
             linear) value=9.30 worse=9 took=0;; ot) value=0.30 worse=$((n < 80)) took=$((n / 10));;\n\
             preset) value=0.30 worse=$((n < 40)) took=$((n / 10));; esac\n\
             [ $seed = 1 ] || value=$worse.36\n\
             echo $method,$seed,euler,4,w2,0.1,0.1,$n,1,own; echo $method,$seed,euler,1,w2,0.1,0.1,$n,1,exact\n\
             echo $method,$seed,euler,1,w2,$value,0.1,$n,$((took + seed)),own\n\
             done";
        script(&sandbox.path("cargo"), &format!("echo \"$*\" >> {}\n{program}", sandbox.path("calls").display()));
        fs::create_dir(&here).unwrap();
        let entry = Entry { methods: &["linear", "ot", "preset"], ..BOARD[0] };
        let kept = sandbox.path("rows.csv");
        let made = |words: &str| {
            let mut rows = Rows::read(&kept).unwrap();
            let asked = asked(words).unwrap();
            let lines = measure(&sandbox.workspace, &here, &here, &entry, &asked, &mut rows).unwrap();
            block(&entry, &asked, &lines)
        };
        // A first session with one seed, which reaches the quality sooner than the other.
        let first = made("8gaussians-map --seeds 1 --up-to 1/16");
        assert!(first.contains("| ot | 3.0 | 1/32 | 20 | 0.300 | 0.100 |"), "{first}");
        let calls = sandbox.cargo_calls();
        assert_eq!(calls.len(), 2);
        let sets = "--name leaderboard-8gaussians-map-32-1 --set seed=1 --set evaluate.nfe=[1] --set evaluate.samples=2000 \
                    --set phase.0.iterations=20 --set phase.1.iterations=2";
        assert!(calls[0].contains("--methods linear,ot,preset --seeds 1") && calls[0].ends_with(sets), "{}", calls[0]);
        assert_eq!(fs::read_dir(here.join("runs")).unwrap().count(), 0, "of what has a row nothing is left");
        // The next session trains what has no row.
        let block = made("8gaussians-map --seeds 2 --up-to 1/4");
        let calls = sandbox.cargo_calls();
        let of_call = |call: &String| {
            let words: Vec<&str> = call.split_whitespace().collect();
            let after = |name: &str| words[words.iter().position(|word| *word == name).unwrap() + 1].to_owned();
            format!("{} {}", after("--methods"), after("--name").trim_start_matches("leaderboard-8gaussians-map-"))
        };
        assert_eq!(
            calls[2..].iter().map(of_call).collect::<Vec<_>>(),
            [
                "linear,ot,preset 32-2",
                "ot,preset 16-1",
                "linear,ot,preset 16-2",
                "linear,ot 8-1",
                "linear,ot 8-2",
                "linear 4-1",
                "linear 4-2"
            ]
        );
        assert_eq!(made("8gaussians-map --seeds 2 --up-to 1/4"), block, "from rows alone");
        assert_eq!(sandbox.cargo_calls().len(), calls.len());
        for words in [
            "    cargo xtask leaderboard 8gaussians-map --seeds 2 --up-to 1/4\n",
            "at most 0.25 above the sampling floor. Seeds 1 to 2; shares tried: 1/32, 1/16, 1/8, 1/4. 20",
            "| preset | 5.5 (0.7) | 1/16 | 40 | 0.330 (0.042) | 0.100 (0.000) |\n| ot | 9.5",
            "(0.000) |\n| linear | not in 1.5 (0.7) | 1/4 | 160 | 9.330 (0.042) | 0.100 (0.000) |\n",
        ] {
            assert!(block.contains(words), "no {words} in\n{block}");
        }
    }

    #[test]
    fn a_section_takes_the_place_of_its_own_alone() {
        let page = replaced("# Board\n\nText.\n", "a", "one\n");
        assert_eq!(page, "# Board\n\nText.\n\n<!-- leaderboard a -->\n\none\n\n<!-- end -->\n");
        let both = replaced(&page, "b", "two\n");
        assert_eq!(replaced(&replaced(&both, "a", "other\n"), "a", "one\n"), both);
        assert!(both.contains("one") && both.ends_with("two\n\n<!-- end -->\n"));
    }

    #[test]
    fn what_is_asked_for_is_on_the_board() {
        assert_eq!(asked("").unwrap().shares().count(), SHARES.len());
        assert_eq!(asked("moons-map --up-to 1/8").unwrap().shares().collect::<Vec<_>>(), [32, 16, 8]);
        for words in ["moons", "moons-map digits-map", "--seeds 0", "--seeds", "--up-to 8", "--up-to 1/3"] {
            assert!(asked(words).is_err(), "{words}");
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let program = fs::read_to_string(root.join("crates/strait/src/comparison/methods.rs")).unwrap();
        for Entry { preset, methods, .. } in &BOARD {
            for method in *methods {
                assert!(program.contains(&format!("=> \"{method}\",")), "{method}");
            }
            let text = fs::read_to_string(root.join(format!("crates/strait/presets/{preset}.toml"))).unwrap();
            assert!(iterations(&text).iter().all(|whole| whole / SHARES[0] > 0), "{preset}");
            assert!(!iterations(&text).is_empty(), "{preset}");
        }
        // The columns that are read are those that the program writes.
        let tables = fs::read_to_string(root.join("crates/strait/src/comparison/tables.rs")).unwrap();
        assert!(tables.contains("\"method,seed,solver,nfe,metric,value,floor,steps,wall_seconds,field\\n\""));
    }
}
