//! Faults of the interpolants and of the exact marginal field.

use super::fault::{Fault, Tests};

const fn laws(filter: &'static str) -> Tests {
    Tests { package: "strait-paths", target: "laws", filter }
}

const fn fields(filter: &'static str) -> Tests {
    Tests { package: "strait-paths", target: "fields", filter }
}

const LINEAR: &str = "crates/strait-paths/src/linear.rs";
const SCHEDULE: &str = "crates/strait-paths/src/schedule.rs";
const VELOCITY: &str = "crates/strait-paths/src/time_derivative.rs";
const AFFINE: &str = "crates/strait-paths/src/affine/map.rs";
const GLOW: &str = "crates/strait-paths/src/glow_path.rs";
const WARPED: &str = "crates/strait-paths/src/warped.rs";
const TRANSPORT: &str = "crates/strait-paths/src/transport.rs";
const SCHEDULED: &str = "crates/strait-paths/src/scheduled_marginal.rs";
const INTERPOLANT: &str = "crates/strait-core/src/interpolant.rs";
const MARGINAL: &str = "crates/strait-core/src/marginal.rs";

/// A new family's faults go here, each with the tests that must see it.
pub(super) static FAULTS: [Fault; 19] = [
    Fault {
        name: "endpoints swapped",
        file: LINEAR,
        find: "x_t: (1f64 - &s) * x0 + s * x1, velocity: x1 - x0",
        put: "x_t: (1f64 - &s) * x1 + s * x0, velocity: x0 - x1",
        tests: laws("fixed_families"),
    },
    Fault {
        name: "endpoints swapped",
        file: SCHEDULE,
        find: "weight(a, x0).plus(&weight(b, x1))",
        put: "weight(b, x0).plus(&weight(a, x1))",
        tests: laws("fixed_families"),
    },
    Fault {
        name: "derivative of a schedule: the power's sign",
        file: SCHEDULE,
        find: "let first = power(p - 1.0)? * -p;",
        put: "let first = power(p - 1.0)? * (p * 1.0);",
        tests: laws("fixed_families"),
    },
    Fault {
        name: "derivative of a schedule: the power's exponent",
        file: SCHEDULE,
        find: "let first = power(p - 1.0)? * -p;",
        put: "let first = power(p * 1.0)? * -p;",
        tests: laws("fixed_families"),
    },
    Fault {
        name: "derivative of a schedule: the angle's factor",
        file: SCHEDULE,
        find: "Jet::variable(t, order).scale(FRAC_PI_2)",
        put: "Jet::variable(t, order).map(|t| t * FRAC_PI_2, Tensor::shallow_clone)",
        tests: laws("fixed_families"),
    },
    Fault {
        name: "velocity summed over the batch",
        file: VELOCITY,
        find: "return Ok(Jet::with_derivatives(value, tangent, None));",
        put: "let sum = tangent.sum_dim_intlist([0i64].as_slice(), true, tangent.kind()).expand_as(&tangent);
        return Ok(Jet::with_derivatives(value, sum, None));",
        tests: laws("known_only_as_a_function"),
    },
    Fault {
        name: "velocity summed over the dimensions",
        file: VELOCITY,
        find: "return Ok(Jet::with_derivatives(value, tangent, None));",
        put: "let sum = tangent.sum_dim_intlist([-1i64].as_slice(), true, tangent.kind()).expand_as(&tangent);
        return Ok(Jet::with_derivatives(value, sum, None));",
        tests: laws("known_only_as_a_function"),
    },
    Fault {
        name: "velocity as a difference of two positions in float32",
        file: VELOCITY,
        find: "return Ok(Jet::with_derivatives(value, tangent, None));",
        put: "let float = |x: Tensor| x.to_kind(tch::Kind::Float);
        let next = float(&value + tangent * 1e-4);
        let difference = ((next - float(value.shallow_clone())) / 1e-4).to_kind(value.kind());
        return Ok(Jet::with_derivatives(value, difference, None));",
        tests: laws("known_only_as_a_function"),
    },
    Fault {
        name: "log-determinant without (1 - t)^d",
        file: AFFINE,
        find: "-((1f64 - t).log() * self.config.dimensions as f64 + log_l)",
        put: "-log_l",
        tests: laws("families_with_jets"),
    },
    Fault {
        name: "log-determinant without the power d",
        file: AFFINE,
        find: "-((1f64 - t).log() * self.config.dimensions as f64 + log_l)",
        put: "-((1f64 - t).log() + log_l)",
        tests: laws("families_with_jets"),
    },
    Fault {
        name: "log-determinant without (1 - t)^d",
        file: GLOW,
        find: "back.log_det - (1f64 - t).log() * event_size(x_t) as f64",
        put: "{ let _ = event_size(x_t); back.log_det }",
        tests: laws("glow_paths"),
    },
    Fault {
        name: "log-determinant of the base alone",
        file: WARPED,
        find: "log_det: log_det + of_base",
        put: "log_det: { drop(log_det); of_base }",
        tests: laws("warped_paths"),
    },
    Fault {
        name: "a factor L that is not the identity at t = 0",
        file: AFFINE,
        find: ".tanh().scale(bound).times(time)",
        put: ".tanh().scale(bound)",
        tests: laws("families_with_jets"),
    },
    Fault {
        name: "velocity without the derivative of the map",
        file: TRANSPORT,
        find: ".plus(&s.times(&image)))",
        put: ".plus(&s.times(&Jet::constant(image.value()))))",
        tests: laws("transport_paths"),
    },
    Fault {
        name: "weights without the determinant",
        file: MARGINAL,
        find: ".view_as(&self.log_det) + &self.log_det;",
        put: ".view_as(&self.log_det);",
        tests: fields("continuity"),
    },
    Fault {
        name: "weights without the source's density",
        file: MARGINAL,
        find: ".view_as(&self.log_det) + &self.log_det;",
        put: ".view_as(&self.log_det) * 0.0 + &self.log_det;",
        tests: fields("continuity"),
    },
    Fault {
        name: "weights of one direction's determinant: its sign",
        file: MARGINAL,
        find: ".view_as(&self.log_det) + &self.log_det;",
        put: ".view_as(&self.log_det) - &self.log_det;",
        tests: fields("continuity"),
    },
    Fault {
        name: "the marginal velocity of a schedule without what it makes of the source point",
        file: SCHEDULED,
        find: "wide(&a.first()) * x0 + wide(&b.first()) * mean",
        put: "{ drop(x0); wide(&b.first()) * mean }",
        tests: fields("continuity"),
    },
    Fault {
        name: "pairs of other endpoints than the first",
        file: INTERPOLANT,
        find: "self.position(x0, &own_endpoints(x0, x1)?, t)?",
        put: "{ own_endpoints(x0, x1)?; self.position(x0, &x1.narrow(0, x1.size()[0] - x0.size()[0], x0.size()[0]), t)? }",
        tests: Tests { package: "strait-paths", target: "exact_field", filter: "over_the_ends" },
    },
];
