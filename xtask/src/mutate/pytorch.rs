//! Faults in the interface to PyTorch: which modules are accepted as a velocity.

use super::{Fault, Tests};

const fn tests(filter: &'static str) -> Tests {
    Tests { package: "strait", target: "python", filter }
}

pub(super) static FAULTS: [Fault; 4] = [
    Fault {
        name: "a saved module whose samples see each other is taken",
        file: "crates/strait-nets/src/saved_file.rs",
        find: "if apart > TOLERANCE * largest.max(1.0) {",
        put: "if apart > 1e9 * largest.max(1.0) {",
        tests: tests("a_module_that_is_no_velocity"),
    },
    Fault {
        name: "a saved module's velocity of another shape is taken",
        file: "crates/strait-nets/src/saved_file.rs",
        find: "if v.size() != x.size() || v.kind() != x.kind() {",
        put: "if v.size()[0] != x.size()[0] || v.kind() != x.kind() {",
        tests: tests("a_module_that_is_no_velocity"),
    },
    Fault {
        name: "a saved module is called at time 0",
        file: "crates/strait-nets/src/torch_script.rs",
        find: "self.module.forward_ts(&[x, t])",
        put: "self.module.forward_ts(&[x, &t.zeros_like()])",
        tests: tests("a_field_made_in_python"),
    },
    Fault {
        name: "a package of AOTInductor refused without how to open it",
        file: "crates/strait-nets/src/torch_script.rs",
        find: "extension == \"pt2\"",
        put: "extension == \"aot\"",
        tests: Tests { package: "strait", target: "aot_inductor", filter: "no_package_is_refused" },
    },
];
