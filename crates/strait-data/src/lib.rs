//! Data sets: named toys with known densities, digits, and your own npy or npz files.
