//! Sample quality and straightness: Wasserstein distances with floors, path energy, S, the material derivative.
