//! Faults of reading, writing and normalising a user's data.

use super::fault::{Fault, Tests};

const fn data(filter: &'static str) -> Tests {
    Tests { package: "strait-data", target: "own_data", filter }
}

const fn io(target: &'static str, filter: &'static str) -> Tests {
    Tests { package: "strait-io", target, filter }
}

pub(super) static FAULTS: [Fault; 22] = [
    Fault {
        name: "copies of a held-out picture that stay in training",
        file: "crates/strait-data/src/pictures/mod.rs",
        find: "split[row] = split[first[row]];",
        put: "split[row] = Split::Train;",
        tests: data("copies_of_one_picture_lie_in_one_part"),
    },
    Fault {
        name: "columns of whole numbers put back beyond their range",
        file: "crates/strait-data/src/file_form.rs",
        find: "if let Some([least, greatest]) = &self.range {",
        put: "if let Some([least, greatest]) = self.range.as_ref().filter(|_| self.dequantised) {",
        tests: data("whole_and_within_their_range"),
    },
    Fault {
        name: "data put back in single precision",
        file: "crates/strait-data/src/array_dataset.rs",
        find: "self.units.invert(&move_to(x, Kind::Double, x.device())?)?",
        put: "self.units.invert(&move_to(x, Kind::Float, x.device())?)?",
        tests: data("far_from_zero"),
    },
    Fault {
        name: "squares of what is small or large",
        file: "crates/strait-data/src/moments.rs",
        find: "if size == 0.0 || ORDINARY.contains(&size) {",
        put: "if size.is_finite() {",
        tests: data("far_from_zero"),
    },
    Fault {
        name: "columns that single precision cannot hold are let pass",
        file: "crates/strait-data/src/columns/mod.rs",
        find: "return Err(DataError::Precision { array: array.to_owned(), column, problem, remedy });",
        put: "drop((column, problem, remedy));",
        tests: data("cannot_hold"),
    },
    Fault {
        name: "a scale of quartiles without what they are of a normal law",
        file: "crates/strait-data/src/moments.rs",
        find: "/ 1.349))",
        put: "/ 2.0))",
        tests: data("robust_units"),
    },
    Fault {
        name: "a row that makes the scale is let pass",
        file: "crates/strait-data/src/columns/column.rs",
        find: "(spreads > FAR && share > 0.5)",
        put: "(spreads > 1e30 && share > 0.5)",
        tests: data("one_row"),
    },
    Fault {
        name: "a constant column comes back as what a model made of it",
        file: "crates/strait-data/src/array_dataset.rs",
        find: "let constant = (!varies).then(",
        put: "let constant = varies.then(",
        tests: data("constant_column"),
    },
    Fault {
        name: "stripes for an image",
        file: "crates/strait-data/src/image_layout.rs",
        find: "event == [h, w, c]",
        put: "event.iter().product::<i64>() == c * h * w",
        tests: data("an_image"),
    },
    Fault {
        name: "labels of other rows than the points",
        file: "crates/strait-data/src/file.rs",
        find: "Splits::of(&labels, held_out, 0, &mut same)?",
        put: "Splits::of(&labels, held_out, 0, draws)?",
        tests: data("usual_names"),
    },
    Fault {
        name: "whole numbers that are dequantised and rounded to the nearest",
        file: "crates/strait-data/src/file_form.rs",
        find: "if self.dequantised { count.f_floor()? } else { count.f_round()? }",
        put: "count.f_round()?",
        tests: data("whole_numbers"),
    },
    Fault {
        name: "rows of a file in the order of the file",
        file: "crates/strait-data/src/row_store.rs",
        find: "self.list[place as usize]",
        put: "place",
        tests: data("rows_that_stay"),
    },
    Fault {
        name: "unsigned numbers taken for signed ones",
        file: "crates/strait-io/src/npy/mod.rs",
        find: "Element::U16 => wide(4),",
        put: "Element::U16 => wide(4).into_iter().map(|byte| byte & 127).collect(),",
        tests: io("arrays", "unsigned"),
    },
    Fault {
        name: "sizes of 32 bits in an archive",
        file: "crates/strait-io/src/npz.rs",
        find: ".large_file(true)",
        put: ".large_file(false)",
        tests: io("arrays", "64_bit_sizes"),
    },
    Fault {
        name: "tensors that lie where others do",
        file: "crates/strait-io/src/tensors.rs",
        find: "if start != end || stop < start || stop > data_length {",
        put: "if stop < start || stop > data_length {",
        tests: io("tensors", "header_that_does_not_fit"),
    },
    Fault {
        name: "integers that a double makes equal are let pass",
        file: "crates/strait-data/src/columns/mod.rs",
        find: "&& found.sd * DOUBLE_DIGITS <",
        put: "&& found.sd * -DOUBLE_DIGITS >",
        tests: data("integers_beyond"),
    },
    Fault {
        name: "integers of 64 bits put back within what a double counts",
        file: "crates/strait-io/src/element.rs",
        find: "Self::I64 => (-9_223_372_036_854_775_808.0, 9_223_372_036_854_774_784.0),",
        put: "Self::I64 => (-9_007_199_254_740_992.0, 9_007_199_254_740_992.0),",
        tests: io("arrays", "ends_of_their_type"),
    },
    Fault {
        name: "a test row that single precision cannot hold is let pass",
        file: "crates/strait-data/src/check_samples.rs",
        find: "if near.int64_value(&[row]) == 0 {",
        put: "if near.int64_value(&[row]) < 0 {",
        tests: data("of_any_part"),
    },
    Fault {
        name: "a row is named by its place in a split",
        file: "crates/strait-data/src/file.rs",
        find: "rows.int64_value(&[row])",
        put: "row + 0 * rows.dim() as i64",
        tests: data("the_one_of_the_file"),
    },
    Fault {
        name: "a look at the training points alone",
        file: "crates/strait-data/src/file.rs",
        find: "            Err(error) => (Some(error.to_string()), vec![]),",
        put: "            Err(_) => (None, vec![]),",
        tests: data("a_look_refuses"),
    },
    Fault {
        name: "rows that stay in the file are not checked",
        file: "crates/strait-data/src/file.rs",
        find: "check_samples(\"data\", &read, 1).map_err(|error| Error::from(in_file(error)))?;",
        put: "check_samples(\"data\", &read.zeros_like(), 1).map_err(|error| Error::from(in_file(error)))?;",
        tests: data("as_they_are_read"),
    },
    Fault {
        name: "an entry of an archive that has no suffix is no array",
        file: "crates/strait-io/src/npz.rs",
        find: "&& start == *npy::MAGIC",
        put: "&& start == [0; 6]",
        tests: io("arrays", "entries_that_are_arrays"),
    },
];
