//! Faults of numbers on anybody's data, and of files and words that nothing should break.

use super::fault::{Fault, LIBRARY, Tests};

const fn of(package: &'static str, target: &'static str, filter: &'static str) -> Tests {
    Tests { package, target, filter }
}

const fn limits(filter: &'static str) -> Tests {
    of("strait-data", "own_data_limits", filter)
}

const COUPLINGS: Tests = of("strait-transport", "couplings", "the_same_in_any_unit");
const COLUMN: &str = "crates/strait-data/src/columns/column.rs";
const COVERAGE: &str = "crates/strait-metrics/src/coverage.rs";

pub(super) static FAULTS: [Fault; 38] = [
    Fault {
        name: "a link is replaced by what is written",
        file: "crates/strait-io/src/whole_file.rs",
        find: "let path = match followed(path) {",
        put: "let path = match followed(path).map(|_| path.to_owned()) {",
        tests: of("strait-io", LIBRARY, "a_link_stays"),
    },
    Fault {
        name: "points of a class that depend on how many are asked for",
        file: "crates/strait/src/cli/sample.rs",
        find: "class as u64 * CLASS_ROWS",
        put: "class as u64 * (each as u64 + 0 * CLASS_ROWS)",
        tests: of("strait", "conditions", "drawn_by_class"),
    },
    Fault {
        name: "a proposal in another word than the config's",
        file: "crates/strait-data/src/columns/show.rs",
        find: "Self::Overall => \"unit\",",
        put: "Self::Overall => \"overall\",",
        tests: of("strait", LIBRARY, "each_proposal_is"),
    },
    Fault {
        name: "a heavy tail taken for a fault of one row",
        file: COLUMN,
        find: "const TAIL: i64 = 3;",
        put: "const TAIL: i64 = i64::MAX;",
        tests: limits("heavy_tails"),
    },
    Fault {
        name: "a spread of doubles that overflows",
        file: "crates/strait-data/src/columns/mod.rs",
        find: "quantile(&some, 0.75) / 1.349 - quantile(&some, 0.25) / 1.349",
        put: "(quantile(&some, 0.75) - quantile(&some, 0.25)) / 1.349",
        tests: limits("as_wide_as_doubles"),
    },
    Fault {
        name: "zeros in many rows have a density",
        file: COLUMN,
        find: "column.commonest > ATOM.0 &&",
        put: "column.commonest > ATOM.0 * 1e3 &&",
        tests: limits("without_a_density"),
    },
    Fault {
        name: "a likelihood of what has no density",
        file: "crates/strait/src/evaluation/likelihood.rs",
        find: "context.data.atoms.first()",
        put: "context.data.atoms.get(usize::MAX)",
        tests: of("strait", "own_data", "no_likelihood"),
    },
    Fault {
        name: "a test part of another law goes unsaid",
        file: "crates/strait-data/src/shift.rs",
        find: ".max(PLAIN);",
        put: ".max(PLAIN * 1e3);",
        tests: limits("of_another_law"),
    },
    Fault {
        name: "counts of evaluations twice",
        file: "crates/strait/src/config/check.rs",
        find: "need(are_distinct(&evaluate.nfe),",
        put: "need(are_distinct(&evaluate.nfe) || !evaluate.nfe.is_empty(),",
        tests: of("strait", "hostile", "settings_that_make_no_run"),
    },
    Fault {
        name: "a straightness without the weight of its step",
        file: "crates/strait-metrics/src/dynamics.rs",
        find: "* ((count - 1.0) / count)",
        put: "* ((count - 1.0) / (count - 1.0))",
        tests: of("strait-metrics", "dynamics", "is_the_energy_beyond"),
    },
    Fault {
        name: "the nearest point by products that lost it",
        file: COVERAGE,
        find: "Kind::Int64)?.gt(1);",
        put: "Kind::Int64)?.gt(1 << 40);",
        tests: of("strait-metrics", "features", "far_from_zero_and_in_any_unit"),
    },
    Fault {
        name: "neighbours whose squares leave the range of a double",
        file: COVERAGE,
        find: "(real / unit, samples / unit)",
        put: "(real / unit.min(1.0).max(1.0), samples / unit.min(1.0).max(1.0))",
        tests: of("strait-metrics", "features", "coverage_is_the_same"),
    },
    Fault {
        name: "a kernel distance that is no number",
        file: "crates/strait-metrics/src/kernel.rs",
        find: "check_finite(\"the kernel distance\", &Tensor::from(found), String::new)?;",
        put: "check_finite(\"the kernel distance\", &Tensor::from(0.0 * found.min(0.0)), String::new)?;",
        tests: of("strait-metrics", "features", "that_overflow_are_refused"),
    },
    Fault {
        name: "samples of a walk back held to the largest of them",
        file: "crates/strait-flows/src/reversible.rs",
        find: "let size = size.f_clamp_min(",
        put: "let size = size.f_max()?.f_clamp_min(",
        tests: of("strait-flows", "reversible", "held_to_their_own_size"),
    },
    Fault {
        name: "a price on conditions in their own unit",
        file: "crates/strait-transport/src/couplings/conditional_ot.rs",
        find: "let ratio = median(costs) / median(apart);",
        put: "let ratio = 1f64.max(0.0 * median(costs).min(median(apart)));",
        tests: COUPLINGS,
    },
    Fault {
        name: "pairs of points whose squares leave the range of a double",
        file: "crates/strait-transport/src/tensors.rs",
        find: "in_units(x.view(), y.view()).map_or(",
        put: "in_units(x.view(), y.view()).filter(|(_, _, unit)| *unit == 1.0).map_or(",
        tests: COUPLINGS,
    },
    Fault {
        name: "a Gaussian fitted to some of the points",
        file: "crates/strait/src/training/gaussian.rs",
        find: "for step in 0..(n + part - 1) / part {",
        put: "for step in 0..((n + part - 1) / part).min(4) {",
        tests: of("strait", LIBRARY, "all_training_points"),
    },
    Fault {
        name: "probes of a sample that depend on how many there are",
        file: "crates/strait-ode/src/divergence.rs",
        find: "draws.uniform(&[n, pairs, d], Kind::Float, device)?.f_transpose(0, 1)?;",
        put: "draws.uniform(&[pairs, n, d], Kind::Float, device)?;",
        tests: of("strait-ode", "likelihood", "the_same_among_more_samples"),
    },
    Fault {
        name: "a time with all the digits of a double",
        file: "crates/strait-ode/src/error.rs",
        find: "(t * 1e6).round() / 1e6",
        put: "(t * 1e16).round() / 1e16",
        tests: of("strait-ode", "fixed_step", "not_finite_is_located"),
    },
    Fault {
        name: "a small divergence left to the tolerance of its iteration",
        file: "crates/strait-transport/src/sinkhorn.rs",
        find: "rest <= SHARE * found.max(digits)",
        put: "rest <= 1e9 * SHARE.max(found.max(digits))",
        tests: of("strait-transport", "distances", "a_small_sinkhorn_divergence"),
    },
    Fault {
        name: "points that vanish beside a far one",
        file: "crates/strait-transport/src/distances.rs",
        find: "const LARGEST: f64 = 430.0;",
        put: "const LARGEST: f64 = 0.0;",
        tests: of("strait-transport", "distances", "beside_one_far_point"),
    },
    Fault {
        name: "neighbours that vanish beside a far point",
        file: COVERAGE,
        find: "const LARGEST: f64 = 430.0;",
        put: "const LARGEST: f64 = 0.0;",
        tests: of("strait-metrics", "features", "one_point_far_away"),
    },
    Fault {
        name: "projections of points far from zero",
        file: "crates/strait-transport/src/wasserstein.rs",
        find: "let centre = centre(&x, &y);",
        put: "let centre = 0.0 * centre(&x, &y);",
        tests: of("strait-transport", "distances", "a_sliced_distance_is_the_same"),
    },
    Fault {
        name: "a wrong tangent without a graph",
        file: "crates/strait-autodiff/src/forward.rs",
        find: "    level.check_tangents()?;\n",
        put: "",
        tests: of("strait-autodiff", "fragile", "a_tangent_that_is_wrong"),
    },
    Fault {
        name: "a stratified time of 1",
        file: "crates/strait-autodiff/native/draws.cc",
        find: "std::min((static_cast<T>(i) + x[i]) / static_cast<T>(n), last)",
        put: "std::min((static_cast<T>(i) + x[i]) / static_cast<T>(n), last + last)",
        tests: of("strait-autodiff", "draws", "below_one"),
    },
    Fault {
        name: "one draw of pairs for all ranks",
        file: "crates/strait-optim/src/pairing.rs",
        find: "rank if rank > 0 && share.over == PairedOver::Rank => {",
        put: "rank if rank > 99 && share.over == PairedOver::Rank => {",
        tests: of("strait-optim", LIBRARY, "draw_for_themselves"),
    },
    Fault {
        name: "a condition that single precision makes one number",
        file: "crates/strait-data/src/condition.rs",
        find: "check_numbers(&look).map_err(refused)?;",
        put: "let _ = check_numbers(&look);",
        tests: of("strait-data", "conditions", "single_precision_cannot_hold"),
    },
    Fault {
        name: "a map to the Gaussian of some training points",
        file: "crates/strait/src/build/interpolant.rs",
        find: "&[d], device).started_by_moments(),",
        put: "&[d], device),",
        tests: of("strait", "own_data", "a_gaussian_map_is_fitted"),
    },
    Fault {
        name: "a key that a name does not take goes by unseen",
        file: "crates/strait/src/config/read.rs",
        find: "refused.or_else(|| unused_of(table, sets))",
        put: "refused.or_else(|| unused_of(table, &sets[..0]))",
        tests: of("strait", LIBRARY, "a_key_beside_a_name"),
    },
    Fault {
        name: "a wrong tangent of a triangular solution",
        file: "crates/strait-autodiff/native/strait_native.cc",
        find: "name == \"aten::triangular_solve\" &&",
        put: "name == \"aten::triangular_solve_\" &&",
        tests: of("strait-autodiff", "operations", "of_every_operation"),
    },
    Fault {
        name: "a matrix taken for a symmetric one by its tangent",
        file: "crates/strait-autodiff/native/strait_native.cc",
        find: "return of(x) && of(tangent);",
        put: "return of(x) || of(tangent);",
        tests: of("strait-autodiff", "operations", "of_every_operation"),
    },
    Fault {
        name: "shares of a sum that was rounded",
        file: "crates/strait-core/src/marginal.rs",
        find: "let rest = (&other.log_weight - &self.log_weight).sigmoid();",
        put: "let rest = (&other.log_weight - self.log_weight.logaddexp(&other.log_weight)).exp();",
        tests: of("strait-paths", "effective_size", "large_logarithms"),
    },
    Fault {
        name: "a kernel distance of terms that cancel",
        file: "crates/strait-metrics/src/kernel.rs",
        find: "let centre = Tensor::f_cat(&[x, y], 0)?.f_median_dim(0, false)?.0;",
        put: "let centre = Tensor::f_cat(&[x, y], 0)?.f_median_dim(0, false)?.0 * 0.0;",
        tests: of("strait-metrics", "features", "far_from_zero_and_beside"),
    },
    Fault {
        name: "rows of one kind for statistics of those that lie by turns",
        file: "crates/strait-data/src/spaced.rs",
        find: "first + ((z ^ (z >> 31)) % every.min(n - first) as u64) as i64",
        put: "first + (0 * (z ^ (z >> 31)) % every.min(n - first) as u64) as i64",
        tests: of("strait-data", "own_data_limits", "by_turns"),
    },
    Fault {
        name: "a toy whose rows depend on how many there are",
        file: "crates/strait-data/src/toys/two_spirals.rs",
        find: "let arm = draws.uniform(&[n, 2], kind, device)? * 0.5 + arm;",
        put: "let arm = draws.uniform(&[2, n], kind, device)?.tr() * 0.5 + arm;",
        tests: of("strait-data", "toys", "knows_of_no_count"),
    },
    Fault {
        name: "conditions that depend on how many are asked for",
        file: "crates/strait/src/training/context.rs",
        find: "let rows = [draws.permutation(held, Device::Cpu)?,",
        put: "let rows = [Tensor::arange(held, (tch::Kind::Int64, Device::Cpu)),",
        tests: of("strait", LIBRARY, "of_any_longer_list"),
    },
    Fault {
        name: "a share that classes have no use for",
        file: "crates/strait/src/cli/train.rs",
        find: "config.coupling.check_share(context.condition())?;",
        put: "config.coupling.check_share(None)?;",
        tests: of("strait", "conditions", "nothing_takes_or_has"),
    },
    Fault {
        name: "an end of a range that is out of it",
        file: "crates/strait/src/config/range.rs",
        find: "value <= self.most &&",
        put: "value <= self.most + 1.0 &&",
        tests: of("strait", LIBRARY, "both_ends_of_every_range"),
    },
];
