//! Faults of the couplings.

use super::fault::{Fault, Tests};

const COUPLINGS: Tests = Tests { package: "strait-transport", target: "couplings", filter: "" };

const EXACT: &str = "crates/strait-transport/src/couplings/exact_ot.rs";

pub(super) static FAULTS: [Fault; 3] = [
    Fault {
        name: "a plan of zeros: every pair takes the first row",
        file: EXACT,
        find: "rows(assignment.map_err(Error::other)?.columns.into_iter(), &x1)?",
        put: "rows(assignment.map_err(Error::other)?.columns.into_iter().map(|column| column * 0), &x1)?",
        tests: COUPLINGS,
    },
    Fault {
        name: "costs of zeros: any permutation is optimal",
        file: EXACT,
        find: "let costs = squared_distances(&x0, &x1)?;",
        put: "let costs = squared_distances(&x0, &x1)? * 0.0;",
        tests: COUPLINGS,
    },
    Fault {
        name: "row numbers that are not those of the pairs",
        file: EXACT,
        find: "target_rows: Some(target_rows)",
        put: "target_rows: Some(target_rows.argsort(0, false))",
        tests: COUPLINGS,
    },
];
