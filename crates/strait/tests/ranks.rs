//! A run that several processes train together, as a launcher starts them: its numbers, its files, and its end when one
//! of them ends.
#![cfg(unix)]

use crate::common::Place;
use std::process::{Child, Command, Output};

/// A rank of a group at a port.
fn rank(place: &Place, of: (usize, usize), port: u16, arguments: &[&str]) -> Command {
    let mut command = place.rank(of, port, "60", arguments);
    command.env_remove("RUST_LOG");
    command
}

/// The last line that a process said, and its exit code.
fn end(child: Child) -> (String, Option<i32>) {
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    (said.lines().last().unwrap_or_default().to_owned(), status.code())
}

#[cfg(not(feature = "distributed"))]
#[test]
fn a_program_built_to_train_alone_refuses_to_be_one_of_two() {
    let place = Place::new();
    let child = rank(&place, (0, 2), 1, &["train", "tiny.toml"]).spawn().unwrap();
    let (said, code) = end(child);
    assert!(said.starts_with("strait: WORLD_SIZE=2: this program was built to train alone"), "{said}");
    assert_eq!(code, Some(2));
}

#[cfg(feature = "distributed")]
mod among {
    use super::*;
    use crate::common::port;
    use crate::common::process::{listens, until};
    use std::fs;
    use std::path::Path;
    use std::thread;
    use std::time::{Duration, Instant};
    use strait_optim::checkpoint;

    /// Both levels, OT pairs, an average; a checkpoint every tenth iteration, and little to measure.
    const CONFIG: &str = "version = 1\nseed = 3\n[data]\nname = '8gaussians'\n[coupling]\nname = 'ot'\n\
        [interpolant]\nfamily = 'affine'\nhidden = [8]\nmixing = 'triangular'\nlog_scale_bound = 2.0\n\
        [velocity]\nhidden = [8]\nema_half_lives = [4.0]\n\
        [[phase]]\nname = 'together'\nturns = 30\nlevel = [\n\
        { level = 'velocity', batch = 24, rate = 1e-3, objective = { name = 'flow_matching' }, noise = 0.01 },\n\
        { level = 'interpolant', batch = 24, rate = 1e-3, clip = 1.0, objective = { name = 'energy', acceleration = 1e-3 } } ]\n\
        [[phase]]\nname = 'last'\nturns = 10\nfresh = ['velocity']\nlevel = [\n\
        { level = 'velocity', batch = 24, rate = 1e-3, objective = { name = 'flow_matching' } } ]\n\
        [evaluate]\nnfe = [1]\nsamples = 32\nbaseline = false\n[log]\nevery = 5\ncheckpoint = 10\nkeep = 3\n";
    const LONG: &str = "phase.0.iterations=1000000";

    fn place() -> Place {
        let place = Place::new();
        place.write("run.toml", CONFIG);
        place
    }

    /// All ranks of a group, each with these words.
    fn start(place: &Place, world: usize, arguments: &[&str]) -> Vec<Child> {
        let port = port();
        (0..world).map(|number| rank(place, (number, world), port, arguments).spawn().unwrap()).collect()
    }

    fn checkpoints(run: &Path) -> usize {
        checkpoint::list(&run.join("checkpoints")).map_or(0, |found| found.len())
    }

    fn until_trained(run: &Path) {
        let begun = Instant::now();
        while checkpoints(run) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(90), "no checkpoint");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The largest difference of two runs' parameters at a level.
    fn off(place: &Place, runs: [&str; 2], level: strait_optim::LevelName) -> f64 {
        let parameters = runs.map(|run| {
            let folder = place.path(&format!("runs/{run}/checkpoints"));
            let newest = checkpoint::newest(&folder).unwrap().0.unwrap();
            assert_eq!(newest.state.position.step, 40);
            newest.parameters(level).unwrap()
        });
        let [a, b] = &parameters;
        let differences = a.iter().zip(b).map(|((_, a), (_, b))| (a - b).abs().max().double_value(&[]));
        differences.fold(0.0, f64::max)
    }

    #[test]
    fn two_ranks_train_the_run_of_one_and_the_first_alone_speaks_and_writes() {
        let place = place();
        let alone = place.run(&["train", "run.toml", "--name", "one"]);
        assert!(alone.status.success());
        let mut ranks = start(&place, 2, &["train", "run.toml", "--name", "two"]);
        let second = ranks.remove(1).wait_with_output().unwrap();
        assert_eq!((second.stdout.len(), second.stderr.len()), (0, 0), "{second:?}");
        let first = ranks.remove(0).wait_with_output().unwrap();
        assert!(first.status.success() && second.status.success());
        assert_eq!(String::from_utf8(first.stdout).unwrap(), "runs/two/report/index.html\n");
        assert_eq!(fs::read_dir(place.path("runs")).unwrap().count(), 2);
        for level in [strait_optim::LevelName::Interpolant, strait_optim::LevelName::Velocity] {
            let off = off(&place, ["one", "two"], level);
            assert!(off < 2e-5, "{}: {off:e}", level.name());
        }
    }

    /// Pairs that are made before the training: a pool, in shares, a coupling with all data, and a teacher's pairs and
    /// trajectories with their teacher.
    #[test]
    fn what_is_made_before_a_training_is_made_once_and_read_by_all() {
        let place = place();
        let couplings = [
            ("pool", "{ name = 'pool', pairs = 96, batch = 32 }"),
            ("semidiscrete", "{ name = 'semidiscrete', points = 40 }"),
            ("reflow", "{ name = 'reflow', rounds = 1, pairs = 9000, solver = 'euler', nfe = 2 }"),
            (
                "trajectories",
                "{ name = 'trajectories', trajectories = 48, solver = 'euler', nfe = 4, teacher = { \
                 interpolant = { family = 'linear' }, phase = [{ name = 'teacher', iterations = 20, level = [\
                 { level = 'velocity', batch = 24, rate = 1e-3, objective = { name = 'flow_matching' } }] }] } }",
            ),
        ];
        let linear = CONFIG.replace(
            "family = 'affine'\nhidden = [8]\nmixing = 'triangular'\nlog_scale_bound = 2.0",
            "family = 'linear'",
        );
        let (before, rest) = linear.split_once("{ level = 'interpolant'").unwrap();
        let linear = format!("{before}{}", rest.split_once("} }").unwrap().1.trim_start());
        for (name, coupling) in couplings {
            let mut rest = linear.replace("[coupling]\nname = 'ot'\n", "");
            if name == "trajectories" {
                rest = rest.replace("hidden = [8]\nema", "hidden = [8]\nmap = true\nema").replace(", noise = 0.01", "");
                rest = rest.replace("flow_matching", "trajectory_regression");
            }
            place.write("run.toml", format!("coupling = {coupling}\n{rest}"));
            let [one, two] = ["one", "two"].map(|number| format!("{name}-{number}"));
            let alone = place.run(&["train", "run.toml", "--name", &one]);
            assert!(alone.status.success(), "{alone:?}");
            for (number, rank) in start(&place, 2, &["train", "run.toml", "--name", &two]).into_iter().enumerate() {
                let (said, code) = end(rank);
                assert_eq!(code, Some(0), "{name}, rank {number}: {said}");
            }
            // The last iterations again, by three.
            let last = checkpoint::list(&place.path(&format!("runs/{two}/checkpoints"))).unwrap().remove(0);
            fs::remove_dir_all(last).unwrap();
            for rank in start(&place, 3, &["train", "--resume", &two]) {
                let (said, code) = end(rank);
                assert_eq!(code, Some(0), "{name}: {said}");
            }
            let off = off(&place, [&one, &two], strait_optim::LevelName::Velocity);
            assert!(off < 2e-5, "{name}: {off:e}");
            let made = |run: &str| -> Vec<(String, Vec<u8>)> {
                let run = place.path(&format!("runs/{run}"));
                let folder = match name {
                    "semidiscrete" => run,
                    "trajectories" => run.join(name),
                    _ => run.join("pairs"),
                };
                let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
                files.retain(|file| {
                    let kind = file.extension().unwrap_or_default();
                    kind == "npy" || file.ends_with("potentials.safetensors") || name == "trajectories"
                });
                files.sort();
                let name = |file: &Path| file.file_name().unwrap().to_string_lossy().into_owned();
                files.iter().map(|file| (name(file), fs::read(file).unwrap())).collect()
            };
            let (one, two) = (made(&one), made(&two));
            assert_eq!(
                one.iter().map(|(name, _)| name).collect::<Vec<_>>(),
                two.iter().map(|(name, _)| name).collect::<Vec<_>>()
            );
            // A teacher that two trained differs by rounding.
            assert!(!one.is_empty() && (["reflow", "trajectories"].contains(&name) || one == two), "{name}");
        }
    }

    #[test]
    fn ranks_share_out_the_parts_of_a_comparison_and_the_samples_of_a_measurement() {
        let place = Place::new();
        let words = ["compare", "tiny.toml", "--methods", "linear,ot,mean_flow", "--seeds", "2", "--name"];
        let alone = place.run(&[&words[..], &["one"]].concat());
        assert!(alone.status.success(), "{alone:?}");
        let ranks = start(&place, 3, &[&words[..], &["two"]].concat());
        for (number, rank) in ranks.into_iter().enumerate() {
            let Output { status, stdout, stderr } = rank.wait_with_output().unwrap();
            assert!(status.success(), "rank {number}: {}", String::from_utf8_lossy(&stderr));
            assert_eq!(stdout.is_empty(), number > 0);
        }
        let rows = |name: &str| {
            let mut comparison = crate::common::json(&place.path(&format!("runs/{name}/comparison.json")));
            comparison["rows"].as_array_mut().unwrap().iter_mut().for_each(|row| drop(row["wall_seconds"].take()));
            (comparison["rows"].take(), comparison["left_out"].take())
        };
        assert_eq!(rows("one"), rows("two"));

        let samples = |world: usize| {
            let words = ["evaluate", "runs/one/ot-3", "--nfe", "1,2,5", "--samples", "61"];
            for rank in start(&place, world, &words) {
                let (said, code) = end(rank);
                assert_eq!(code, Some(0), "{said}");
            }
            let summary = crate::common::json(&place.path("runs/one/ot-3/summary.json"));
            let found = summary["evaluations"].as_array().unwrap().clone();
            let value = |row: &serde_json::Value| (row["nfe"].to_string(), row["value"].as_f64().unwrap());
            found.iter().map(value).collect::<Vec<_>>()
        };
        let (one, three) = (samples(1), samples(3));
        assert_eq!(one.len(), 6);
        assert!(one.iter().zip(&three).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-6), "{one:?}, {three:?}");
    }

    #[test]
    fn a_rank_with_other_settings_ends_all() {
        let (place, port) = (place(), port());
        let words = ["train", "run.toml", "--name", "x", "--set", "seed=4"];
        let ranks = [&words[..4], &words[..]].into_iter().enumerate();
        let ranks: Vec<Child> =
            ranks.map(|(number, words)| rank(&place, (number, 2), port, words).spawn().unwrap()).collect();
        for rank in ranks {
            assert_eq!(end(rank), ("strait: rank 1 has another config than rank 0".to_owned(), Some(2)));
        }
        assert!(!place.path("runs").exists(), "nothing is written");
    }

    #[test]
    fn a_rank_that_is_killed_ends_all_and_another_number_goes_on() {
        let place = place();
        let run = place.path("runs/x");
        let mut ranks = start(&place, 3, &["train", "run.toml", "--name", "x", "--set", LONG]);
        until_trained(&run);
        ranks[2].kill().unwrap();
        let killed = ranks.remove(2);
        for rank in ranks {
            let (said, code) = end(rank);
            assert!(said.starts_with("strait: rank 2 has ended without a word"), "{said}");
            assert_eq!(code, Some(1));
        }
        end(killed);
        let (newest, refused) = checkpoint::newest(&run.join("checkpoints")).unwrap();
        assert!(refused.is_empty());
        let iterations = format!("phase.0.iterations={}", newest.unwrap().state.position.step + 10);
        let ranks = start(&place, 2, &["train", "--resume", "runs/x", "--set", &iterations]);
        for rank in ranks {
            let (said, code) = end(rank);
            assert_eq!(code, Some(0), "{said}");
        }
    }

    #[test]
    fn what_ends_the_first_rank_ends_all_and_says_why() {
        let place = place();
        let run = place.path("runs/x");
        let mut ranks = start(&place, 2, &["train", "run.toml", "--name", "x", "--set", LONG]);
        until_trained(&run);
        // A place for checkpoints where none can be written.
        fs::rename(run.join("checkpoints"), place.path("kept")).unwrap();
        fs::write(run.join("checkpoints"), "").unwrap();
        let (second, code) = end(ranks.remove(1));
        let (first, _) = end(ranks.remove(0));
        let why = first.strip_prefix("strait: ").unwrap();
        assert!(second.starts_with(&format!("strait: rank 0 left: {why}")), "{second}, {first}");
        assert_eq!(code, Some(1));
        assert!(checkpoint::newest(&place.path("kept")).unwrap().0.is_some());
    }

    /// Pairs that one rank makes for all, in folders that are not one: refused before anything is made. Without such pairs rank 0
    /// alone needs a folder.
    #[test]
    fn ranks_without_a_common_folder() {
        let places = [place(), place()];
        let both = |words: &[&str]| {
            let port = port();
            let start = |number: usize| rank(&places[number], (number, 2), port, words).spawn().unwrap();
            [0, 1].map(start).map(end)
        };
        let [(_, first), (_, second)] = both(&["train", "run.toml", "--name", "drawn"]);
        assert_eq!((first, second), (Some(0), Some(0)));
        assert!(places[0].path("runs/drawn/summary.json").is_file() && !places[1].path("runs").exists());
        // Rank 0 tells the settings of what it goes on with.
        let longer = ["train", "--resume", "drawn", "--set", "phase.1.iterations=15"];
        assert_eq!(both(&longer).map(|(_, code)| code), [Some(0), Some(0)]);
        assert!(places[0].path("runs/drawn/checkpoints/step-45").is_dir() && !places[1].path("runs").exists());
        let pool = "coupling={ name = 'pool', pairs = 96, batch = 32 }";
        for (said, code) in both(&["train", "run.toml", "--name", "x", "--set", pool]) {
            assert!(said.starts_with("strait: rank 1 has another run folder (what is made before"), "{said}");
            assert_eq!(code, Some(2));
        }
        assert!(!places[0].path("runs/x/pairs").exists() && !places[1].path("runs/x/pairs").exists());
        let words = ["compare", "run.toml", "--methods", "linear,ot", "--name", "y"];
        for (said, code) in both(&words) {
            assert!(said.starts_with("strait: rank 1 has another folder (what ranks train side by side"), "{said}");
            assert_eq!(code, Some(2));
        }
        assert!(!places[1].path("runs").exists());
    }

    /// What one rank alone does not find ends all at once, and each says what it is.
    #[test]
    fn what_one_rank_does_not_find_ends_all_at_once() {
        let places = [place(), place()];
        fs::remove_file(places[1].path("run.toml")).unwrap();
        places[0].train_alone("a");
        let both = |words: &[&str]| {
            let port = port();
            let start = |number: usize| rank(&places[number], (number, 2), port, words).spawn().unwrap();
            [0, 1].map(start).map(end)
        };
        for (words, why) in [
            (&["train", "run.toml"][..], "no preset and no file is called `run.toml`"),
            (&["compare", "run.toml", "--methods", "linear,ot"], "no preset and no file is called `run.toml`"),
            (&["evaluate", "a"], "run runs/a: another rank than the first sees no such run"),
        ] {
            let [(first, one), (second, two)] = both(words);
            let why = format!("strait: {why}");
            assert!(second.starts_with(&why) && two.is_some_and(|code| code > 0), "{words:?}: {second}");
            let heard = first.strip_prefix("strait: rank 1 left: ").unwrap_or_else(|| panic!("{words:?}: {first}"));
            assert!(heard.starts_with(&why["strait: ".len()..]) && one == Some(1), "{words:?}: {first}");
        }
        // And what the first does not find.
        for (words, other) in [(&["train", "--resume", "nothing"][..], 1), (&["evaluate", "nothing"], 2)] {
            let [(first, one), (_, two)] = both(words);
            assert!(first.contains("there is no such run") && (one, two) == (Some(2), Some(other)), "{first}");
        }
    }

    #[test]
    fn a_signal_to_one_rank_stops_all_at_one_step() {
        let place = place();
        let mut ranks = start(&place, 2, &["train", "run.toml", "--name", "x", "--set", LONG]);
        until_trained(&place.path("runs/x"));
        let sent = Command::new("kill").args(["-s", "INT", &ranks[1].id().to_string()]).status();
        assert!(sent.unwrap().success());
        let (second, code) = end(ranks.remove(1));
        assert_eq!((second.as_str(), code), ("", Some(130)));
        let (first, code) = end(ranks.remove(0));
        assert_eq!(code, Some(130));
        assert!(first.contains("go on with `strait train --resume runs/x`"), "{first}");
        let step = first.strip_prefix("strait: stopped at step ").and_then(|rest| rest.split(';').next()).unwrap();
        assert!(place.path(&format!("runs/x/checkpoints/step-{step}/state.json")).is_file(), "{first}");
    }

    /// What all ranks do after they have heard a signal, and when the last of them has ended.
    fn interrupt(ranks: Vec<Child>) -> (Vec<(String, Option<i32>)>, Duration) {
        for rank in &ranks {
            assert!(Command::new("kill").args(["-s", "INT", &rank.id().to_string()]).status().unwrap().success());
        }
        let sent = Instant::now();
        (ranks.into_iter().map(end).collect(), sent.elapsed())
    }

    /// An iteration of minutes is left by all, and what was before it is kept.
    #[test]
    fn a_signal_to_all_ranks_stops_a_long_iteration_with_the_step_before_it() {
        let place = place();
        let phase = |iterations, steps| {
            format!(
                "{{ name = 'p', iterations = {iterations}, level = [{{ level = 'velocity', batch = 2048, steps = {steps}, rate = 1e-3, \
                 objective = {{ name = 'flow_matching' }} }}] }}"
            )
        };
        let phases = format!("phase=[{}, {}]", phase(3, 1), phase(1, 10_000));
        let sets = ["interpolant={ family = 'linear' }", "coupling={ name = 'independent' }", &phases, "log.every=1"];
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let ranks = start(&place, 2, &[&["train", "run.toml", "--name", "x"][..], &sets].concat());
        let log = place.path("runs/x/metrics.jsonl");
        until("third step", || fs::read_to_string(&log).is_ok_and(|text| text.lines().count() == 3));
        thread::sleep(Duration::from_secs(1));
        let (ends, took) = interrupt(ranks);
        let (first, code) = &ends[0];
        assert!(first.starts_with("strait: stopped at step 3; go on with") && *code == Some(130), "{first}");
        assert_eq!(ends[1], (String::new(), Some(130)));
        assert!(took < Duration::from_secs(20), "{took:?}");
        assert!(place.path("runs/x/checkpoints/step-3/state.json").is_file());
    }

    /// Nothing is saved of a measurement, and no rank waits for the others.
    #[test]
    fn a_signal_to_all_ranks_stops_a_long_measurement() {
        let place = place();
        for child in start(&place, 1, &["train", "run.toml", "--name", "x"]) {
            assert_eq!(end(child).1, Some(0));
        }
        let ranks = start(&place, 2, &["evaluate", "x", "--nfe", "100000"]);
        until("handler", || ranks.iter().all(listens));
        thread::sleep(Duration::from_secs(1));
        let (ends, took) = interrupt(ranks);
        assert_eq!(ends[1], (String::new(), Some(130)));
        assert_eq!(ends[0], ("strait: stopped; nothing that was written is lost".into(), Some(130)));
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
