//! The position of a run in its phases, which a checkpoint holds.

/// The position of a run. Together with the levels it is the whole state of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Iterations taken, over all phases.
    pub step: u64,
    /// The phase that the next iteration belongs to.
    pub phase: usize,
    /// Iterations taken in that phase.
    #[serde(alias = "turn")]
    pub iteration: u64,
    /// Batches drawn: the data cursor, and the step of every random stream.
    pub batches: u64,
}
