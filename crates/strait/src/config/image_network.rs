//! The keys of velocities over images.

use super::velocity_keys::Keys;

/// A U-Net over images (C, H, W).
#[derive(Debug, Clone, PartialEq)]
pub struct UnetConfig {
    /// Squares of so many pixels a side become channels before everything else, and pixels again at the end.
    pub stem: i64,
    /// Channels at full resolution.
    pub channels: i64,
    /// Channels at each resolution, in units of those; each halves height and width of the one before it.
    pub multipliers: Vec<i64>,
    /// Residual blocks at each resolution on the way down.
    pub blocks: usize,
    /// Images of at most this height attend, every position to every other; 0 for none.
    pub attention: i64,
    /// Heads of the attention.
    pub heads: i64,
    /// What every velocity over images has.
    pub shared: ImageNetworkConfig,
}

/// A transformer over patches of images (C, H, W).
#[derive(Debug, Clone, PartialEq)]
pub struct TransformerConfig {
    /// The side of a patch, in pixels.
    pub patch: i64,
    /// The width of a patch's vector.
    pub width: i64,
    /// Blocks.
    pub depth: usize,
    /// Heads of the attention.
    pub heads: i64,
    /// What every velocity over images has.
    pub shared: ImageNetworkConfig,
}

/// What every velocity over images has.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageNetworkConfig {
    /// The width of the vector that times enter by.
    pub embedding: i64,
    /// Sines and cosines of t, this many octaves, beside t itself; where nothing is said 6, and 1 of a map, whose training
    /// differentiates it in time: the derivative of octave k is of the order of 2^k.
    pub time_octaves: u32,
    /// Whether it is the average velocity u(x, s, t) of a flow map: a network of two times.
    pub map: bool,
    /// Whether training computes each block again for its gradient: less memory, more time, the same numbers.
    pub gradient_checkpointing: bool,
    /// Half-lives of its moving averages, as [`VelocityConfig::half_lives`](super::VelocityConfig::half_lives).
    pub ema_half_lives: Vec<f64>,
}

impl UnetConfig {
    pub(super) fn read(keys: Keys) -> Self {
        Self {
            stem: keys.stem.unwrap_or(2),
            channels: keys.channels.unwrap_or(32),
            multipliers: keys.multipliers.clone().unwrap_or_else(|| vec![1, 2]),
            blocks: keys.blocks.unwrap_or(1),
            attention: keys.attention.unwrap_or(7),
            heads: keys.heads.unwrap_or(4),
            shared: ImageNetworkConfig::read(keys),
        }
    }

    pub(super) fn write(self, keys: Keys) -> Keys {
        Keys {
            stem: Some(self.stem),
            channels: Some(self.channels),
            multipliers: Some(self.multipliers),
            blocks: Some(self.blocks),
            attention: Some(self.attention),
            heads: Some(self.heads),
            ..self.shared.write(keys)
        }
    }
}

impl TransformerConfig {
    pub(super) fn read(keys: Keys) -> Self {
        Self {
            patch: keys.patch.unwrap_or(4),
            width: keys.width.unwrap_or(64),
            depth: keys.depth.unwrap_or(4),
            heads: keys.heads.unwrap_or(4),
            shared: ImageNetworkConfig::read(keys),
        }
    }

    pub(super) fn write(self, keys: Keys) -> Keys {
        Keys {
            patch: Some(self.patch),
            width: Some(self.width),
            depth: Some(self.depth),
            heads: Some(self.heads),
            ..self.shared.write(keys)
        }
    }
}

impl ImageNetworkConfig {
    fn read(keys: Keys) -> Self {
        Self {
            embedding: keys.embedding.unwrap_or(64),
            time_octaves: keys.time_octaves.unwrap_or(if keys.map == Some(true) { 1 } else { 6 }),
            map: keys.map.unwrap_or_default(),
            gradient_checkpointing: keys.gradient_checkpointing.unwrap_or_default(),
            ema_half_lives: keys.ema_half_lives,
        }
    }

    fn write(self, keys: Keys) -> Keys {
        Keys {
            embedding: Some(self.embedding),
            time_octaves: Some(self.time_octaves),
            map: self.map.then_some(true),
            gradient_checkpointing: self.gradient_checkpointing.then_some(true),
            ema_half_lives: self.ema_half_lives,
            ..keys
        }
    }
}
