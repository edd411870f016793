//! Faults of process groups: what the ranks have together, and whom they name.

use super::fault::{Fault, Tests};

const GROUP: &str = "crates/strait-distributed/src/group.rs";

const OPERATIONS: Tests =
    Tests { package: "strait-distributed/gloo", target: "group", filter: "reduce_gather_and_agree" };

const LEAVE: Tests = Tests { package: "strait-distributed/gloo", target: "group", filter: "leaves_says_why" };

const MEET: Tests = Tests { package: "strait-distributed/gloo", target: "group", filter: "two_processes_of_one_rank" };

const TRAINING: Tests =
    Tests { package: "strait-distributed/gloo", target: "training", filter: "train_what_one_process_trains" };

const RESUMED: Tests = Tests { package: "strait-distributed/gloo", target: "training", filter: "goes_on_with_one" };

pub(super) static FAULTS: [Fault; 10] = [
    Fault {
        name: "the sum of all ranks for their mean",
        file: GROUP,
        find: "f_div_scalar_(world)",
        put: "f_div_scalar_(world / world)",
        tests: OPERATIONS,
    },
    Fault {
        name: "each rank spreads its own values",
        file: "crates/strait-distributed/src/synchronize.rs",
        find: "self.broadcast(flat, 0)",
        put: "self.broadcast(&flat.copy(), 0)",
        tests: OPERATIONS,
    },
    Fault {
        name: "ranks that differ are taken for the same",
        file: "crates/strait-distributed/src/synchronize.rs",
        find: "all[rank] != all[0]",
        put: "all[rank].len() != all[0].len()",
        tests: OPERATIONS,
    },
    Fault {
        name: "a rank that left is taken for one that is late",
        file: GROUP,
        find: "left.push((rank, Loss::Left { cause }))",
        put: "late.push((rank, Loss::Left { cause }))",
        tests: LEAVE,
    },
    Fault {
        name: "two processes of one rank are let in",
        file: GROUP,
        find: "map_err(fail)? != 1",
        put: "map_err(fail)? == 0",
        tests: MEET,
    },
    Fault {
        name: "gradients of each rank alone",
        file: "crates/strait-optim/src/multilevel.rs",
        find: "self.ranks.mean(gradient(&total, level.parameters.tensors(), Graph::Free)?)?",
        put: "gradient(&total, level.parameters.tensors(), Graph::Free)?",
        tests: TRAINING,
    },
    Fault {
        name: "the first rank's rows on all",
        file: "crates/strait-optim/src/share.rs",
        find: "of.start + each * self.rank as i64",
        put: "of.start",
        tests: TRAINING,
    },
    Fault {
        name: "pairs within each share, where the batch was asked for",
        file: "crates/strait-optim/src/pairing.rs",
        find: "coupling.is_independent() || share.over == PairedOver::Rank",
        put: "coupling.is_independent() || share.world > 1",
        tests: TRAINING,
    },
    Fault {
        name: "the noise of the first rows on a rank's own",
        file: "crates/strait-data/src/array_dataset.rs",
        find: "of.select(&draws.uniform(&shape, x.kind(), x.device())?)? * bin + x",
        put: "draws.uniform(&x.size(), x.kind(), x.device())? * bin + x",
        tests: Tests { package: "strait-data", target: "array_dataset", filter: "rows_of_a_batch" },
    },
    Fault {
        name: "the moments of rank 0 stay there",
        file: "crates/strait-optim/src/ranks.rs",
        find: ".chain(moments).chain(averages)",
        put: ".chain(moments.take(0)).chain(averages)",
        tests: RESUMED,
    },
];
