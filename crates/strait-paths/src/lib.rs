//! Interpolants between noise and data with exact velocities, and the exact marginal field.
