//! Faults of what is refused as it was asked for, and of what is said before the work.

use super::fault::{Fault, LIBRARY, Tests};

const fn of(package: &'static str, target: &'static str, filter: &'static str) -> Tests {
    Tests { package, target, filter }
}

pub(super) static FAULTS: [Fault; 10] = [
    Fault {
        name: "data that cannot be used end as work that failed",
        file: "crates/strait/src/error.rs",
        find: "Self::Data(_) => true,",
        put: "Self::Data(_) => false,",
        tests: of("strait", "hostile", "data_that_cannot_be_used"),
    },
    Fault {
        name: "a run that is not there ends as work that failed",
        file: "crates/strait/src/error.rs",
        find: "            | Self::Run { .. }\n",
        put: "",
        tests: of("strait", "hostile", "a_long_list_of_runs"),
    },
    Fault {
        name: "what follows an array is not said",
        file: "crates/strait-io/src/npy/mod.rs",
        find: "&mut io::sink())? > 0;",
        put: "&mut io::sink())? > u64::MAX - 1;",
        tests: of("strait-data", "files", "of_arrays_that_follow"),
    },
    Fault {
        name: "points are conditioned on themselves",
        file: "crates/strait-data/src/array_names.rs",
        find: "(Some(name), Some(labels)) if labels == data => {",
        put: "(Some(name), Some(labels)) if labels == data && name.is_empty() => {",
        tests: of("strait-data", "conditions", "arrays_that_are_no_conditions"),
    },
    Fault {
        name: "of two names that cannot both hold one is passed over",
        file: "crates/strait-data/src/array_names.rs",
        find: "parts.iter().any(|part| part.is_some())",
        put: "parts.iter().all(|part| part.is_some())",
        tests: of("strait-data", "own_data_limits", "an_array_to_split"),
    },
    Fault {
        name: "columns that agree in some rows are called the same",
        file: "crates/strait-data/src/columns/mod.rs",
        find: "if read(of)? == values && same(flat, of, at)? =>",
        put: "if read(of)? == values =>",
        tests: of("strait-data", "own_data_limits", "repeated_rows_and_equal"),
    },
    Fault {
        name: "repeated rows are looked for in some rows",
        file: "crates/strait-data/src/columns/mod.rs",
        find: "let repeated_rows = repeated(&flat)?;",
        put: "let repeated_rows = repeated(&spaced::of(&flat, every)?)?;",
        tests: of("strait-data", "own_data_limits", "repeated_rows_and_equal"),
    },
    Fault {
        name: "a gradient of the tangent of as_strided_scatter is given",
        file: "crates/strait-autodiff/native/strait_native.cc",
        find: "name == \"aten::as_strided_scatter\" &&",
        put: "name == \"none\" &&",
        tests: of("strait-autodiff", "operations", "derivatives_of_every_operation"),
    },
    Fault {
        name: "a walk back through parameters that have moved",
        file: "crates/strait-autodiff/native/reversible.cc",
        find: "kept.insert(kept.end(), inputs.begin(), inputs.end());",
        put: "for (const auto& input : inputs) kept.push_back(input.detach().clone());",
        tests: of("strait-flows", "reversible_limits", "parameters_that_moved"),
    },
    Fault {
        name: "a group of any number of processes is waited for",
        file: "crates/strait-distributed/src/place.rs",
        find: "if world > Self::MOST {",
        put: "if world > usize::MAX - 1 {",
        tests: of("strait-distributed", LIBRARY, "a_variable_that_is_missing"),
    },
];
