//! Faults of the interpolants and of the exact marginal field.

use super::{Fault, Tests};

const LAWS: Tests = Tests { package: "strait-paths", target: "laws", filter: "" };
const FIELD: Tests = Tests { package: "strait-paths", target: "exact_field", filter: "" };
const WEIGHTS: Tests = Tests { package: "strait-paths", target: "exact_weights", filter: "" };

const LINEAR: &str = "crates/strait-paths/src/linear.rs";
const SCHEDULE: &str = "crates/strait-paths/src/schedule.rs";
const VELOCITY: &str = "crates/strait-paths/src/velocity.rs";
const AFFINE: &str = "crates/strait-paths/src/affine.rs";
const EXACT: &str = "crates/strait-paths/src/exact_field.rs";

pub(super) static FAULTS: [Fault; 13] = [
    Fault {
        name: "endpoints swapped",
        file: LINEAR,
        find: "x_t: (1f64 - &s) * x0 + s * x1, velocity: x1 - x0",
        put: "x_t: (1f64 - &s) * x1 + s * x0, velocity: x0 - x1",
        tests: LAWS,
    },
    Fault {
        name: "endpoints swapped",
        file: SCHEDULE,
        find: "Ok(a.times(&Jet::constant(x0)).plus(&b.times(&Jet::constant(x1))))",
        put: "Ok(b.times(&Jet::constant(x0)).plus(&a.times(&Jet::constant(x1))))",
        tests: LAWS,
    },
    Fault {
        name: "derivative of a schedule: the sign of the power's",
        file: SCHEDULE,
        find: "let first = power(p - 1.0)? * -p;",
        put: "let first = power(p - 1.0)? * p;",
        tests: LAWS,
    },
    Fault {
        name: "derivative of a schedule: the power's exponent",
        file: SCHEDULE,
        find: "let first = power(p - 1.0)? * -p;",
        put: "let first = power(p)? * -p;",
        tests: LAWS,
    },
    Fault {
        name: "derivative of a schedule: the angle's factor lost",
        file: SCHEDULE,
        find: "let angle = Jet::variable(t, order).scale(FRAC_PI_2);",
        put: "let angle = Jet::variable(t, order).map(|t| t * FRAC_PI_2, Tensor::shallow_clone);",
        tests: LAWS,
    },
    Fault {
        name: "velocity summed over the batch",
        file: VELOCITY,
        find: "PathSample { x_t: dual.value, velocity: dual.tangent }",
        put: "PathSample { x_t: dual.value, velocity: dual.tangent.sum_dim_intlist([0i64].as_slice(), true, \
              dual.tangent.kind()).expand_as(&dual.tangent) }",
        tests: LAWS,
    },
    Fault {
        name: "velocity summed over the dimensions",
        file: VELOCITY,
        find: "PathSample { x_t: dual.value, velocity: dual.tangent }",
        put: "PathSample { x_t: dual.value, velocity: dual.tangent.sum_dim_intlist([-1i64].as_slice(), true, \
              dual.tangent.kind()).expand_as(&dual.tangent) }",
        tests: LAWS,
    },
    Fault {
        name: "velocity by a difference in float32",
        file: VELOCITY,
        find: "    let mut dual = jvp(|v| Ok::<_, Error>(vec![path(&v[0])?]), &[t.shallow_clone()], &[t.ones_like()])?;
    let dual = dual.remove(0);
    Ok(PathSample { x_t: dual.value, velocity: dual.tangent })",
        put: "    let values = path(&Tensor::cat(&[t, &(t + 1e-4)], 0));
    let mut dual = jvp(|v| Ok::<_, Error>(vec![&v[0] * 0.0]), &[t.shallow_clone()], &[t.ones_like()])?;
    let (kind, n, _) = (t.kind(), t.size()[0], dual.remove(0));
    let pair = values?.to_kind(tch::Kind::Float);
    let (a, b) = (pair.narrow(0, 0, n), pair.narrow(0, n, n));
    Ok(PathSample { x_t: a.to_kind(kind), velocity: ((b - a) / 1e-4).to_kind(kind) })",
        tests: LAWS,
    },
    Fault {
        name: "log-determinant without (1 - t)^d",
        file: AFFINE,
        find: "-((1f64 - t).log() * self.config.dimensions as f64 + log_l)",
        put: "-log_l",
        tests: LAWS,
    },
    Fault {
        name: "log-determinant without the power d",
        file: AFFINE,
        find: "-((1f64 - t).log() * self.config.dimensions as f64 + log_l)",
        put: "-((1f64 - t).log() + log_l)",
        tests: LAWS,
    },
    Fault {
        name: "a factor L that is not the identity at t = 0",
        file: AFFINE,
        find: "part(0, d).scale(1.0 / bound).tanh().scale(bound).times(&gate)",
        put: "part(0, d).scale(1.0 / bound).tanh().scale(bound)",
        tests: LAWS,
    },
    Fault {
        name: "weights without the determinant",
        file: EXACT,
        find: "(self.source.log_density(&inverse.x0)? + inverse.log_det).view([n, k])",
        put: "self.source.log_density(&inverse.x0)?.view([n, k])",
        tests: WEIGHTS,
    },
    Fault {
        name: "weights without the source's density",
        file: EXACT,
        find: "(self.source.log_density(&inverse.x0)? + inverse.log_det).view([n, k])",
        put: "inverse.log_det.view([n, k])",
        tests: FIELD,
    },
];
