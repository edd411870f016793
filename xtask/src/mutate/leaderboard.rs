//! Faults of the leaderboard.

use super::fault::{Fault, LIBRARY, Tests};

const TESTS: Tests = Tests { package: "xtask", target: LIBRARY, filter: "leaderboard" };

const BOARD: &str = "xtask/src/leaderboard.rs";

pub(super) static FAULTS: [Fault; 7] = [
    Fault {
        name: "a quality that the best seed alone reaches",
        file: BOARD,
        find: "mean(&above) <= entry.above;",
        put: "above.iter().any(|above| *above <= entry.above);",
        tests: TESTS,
    },
    Fault {
        name: "a quality that counts from 0 and not from the floor",
        file: BOARD,
        find: "|(value, floor)| value - floor)",
        put: "|(value, floor)| value - 0.0 * floor)",
        tests: TESTS,
    },
    Fault {
        name: "the quality of another count of evaluations",
        file: BOARD,
        find: "(\"nfe\", \"1\"), ",
        put: "",
        tests: TESTS,
    },
    Fault {
        name: "the quality of another field than the trained one",
        file: BOARD,
        find: ", (\"field\", \"own\")]",
        put: "]",
        tests: TESTS,
    },
    Fault {
        name: "a share that is the whole training",
        file: BOARD,
        find: "(whole / share).max(1)",
        put: "(whole / share * share).max(1)",
        tests: TESTS,
    },
    Fault {
        name: "a method that has reached the quality is trained on",
        file: BOARD,
        find: "line.method == **method && line.reached",
        put: "line.method == **method && line.reached && share == 0",
        tests: TESTS,
    },
    Fault {
        name: "the fastest first, whatever it has reached",
        file: BOARD,
        find: "(!a.reached, mean(&a.seconds))",
        put: "(false, mean(&a.seconds))",
        tests: TESTS,
    },
];
