//! Faults of the invertible layers.

use super::fault::{Fault, Tests};

const fn laws(filter: &'static str) -> Tests {
    Tests { package: "strait-flows", target: "laws", filter }
}

/// Of a kernel.
const fn with_kernels(target: &'static str, filter: &'static str) -> Tests {
    Tests { package: "strait-flows/kernels", target, filter }
}

const fn tests(target: &'static str, filter: &'static str) -> Tests {
    Tests { package: "strait-flows", target, filter }
}

const PLU: &str = "crates/strait-flows/src/linear/plu.rs";
const COUPLING: &str = "crates/strait-flows/src/coupling_layer.rs";

pub(super) static FAULTS: [Fault; 29] = [
    Fault {
        name: "log-determinant without its factor height x width",
        file: PLU,
        find: "at_all_places(log_det, x)",
        put: "log_det",
        tests: laws("plu_of_images"),
    },
    Fault {
        name: "log-determinant without its factor height x width",
        file: "crates/strait-flows/src/act_norm.rs",
        find: "at_all_places(self.log_scale.sum(self.log_scale.kind()), x)",
        put: "self.log_scale.sum(self.log_scale.kind())",
        tests: laws("act_norm"),
    },
    Fault {
        name: "log-determinant without its factor height x width",
        file: "crates/strait-flows/src/linear/exponential.rs",
        find: "(sign * places(x) as f64)",
        put: "sign",
        tests: laws("exponential_of_images"),
    },
    Fault {
        name: "log-determinant doubled",
        file: COUPLING,
        find: "value: self.whole(&passive, &moved), log_det })",
        put: "value: self.whole(&passive, &moved), log_det: log_det * 2.0 })",
        tests: laws("affine_coupling"),
    },
    Fault {
        name: "log-determinant a scalar, the sum over the batch",
        file: COUPLING,
        find: "value: self.whole(&passive, &moved), log_det })",
        put: "value: self.whole(&passive, &moved), log_det: log_det.sum(log_det.kind()) })",
        tests: laws("affine_coupling"),
    },
    Fault {
        name: "log-determinant averaged over the batch",
        file: COUPLING,
        find: "value: self.whole(&passive, &moved), log_det })",
        put: "value: self.whole(&passive, &moved), log_det: log_det.mean(log_det.kind()).expand_as(&log_det) })",
        tests: laws("spline_coupling"),
    },
    Fault {
        name: "log-determinant a scalar, the same for all",
        file: "crates/strait-flows/src/layer.rs",
        find: "number.expand([x.size()[0]], false)",
        put: "{ let _ = x; number.shallow_clone() }",
        tests: laws("plu"),
    },
    Fault {
        name: "log-determinant of the inverse with forward's sign",
        file: PLU,
        find: "value: self.solve_gated(x, &g), log_det: -log_det",
        put: "value: self.solve_gated(x, &g), log_det",
        tests: laws("plu"),
    },
    Fault {
        name: "log-determinants of a chain: the last layer's alone",
        file: "crates/strait-flows/src/chain.rs",
        find: "log_det: done.log_det + step.log_det",
        put: "log_det: { drop(done.log_det); step.log_det }",
        tests: laws("glow"),
    },
    Fault {
        name: "log-slope of the spline's inverse at the image",
        file: "crates/strait-kernels/native/spline.cc",
        find: "log_slope = inside ? place.log_slope() : V{};",
        put: "log_slope = inside ? spline.place(at, point).log_slope() : V{};",
        tests: with_kernels("laws", "spline_coupling"),
    },
    Fault {
        name: "what moves past a factor-out: what leaves stands still",
        file: "crates/strait-flows/src/factor_out.rs",
        find: "on.zip(&out, ",
        put: "on.zip(&Jet::constant(out.value()), ",
        tests: laws("glow"),
    },
    Fault {
        name: "the matrix of the inverse transposed",
        file: PLU,
        find: "value: mix(&matrix, x)",
        put: "value: mix(&if inverse { matrix.tr() } else { matrix }, x)",
        tests: laws("plu"),
    },
    Fault {
        name: "a gate that multiplies the log-scale and not the shift",
        file: "crates/strait-kernels/native/affine.cc",
        find: "y[j] = x[j] * exponential(s) + gate * m[j];",
        put: "y[j] = x[j] * exponential(s) + m[j];",
        tests: with_kernels("edges", "closed_gates"),
    },
    Fault {
        name: "what moves through a PLU: an entry below the diagonal that the gate forgets",
        file: PLU,
        find: "y.plus(&y.view(|y| mix(&lower, y)).times(&g))",
        put: "y.plus(&y.view(|y| mix(&lower, y)))",
        tests: laws("plu_gated"),
    },
    Fault {
        name: "what moves through an ActNorm: a shift that stands still",
        file: "crates/strait-flows/src/act_norm.rs",
        find: ".plus(&g.view(|g| g * &b))",
        put: ".plus(&Jet::constant(&(g.value() * &b)))",
        tests: laws("act_norm_gated"),
    },
    Fault {
        name: "a last layer that does not start at zero",
        file: "crates/strait-flows/src/conditioner.rs",
        find: "if i == last { Init::Constant(0.0) }",
        put: "if i == last { Init::Uniform(1e-3) }",
        tests: tests("edges", "fresh_layers"),
    },
    Fault {
        name: "initialisation divides by a constant channel's spread",
        file: "crates/strait-flows/src/act_norm.rs",
        find: "deviation.where_self(&varies, &usual).log()",
        put: "{ drop(usual); deviation.log() }",
        tests: tests("edges", "a_constant_channel"),
    },
    Fault {
        name: "reversible gradients at points that the walk back did not reach",
        file: "crates/strait-flows/src/reversible.rs",
        find: "check_reconstruction(start.point, &back.input)?;",
        put: "let _ = check_reconstruction;",
        tests: tests("reversible", "a_walk_back"),
    },
    Fault {
        name: "reversible gradients along a time lose the tangent of the passive half",
        file: "crates/strait-flows/src/coupling_layer.rs",
        find: "Some(bar) => &pulled.inputs[2] + bar,",
        put: "Some(_) => pulled.inputs[2].shallow_clone(),",
        tests: tests("reversible", "one_node"),
    },
    Fault {
        name: "a walk back along a time whose matrix stands still",
        file: "crates/strait-flows/src/backward.rs",
        find: "&(dy - tangent)",
        put: "&(dy - tangent * 0.0)",
        tests: tests("reversible", "one_node"),
    },
    Fault {
        name: "a reversible flow goes back at a time that stands still",
        file: "crates/strait-flows/src/reversible_flow.rs",
        find: "dt: self.dt.as_ref(),",
        put: "dt: None,",
        tests: tests("reversible", "one_node"),
    },
    Fault {
        name: "a reversible flow without the gradient of its context",
        file: "crates/strait-flows/src/reversible_flow.rs",
        find: "or_zero(of_context, &self.context)",
        put: "or_zero(None, &self.context)",
        tests: tests("reversible", "one_node"),
    },
    Fault {
        name: "a reversible flow that does not look where the walk back ends",
        file: "crates/strait-flows/src/reversible_flow.rs",
        find: "check_reconstruction(&self.point, &input)?;",
        put: "",
        tests: tests("reversible", "refuses_what_it_cannot_give"),
    },
    Fault {
        name: "reversible gradients lose the passive half's cotangent",
        file: COUPLING,
        find: "self.whole(&(&pulled.inputs[0] + bar_passive), &pulled.inputs[1])",
        put: "{ drop(bar_passive); self.whole(&pulled.inputs[0], &pulled.inputs[1]) }",
        tests: tests("reversible", ""),
    },
    Fault {
        name: "bits per dimension without the bits of the grid",
        file: "crates/strait-flows/src/density.rs",
        find: "log_density / (-(d as f64) * std::f64::consts::LN_2) + (n as f64).log2()",
        put: "log_density / (-(d as f64) * std::f64::consts::LN_2) + 0.0 * n as f64",
        tests: tests("edges", "bits_per_dimension"),
    },
    Fault {
        name: "the log-density of samples with the log-determinant added",
        file: "crates/strait-flows/src/density.rs",
        find: "self.base.log_density(&z)? - x.log_det",
        put: "self.base.log_density(&z)? + x.log_det",
        tests: tests("edges", "a_density_integrates"),
    },
    Fault {
        name: "a spline of libtorch's operations: the log-slope of the inverse with forward's sign",
        file: "crates/strait-flows/src/coupling_layer/spline.rs",
        find: "sum_per_sample(&log_slope.neg())",
        put: "sum_per_sample(log_slope)",
        tests: laws("spline_coupling"),
    },
    Fault {
        name: "a spline that moves, of libtorch's operations: bins that stand still",
        file: "crates/strait-flows/src/coupling_layer/spline.rs",
        find: "start: of(&from), gap:",
        put: "start: Jet::constant(of(&from).value()), gap:",
        tests: laws("spline_coupling_in_time"),
    },
    Fault {
        name: "a coupling of libtorch's operations: a bound that its second derivative forgets",
        file: "crates/strait-flows/src/coupling_layer/affine.rs",
        find: "slope * &half_tanh * (-4.0 / bound)",
        put: "slope * &half_tanh * -4.0",
        tests: tests("kernels", "what_moves"),
    },
];
