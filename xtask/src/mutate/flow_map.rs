//! Faults of flow maps: of their jets, their step, and their training batches.

use super::fault::{Fault, Tests};

const NETS: Tests = Tests { package: "strait-nets", target: "flow_map", filter: "" };

const ONE_PASS: Tests = Tests { package: "strait-nets/kernels", target: "flow_map", filter: "" };

const GAUSSIAN: Tests = Tests { package: "strait-paths", target: "flow_map", filter: "" };

const LOSSES: Tests = Tests { package: "strait-optim", target: "flow_map", filter: "" };

const SPANS: Tests = Tests { package: "strait-optim", target: "spans", filter: "" };

const STEP: Tests = Tests { package: "strait-ode", target: "flow_map", filter: "" };

const MLP: &str = "crates/strait-nets/src/mlp.rs";

const MEAN_FLOW: &str = "crates/strait-optim/src/objectives/mean_flow.rs";

const DISTILLATION: &str = "crates/strait-optim/src/objectives/lagrangian_distillation.rs";

const PROGRESSIVE: &str = "crates/strait-optim/src/objectives/progressive_distillation.rs";

const RESIDUAL: &str = "crates/strait-optim/src/objectives/map_residual.rs";

pub(super) static FAULTS: [Fault; 22] = [
    Fault {
        name: "MeanFlow with the sign of the other direction of time",
        file: MEAN_FLOW,
        find: "spans.off(&velocity) + further]",
        put: "spans.off(&velocity) - further]",
        tests: LOSSES,
    },
    Fault {
        name: "MeanFlow with a gradient through its target",
        file: MEAN_FLOW,
        find: "let target = tch::no_grad(|| -> Result<Tensor, Error> {",
        put: "let target = tch::with_grad(|| -> Result<Tensor, Error> {",
        tests: LOSSES,
    },
    Fault {
        name: "MeanFlow with a gradient through its weight",
        file: MEAN_FLOW,
        find: "(squares.detach() + self.epsilon)",
        put: "(&squares + self.epsilon)",
        tests: LOSSES,
    },
    Fault {
        name: "MeanFlow with s and t swapped",
        file: MEAN_FLOW,
        find: "map.average_velocity(&x, &batch.t, &spans.all_t(batch)?)",
        put: "map.average_velocity(&x, &spans.all_t(batch)?, &batch.t)",
        tests: LOSSES,
    },
    Fault {
        name: "MeanFlow's identity of a perceptron along x alone",
        file: MLP,
        find: "(self.parts(&along, &Jet::variable(s, first), &Jet::constant(t), &none)?, None)",
        put: "(self.parts(&along, &Jet::constant(s), &Jet::constant(t), &none)?, None)",
        tests: ONE_PASS,
    },
    Fault {
        name: "the Lagrangian identity of a perceptron, taught at the earlier times",
        file: MLP,
        find: "let at_end = Jet::constant(&end);",
        put: "let at_end = Jet::constant(&last(s)?);",
        tests: ONE_PASS,
    },
    Fault {
        name: "two half steps from the same point",
        file: PROGRESSIVE,
        find: "off.average_velocity(&there, &middle, t)?",
        put: "off.average_velocity(&x, &middle, t)?",
        tests: LOSSES,
    },
    Fault {
        name: "two half steps with a gradient through them",
        file: PROGRESSIVE,
        find: "let target = tch::no_grad(|| -> Result<Tensor, Error> {",
        put: "let target = tch::with_grad(|| -> Result<Tensor, Error> {",
        tests: LOSSES,
    },
    Fault {
        name: "two half steps summed in the place of their mean",
        file: PROGRESSIVE,
        find: "(first + second) * 0.5",
        put: "(first + second)",
        tests: LOSSES,
    },
    Fault {
        name: "distillation with the wrong sign of the derivative's term",
        file: DISTILLATION,
        find: "(u.value() + h * u.first())",
        put: "(u.value() - h * u.first())",
        tests: LOSSES,
    },
    Fault {
        name: "distillation with a gradient through its teacher",
        file: DISTILLATION,
        find: "let taught = tch::no_grad(||",
        put: "let taught = tch::with_grad(||",
        tests: LOSSES,
    },
    Fault {
        name: "distillation from the field at the start of the span",
        file: DISTILLATION,
        find: "velocity(&(&x + &h * u.value()), &spans.t)",
        put: "velocity(&(&x + &h * u.value()), &spans.s)",
        tests: LOSSES,
    },
    Fault {
        name: "the residual of a map whose field does not answer to the path",
        file: RESIDUAL,
        find: "along(&x_dot)?",
        put: "along(&x_dot.detach())?",
        tests: LOSSES,
    },
    Fault {
        name: "the residual of a map with the spread of the velocities",
        file: RESIDUAL,
        find: "(&r * (q * 2.0 - &r))",
        put: "(&q * &q)",
        tests: LOSSES,
    },
    Fault {
        name: "regression on a displacement in place of a slope",
        file: "crates/strait-optim/src/objectives/trajectory_regression.rs",
        find: "(to - from) / per_sample(&(t - s), to)",
        put: "(to - from) * per_sample(&(t - s), to)",
        tests: LOSSES,
    },
    Fault {
        name: "pairs for segments, and segments for pairs beside them",
        file: "crates/strait-optim/src/pairing.rs",
        find: "if !plan.terms.iter().any(on_segments) => beside,",
        put: "if plan.terms.iter().any(on_segments) => beside,",
        tests: SPANS,
    },
    Fault {
        name: "a network of two times whose diagonal is that of another time",
        file: MLP,
        find: "self.average_velocity(x, t, t)",
        put: "self.average_velocity(x, &(t * 0.5), t)",
        tests: NETS,
    },
    Fault {
        name: "a jet layer by layer whose parts move by each other's weights",
        file: "crates/strait-nets/src/perceptron.rs",
        find: "            from += columns;",
        put: "            from += 0 * columns;",
        tests: NETS,
    },
    Fault {
        name: "the linear path's map between Gaussians without its half of s",
        file: "crates/strait-paths/src/gaussian.rs",
        find: "let sum = &s1 + &t1;",
        put: "let sum = &t1 * 2.0;",
        tests: GAUSSIAN,
    },
    Fault {
        name: "spans whose ends come before their starts",
        file: "crates/strait-optim/src/times.rs",
        find: "a.f_maximum(&b)?], 0)?))",
        put: "a.f_minimum(&b)?], 0)?))",
        tests: SPANS,
    },
    Fault {
        name: "spans that all start at 0",
        file: "crates/strait-optim/src/times.rs",
        find: "((n as f64) * self.from_start).round() as i64",
        put: "n",
        tests: SPANS,
    },
    Fault {
        name: "a step of a flow map from and to its end",
        file: "crates/strait-ode/src/flow_map.rs",
        find: "map.average_velocity(x, &s, &t)",
        put: "map.average_velocity(x, &t, &t)",
        tests: STEP,
    },
];
