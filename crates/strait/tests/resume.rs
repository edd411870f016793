//! Resuming: a run that is stopped in any phase, with every level, moving average and objective, ends as if it had not
//! been stopped.

use crate::common::{Place, tensors};
use std::fs;

const HEAD: &str = "version = 1\nseed = 3\n[data]\nname = '8gaussians'\n[velocity]\nhidden = [8]\nema_half_lives = [2.0, 9.5]\n\
                    [evaluate]\nnfe = [1]\nsamples = 32\nbaseline = false\n[log]\nevery = 4\ncheckpoint = 1\nkeep = 100\n";

/// Level 0 by its likelihood, its cost and its speed; a residual on it by energy; the learned field's straightness.
const TRANSPORT: &str = "[interpolant]\nfamily = 'residual'\nhidden = [8]\n\
    base = { family = 'transport', map = { kind = 'glow', steps = 2, hidden = [8], transform = 'spline' } }\n\
    [[phase]]\nname = 'transport'\nturns = 4\nlevel = [\n\
    { level = 'transport', batch = 32, rate = 1e-3, noise = 0.01, objective = { name = 'likelihood' }, decay = 'one_cycle', plus = [\n\
    { objective = { name = 'transport_cost' }, weight = 1e-2, ramp = 3 },\n\
    { objective = { name = 'squared_velocity' }, weight = 1e-3 } ] } ]\n\
    [[phase]]\nname = 'together'\nturns = 4\nlevel = [\n\
    { level = 'velocity', batch = 32, rate = 1e-3, objective = { name = 'flow_matching' }, plus = [\n\
    { objective = { name = 'field_straightness', derivative = 'difference' }, weight = 1e-3, ramp = 3 } ] },\n\
    { level = 'interpolant', batch = 32, rate = 1e-3, objective = { name = 'energy', acceleration = 1e-3 } },\n\
    { level = 'transport', batch = 32, rate = 1e-4, objective = { name = 'energy', acceleration = 0.0 } } ]\n";

/// An affine path by the exact field's straightness, then by the paper's joint form.
const AFFINE: &str = "[interpolant]\nfamily = 'affine'\nhidden = [8]\nmixing = 'triangular'\nlog_scale_bound = 2.0\n\
    [[phase]]\nname = 'straight'\nturns = 4\nlevel = [\n\
    { level = 'interpolant', batch = 48, rate = 1e-3, clip = 1.0, objective = { name = 'straightness', candidates = 32, times = 4, until = 0.9, floor = 1.5 } } ]\n\
    [[phase]]\nname = 'joint'\nturns = 4\nlevel = [\n\
    { level = 'velocity', batch = 32, rate = 1e-3, objective = { name = 'flow_matching' }, plus = [\n\
    { objective = { name = 'marginal_flow_matching' }, weight = 1e-1 },\n\
    { objective = { name = 'field_straightness' }, weight = 1e-3, ramp = 3 } ] },\n\
    { level = 'interpolant', batch = 32, rate = 1e-4, objective = { name = 'conditional_variance' }, plus = [\n\
    { objective = { name = 'field_straightness' }, weight = 1e-3, ramp = 3 },\n\
    { objective = { name = 'marginal_straightness', step = 0.1 }, weight = 1e-2 } ] } ]\n";

/// A flow map and an affine path that steps on the energy and on the map's residual, with the map's diagonal as critic; then the
/// map alone, over OT pairs.
const MAP: &str = "[coupling]\nname = 'ot'\n[interpolant]\nfamily = 'affine'\nhidden = [8]\nmixing = 'triangular'\nlog_scale_bound = 2.0\n\
    [[phase]]\nname = 'together'\nturns = 8\nlevel = [\n\
    { level = 'velocity', steps = 2, batch = 32, rate = 1e-3, objective = { name = 'lagrangian_distillation' }, spans = { off_diagonal = 0.25, from_start = 0.5 } },\n\
    { level = 'interpolant', batch = 32, rate = 1e-3, objective = { name = 'energy', acceleration = 1e-3 } },\n\
    { level = 'interpolant', batch = 32, rate = 1e-3, objective = { name = 'map_residual', acceleration = 1e-3 }, spans = { off_diagonal = 0.5 } } ]\n\
    [[phase]]\nname = 'map'\nturns = 3\nlevel = [\n\
    { level = 'velocity', batch = 32, rate = 1e-3, objective = { name = 'mean_flow', power = 0.5 }, spans = { off_diagonal = 0.75 } },\n\
    { level = 'velocity', batch = 32, rate = 1e-3, objective = { name = 'progressive_distillation' }, spans = { off_diagonal = 0.25 } } ]\n";

const LAST: &str = "[[phase]]\nname = 'final'\nturns = 3\nfresh = ['velocity']\nlevel = [\n\
    { level = 'velocity', batch = 32, rate = 1e-3, objective = { name = 'flow_matching' } } ]\n";

#[test]
fn every_level_and_objective_goes_on_to_the_bit() {
    for (text, levels) in [(format!("{HEAD}{TRANSPORT}{LAST}"), 3), (format!("{HEAD}{AFFINE}{LAST}"), 2), (map(), 2)] {
        let place = Place::new();
        place.write("all.toml", text);
        let output = place.run(&["train", "all.toml", "--name", "all"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let run = place.path("runs/all");
        let whole = tensors(&run);
        assert_eq!(whole.len(), 2 * levels + 2, "parameters and moments of each level, two averages of the velocity");
        // Stopped at the start of a phase, within each, and at its end.
        for stop in [1, 4, 6, 9] {
            for path in strait_optim::checkpoint::list(&run.join("checkpoints")).unwrap() {
                let step: u64 = path.file_name().unwrap().to_string_lossy()["step-".len()..].parse().unwrap();
                if step > stop {
                    fs::remove_dir_all(path).unwrap();
                }
            }
            let output = place.run(&["train", "--resume", "all"]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            for ((name, before), (other, after)) in whole.iter().zip(tensors(&run)) {
                assert!(*name == other && *before == after, "{name} differs after a stop at {stop}");
            }
        }
    }
}

fn map() -> String {
    format!("{}{MAP}", HEAD.replacen("hidden = [8]", "hidden = [8]\nmap = true", 1))
}

/// A trained map is sampled by what is nearest to validation points at each count where nobody says otherwise, and by any ODE
/// solver on its diagonal; what is trained at one time alone is not sampled as a map.
#[test]
fn a_flow_map_is_sampled_by_maps_and_by_its_diagonal() {
    let place = Place::new();
    place.write("map.toml", map().replacen("nfe = [1]", "nfe = [1, 2, 4]", 1));
    let output = place.run(&["train", "map.toml", "--name", "map"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let solvers = |name: &str| -> Vec<(String, u64)> {
        let summary = crate::common::json(&place.path(&format!("runs/{name}/summary.json")));
        assert!(summary["likelihood"]["nats"].as_f64().unwrap().is_finite(), "{summary}");
        let all = summary["evaluations"].as_array().unwrap().iter();
        all.map(|e| (e["solver"].as_str().unwrap().to_owned(), e["nfe"].as_u64().unwrap())).collect()
    };
    let counts = crate::common::json(&place.path("runs/map/solvers.json"))["counts"].clone();
    let chosen = |nfe: u64| {
        let count = counts.as_array().unwrap().iter().find(|count| count["nfe"] == nfe).unwrap();
        count["tried"][0]["solver"].as_str().unwrap().to_owned()
    };
    let found = solvers("map");
    assert!([1, 2, 4].iter().all(|nfe| found.iter().any(|(_, of)| of == nfe)), "{found:?}");
    assert!(found.iter().all(|(solver, nfe)| *solver == chosen(*nfe)), "{found:?}");
    let drawn = |arguments: &[&str]| {
        let output = place.run(&[&["sample", "map", "--count", "16", "--out", "x.npz"], arguments].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::read(place.path("x.npz")).unwrap()
    };
    let one = chosen(1);
    assert!(drawn(&["--nfe", "1"]) == drawn(&["--nfe", "1", "--solver", &one]));
    let other = if one == "map" { "euler" } else { "map" };
    let others = [drawn(&["--nfe", "1", "--solver", other]), drawn(&["--nfe", "2"]), drawn(&["--solver", "dopri5"])];
    assert!(
        others.iter().all(|other| *other != drawn(&["--nfe", "1"])),
        "one evaluation of what was chosen and no other"
    );
    let output = place.run(&["evaluate", "map", "--solver", "heun", "--nfe", "2"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(solvers("map").iter().all(|(solver, _)| solver == "heun"));

    place.write("one.toml", format!("{}{AFFINE}{LAST}", HEAD.replacen("hidden = [8]", "hidden = [8]\nmap = true", 1)));
    let output = place.run(&["train", "one.toml", "--name", "one"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(solvers("one").iter().all(|(solver, _)| solver == "euler"));
    for arguments in [&["sample", "one", "--solver", "map"][..], &["evaluate", "one", "--solver", "map"]] {
        let (line, code) = place.refusal(arguments);
        assert!(line.contains("not trained as a flow map") && code != 0, "{line}");
    }
}

#[test]
fn a_flow_map_that_cannot_be_trained_is_refused_in_a_line() {
    let place = Place::new();
    for (from, to, said) in [
        ("map = true", "map = false", "phase.0.level.0.objective"),
        ("off_diagonal = 0.25", "off_diagonal = 1.0", "without a diagonal a flow map has no velocity"),
        ("off_diagonal = 0.25", "off_diagonal = 0.0", "none are off the diagonal"),
        ("off_diagonal = 0.25", "off_diagonal = -0.5", "phase.0.level.0.spans.off_diagonal = -0.5"),
        ("from_start = 0.5", "from_start = 1.5", "spans.from_start = 1.5"),
        (", spans = { off_diagonal = 0.5 }", "", "map_residual trains at pairs of times"),
        (
            "'energy', acceleration = 1e-3 }",
            "'energy', acceleration = 1e-3 }, spans = { off_diagonal = 0.5 }",
            "energy",
        ),
        ("power = 0.5", "power = -1.0", "phase.1.level.0.objective.power"),
        ("power = 0.5", "epsilon = 0.0", "phase.1.level.0.objective.epsilon"),
        ("nfe = [1]", "nfe = [1]\nsolver = 'mapp'", "evaluate.solver"),
    ] {
        assert!(map().contains(from), "{from}");
        place.write("map.toml", map().replacen(from, to, 1));
        let (line, code) = place.refusal(&["train", "map.toml", "--name", "refused"]);
        assert!(line.contains(said) && code != 0, "{from} -> {to}: {line}");
        assert!(!place.path("runs/refused").exists(), "{from}");
    }
}

#[test]
fn objectives_without_a_meaning_are_refused_by_their_key() {
    let place = Place::new();
    for (text, from, to, key) in [
        (AFFINE, "name = 'conditional_variance'", "name = 'likelihood'", "phase.1.level.1.objective"),
        (AFFINE, "name = 'conditional_variance'", "name = 'flow_matching'", "phase.1.level.1.objective"),
        (AFFINE, "level = 'interpolant', batch = 48", "level = 'transport', batch = 48", "phase.0.level.0.objective"),
        (TRANSPORT, "name = 'squared_velocity'", "name = 'field_straightness'", "phase.0.level.0.plus.1.objective"),
        (TRANSPORT, "name = 'flow_matching'", "name = 'marginal_flow_matching'", "phase.1.level.0.objective"),
        (TRANSPORT, "weight = 1e-2", "weight = nan", "phase.0.level.0.plus.0.weight"),
        (AFFINE, "step = 0.1", "step = 0.6", "phase.1.level.1.plus.1.objective.step"),
        (AFFINE, "candidates = 32", "candidates = 31", "phase.0.level.0.objective.candidates"),
        (AFFINE, "[interpolant]", "[coupling]\nname = 'ot'\n[interpolant]", "phase.0.level.0.objective"),
        (AFFINE, "rate = 1e-4", "times = { law = 'power', power = 2.0 }, rate = 1e-4", "phase.1.level.1.times"),
        (AFFINE, "marginal_flow_matching'", "marginal_flow_matching', candidates = 32", "phase.1.level.0.batch = 32"),
        (AFFINE, "marginal_flow_matching'", "marginal_flow_matching', candidates = -1", "plus.0.objective.candidates"),
        (AFFINE, "floor = 1.5", "floor = 31.0", "median of its points"),
        (AFFINE, "times = 4", "times = 5", "a multiple of 5 points"),
    ] {
        assert!(text.contains(from), "{from}");
        place.write("all.toml", format!("{HEAD}{}{LAST}", text.replacen(from, to, 1)));
        let (line, code) = place.refusal(&["train", "all.toml", "--name", "refused"]);
        assert!(line.contains(key) && code != 0, "{from} -> {to}: {line}");
        let _ = fs::remove_dir_all(place.path("runs/refused"));
    }
}
