//! Faults of the program's safeguards: signals, pipes, ranges, records.

use super::fault::{Fault, Tests};

const fn of(target: &'static str, filter: &'static str) -> Tests {
    Tests { package: "strait", target, filter }
}

pub(super) static FAULTS: [Fault; 8] = [
    Fault {
        name: "a signal without a checkpoint",
        file: "crates/strait/src/training/training_run.rs",
        find: "step.is_multiple_of(checkpoint_every) || finished || stopping;",
        put: "step.is_multiple_of(checkpoint_every) || finished;",
        tests: of("signals", "one_signal_stops_a_training"),
    },
    Fault {
        name: "a signal that waits for a long iteration",
        file: "crates/strait/src/training/iterate.rs",
        find: "self.lasted < SHORT && trainer.position().iteration > 0",
        put: "self.lasted < SHORT",
        tests: of("signals", "long_iteration"),
    },
    Fault {
        name: "a state that the next step changes before it is saved",
        file: "crates/strait-optim/src/checkpoint.rs",
        find: "*tensor = tensor.f_detach_copy()?;",
        put: "*tensor = tensor.f_detach()?;",
        tests: Tests { package: "strait-optim", target: "checkpoints", filter: "by_another_thread" },
    },
    Fault {
        name: "a reader that has gone away taken for a full disk",
        file: "crates/strait/src/run/stdout.rs",
        find: "error.kind() != ErrorKind::BrokenPipe",
        put: "error.kind() != ErrorKind::NotFound",
        tests: of("signals", "nobody_has_to_listen"),
    },
    Fault {
        name: "evaluations without end",
        file: "crates/strait/src/config/range.rs",
        find: "list(of(\"evaluate.nfe\", 1.0, 100_000.0), 64),",
        put: "list(of(\"evaluate.nfe\", 1.0, ANY), 64),",
        tests: of("hostile", "settings_that_make_no_run"),
    },
    Fault {
        name: "a setting as deep as anybody likes",
        file: "crates/strait/src/config/read.rs",
        find: "const DEEPEST: usize = 16;",
        put: "const DEEPEST: usize = usize::MAX;",
        tests: of("hostile", "settings_that_make_no_run"),
    },
    Fault {
        name: "a longer training that nobody wrote down",
        file: "crates/strait/src/run/provenance.rs",
        find: "now.changes.push(Change { step, settings: settings.to_vec() });",
        put: "",
        tests: of("records", "trained_longer"),
    },
    Fault {
        name: "a cache that cannot be read in the way of samples",
        file: "crates/strait/src/evaluation/choose_average.rs",
        find: "run.folder.read_cached::<AverageSummary>(FILE).filter",
        put: "run.folder.read_json::<AverageSummary>(FILE)?.filter",
        tests: of("records", "block_nothing"),
    },
];
