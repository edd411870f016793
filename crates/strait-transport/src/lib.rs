//! Couplings of noise and data, exact optimal assignment, and Wasserstein distances.
