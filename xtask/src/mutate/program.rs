//! Faults of the program: the settings, the training data and the measurements of a run.

use super::fault::{Fault, LIBRARY, Tests};

const fn of(target: &'static str, filter: &'static str) -> Tests {
    Tests { package: "strait", target, filter }
}

const SIDE_BY_SIDE: &str = "crates/strait/src/page/side_by_side.rs";

pub(super) static FAULTS: [Fault; 26] = [
    Fault {
        name: "a map on trajectories that forgets its teacher",
        file: "crates/strait/src/training/training_run.rs",
        find: "self.teacher(&teacher).newest(),",
        put: "self.teacher(&teacher).newest().map(|_| None),",
        tests: of("flow_maps", "starts_where_its_teacher_ended"),
    },
    Fault {
        name: "a signal that waits for a shard of pairs",
        file: "crates/strait/src/training/made_pairs.rs",
        find: "if self.stop.is_asked() { Err(Error::other(Asked)) } else { self.field.velocity(x, t) }",
        put: "self.field.velocity(x, t)",
        tests: of("signals", "making_of_pairs"),
    },
    Fault {
        name: "the teacher of a rectified flow on pairs that are not its own",
        file: "crates/strait/src/build/coupling.rs",
        find: "CouplingConfig::Reflow { teacher: Some(teacher), .. } => coupling(&teacher.coupling),",
        put: "CouplingConfig::Reflow { teacher: Some(_), .. } => Box::new(Independent),",
        tests: of("compare", "learned_teacher"),
    },
    Fault {
        name: "rectified pairs taken for independent ones",
        file: "crates/strait/src/config/check.rs",
        find: "let independent = self.coupling.kind().is_independent;",
        put: "let independent = true;",
        tests: of("compare", "learned_teacher"),
    },
    Fault {
        name: "a row of half a training",
        file: "crates/strait/src/run/summary.rs",
        find: "self.method.steps == config.iterations()",
        put: "config.iterations() < u64::MAX",
        tests: of("compare", "whole_training"),
    },
    Fault {
        name: "drawn pairs measured in place of rectified ones",
        file: "crates/strait/src/evaluation/measure.rs",
        find: "return Ok(made.dataset(&*context.source)?.minibatch(n, 0, stream.stream(\"pairs\"))?);",
        put: "drop(made);",
        tests: of("compare", "pairs_that_are_measured"),
    },
    Fault {
        name: "the first rows of a sorted split",
        file: "crates/strait/src/evaluation/reference.rs",
        find: "if set.len(split) == Some(n) {",
        put: "if set.len(split) == Some(-n) {",
        tests: of("measure", "in_no_order"),
    },
    Fault {
        name: "a batch that its phase cannot draw",
        file: "crates/strait/src/training/training_run.rs",
        find: "None => Ok(trainer.rehearse()?),",
        put: "None => Ok(drop(trainer)),",
        tests: of("early_refusals", "refused_before_the_first"),
    },
    Fault {
        name: "the seconds of a pool count for nothing",
        file: "crates/strait/src/training/training_run.rs",
        find: "wall_seconds: before.wall_seconds + made_pairs::seconds(&self.folder)?, ..before",
        put: "wall_seconds: before.wall_seconds, ..before",
        tests: of("compare", "made_before_a_training"),
    },
    Fault {
        name: "a flow map is followed by what is farthest",
        file: "crates/strait/src/evaluation/choose_solver.rs",
        find: "a.value.total_cmp(&b.value)",
        put: "b.value.total_cmp(&a.value)",
        tests: of("flow_maps", "nearest_to_validation"),
    },
    Fault {
        name: "the choice of a solver is not the one that samples",
        file: "crates/strait/src/cli/sample.rs",
        find: "models.solvers.as_ref().filter(|_| free)",
        put: "models.solvers.as_ref().filter(|_| free && nfe == 0)",
        tests: of("flow_maps", "nearest_to_validation"),
    },
    Fault {
        name: "trajectories of another teacher",
        file: "crates/strait-transport/src/trajectory_store.rs",
        find: "if !is(of, &core(Tensor::f_from_slice(&self.of))?) {",
        put: "if of.size().is_empty() {",
        tests: of("flow_maps", "trajectories"),
    },
    Fault {
        name: "the teacher of trajectories takes all the steps",
        file: "crates/strait/src/comparison/methods.rs",
        find: "_ if self.regresses() => 2,",
        put: "_ if self.regresses() => 1,",
        tests: of("flow_maps", "trajectories"),
    },
    Fault {
        name: "a page that loads itself anew for ever",
        file: "crates/strait/src/page/live.rs",
        find: "page.refresh = None;",
        put: "",
        tests: of("watch", "stopped_run"),
    },
    Fault {
        name: "a page that is written while the report stands",
        file: "crates/strait/src/cli/train.rs",
        find: "if let (Some(watch), Err(error)) = (&watch, &done) {\n        watch.stopped(error);",
        put: "if let Some(watch) = &watch {\n        watch.stopped(&ProgramError::Argument { argument: String::new(), problem: String::new() });",
        tests: of("watch", "same_run"),
    },
    Fault {
        name: "runs side by side in one colour",
        file: SIDE_BY_SIDE,
        find: "colour: Colour::of(place), summary",
        put: "colour: Colour::of(place * 0), summary",
        tests: of("side_by_side", "a_browser_reads"),
    },
    Fault {
        name: "the samples of the fewest evaluations at each count",
        file: "crates/strait/src/page/samples.rs",
        find: "cell(shown.counts.get(nfe), note",
        put: "cell(shown.counts.get(nfe).and(shown.counts.values().next()), note",
        tests: of("side_by_side", "a_browser_reads"),
    },
    Fault {
        name: "settings in which runs do not differ",
        file: SIDE_BY_SIDE,
        find: "settings.get(*key) != each[0].get(*key)",
        put: "settings.get(*key) == each[0].get(*key)",
        tests: of("side_by_side", "a_browser_reads"),
    },
    Fault {
        name: "runs on other data side by side without a word",
        file: SIDE_BY_SIDE,
        find: "&|run| run.summary.dataset.clone()",
        put: "&|_| String::new()",
        tests: of("side_by_side", "refused_in_one_line"),
    },
    Fault {
        name: "runs that were compared with other points side by side without a word",
        file: SIDE_BY_SIDE,
        find: "format!(\"{} samples against {}\", found.samples, found.reference)",
        put: "found.samples.to_string()",
        tests: of("side_by_side", "refused_in_one_line"),
    },
    Fault {
        name: "runs side by side without what speaks against each",
        file: SIDE_BY_SIDE,
        find: "chain(runs.iter().flat_map(own))",
        put: "chain(runs.iter().take(0).flat_map(own))",
        tests: of("side_by_side", "refused_in_one_line"),
    },
    Fault {
        name: "points of another shape side by side",
        file: SIDE_BY_SIDE,
        find: "(known && own != others)",
        put: "(known && own.len() != others.len())",
        tests: of("side_by_side", "refused_in_one_line"),
    },
    Fault {
        name: "a slider that shows the first count alone",
        file: "crates/strait-report/src/slider.rs",
        find: "row.cells.get(column).cloned()",
        put: "row.cells.first().cloned()",
        tests: Tests { package: "strait-report", target: "report", filter: "slider_has_a_figure" },
    },
    Fault {
        name: "a window no narrower than a billionth",
        file: "crates/strait-report/src/plane.rs",
        find: "let half = if extent > 0.0 { 1.25 * extent } else { 1.0 };",
        put: "let half = 1.25 * extent.max(1e-9);",
        tests: Tests { package: "strait-report", target: LIBRARY, filter: "as_wide_as_its_points" },
    },
    Fault {
        name: "points of a page in single precision",
        file: "crates/strait/src/page/samples.rs",
        find: "return Ok(Tensor::f_from_slice(&flat)?.f_view([-1, 2])?);",
        put: "return Ok(Tensor::f_from_slice(&flat)?.f_view([-1, 2])?.f_to_kind(Kind::Float)?);",
        tests: of("records", "own_data_come_back"),
    },
    Fault {
        name: "a weight that overflows single precision is let pass",
        file: "crates/strait/src/config/range.rs",
        find: "of(\"evaluate.guidance\", -1e3, 1e3),",
        put: "of(\"evaluate.guidance\", -1e300, 1e300),",
        tests: of("hostile", "settings_that_make_no_run"),
    },
];
