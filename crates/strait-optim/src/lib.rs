//! The multi-level optimizer: levels, objectives, phases, optimizer state, EMA, checkpoints.
