//! Faults of what is proposed for a user's own data: units, dequantisation, sizes.

use super::fault::{Fault, LIBRARY, Tests};

const LOOK: Tests = Tests { package: "strait-data", target: "own_data", filter: "what_a_look_proposes" };

const fn program(filter: &'static str) -> Tests {
    Tests { package: "strait", target: LIBRARY, filter }
}

const UNITS: Tests = program("in_the_units_that_it_proposes");
const BRIEF: Tests = program("a_look_before_a_training");
const SIZES: Tests = program("sizes_follow_the_dimension");

const COLUMNS: &str = "crates/strait-data/src/columns/mod.rs";
const INSPECT: &str = "crates/strait/src/cli/inspect.rs";
const OWN: &str = "crates/strait/src/build/default_for_data.rs";
const DEFAULT: &str = "crates/strait/src/config/default_for_data.rs";

pub(super) static FAULTS: [Fault; 15] = [
    Fault {
        name: "robust units where every column has long tails alone",
        file: COLUMNS,
        find: "self.columns.iter().any(heavy)",
        put: "self.columns.iter().all(heavy)",
        tests: LOOK,
    },
    Fault {
        name: "a robust unit for each pixel",
        file: COLUMNS,
        find: "any(heavy) && self.event.len() == 1 {",
        put: "any(heavy) {",
        tests: LOOK,
    },
    Fault {
        name: "a unit of its own for each pixel",
        file: COLUMNS,
        find: "} else if self.event.len() == 1 && self.scale_ratio() > 10.0 {",
        put: "} else if self.scale_ratio() > 10.0 {",
        tests: LOOK,
    },
    Fault {
        name: "units by column where scales hardly differ",
        file: COLUMNS,
        find: "self.scale_ratio() > 10.0",
        put: "self.scale_ratio() > 5.0",
        tests: LOOK,
    },
    Fault {
        name: "a constant counts among the scales",
        file: COLUMNS,
        find: "self.columns.iter().filter(|column| column.least < column.greatest).map(|column| column.sd);",
        put: "self.columns.iter().map(|column| column.sd);",
        tests: LOOK,
    },
    Fault {
        name: "data with one column of counts taken for counts",
        file: COLUMNS,
        find: "self.columns.iter().all(|column| column.whole)",
        put: "self.columns.iter().any(|column| column.whole)",
        tests: LOOK,
    },
    Fault {
        name: "measurements too large for halves taken for counts",
        file: COLUMNS,
        find: "column.greatest.abs().max(column.least.abs()) < halves_below(element)",
        put: "halves_below(element) > 0.0",
        tests: LOOK,
    },
    Fault {
        name: "counts without the proposal to dequantise them",
        file: "crates/strait-data/src/columns/show.rs",
        find: "if self.is_whole() {",
        put: "if self.is_whole() && self.rows < 0 {",
        tests: LOOK,
    },
    Fault {
        name: "counts trained on without the proposal to dequantise them",
        file: "crates/strait-data/src/columns/show.rs",
        find: "if self.is_whole() {",
        put: "if self.is_whole() && self.rows < 0 {",
        tests: BRIEF,
    },
    Fault {
        name: "columns left out of a look without their number",
        file: INSPECT,
        find: "lines.len().saturating_sub(LINES);",
        put: "look.columns.len().saturating_sub(LINES);",
        tests: BRIEF,
    },
    Fault {
        name: "a file in one unit where a unit for each column is proposed",
        file: OWN,
        find: "Scaling::PerCoordinate => UnitsConfig::Column,",
        put: "Scaling::PerCoordinate => UnitsConfig::Unit,",
        tests: UNITS,
    },
    Fault {
        name: "a file in units by column where robust ones are proposed",
        file: OWN,
        find: "Scaling::Robust => UnitsConfig::Robust,",
        put: "Scaling::Robust => UnitsConfig::Column,",
        tests: UNITS,
    },
    Fault {
        name: "four channels for a picture",
        file: OWN,
        find: "[c @ (1 | 3), h, w]",
        put: "[c @ (1 | 3 | 4), h, w]",
        tests: UNITS,
    },
    Fault {
        name: "a batch of rows that are held out",
        file: DEFAULT,
        find: "(rows as f64 * TRAINED) as i64",
        put: "(rows as f64 * TRAINED.max(1.0)) as i64",
        tests: SIZES,
    },
    Fault {
        name: "the rate of a small network for a large one",
        file: DEFAULT,
        find: "_ => (512, 5e-4),",
        put: "_ => (512, 1e-3),",
        tests: SIZES,
    },
];
