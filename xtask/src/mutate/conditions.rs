//! Faults of conditions: rows that lose their condition between the data and the samples.

use super::fault::{Fault, Tests};

const TRAINING: Tests = Tests { package: "strait-optim", target: "conditions", filter: "" };

const SOLVERS: Tests = Tests { package: "strait-ode", target: "conditions", filter: "" };

const NETWORKS: Tests = Tests { package: "strait-nets", target: "conditions", filter: "perceptrons" };

const COUPLINGS: Tests = Tests { package: "strait-transport", target: "laws", filter: "condition" };

const DATA: Tests = Tests { package: "strait-data", target: "conditions", filter: "" };

const PARTS: Tests = Tests { package: "strait-optim", target: "batch_parts", filter: "" };

const RUNS: Tests = Tests { package: "strait", target: "conditions", filter: "" };

const ARGUMENTS: &str = "crates/strait-ode/src/field_arguments.rs";

const KEPT: &str = "crates/strait-transport/src/couplings/conditional_ot.rs";

const PATHS: Tests = Tests { package: "strait-optim", target: "conditions", filter: "a_path_sees" };

const FAMILIES: Tests = Tests { package: "strait", target: "conditional_paths", filter: "keep_the_laws" };

pub(super) static FAULTS: [Fault; 25] = [
    Fault {
        name: "a path that does not see the conditions that are dropped for the velocity",
        file: "crates/strait-optim/src/system.rs",
        find: "&conditions.dropping_none()",
        put: "conditions",
        tests: PATHS,
    },
    Fault {
        name: "a path under no conditions in the step",
        file: "crates/strait-optim/src/level_gradient.rs",
        find: "system.path_given(&part.conditions)?",
        put: "system.path_given(&Default::default())?",
        tests: PATHS,
    },
    Fault {
        name: "the paths of all parts of a batch under the conditions of the whole",
        file: "crates/strait-optim/src/level_gradient.rs",
        find: "system.path_given(&part.conditions)?",
        put: "system.path_given(&batch.conditions)?",
        tests: PATHS,
    },
    Fault {
        name: "a bent path whose base sees no condition",
        file: "crates/strait-paths/src/residual_path.rs",
        find: "(self.network.given(conditions)?, self.base.given(conditions)?)",
        put: "(self.network.given(conditions)?, None::<Box<dyn Interpolant>>)",
        tests: FAMILIES,
    },
    Fault {
        name: "a warp that sees no condition",
        file: "crates/strait-paths/src/warped.rs",
        find: "(self.base.given(conditions)?, self.warp.given(conditions)?)",
        put: "(self.base.given(conditions)?, None::<Box<dyn Bijection>>)",
        tests: FAMILIES,
    },
    Fault {
        name: "conditions of one number of samples for a flow of another",
        file: "crates/strait-nets/src/conditional_bijection.rs",
        find: "self.embedding.channels(&self.conditions, &[])",
        put: "Ok(self.embedding.channels(&self.conditions, &[])?.narrow(0, 0, 1).expand([x.size()[0], -1], false))",
        tests: FAMILIES,
    },
    Fault {
        name: "the class of a flow's likelihood passed over",
        file: "crates/strait-optim/src/objectives/likelihood.rs",
        find: "self.law.given(&batch.conditions)?",
        put: "None::<Box<dyn Source>>",
        tests: RUNS,
    },
    Fault {
        name: "conditions that stay as they were drawn while their rows are paired",
        file: "crates/strait-optim/src/pairing.rs",
        find: "let conditions = pairs.carried(conditions)?;",
        put: "",
        tests: TRAINING,
    },
    Fault {
        name: "conditions of a share that is not the one asked for dropped",
        file: "crates/strait-optim/src/pairing.rs",
        find: ".f_lt(plan.condition_drop)?",
        put: ".f_gt(plan.condition_drop)?",
        tests: TRAINING,
    },
    Fault {
        name: "the samples off the diagonal under the conditions of those on it",
        file: "crates/strait-optim/src/objectives/mod.rs",
        find: "of(self.diagonal, self.off)?",
        put: "of(0, self.off)?",
        tests: TRAINING,
    },
    Fault {
        name: "parts of a batch under the conditions of its first",
        file: ARGUMENTS,
        find: "self.conditions.part(start, length)?",
        put: "self.conditions.part(0, length)?",
        tests: SOLVERS,
    },
    Fault {
        name: "samples still on their way under the conditions of those that have arrived",
        file: ARGUMENTS,
        find: "self.conditions.gather(places)?",
        put: "self.conditions.part(0, places.size()[0])?",
        tests: SOLVERS,
    },
    Fault {
        name: "a guided step counted as one evaluation",
        file: "crates/strait-ode/src/guidance.rs",
        find: "if weight == 0.0 || weight == 1.0 { 1 } else { 2 }",
        put: "1",
        tests: SOLVERS,
    },
    Fault {
        name: "guidance that is the velocity of the condition at weight 0",
        file: "crates/strait-ode/src/guidance.rs",
        find: "null.f_lerp(&given, self.weight)?",
        put: "given.f_lerp(&null, self.weight)?",
        tests: SOLVERS,
    },
    Fault {
        name: "a dropped condition that is kept",
        file: "crates/strait-nets/src/embedding.rs",
        find: "self.embed(conditions.only()?, conditions.dropped(), batch)",
        put: "self.embed(conditions.only()?, None, batch)",
        tests: NETWORKS,
    },
    Fault {
        name: "some samples of a batch under the conditions of its first",
        file: "crates/strait-core/src/conditional.rs",
        find: "&self.conditions.part(start, length)?",
        put: "&self.conditions.part(0, length)?",
        tests: NETWORKS,
    },
    Fault {
        name: "rows of a class paired in the order of another's",
        file: KEPT,
        find: "target[row] = class[column]",
        put: "target[row] = column",
        tests: COUPLINGS,
    },
    Fault {
        name: "a weight of conditions that no pair is worth",
        file: KEPT,
        find: "let costs = costs + apart * weight;",
        put: "let costs = costs - apart * weight;",
        tests: COUPLINGS,
    },
    Fault {
        name: "the first conditions of a split for the points that were chosen",
        file: "crates/strait-data/src/condition.rs",
        find: "all.f_index_select(0, &rows.f_to_device(all.device())?)?",
        put: "all.f_narrow(0, 0, rows.size()[0])?",
        tests: DATA,
    },
    Fault {
        name: "parts of a batch whose gradients are summed",
        file: "crates/strait-optim/src/level_gradient.rs",
        find: "x / f64::from(parts)",
        put: "x + 0.0 * f64::from(parts)",
        tests: PARTS,
    },
    Fault {
        name: "segments of a part with the later times of the first",
        file: "crates/strait-optim/src/share.rs",
        find: "if self.later.batch() == 0 { &self.rows }",
        put: "if self.later.batch() == 0 { &BatchShare::of(batch.t.size()[0], vec![0..self.rows.count()]) }",
        tests: PARTS,
    },
    Fault {
        name: "parts that all have the conditions of the batch's first",
        file: "crates/strait-optim/src/share.rs",
        find: "self.rows.select_conditions(batch.conditions.shallow_clone())?",
        put: "batch.conditions.part(0, self.rows.count().min(batch.conditions.count().unwrap_or(0)))?",
        tests: PARTS,
    },
    Fault {
        name: "a measurement that pays for one of a guided step's two evaluations",
        file: "crates/strait/src/evaluation/samples.rs",
        find: "let nfe = nfe / guidance.evaluations();",
        put: "",
        tests: RUNS,
    },
    Fault {
        name: "a guided measurement of the velocity itself",
        file: "crates/strait/src/evaluation/samples.rs",
        find: "settings.guidance.of(&*models.velocity)",
        put: "crate::config::Guidance::default().of(&*models.velocity)",
        tests: RUNS,
    },
    Fault {
        name: "a method of pairs that keep their class whose pairs do not",
        file: "crates/strait/src/comparison/methods.rs",
        find: "Self::ConditionalOt => CouplingConfig::conditional_ot(),",
        put: "Self::ConditionalOt => CouplingConfig::Ot,",
        tests: RUNS,
    },
];
