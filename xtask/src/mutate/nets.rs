//! Faults of the networks: of their layers, their inputs, and the counts of a summary.

use super::{Fault, Tests};

const fn tests(target: &'static str, filter: &'static str) -> Tests {
    Tests { package: "strait-nets", target, filter }
}

const SEGMENT: &str = "crates/strait-nets/src/gradient_checkpointing.rs";

const RECOMPUTED: &str = "crates/strait-autodiff/native/recomputed.cc";

const fn recomputed(filter: &'static str) -> Tests {
    Tests { package: "strait-autodiff", target: "recomputed", filter }
}

pub(super) static FAULTS: [Fault; 21] = [
    Fault {
        name: "frequencies of a time one octave too high",
        file: "crates/strait-nets/src/time_features.rs",
        find: "k.exp2() * std::f64::consts::PI",
        put: "k.exp2() * std::f64::consts::TAU",
        tests: tests("mlp", "time_features_are"),
    },
    Fault {
        name: "attention over the samples of a batch",
        file: "crates/strait-nets/src/attention.rs",
        find: "let seen = attend(&part(0)?, &part(1)?, &part(2)?)?;",
        put: "let over = |i: i64| part(i)?.f_transpose(0, 2);\n        \
              let seen = attend(&over(0)?, &over(1)?, &over(2)?)?.f_transpose(0, 2)?;",
        tests: tests("networks", "every_sample_answers"),
    },
    Fault {
        name: "weights of attention that do not sum to 1",
        file: "crates/strait-nets/src/attention.rs",
        find: "Ok(weights.f_matmul(v)?.f_div(&total)?)",
        put: "Ok(weights.f_matmul(v)?)",
        tests: tests("reference", "a_transformer_is"),
    },
    Fault {
        name: "scores that are not scaled",
        file: "crates/strait-nets/src/attention.rs",
        find: "1.0 / (c as f64).sqrt()",
        put: "1.0 / (c as f64)",
        tests: tests("reference", "a_transformer_is"),
    },
    Fault {
        name: "libtorch's softmax, of which it has no second derivative",
        file: "crates/strait-nets/src/attention.rs",
        find: "Ok(weights.f_matmul(v)?.f_div(&total)?)",
        put: "let _ = (&weights, &total);\n    Ok(scores.f_softmax(-1, scores.kind())?.f_matmul(v)?)",
        tests: tests("laws", "a_transformer_has_right_gradients"),
    },
    Fault {
        name: "channels weighted by the scale alone",
        file: "crates/strait-nets/src/layers.rs",
        find: "&half(0)?.f_add_scalar(1.0)?",
        put: "&half(0)?",
        tests: tests("reference", "a_unet_is"),
    },
    Fault {
        name: "a last layer that starts away from zero",
        file: "crates/strait-nets/src/layers.rs",
        find: "Self::Zero => Init::Constant(0.0)",
        put: "Self::Zero => Init::Constant(0.01)",
        tests: tests("networks", "a_fresh_network_is_the_zero_function"),
    },
    Fault {
        name: "a block that sees no vector",
        file: "crates/strait-nets/src/residual_block.rs",
        find: "then_silu(&h, Some(&film))",
        put: "then_silu(&h, Some(&film).filter(|_| false))",
        tests: tests("networks", "every_sample_answers"),
    },
    Fault {
        name: "the second of two times taken for the first",
        file: "crates/strait-nets/src/embedding.rs",
        find: "of(&Jet::constant(&t.f_unsqueeze(1)?))",
        put: "of(&Jet::constant(&times[0].f_unsqueeze(1)?))",
        tests: tests("networks", "every_sample_answers"),
    },
    Fault {
        name: "a condition kept where it is dropped",
        file: "crates/strait-nets/src/embedding.rs",
        find: "self.none.f_where_self(&dropped.f_unsqueeze(1)?, &embedded)?",
        put: "self.none.f_where_self(&dropped.f_unsqueeze(1)?.f_logical_not()?, &embedded)?",
        tests: tests("networks", "what_is_dropped"),
    },
    Fault {
        name: "labels that are not looked at",
        file: "crates/strait-nets/src/embedding.rs",
        find: "if !(0..classes).contains(&label)",
        put: "if !(0..=classes).contains(&label)",
        tests: tests("networks", "what_does_not_fit"),
    },
    Fault {
        name: "multiply-adds of a convolution without its positions",
        file: "crates/strait-nets/src/layers.rs",
        find: "products * height * width",
        put: "products * height",
        tests: tests("networks", "a_summary_counts"),
    },
    Fault {
        name: "gradient checkpointing that is asked for and not done",
        file: SEGMENT,
        find: "gradient_checkpointing.then(",
        put: "(gradient_checkpointing && false).then(",
        tests: tests("networks", "computed_again"),
    },
    Fault {
        name: "blocks of a U-Net without attention that are not checkpointed",
        file: "crates/strait-nets/src/unet.rs",
        find: "Segment::new(at, gradient_checkpointing, make)",
        put: "Segment::new(at, gradient_checkpointing && attends, make)",
        tests: tests("networks", "computed_again"),
    },
    Fault {
        name: "a checkpointed block whose first parameter gets no gradient",
        file: SEGMENT,
        find: "at.scope.tensors())",
        put: "at.scope.tensors().split_off(1))",
        tests: tests("networks", "of_checkpointed_networks"),
    },
    Fault {
        name: "an argument that was made from another under its own name",
        file: RECOMPUTED,
        find: "recorded ? x.view_as(x) :",
        put: "recorded ? x :",
        tests: recomputed("gradients_of_gradients"),
    },
    Fault {
        name: "gradients of what is computed again that cannot be differentiated",
        file: RECOMPUTED,
        find: "/*create_graph=*/recorded",
        put: "/*create_graph=*/false",
        tests: recomputed("gradients_of_gradients"),
    },
    Fault {
        name: "closures that outlive their graph",
        file: RECOMPUTED,
        find: "~Closure() override { drop(of); }",
        put: "~Closure() override {}",
        tests: recomputed("nothing_is_recorded"),
    },
    Fault {
        name: "a tangent that is lost where values are computed again",
        file: "crates/strait-autodiff/src/recomputed.rs",
        find: "if inside_jvp() {",
        put: "if false && inside_jvp() {",
        tests: recomputed("inside_a_jvp"),
    },
    Fault {
        name: "a derivative in t that the bias of a convolution moves",
        file: "crates/strait-nets/src/conv_net.rs",
        find: "|d| of(d, None)",
        put: "|d| of(d, Some(bias))",
        tests: tests("conv_net", "jets_equal"),
    },
    Fault {
        name: "images that are moved before a convolution sees them",
        file: "crates/strait-nets/src/conv_net.rs",
        find: "x.f_pixel_unshuffle(self.stem)?",
        put: "x.f_pixel_unshuffle(self.stem)?.f_roll([1], [3])?",
        tests: tests("conv_net", "neighbourhood"),
    },
];
