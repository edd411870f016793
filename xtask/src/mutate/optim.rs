//! Faults of the objectives: their values, and the gradients that a path follows.

use super::fault::{Fault, Tests};

const MARGINAL: &str = "crates/strait-optim/src/objectives/marginal_straightness.rs";

const STRAIGHTNESS: &str = "crates/strait-optim/src/objectives/straightness.rs";

const ENERGY: &str = "crates/strait-optim/src/objectives/energy.rs";

const VALUE: Tests = Tests { package: "strait-optim", target: "objectives", filter: "tenth_of_its_estimates_variance" };

const GRADIENT: Tests = Tests { package: "strait-optim", target: "marginal_straightness", filter: "" };

const SLOPES: Tests = Tests { package: "strait-optim", target: "gradients", filter: "slopes_of_values" };

const AVERAGES: Tests = Tests { package: "strait-optim", target: "averages", filter: "" };

const ITERATIONS: Tests = Tests { package: "strait-optim", target: "optim", filter: "" };

const EMA: &str = "crates/strait-optim/src/ema.rs";

const TRAINER: &str = "crates/strait-optim/src/trainer.rs";

const AHEAD: Tests = Tests { package: "strait-optim", target: "pair_ahead", filter: "" };

pub(super) static FAULTS: [Fault; 17] = [
    Fault {
        name: "threads that pair ahead outlive their trainer",
        file: "crates/strait-optim/src/pair_ahead.rs",
        find: "self.making.drain(..).for_each(|(_, making)| drop(making.join()));",
        put: "self.making.clear();",
        tests: AHEAD,
    },
    Fault {
        name: "pairs made ahead under the number of the batch before",
        file: TRAINER,
        find: "self.position.batches + further as u64",
        put: "self.position.batches + further as u64 - 1",
        tests: AHEAD,
    },
    Fault {
        name: "pairs made ahead by the plan of this step",
        file: TRAINER,
        find: "let plan = &self.phases[phase].levels[which];\n            if self.ahead.lacks",
        put: "let plan = &self.phases[phase].levels[steps[place]];\n            if self.ahead.lacks",
        tests: AHEAD,
    },
    Fault {
        name: "straightness of a field that does not answer to its paths",
        file: MARGINAL,
        find: "total: straightness + response",
        put: "total: straightness + response.detach()",
        tests: GRADIENT,
    },
    Fault {
        name: "the point that a step came from, not corrected",
        file: MARGINAL,
        find: "earlier(&earlier(&v)?)?",
        put: "earlier(&v)?",
        tests: GRADIENT,
    },
    Fault {
        name: "straightness without what the point does to its own step",
        file: MARGINAL,
        find: "let g = (pulled + ",
        put: "let g = (pulled * 0.0 + ",
        tests: GRADIENT,
    },
    Fault {
        name: "the straightness of an estimate with all of its variance",
        file: STRAIGHTNESS,
        find: "&variance * (1.0 - Self::VARIANCE)",
        put: "&variance * 0.0",
        tests: VALUE,
    },
    Fault {
        name: "both estimates over one half of the candidates",
        file: STRAIGHTNESS,
        find: "(over(0)?, over(half)?)",
        put: "(over(half)?, over(half)?)",
        tests: VALUE,
    },
    Fault {
        name: "straightness at points that are held",
        file: STRAIGHTNESS,
        find: "x_t: x_t.view(",
        put: "x_t: x_t.detach().view(",
        tests: SLOPES,
    },
    Fault {
        name: "energy at points that are held",
        file: ENERGY,
        find: "velocity(&x_t, t)",
        put: "velocity(&x_t.detach(), t)",
        tests: SLOPES,
    },
    Fault {
        name: "a penalty on acceleration that is held",
        file: ENERGY,
        find: "mean_square_norm(&acceleration)",
        put: "mean_square_norm(&acceleration.detach())",
        tests: SLOPES,
    },
    Fault {
        name: "a moving average without its start-up weight",
        file: EMA,
        find: ".max(1.0 / (self.steps + 1) as f64)",
        put: "",
        tests: AVERAGES,
    },
    Fault {
        name: "a moving average with a time constant for a half-life",
        file: EMA,
        find: "(-std::f64::consts::LN_2 / self.half_life)",
        put: "(-1.0 / self.half_life)",
        tests: AVERAGES,
    },
    Fault {
        name: "log lines that keep the last value in place of the mean",
        file: TRAINER,
        find: "*mean += (value - *mean) / *count",
        put: "*mean = value + 0.0 * *count",
        tests: ITERATIONS,
    },
    Fault {
        name: "skipped steps that are counted over those between them",
        file: TRAINER,
        find: "self.skipped.retain(|run| run.level != level);",
        put: "",
        tests: ITERATIONS,
    },
    Fault {
        name: "skipped steps in the means of a log line",
        file: TRAINER,
        find: "                continue;\n            }\n            self.skipped",
        put: "            }\n            self.skipped",
        tests: ITERATIONS,
    },
    Fault {
        name: "the mean of no step is 0",
        file: "crates/strait-optim/src/trainer.rs",
        find: "for (log, _) in logs.iter_mut().filter(|(_, count)| *count == 0.0) {",
        put: "for (log, _) in logs.iter_mut().filter(|(_, count)| *count < 0.0) {",
        tests: Tests { filter: "skipped_and_counted", ..ITERATIONS },
    },
];
