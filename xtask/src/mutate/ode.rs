//! Faults of the solvers: steps, rows, divergences and searched grids.

use super::{Fault, Tests};

const fn tests(target: &'static str, filter: &'static str) -> Tests {
    Tests { package: "strait-ode", target, filter }
}

pub(super) static FAULTS: [Fault; 14] = [
    Fault {
        name: "a rule whose last stage stands half way",
        file: "crates/strait-ode/src/runge_kutta.rs",
        find: "nodes: &[0.0, 0.5, 0.5, 1.0]",
        put: "nodes: &[0.0, 0.5, 0.5, 0.5]",
        tests: tests("laws", "every_rule_keeps_the_laws"),
    },
    Fault {
        name: "two-step weights for equal steps only",
        file: "crates/strait-ode/src/multistep.rs",
        find: "let half = h / h_before / 2.0;",
        put: "let half = 0.5;",
        tests: tests("laws", "every_rule_keeps_the_laws"),
    },
    Fault {
        name: "a slope that shares memory with the state",
        file: "crates/strait-ode/src/scratch.rs",
        find: "if shared { copy(&velocity) } else { Ok(velocity) }",
        put: "if shared && false { copy(&velocity) } else { Ok(velocity) }",
        tests: tests("fixed_step", "hand_back_its_inputs"),
    },
    Fault {
        name: "every part of a batch with the rows of the first",
        file: "crates/strait-ode/src/solve.rs",
        find: "arguments.part(start, length)?",
        put: "arguments.part(0, length)?",
        tests: tests("field_arguments", "each_sample_keeps_its_arguments"),
    },
    Fault {
        name: "rows that stay when their samples have arrived",
        file: "crates/strait-ode/src/adaptive.rs",
        find: "self.journey.field.keep(&keep)?;",
        put: "",
        tests: tests("field_arguments", "samples_that_have_arrived"),
    },
    Fault {
        name: "rejected steps that are not counted",
        file: "crates/strait-ode/src/adaptive.rs",
        find: "&(running.to_kind(Kind::Int64) * EVALUATIONS)",
        put: "&(kept.to_kind(Kind::Int64) * EVALUATIONS)",
        tests: tests("adaptive", "each_sample_keeps_its_own_step"),
    },
    Fault {
        name: "steps kept at ten times the tolerance",
        file: "crates/strait-ode/src/adaptive.rs",
        find: "let kept = error.le(1.0)",
        put: "let kept = error.le(10.0)",
        tests: tests("adaptive", "kept_exactly_when"),
    },
    Fault {
        name: "a saved state from the end of its step",
        file: "crates/strait-ode/src/adaptive.rs",
        find: "let theta = ((at - &self.gone) / h)",
        put: "let theta = ((at - &self.gone) / (at - &self.gone))",
        tests: tests("adaptive", "saved_at_the_times"),
    },
    Fault {
        name: "an error in units of one tolerance",
        file: "crates/strait-ode/src/control.rs",
        find: "f_mul_scalar(self.rtol)?.f_add_scalar(self.atol)?",
        put: "f_mul_scalar(self.rtol)?.f_add_scalar(self.rtol)?",
        tests: tests("adaptive", "kept_exactly_when"),
    },
    Fault {
        name: "one step for samples that should have their own",
        file: "crates/strait-ode/src/control.rs",
        find: "Control::Sample => Ok(mean.f_sqrt()?)",
        put: "Control::Sample => Ok(mean.f_max()?.f_sqrt()?.f_expand_as(&mean)?)",
        tests: tests("adaptive", "each_sample_keeps_its_own_step"),
    },
    Fault {
        name: "a divergence of the wrong sign",
        file: "crates/strait-ode/src/likelihood.rs",
        find: "forms.f_neg()?",
        put: "forms",
        tests: tests("likelihood", "density_of_a_gaussian"),
    },
    Fault {
        name: "an antithetic partner that is its probe",
        file: "crates/strait-ode/src/divergence.rs",
        find: ".f_lt(d / 2)?",
        put: ".f_lt(0)?",
        tests: tests("likelihood", "exact_in_the_plane"),
    },
    Fault {
        name: "a standard error that does not fall with the probes",
        file: "crates/strait-ode/src/likelihood.rs",
        find: ".f_div_scalar((columns as f64).sqrt())?",
        put: "",
        tests: tests("likelihood", "unbiased_within_its_standard_error"),
    },
    Fault {
        name: "a search that keeps the last grid",
        file: "crates/strait-ode/src/grid_search.rs",
        find: "let better = error < self.best.0;",
        put: "let better = true;",
        tests: tests("grid_search", "never_worse_than_uniform"),
    },
];
