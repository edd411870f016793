//! A U-Net for images.

use crate::embedding::{Embedding, EmbeddingConfig};
use crate::gradient_checkpointing::Segment;
use crate::kernels::channels_last;
use crate::layers::{Convolution, GroupNorm, Maker, Start};
use crate::network::fields;
use crate::residual_block::{BlockConfig, ResidualBlock};
use crate::{Network, NetworkSummary};
use strait_core::{Conditions, Error, Scope};
use tch::Tensor;

/// The shape of a [`Unet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnetConfig {
    /// Channels, height and width of a sample.
    pub event: [i64; 3],
    /// Squares of so many pixels a side become channels before everything else (space to depth), and pixels again at the
    /// end; 1 leaves images as they are.
    pub stem: i64,
    /// Channels at full resolution.
    pub channels: i64,
    /// Channels at each resolution, in units of those; each halves height and width of the one before it.
    pub multipliers: Vec<i64>,
    /// Residual blocks at each resolution on the way down; there is one more on the way up.
    pub blocks: usize,
    /// Images of at most this height attend, every position to every other.
    pub attention: i64,
    /// Heads of the attention.
    pub heads: i64,
    /// Groups of channels that are normalised together, at most.
    pub groups: i64,
    /// How times and a condition enter.
    pub embedding: EmbeddingConfig,
    /// Whether training keeps the inputs of blocks alone and computes each block again for its gradient: less memory, more
    /// time, the same numbers.
    pub gradient_checkpointing: bool,
}

impl UnetConfig {
    /// For small images: a stem of 2, 32 channels with multipliers (1, 2), one block, attention up to a height of 7.
    ///
    /// For 1x28x28 these are 4x14x14 after the stem.
    pub fn of(event: [i64; 3]) -> Self {
        Self {
            event,
            stem: 2,
            channels: 32,
            multipliers: vec![1, 2],
            blocks: 1,
            attention: 7,
            heads: 4,
            groups: 8,
            embedding: EmbeddingConfig::default(),
            gradient_checkpointing: false,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let positive = |what, value: i64| {
            if value >= 1 { Ok(()) } else { Err(Error::Setting { what, value: value as f64, must: "at least 1" }) }
        };
        for (what, value) in [
            ("the side of a U-Net's stem", self.stem),
            ("the channels of a U-Net", self.channels),
            ("the groups of a U-Net's norms", self.groups),
            ("the number of a U-Net's resolutions", self.multipliers.len() as i64),
            ("the blocks of a U-Net's resolutions", self.blocks as i64),
        ] {
            positive(what, value)?;
        }
        self.event.iter().try_for_each(|&side| positive("a side of a U-Net's images", side))?;
        self.multipliers.iter().try_for_each(|&by| positive("a multiplier of a U-Net's channels", by))?;
        let whole = self.stem << (self.multipliers.len() - 1);
        for side in &self.event[1..] {
            if side % whole != 0 {
                let must = "a multiple of the stem's side, doubled for each resolution below the first";
                return Err(Error::Setting {
                    what: "the height or width of a U-Net's images",
                    value: *side as f64,
                    must,
                });
            }
        }
        Ok(())
    }
}

/// A network of residual convolutions over images (B, C, H, W), from full resolution down to the lowest and up again,
/// with what was computed on the way down beside what is computed on the way up (Ronneberger et al., arXiv 1505.04597; in
/// the form of Ho et al., arXiv 2006.11239, and Dhariwal and Nichol, arXiv 2105.05233).
///
/// Times and a condition weight and shift the channels of each block (FiLM). The last layer of every block, and of the
/// network, starts at zero, so that a fresh network is the zero function.
///
/// ```
/// use strait_core::{Parameters, Seed, VelocityField};
/// use strait_nets::{Network, Unet, UnetConfig};
/// use tch::{Device, Kind, Tensor};
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let net = Unet::new(&UnetConfig::of([1, 28, 28]), &mut parameters.root())?;
/// let x = Tensor::zeros([5, 1, 28, 28], (Kind::Float, Device::Cpu));
/// let t = Tensor::zeros([5], (Kind::Float, Device::Cpu));
/// assert_eq!(net.velocity(&x, &t)?.size(), [5, 1, 28, 28]);
/// assert!(net.summary().multiply_adds() < 50_000_000);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Unet {
    event: [i64; 3],
    stem: i64,
    embedding: Embedding,
    into: Convolution,
    down: Vec<Down>,
    middle: [Segment<ResidualBlock>; 2],
    up: Vec<Up>,
    norm: GroupNorm,
    out: Convolution,
    summary: NetworkSummary,
}

/// One resolution on the way down.
#[derive(Debug)]
struct Down {
    blocks: Vec<Segment<ResidualBlock>>,
    /// Every second position, where there is a lower resolution.
    shrink: Option<Convolution>,
}

/// One resolution on the way up.
#[derive(Debug)]
struct Up {
    blocks: Vec<Segment<ResidualBlock>>,
    /// After each position was doubled, where there is a higher resolution.
    grow: Option<Convolution>,
}

impl Unet {
    /// Makes the layers under `scope`.
    ///
    /// # Errors
    /// `Setting` names what the configuration cannot be; `Parameter` where a name is taken.
    pub fn new(config: &UnetConfig, scope: &mut Scope<'_>) -> Result<Self, Error> {
        config.check()?;
        let mut layers = vec![];
        let mut at = Maker { scope: scope.sub("unet"), layers: &mut layers };
        let &UnetConfig { event, stem, groups, heads, attention, gradient_checkpointing, .. } = config;
        let shared = BlockConfig { embedding: config.embedding.width, groups, heads };
        let block = |at: Maker<'_, '_>, widths: (i64, i64), size: [i64; 2], attends: bool| {
            let make = |at: Maker<'_, '_>| ResidualBlock::new(at, widths, size, attends, shared);
            Segment::new(at, gradient_checkpointing, make)
        };
        let squares = event[0] * stem * stem;
        let levels: Vec<(i64, [i64; 2])> = config
            .multipliers
            .iter()
            .enumerate()
            .map(|(level, by)| (by * config.channels, [event[1], event[2]].map(|side| (side / stem) >> level)))
            .collect();
        let embedding = Embedding::new(&config.embedding, at.sub("embedding"))?;
        let (mut channels, lowest) = (levels[0].0, levels.len() - 1);
        let into = Convolution::new(at.sub("in"), (squares, channels), (3, 1), levels[0].1, Start::Fan)?;
        // The channels of what the way up will find.
        let mut left = vec![channels];
        let mut down = vec![];
        for (level, &(wide, size)) in levels.iter().enumerate() {
            let mut at = at.sub(&format!("down{level}"));
            let mut blocks = vec![];
            for i in 0..config.blocks {
                let attends = size[0] <= attention;
                blocks.push(block(at.sub(&i.to_string()), (channels, wide), size, attends)?);
                channels = wide;
                left.push(channels);
            }
            let shrink = (level < lowest)
                .then(|| Convolution::new(at.sub("shrink"), (channels, channels), (3, 2), size, Start::Fan))
                .transpose()?;
            left.extend(shrink.as_ref().map(|_| channels));
            down.push(Down { blocks, shrink });
        }
        let size = levels[lowest].1;
        let attends = size[0] <= attention;
        let middle = [
            block(at.sub("middle0"), (channels, channels), size, attends)?,
            block(at.sub("middle1"), (channels, channels), size, false)?,
        ];
        let mut up = vec![];
        for (level, &(wide, size)) in levels.iter().enumerate().rev() {
            let mut at = at.sub(&format!("up{level}"));
            let mut blocks = vec![];
            for i in 0..=config.blocks {
                let beside = left.pop().unwrap_or(0);
                let widths = (channels + beside, wide);
                blocks.push(block(at.sub(&i.to_string()), widths, size, size[0] <= attention)?);
                channels = wide;
            }
            let grow = if level == 0 {
                None
            } else {
                let (above, size) = levels[level - 1];
                let grow = Convolution::new(at.sub("grow"), (channels, above), (3, 1), size, Start::Fan)?;
                channels = above;
                Some(grow)
            };
            up.push(Up { blocks, grow });
        }
        let norm = GroupNorm::new(at.sub("norm"), channels, groups, levels[0].1)?;
        let out = Convolution::new(at.sub("out"), (channels, squares), (3, 1), levels[0].1, Start::Zero)?;
        Ok(Self { event, stem, embedding, into, down, middle, up, norm, out, summary: NetworkSummary { layers } })
    }
}

impl Network for Unet {
    fn evaluate_given(&self, x: &Tensor, times: &[&Tensor], conditions: &Conditions) -> Result<Tensor, Error> {
        let [channels, height, width] = self.event;
        if x.dim() != 4 || x.size()[1..] != self.event {
            return Err(Error::Shape {
                what: "x",
                expected: format!("(B, {channels}, {height}, {width})"),
                found: x.size(),
            });
        }
        let vector = self.embedding.apply(times, conditions, x.size()[0])?;
        let squares = if self.stem == 1 { x.shallow_clone() } else { x.f_pixel_unshuffle(self.stem)? };
        let mut h = self.into.apply(&channels_last(&squares)?.unwrap_or(squares))?;
        let mut left = vec![h.shallow_clone()];
        for level in &self.down {
            for block in &level.blocks {
                h = block.apply(&[h], &vector)?;
                left.push(h.shallow_clone());
            }
            if let Some(shrink) = &level.shrink {
                h = shrink.apply(&h)?;
                left.push(h.shallow_clone());
            }
        }
        for block in &self.middle {
            h = block.apply(&[h], &vector)?;
        }
        for level in &self.up {
            for block in &level.blocks {
                let both: Vec<Tensor> = [h].into_iter().chain(left.pop()).collect();
                h = block.apply(&both, &vector)?;
            }
            if let Some(grow) = &level.grow {
                let [height, width] = [2, 3].map(|side| 2 * h.size()[side]);
                h = grow.apply(&h.f_upsample_nearest2d([height, width], None, None)?)?;
            }
        }
        let out = self.out.apply(&self.norm.then_silu(&h, None)?)?;
        let out = if self.stem == 1 { out } else { out.f_pixel_shuffle(self.stem)? };
        Ok(out.f_contiguous()?)
    }

    fn summary(&self) -> &NetworkSummary {
        &self.summary
    }
}

fields!(Unet);
