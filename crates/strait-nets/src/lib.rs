//! Velocity networks: an MLP with time features.
