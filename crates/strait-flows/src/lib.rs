//! Invertible layers with exact log-determinants: ActNorm, PLU maps, couplings, Glow.
