//! Faults of process groups: shared values, and the rank that an error names.

use super::fault::{Fault, Tests};

const GROUP: &str = "crates/strait-distributed/src/group.rs";

const OPERATIONS: Tests =
    Tests { package: "strait-distributed/gloo", target: "group", filter: "reduce_gather_and_agree" };

const LEAVE: Tests = Tests { package: "strait-distributed/gloo", target: "group", filter: "leaves_says_why" };

const MEET: Tests = Tests { package: "strait-distributed/gloo", target: "group", filter: "two_processes_of_one_rank" };

const TRAINING: Tests =
    Tests { package: "strait-distributed/gloo", target: "training", filter: "train_what_one_process_trains" };

const MEETING: Tests = Tests { package: "strait-distributed/gloo", target: "group", filter: "wait_for_one_that_works" };

const SHARED: Tests = Tests { package: "strait/distributed", target: "ranks", filter: "share_out_the_parts" };

const ARRAY: Tests = Tests { package: "strait", target: "job_arrays", filter: "parts_of_an_array" };

const RESUMED: Tests = Tests { package: "strait-distributed/gloo", target: "training", filter: "goes_on_with_one" };

const FOLDERS: Tests = Tests { package: "strait/distributed", target: "ranks", filter: "without_a_common_folder" };

pub(super) static FAULTS: [Fault; 17] = [
    Fault {
        name: "ranks make pairs in folders that are not one",
        file: "crates/strait/src/training/made_pairs.rs",
        find: "ranks.check_same(what, &provenance::text(folder))",
        put: "ranks.check_same(what, \"\")",
        tests: FOLDERS,
    },
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
        find: "left.push((rank, RankState::Left { cause }))",
        put: "late.push((rank, RankState::Left { cause }))",
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
        file: "crates/strait-optim/src/trainer.rs",
        find: "self.ranks.mean(gradients)?",
        put: "gradients",
        tests: TRAINING,
    },
    Fault {
        name: "the first rank's rows on all",
        file: "crates/strait-optim/src/share.rs",
        find: "of.start + each * which",
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
    Fault {
        name: "one that has not come yet is taken for lost",
        file: GROUP,
        find: "Ok(Answer::At(_)) => heard[rank] = Some(Instant::now())",
        put: "Ok(Answer::At(_)) if last.elapsed() < self.place.deadline => {}",
        tests: MEETING,
    },
    Fault {
        name: "one number for all who take",
        file: GROUP,
        find: "/take/{name}\", self.place.attempt)",
        put: "/take/{name}/{}\", self.place.attempt, self.rank())",
        tests: MEETING,
    },
    Fault {
        name: "all shards of a pool but the first on rank 0 alone",
        file: "crates/strait-transport/src/shards.rs",
        find: "(first as u64..self.count()).step_by(each.max(1))",
        put: "(first as u64..self.count()).step_by(each.max(1)).take(1)",
        tests: TRAINING,
    },
    Fault {
        name: "ranks sample the first rows over and over",
        file: "crates/strait/src/run/ranks.rs",
        find: "count * rank / world..count * (rank + 1) / world\n    }",
        put: "0..count * (rank + 1) / world - count * rank / world\n    }",
        tests: SHARED,
    },
    Fault {
        name: "a gather that forgets why a training failed",
        file: "crates/strait/src/cli/compare.rs",
        find: "run.write_json(FAILED, &Failed { why: why.clone() })?;",
        put: "",
        tests: ARRAY,
    },
    Fault {
        name: "a part of the array writes the table",
        file: "crates/strait/src/cli/compare.rs",
        find: "None => Ok(part.folder(self.path).join(SUMMARY)),",
        put: "None => self.gather(vec![]).map(|_| part.folder(self.path).join(SUMMARY)),",
        tests: ARRAY,
    },
];
