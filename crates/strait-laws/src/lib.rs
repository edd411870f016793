//! One law suite per Strait trait, for Strait's implementors and for your own.
