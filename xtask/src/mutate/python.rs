//! Faults of the Python package: of the files that it writes for others, and of conditions.

use super::fault::{Fault, Tests};

const TESTS: Tests = Tests { package: "strait", target: "python", filter: "python_and_we_read" };

const ONNX: &str = "crates/strait-io/python/strait/onnx_file.py";

const EXPORT: &str = "crates/strait-io/python/strait/export.py";

pub(super) static FAULTS: [Fault; 9] = [
    Fault {
        name: "constants of equal numbers and other shapes taken for one",
        file: ONNX,
        find: "key = (array.dtype.str, array.shape, array.tobytes())",
        put: "key = (array.dtype.str, array.tobytes())",
        tests: TESTS,
    },
    Fault {
        name: "an ONNX file for one count of samples",
        file: ONNX,
        find: "kind, [\"batch\", *shape])",
        put: "kind, [16, *shape])",
        tests: TESTS,
    },
    Fault {
        name: "an ONNX file whose labels are off by one",
        file: ONNX,
        find: "self.constant(1, np.int64)",
        put: "self.constant(0, np.int64)",
        tests: TESTS,
    },
    Fault {
        name: "an ONNX file with the condition of none for those that have one",
        file: ONNX,
        find: "self.node(\"Where\", [which, a, b])",
        put: "self.node(\"Where\", [which, b, a])",
        tests: TESTS,
    },
    Fault {
        name: "an ONNX file of the parameters that the last step left",
        file: "crates/strait-io/python/strait/run.py",
        find: "        velocity = self.velocity(average, step)\n        event",
        put: "        velocity = self.velocity(None, step)\n        event",
        tests: TESTS,
    },
    Fault {
        name: "an exported file that computes otherwise is kept",
        file: EXPORT,
        find: "if not off <= _TOLERANCE:",
        put: "if not off <= 1e9:",
        tests: TESTS,
    },
    Fault {
        name: "an exported flow map is tried where it stands still alone",
        file: EXPORT,
        find: "{\"x\": x, \"s\": times[0], \"t\": times[1]}",
        put: "{\"x\": x, \"s\": times[1], \"t\": times[1]}",
        tests: TESTS,
    },
    Fault {
        name: "an export that fails leaves half a file",
        file: EXPORT,
        find: "whole.unlink(missing_ok=True)",
        put: "pass",
        tests: TESTS,
    },
    Fault {
        name: "a label beyond the classes is taken for none",
        file: "crates/strait-io/python/strait/networks.py",
        find: "set(range(-1, classes))",
        put: "set(range(-1, classes + 1))",
        tests: TESTS,
    },
];
