//! Faults of reading images, and of measuring and comparing what is trained on them.

use super::fault::{Fault, LIBRARY, Tests};

const fn of(package: &'static str, target: &'static str, filter: &'static str) -> Tests {
    Tests { package, target, filter }
}

const fn data(target: &'static str, filter: &'static str) -> Tests {
    of("strait-data", target, filter)
}

pub(super) static FAULTS: [Fault; 15] = [
    Fault {
        name: "all images compared one by one where features judge",
        file: "crates/strait/src/evaluation/scores.rs",
        find: "if features_judge { n.min(ONE_BY_ONE) }",
        put: "if features_judge { n }",
        tests: of("strait", LIBRARY, "at_the_start_alone"),
    },
    Fault {
        name: "the coarse class in the place of the fine one",
        file: "crates/strait-data/src/cifar.rs",
        find: "images.bytes_at(self.before - 1)?",
        put: "images.bytes_at(0)?.into_iter().rev().collect::<Vec<u8>>()",
        tests: data("images", "cifar_records"),
    },
    Fault {
        name: "a class out of range is let pass",
        file: "crates/strait-data/src/cifar.rs",
        find: "class >= self.classes)",
        put: "class > self.classes)",
        tests: data("images", "what_is_wrong_with_a_record"),
    },
    Fault {
        name: "units of the images alone, where mirror images are trained on too",
        file: "crates/strait-data/src/array_dataset.rs",
        find: "if form.flips { moments.mirrored()? } else { moments }",
        put: "moments",
        tests: data("images", "mirrored_by_its_step"),
    },
    Fault {
        name: "images turned upside down",
        file: "crates/strait-data/src/array_dataset.rs",
        find: "x.f_flip([-1])?",
        put: "x.f_flip([-2])?",
        tests: data("images", "mirrored_by_its_step"),
    },
    Fault {
        name: "whatever was read ahead is taken for the batch",
        file: "crates/strait-data/src/read_ahead.rs",
        find: ".filter(|(of, _)| of == places)",
        put: ".filter(|(of, _)| of.len() == places.len())",
        tests: data("pictures", "whatever_was_read_ahead"),
    },
    Fault {
        name: "a picture cut short is let pass",
        file: "crates/strait-data/src/pictures/decode.rs",
        find: "two == [0xff, 0xd9]",
        put: "two == [0xff, 0xd9] || true",
        tests: data("pictures", "passed_over_and_counted"),
    },
    Fault {
        name: "a JPEG of four colours is let pass",
        file: "crates/strait-data/src/pictures/decode.rs",
        find: "jpeg_components(path).ok_or(Reason::Damaged)? == 4",
        put: "jpeg_components(path).ok_or(Reason::Damaged)? == 5",
        tests: data("pictures", "passed_over_and_counted"),
    },
    Fault {
        name: "tones of one emoji in different parts",
        file: "crates/strait-data/src/emoji.rs",
        find: "splits.insert(path.clone(), split);",
        put: "splits.insert(path.clone(), if entries.len() % 3 == 1 { Split::Train } else { split });",
        tests: data("pictures", "tones_of_one_emoji"),
    },
    Fault {
        name: "pictures of hidden copies",
        file: "crates/strait-data/src/pictures/mod.rs",
        find: "paths.retain(|path| !hidden(path));",
        put: "paths.retain(|path| !hidden(path) || path.exists());",
        tests: data("pictures", "copies_that_are_hidden"),
    },
    Fault {
        name: "a link that leads in a circle is followed",
        file: "crates/strait-data/src/pictures/mod.rs",
        find: "above.contains(&own) ||",
        put: "above.is_empty() ||",
        tests: data("pictures", "copies_that_are_hidden"),
    },
    Fault {
        name: "a network of one's own sees numbers from 0 to 1",
        file: "crates/strait-metrics/src/features/torch_script.rs",
        find: "(x.to_kind(tch::Kind::Float) * 255.0)",
        put: "x.to_kind(tch::Kind::Float)",
        tests: of("strait-metrics", "torch_script", "from_0_to_255"),
    },
    Fault {
        name: "features of the first part of the samples alone",
        file: "crates/strait-metrics/src/features/torch_script.rs",
        find: "x.f_split(PART, 0)?.iter()",
        put: "x.f_split(PART, 0)?.iter().take(1)",
        tests: of("strait-metrics", "torch_script", "from_0_to_255"),
    },
    Fault {
        name: "equal steps without those of a teacher",
        file: "crates/strait/src/config/derived.rs",
        find: "self.teacher().map_or(0, |teacher| teacher.gradient_steps())",
        put: "0",
        tests: of("strait", LIBRARY, "equal_steps_are_equal"),
    },
    Fault {
        name: "features of real images made again at each measurement",
        file: "crates/strait/src/evaluation/features.rs",
        find: "known.filter(|(_, features)| features.size()[0] == x.size()[0])",
        put: "known.filter(|(_, features)| features.size()[0] != x.size()[0])",
        tests: of("strait", "images", "compared_in_named_features"),
    },
];
