use std::fmt;

/// The state of a rank that the others waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RankState {
    /// Its process has ended.
    Gone,
    /// It does not answer: its process is stopped, or its machine is out of reach.
    Silent,
    /// It works, and had not reached the operation when the deadline was over.
    Late,
    /// It left for a reason of its own.
    Left {
        /// In its words.
        cause: String,
    },
}

impl fmt::Display for RankState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => write!(f, "has ended without a word"),
            Self::Silent => write!(f, "does not answer (stopped, or out of reach)"),
            Self::Late => write!(f, "works and has not come"),
            Self::Left { cause } => write!(f, "left: {cause}"),
        }
    }
}

/// What can go wrong among ranks. Each is one line that names the rank where it is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// A variable of the environment that describes a group.
    #[error("{variable}: {problem}; torchrun, or `cargo xtask launch`, sets it")]
    Environment {
        /// Which.
        variable: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The port at which the group meets is in use.
    #[error(
        "rank 0 cannot listen at {address}: the port is in use, perhaps by another job; set MASTER_PORT to another"
    )]
    Port {
        /// Where.
        address: String,
    },
    /// The place where the group meets was not reached.
    #[error(
        "no group at {address} ({problem}); is rank 0 running there, and MASTER_ADDR and MASTER_PORT the same on all?"
    )]
    Unreachable {
        /// Where.
        address: String,
        /// What the system or the engine says.
        problem: String,
    },
    /// Ranks that did not come.
    #[error(
        "{} did not come to {address} within {seconds} s; start all {world}, or raise STRAIT_DEADLINE",
        ranks(absent)
    )]
    Absent {
        /// Which.
        absent: Vec<usize>,
        /// How many there are to be.
        world: usize,
        /// Where.
        address: String,
        /// The deadline.
        seconds: f64,
    },
    /// Two processes of one rank.
    #[error("another process came to {address} as rank {rank}: two jobs on one port? set MASTER_PORT to another")]
    Taken {
        /// Which.
        rank: usize,
        /// Where.
        address: String,
    },
    /// Ranks of groups of different sizes.
    #[error("WORLD_SIZE is {here} on rank {rank} and {there} on rank {other}; it must be the same on all")]
    World {
        /// This rank.
        rank: usize,
        /// Its size.
        here: usize,
        /// The other rank.
        other: usize,
        /// That rank's.
        there: usize,
    },
    /// Ranks that differ in what must be the same.
    #[error("{} {} another {what} than rank 0", ranks(differing), if differing.len() == 1 { "has" } else { "have" })]
    Differs {
        /// Which.
        differing: Vec<usize>,
        /// What.
        what: String,
    },
    /// Ranks that were lost while others waited for them.
    #[error("{} ({operation} {number}, deadline {seconds} s)", lost_ranks(lost))]
    Lost {
        /// Each with what became of it.
        lost: Vec<(usize, RankState)>,
        /// What this rank waited in.
        operation: &'static str,
        /// The number of that operation.
        number: u64,
        /// The deadline.
        seconds: f64,
    },
    /// Another rank found the reason why the group ended before this one did, and reported it.
    #[error("{words}")]
    Told {
        /// That rank's words.
        words: String,
    },
    /// Any other error of libtorch, first line only.
    #[error("{operation}: {problem}")]
    Engine {
        /// What this rank was doing.
        operation: &'static str,
        /// libtorch's words.
        problem: String,
    },
}

impl From<GroupError> for strait_core::Error {
    fn from(error: GroupError) -> Self {
        Self::other(error)
    }
}

fn ranks(ranks: &[usize]) -> String {
    let list = ranks.iter().take(8).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = if ranks.len() > 8 { format!(" and {} more", ranks.len() - 8) } else { String::new() };
    format!("rank{} {list}{more}", if ranks.len() == 1 { "" } else { "s" })
}

fn lost_ranks(lost: &[(usize, RankState)]) -> String {
    let each = lost.iter().take(8).map(|(rank, loss)| format!("rank {rank} {loss}"));
    let more = (lost.len() > 8).then(|| format!("{} more are lost", lost.len() - 8));
    each.chain(more).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_and_name_their_ranks() {
        let (what, address) = ("config".to_owned(), "a:1".to_owned());
        let said = GroupError::Differs { differing: vec![2], what: what.clone() }.to_string();
        assert_eq!(said, "rank 2 has another config than rank 0");
        let said = GroupError::Differs { differing: (1..12).collect(), what }.to_string();
        assert_eq!(said, "ranks 1, 2, 3, 4, 5, 6, 7, 8 and 3 more have another config than rank 0");
        let said = GroupError::Absent { absent: vec![1, 3], world: 4, address, seconds: 2.5 }.to_string();
        assert!(said.starts_with("ranks 1, 3 did not come to a:1 within 2.5 s"), "{said}");
        let lost = vec![(1, RankState::Gone), (2, RankState::Left { cause: "no space".into() })];
        let said = GroupError::Lost { lost, operation: "all-reduce", number: 7, seconds: 5.0 }.to_string();
        assert_eq!(said, "rank 1 has ended without a word; rank 2 left: no space (all-reduce 7, deadline 5 s)");
    }
}
