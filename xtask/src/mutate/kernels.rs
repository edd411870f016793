//! Faults of the kernels.

use super::fault::{Fault, Tests};

const fn tests(target: &'static str, filter: &'static str) -> Tests {
    Tests { package: "strait-kernels", target, filter }
}

const FIELD: Tests = Tests { package: "strait-paths/kernels", target: "affine_field", filter: "kernel" };

const CHAIN: Tests = Tests { package: "strait-paths/kernels", target: "chain_field", filter: "kernel" };

const CURVE: Tests = Tests { package: "strait-paths/kernels", target: "affine_curve", filter: "kernel" };

pub(super) static FAULTS: [Fault; 33] = [
    Fault {
        name: "the coupling's kernel: a bound that its derivative forgets",
        file: "crates/strait-kernels/native/affine.cc",
        find: "graw[j] = -gate * (g * (x[j] - gate * m[j]) + l) * (T(1) - u * u);",
        put: "graw[j] = -gate * (g * (x[j] - gate * m[j]) + l);",
        tests: tests("kernels", "first_two_derivatives"),
    },
    Fault {
        name: "a coupling that moves: a bound that its derivative forgets",
        file: "crates/strait-kernels/native/affine_jet.cc",
        find: "gr = gate * gx * x * (T(1) - tanh * tanh);",
        put: "gr = gate * gx * x;",
        tests: tests("affine_jet", "first_two_derivatives"),
    },
    Fault {
        name: "the spline's kernel: a knot that bends for the bin on its left alone",
        file: "crates/strait-kernels/native/spline.cc",
        find: "g_right += to_mean * b * b;",
        put: "",
        tests: tests("kernels", "first_two_derivatives"),
    },
    Fault {
        name: "the spline's inverse: a log-slope at a point that does not move",
        file: "crates/strait-kernels/native/spline.cc",
        find: "S(-((of_image.c[0] - of_slope * place.bend()) / place.steepness()))",
        put: "S(-(of_image.c[0] / place.steepness()))",
        tests: tests("kernels", "first_two_derivatives"),
    },
    Fault {
        name: "the spline's kernel: lanes that share the first one's sample",
        file: "crates/strait-kernels/native/spline.cc",
        find: "log_det[lanes.sample[l]] +=",
        put: "log_det[lanes.sample[0]] +=",
        tests: tests("kernels", "first_two_derivatives"),
    },
    Fault {
        name: "what moves: cotangents of its series the first first",
        file: "crates/strait-kernels/native/jets.h",
        find: "if (at[k]) at[k][i] = g.c[N - k] / T(k == 2 ? 2 : 1);",
        put: "if (at[k]) at[k][i] = g.c[k] / T(k == 2 ? 2 : 1);",
        tests: tests("spline_jet", "first_two_derivatives"),
    },
    Fault {
        name: "a marginal field: weights that do not move",
        file: "crates/strait-kernels/native/marginal.h",
        find: "dvs[i] += p.w * (p.du[i] + (p.slope - at.mean_slope) * p.u[i]);",
        put: "dvs[i] += p.w * p.du[i];",
        tests: FIELD,
    },
    Fault {
        name: "a marginal field: the reverse loses the mean of what the weights do",
        file: "crates/strait-kernels/native/marginal.h",
        find: "p.gslope += p.w * of_mean;",
        put: "p.gslope += p.w * T(0);",
        tests: FIELD,
    },
    Fault {
        name: "an affine path's frame: the second derivative of what t (1 - t) multiplies",
        file: "crates/strait-kernels/native/affine_frame.h",
        find: "f.b2[i] = m.gate * b2 + 2 * m.slope * b1 - 2 * b;",
        put: "f.b2[i] = m.gate * b2 + 2 * m.slope * b1;",
        tests: CURVE,
    },
    Fault {
        name: "an affine path's points: the acceleration's gradient in the matrix lost",
        file: "crates/strait-kernels/native/affine_curve.cc",
        find: "add_outer(d, gx, y, *to_matrices[k]);",
        put: "if (k < 2) add_outer(d, gx, y, *to_matrices[k]);",
        tests: CURVE,
    },
    Fault {
        name: "a chain of couplings: the mixed derivative without the product of the first two",
        file: "crates/strait-kernels/native/hyper_dual.h",
        find: "return f[1] * x.both + f[2] * x.q * x.p;",
        put: "return f[1] * x.both;",
        tests: CHAIN,
    },
    Fault {
        name: "a chain of couplings: a hidden unit's mixed part that does not reach its offset",
        file: "crates/strait-kernels/native/stages.h",
        find: "offset[2] += g.both;",
        put: "offset[2] += g.both * T(0);",
        tests: CHAIN,
    },
    Fault {
        name: "a chain of linear stages: along the flow the inverse forgets that the matrix moves",
        file: "crates/strait-kernels/native/stages.h",
        find: "from[i] -= matrix[1][i * d + j] * at.z0[j].value;",
        put: "from[i] -= matrix[1][i * d + j] * V{};",
        tests: CHAIN,
    },
    Fault {
        name: "ActNorm's kernel: sums of images take the first place for all",
        file: "crates/strait-kernels/native/diagonal.cc",
        find: "{ return g[j] * with[j]; }",
        put: "{ return g[j] * with[0]; }",
        tests: tests("kernels", "first_two_derivatives"),
    },
    Fault {
        name: "ActNorm's kernel: the log-determinant's derivative without height x width",
        file: "crates/strait-kernels/native/diagonal.cc",
        find: "gl.item().toDouble() * static_cast<double>(z.places)",
        put: "gl.item().toDouble()",
        tests: tests("kernels", "first_two_derivatives"),
    },
    Fault {
        name: "PLU's kernel: the inverse's derivative with forward's log-determinant",
        file: "crates/strait-kernels/native/triangular.cc",
        find: "through_inverse(inverse_of(w, u), given), -log_det)",
        put: "through_inverse(inverse_of(w, u), given), log_det)",
        tests: tests("kernels", "first_two_derivatives"),
    },
    Fault {
        name: "a perceptron's kernel: biases of the derivatives too",
        file: "crates/strait-kernels/native/perceptron_pass.h",
        find: "weights[l], nullptr, 0, to.seen + samples * outs, outs);",
        put: "weights[l], biases[l], 0, to.seen + samples * outs, outs);",
        tests: tests("perceptron", "first_two_derivatives"),
    },
    Fault {
        name: "a perceptron's kernel: weights of the last block alone",
        file: "crates/strait-kernels/native/perceptron_pass.h",
        find: "{before.made, ins, PANEL<T>}, of_weights[l], ins, of_weights[l], ins);",
        put: "{before.made, ins, PANEL<T>}, nullptr, 0, of_weights[l], ins);",
        tests: tests("perceptron", "every_block"),
    },
    Fault {
        name: "a perceptron's kernel: a slope without the second factor",
        file: "crates/strait-kernels/native/perceptron_pass.h",
        find: "slope = s + x * (s * (1 - s));",
        put: "slope = s + x * s;",
        tests: tests("perceptron", "first_two_derivatives"),
    },
    Fault {
        name: "a perceptron's kernel: SELU that is linear where it is differentiated",
        file: "crates/strait-kernels/native/perceptron_pass.h",
        find: "slope = x > 0 ? Pack<T>{} + scale : y + scale * alpha;",
        put: "slope = Pack<T>{} + scale;",
        tests: tests("perceptron", "first_two_derivatives"),
    },
    Fault {
        name: "a perceptron's kernel: blocks that read the first one's samples",
        file: "crates/strait-kernels/native/perceptron_pass.h",
        find: "gather(f.g, from, n, samples,",
        put: "gather(f.g, 0, n, samples,",
        tests: tests("perceptron", "every_block"),
    },
    Fault {
        name: "SiLU's jet: the third derivative's factor",
        file: "crates/strait-kernels/native/pointwise.cc",
        find: "(s.f3 * d[i] * d[i] + s.f2 * dd[i])",
        put: "(s.f3 * d[i] + s.f2 * dd[i])",
        tests: tests("pointwise", "kernels_of_silu"),
    },
    Fault {
        name: "gradients of tangents: layer normalisation let through",
        file: "crates/strait-autodiff/native/strait_native.cc",
        find: "{\"NativeLayerNormBackward0\", \"layer_norm\"},",
        put: "",
        tests: Tests { package: "strait-autodiff", target: "fragile", filter: "" },
    },
    Fault {
        name: "gradients of tangents: what a JVP records is not looked at",
        file: "crates/strait-autodiff/src/forward.rs",
        find: "        check_tangents_differentiable(&outputs)?;\n",
        put: "        let _ = check_tangents_differentiable;\n",
        tests: Tests { package: "strait-autodiff", target: "fragile", filter: "" },
    },
    Fault {
        name: "a distance's kernel: a mean whose derivative is the sum's",
        file: "crates/strait-kernels/native/distance.cc",
        find: "pull(batch * d, *by / static_cast<T>(batch), x, y,",
        put: "pull(batch * d, *by, x, y,",
        tests: tests("pointwise", "distances_have"),
    },
    Fault {
        name: "the linear path's kernel: source and data swapped",
        file: "crates/strait-kernels/native/linear_path.cc",
        find: "x[j] = rest * x0[j] + s * x1[j];",
        put: "x[j] = rest * x1[j] + s * x0[j];",
        tests: tests("pointwise", "linear_path"),
    },
    Fault {
        name: "a perceptron's kernel: a bias that sees the first sample of a block alone",
        file: "crates/strait-kernels/native/perceptron_pass.h",
        find: "for (int64_t i = 0; i < rows; ++i) sum += load(x + i * width + j);",
        put: "sum += load(x + j);",
        tests: tests("perceptron", "first_two_derivatives"),
    },
    Fault {
        name: "AdamW: moments that are not freed of their start",
        file: "crates/strait-autodiff/native/optimizer.cc",
        find: "lr / (1 - std::pow(beta1, k)),",
        put: "lr,",
        tests: Tests { package: "strait-autodiff", target: "derivatives", filter: "adamw" },
    },
    Fault {
        name: "AdamW: a step whose graph does not see it",
        file: "crates/strait-autodiff/native/optimizer.cc",
        find: "      p.unsafeGetTensorImpl()->bump_version();\n",
        put: "",
        tests: Tests { package: "strait-autodiff", target: "optimizer", filter: "" },
    },
    Fault {
        name: "a moving average that moves by what should stay",
        file: "crates/strait-autodiff/native/optimizer.cc",
        find: "average[i] = p[i] - rest * (p[i] - average[i]);",
        put: "average[i] = p[i] - w * (p[i] - average[i]);",
        tests: Tests { package: "strait-autodiff", target: "derivatives", filter: "lerp" },
    },
    Fault {
        name: "a perceptron's square error: a gradient that its own cotangent does not reach",
        file: "crates/strait-kernels/native/perceptron.cc",
        find: "result[i] = whole ? own : own * g;",
        put: "result[i] = own;",
        tests: tests("perceptron", "square_error_has"),
    },
    Fault {
        name: "a perceptron's square error: a block that goes back through the first one's input",
        file: "crates/strait-kernels/native/perceptron_pass.h",
        find: "const T* made = forward.block(f.x, from, n, kept.at());",
        put: "const T* made = forward.block(f.x, from, n, kept.at());\n    if (from > 0) gather(f.x, 0, n, in_fours(n), 1, net.layers[0].ins(), forward.input.at());",
        tests: tests("perceptron", "square_error_has"),
    },
    Fault {
        name: "a graph of one node: an edge that takes the place of another to the same leaf",
        file: "crates/strait-autodiff/native/strait_native.cc",
        find: "sum = sum.defined() ? sum.add(found[j]) : found[j];",
        put: "sum = found[j];",
        tests: Tests { package: "strait-autodiff", target: "derivatives", filter: "one_node" },
    },
];
