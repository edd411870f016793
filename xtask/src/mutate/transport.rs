//! Faults of the couplings.

use super::fault::{Fault, LIBRARY, Tests};

const COUPLINGS: Tests = Tests { package: "strait-transport", target: "couplings", filter: "" };

const EXACT: &str = "crates/strait-transport/src/couplings/exact_ot.rs";

const ASSIGNMENT: Tests = Tests { package: "strait-transport", target: "exact", filter: "" };

const DISTANCES: Tests = Tests { package: "strait-transport", target: "distances", filter: "" };

const POOL: Tests = Tests { package: "strait-transport", target: "pair_pool", filter: "" };

const SEMIDISCRETE: Tests = Tests { package: "strait-transport", target: "semidiscrete", filter: "" };

const GLOBAL: &str = "crates/strait-transport/src/semidiscrete/mod.rs";

const CELLS: &str = "crates/strait-transport/src/semidiscrete/cells.rs";

const ASCENT: &str = "crates/strait-transport/src/semidiscrete/ascent.rs";

const CELL_TESTS: Tests = Tests { package: "strait-transport", target: LIBRARY, filter: "cells" };

const FEATURES: Tests = Tests { package: "strait-metrics", target: "features", filter: "" };

const COVERAGE: &str = "crates/strait-metrics/src/coverage.rs";

const PROOF: Tests = Tests { package: "strait-transport", target: LIBRARY, filter: "proof" };

const PROOFS: &str = "crates/strait-transport/src/assignment/proof.rs";

pub(super) static FAULTS: [Fault; 23] = [
    Fault {
        name: "nearly tight pairs may go round in a circle",
        file: PROOFS,
        find: "    done == (0..n)",
        put: "    done <= (0..n)",
        tests: PROOF,
    },
    Fault {
        name: "only pairs that cost a rounding more are nearly tight",
        file: PROOFS,
        find: "(2.0 * n as f64 * SLACK + 2.0) * rounding",
        put: "-0.25 * rounding",
        tests: PROOF,
    },
    Fault {
        name: "rows near each other count as one, whatever their columns",
        file: PROOFS,
        find: "*equal &= cost(i) == cost(k)",
        put: "*equal &= cost(i) <= 2.0 * cost(k)",
        tests: PROOF,
    },
    Fault {
        name: "reduced costs are compared as they round",
        file: "crates/strait-transport/src/assignment/repair.rs",
        find: "two_sum(cost, -v) < two_sum(paid, -v_own)",
        put: "two_sum(cost, -v).0 < two_sum(paid, -v_own).0",
        tests: ASSIGNMENT,
    },
    Fault {
        name: "ties that rounding made count as proved",
        file: "crates/strait-transport/src/assignment/proof.rs",
        find: "(reduced < u) | ((reduced == u) & (error < rest))",
        put: "(reduced < u) | ((reduced == u) & (error < rest) & (u < 0.0))",
        tests: ASSIGNMENT,
    },
    Fault {
        name: "the last digits of reduced costs are those of a rounded sum",
        file: "crates/strait-transport/src/assignment/residual.rs",
        find: "let whole = (difference + (first + second)) * self.scale;",
        put: "let whole = (difference + 0.0 * (first + second)) * self.scale;",
        tests: ASSIGNMENT,
    },
    Fault {
        name: "rows of a cycle are not looked at again",
        file: "crates/strait-transport/src/assignment/repair.rs",
        find: "                queue.push(row);\n",
        put: "",
        tests: ASSIGNMENT,
    },
    Fault {
        name: "distances of products keep what cancels",
        file: "crates/strait-transport/src/distances.rs",
        find: "const CANCELLED: f64 = 1e-6;",
        put: "const CANCELLED: f64 = -1.0;",
        tests: DISTANCES,
    },
    Fault {
        name: "the square of a narrow bandwidth is zero",
        file: "crates/strait-transport/src/discrepancy.rs",
        find: "(-0.5 * (square / bandwidth) / bandwidth).exp()",
        put: "(-0.5 * square / (bandwidth * bandwidth)).exp()",
        tests: DISTANCES,
    },
    Fault {
        name: "a sample on the centre of a neighbourhood is counted",
        file: COVERAGE,
        find: "per_row(&inside) - per_row(&across.eq(0.0)) / copies",
        put: "per_row(&inside) + per_row(&across.eq(0.0)) / copies * 0.0",
        tests: FEATURES,
    },
    Fault {
        name: "a neighbourhood with ties holds k points",
        file: COVERAGE,
        find: "sum(&(held / others))",
        put: "sum(&(held / (others * 0.0 + k as f64)))",
        tests: FEATURES,
    },
    Fault {
        name: "a plan of zeros: every pair takes the first row",
        file: EXACT,
        find: "rows(assignment.map_err(Error::other)?.columns.into_iter(), &x1)?",
        put: "rows(assignment.map_err(Error::other)?.columns.into_iter().map(|column| column * 0), &x1)?",
        tests: COUPLINGS,
    },
    Fault {
        name: "costs of zeros: any permutation is optimal",
        file: EXACT,
        find: "let costs = relative_costs(&x0, &x1)?;",
        put: "let costs = relative_costs(&x0, &x1)? * 0.0;",
        tests: COUPLINGS,
    },
    Fault {
        name: "row numbers that are not those of the pairs",
        file: EXACT,
        find: "target_rows: Some(target_rows)",
        put: "target_rows: Some(target_rows.argsort(0, false))",
        tests: COUPLINGS,
    },
    Fault {
        name: "a semidiscrete coupling takes the nearest point: no potentials",
        file: CELLS,
        find: "*sum = fixed + g",
        put: "*sum = fixed + 0.0 * g",
        tests: SEMIDISCRETE,
    },
    Fault {
        name: "a block is as far away as its centre",
        file: CELLS,
        find: ".sqrt() - radius).max(0.0);",
        put: ".sqrt() - 0.0 * radius).max(0.0);",
        tests: CELL_TESTS,
    },
    Fault {
        name: "a semidiscrete ascent moves single points alone",
        file: ASCENT,
        find: "moves[first] = moved - by * other;\n            moves[second] = moved + by * one;",
        put: "let by = if node.range.len() > 2 { 0.0 } else { by };\n            \
              moves[first] = moved - by * other;\n            moves[second] = moved + by * one;",
        tests: SEMIDISCRETE,
    },
    Fault {
        name: "of rows at one point the first is always drawn",
        file: GLOBAL,
        find: "let among = among.f_to_kind(Kind::Int64)?.f_minimum(&(count - 1))?;",
        put: "let among = among.f_to_kind(Kind::Int64)?.f_minimum(&(count * 0))?;",
        tests: SEMIDISCRETE,
    },
    Fault {
        name: "points of a larger share are drawn as the others",
        file: GLOBAL,
        find: "map(|&place| by_place[place] / m as f64)",
        put: "map(|&place| by_place[place].min(1.0) / m as f64)",
        tests: SEMIDISCRETE,
    },
    Fault {
        name: "potentials go down where a point is drawn too seldom",
        file: ASCENT,
        find: "let excess = counts[first] * other - counts[second] * one;",
        put: "let excess = counts[second] * one - counts[first] * other;",
        tests: SEMIDISCRETE,
    },
    Fault {
        name: "labels of a pool stay as they were drawn",
        file: "crates/strait-transport/src/pair_pool.rs",
        find: "Some(rows) => Ok(labels.f_index_select(0, rows)?),",
        put: "Some(_) => Ok(labels.shallow_clone()),",
        tests: POOL,
    },
    Fault {
        name: "every batch of a pool is the first",
        file: "crates/strait-transport/src/pair_pool.rs",
        find: "let drawn = draw(batch)?;",
        put: "let drawn = draw(batch * 0)?;",
        tests: POOL,
    },
    Fault {
        name: "distances whose squares leave the range of a double",
        file: "crates/strait-transport/src/distances.rs",
        find: "|| ORDINARY.contains(&largest)",
        put: "|| largest > 0.0",
        tests: Tests { filter: "scale_of_their_points", ..DISTANCES },
    },
];
