//! Faults of the leaderboard, and of the page of ratios.

use super::fault::{Fault, LIBRARY, Tests};

const TESTS: Tests = Tests { package: "xtask", target: LIBRARY, filter: "leaderboard" };

const BOARD: &str = "xtask/src/leaderboard.rs";
const RATIOS: Tests = Tests { package: "xtask", target: LIBRARY, filter: "ratios" };

const ROW: &str = "xtask/src/leaderboard/row.rs";

pub(super) static FAULTS: [Fault; 12] = [
    Fault {
        name: "a quality that the best seed alone reaches",
        file: BOARD,
        find: "mean(&above) <= entry.above,",
        put: "above.iter().any(|above| *above <= entry.above),",
        tests: TESTS,
    },
    Fault {
        name: "a quality that counts from 0 and not from the floor",
        file: BOARD,
        find: "row.value - row.floor)",
        put: "row.value - 0.0 * row.floor)",
        tests: TESTS,
    },
    Fault {
        name: "the quality of another count of evaluations",
        file: ROW,
        find: "(\"nfe\", \"1\"), ",
        put: "",
        tests: TESTS,
    },
    Fault {
        name: "the quality of another field than the trained one",
        file: ROW,
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
        find: "(!a.reached, mean(&a.seconds()))",
        put: "(false, mean(&a.seconds()))",
        tests: TESTS,
    },
    Fault {
        name: "what another session has measured is measured again",
        file: BOARD,
        find: "share, seed).is_none();",
        put: "share, seed).is_none() || seed == 1;",
        tests: TESTS,
    },
    Fault {
        name: "a row of another share",
        file: ROW,
        find: "(&*row.preset, &*row.method, row.share, row.seed)",
        put: "(&*row.preset, &*row.method, share, row.seed)",
        tests: TESTS,
    },
    Fault {
        name: "ratios of an older measurement beside the new ones of a bench",
        file: "xtask/src/ratios.rs",
        find: "|bench| anew.contains(&bench)",
        put: "|bench| anew.contains(&bench) && line.is_empty()",
        tests: RATIOS,
    },
    Fault {
        name: "ratios of other benches forgotten",
        file: "xtask/src/ratios.rs",
        find: "old.map(str::to_owned).chain(new)",
        put: "old.map(str::to_owned).take(0).chain(new)",
        tests: RATIOS,
    },
    Fault {
        name: "what benches measured before one failed is lost",
        file: "xtask/src/bench.rs",
        find: "else { return done };",
        put: "else { return done };\n    done?;\n    let done = Ok(());",
        tests: RATIOS,
    },
];
