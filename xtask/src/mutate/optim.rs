//! Faults of the objectives whose gradient is that of a marginal field.

use super::{Fault, Tests};

const MARGINAL: &str = "crates/strait-optim/src/objectives/marginal_straightness.rs";

const GRADIENT: Tests = Tests { package: "strait-optim", target: "marginal_straightness", filter: "" };

pub(super) static FAULTS: [Fault; 3] = [
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
];
