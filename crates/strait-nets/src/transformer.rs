//! A transformer over patches of images.

use crate::attention::Attention;
use crate::embedding::{Embedding, EmbeddingConfig};
use crate::gradient_checkpointing::{self, Segment};
use crate::layers::{Linear, Maker, Start};
use crate::network::fields;
use crate::{Network, NetworkSummary};
use strait_core::{Conditions, Error, Init, Scope};
use tch::Tensor;

/// The shape of a [`Transformer`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformerConfig {
    /// Channels, height and width of a sample.
    pub event: [i64; 3],
    /// The side of a patch, in pixels.
    pub patch: i64,
    /// The width of a patch's vector.
    pub width: i64,
    /// Blocks.
    pub depth: usize,
    /// Heads of the attention.
    pub heads: i64,
    /// The width within a block's network over one position, in units of `width`.
    pub expansion: i64,
    /// How times and a condition enter.
    pub embedding: EmbeddingConfig,
    /// As [`UnetConfig::gradient_checkpointing`](crate::UnetConfig::gradient_checkpointing).
    pub gradient_checkpointing: bool,
}

impl TransformerConfig {
    /// For small images: patches of 4 pixels a side, 4 blocks of width 64 with 4 heads.
    pub fn of(event: [i64; 3]) -> Self {
        let embedding = EmbeddingConfig::default();
        Self { event, patch: 4, width: 64, depth: 4, heads: 4, expansion: 4, embedding, gradient_checkpointing: false }
    }

    fn check(&self) -> Result<(), Error> {
        let numbers = [("a transformer's patch", self.patch), ("a transformer's width", self.width)];
        let sides = self.event.map(|side| ("a side of a transformer's images", side));
        let blocks = [("a transformer's depth", self.depth as i64), ("a transformer's expansion", self.expansion)];
        for (what, value) in numbers.into_iter().chain(sides).chain(blocks) {
            if value < 1 {
                return Err(Error::Setting { what, value: value as f64, must: "at least 1" });
            }
        }
        for side in &self.event[1..] {
            if side % self.patch != 0 {
                let what = "the height or width of a transformer's images";
                return Err(Error::Setting { what, value: *side as f64, must: "a multiple of the patch's side" });
            }
        }
        Ok(())
    }
}

/// A transformer over the patches of images (B, C, H, W), whose normalised positions are weighted, shifted and gated by
/// times and a condition (DiT; Peebles and Xie, arXiv 2212.09748).
///
/// The norm is a root mean square's: `layer_norm` has a silently wrong derivative of its derivative in libtorch 2.13. Gates
/// and the last layer start at zero, so that a fresh network is the zero function.
///
/// ```
/// use strait_core::{Parameters, Seed, VelocityField};
/// use strait_nets::{Transformer, TransformerConfig};
/// use tch::{Device, Kind, Tensor};
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let net = Transformer::new(&TransformerConfig::of([1, 28, 28]), &mut parameters.root())?;
/// let x = Tensor::zeros([5, 1, 28, 28], (Kind::Float, Device::Cpu));
/// let t = Tensor::zeros([5], (Kind::Float, Device::Cpu));
/// assert_eq!(net.velocity(&x, &t)?.size(), [5, 1, 28, 28]);
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Transformer {
    event: [i64; 3],
    patch: i64,
    embedding: Embedding,
    into: Linear,
    /// (N, width): where a patch lies.
    places: Tensor,
    blocks: Vec<Segment<Block>>,
    moves: Linear,
    out: Linear,
    summary: NetworkSummary,
}

impl Transformer {
    /// Makes the layers under `scope`.
    ///
    /// # Errors
    /// `Setting` names what the configuration cannot be; `Parameter` where a name is taken.
    pub fn new(config: &TransformerConfig, scope: &mut Scope<'_>) -> Result<Self, Error> {
        config.check()?;
        let &TransformerConfig { event: [channels, height, width_of_image], patch, width, .. } = config;
        let mut layers = vec![];
        let mut at = Maker { scope: scope.sub("transformer"), layers: &mut layers };
        let positions = (height / patch) * (width_of_image / patch);
        let pixels = channels * patch * patch;
        let embedding = Embedding::new(&config.embedding, at.sub("embedding"))?;
        let vector = config.embedding.width;
        let into = Linear::new(at.sub("in"), (pixels, width), positions, Start::Fan)?;
        let mut place = at.sub("places");
        let places = place.scope.tensor("weight", &[positions, width], Init::Normal(0.02))?;
        place.list("a vector for each place".into(), vec![positions, width], positions * width, 0);
        let blocks = (0..config.depth)
            .map(|i| {
                let make = |at: Maker<'_, '_>| Block::new(at, config, positions);
                Segment::new(at.sub(&i.to_string()), config.gradient_checkpointing, make)
            })
            .collect::<Result<_, _>>()?;
        let moves = Linear::new(at.sub("moves"), (vector, 2 * width), 1, Start::Zero)?;
        let out = Linear::new(at.sub("out"), (width, pixels), positions, Start::Zero)?;
        let summary = NetworkSummary { layers };
        Ok(Self { event: config.event, patch, embedding, into, places, blocks, moves, out, summary })
    }
}

/// Attention and a network over each position, beside the identity, which the block starts as.
#[derive(Debug)]
struct Block {
    moves: Linear,
    attention: Attention,
    wide: Linear,
    back: Linear,
}

impl Block {
    fn new(mut at: Maker<'_, '_>, config: &TransformerConfig, positions: i64) -> Result<Self, Error> {
        let &TransformerConfig { width, heads, expansion, .. } = config;
        let moves = Linear::new(at.sub("moves"), (config.embedding.width, 6 * width), 1, Start::Zero)?;
        let attention = Attention::new(at.sub("attention"), width, heads, positions, Start::Fan)?;
        let wide = Linear::new(at.sub("wide"), (width, expansion * width), positions, Start::Fan)?;
        let back = Linear::new(at.sub("back"), (expansion * width, width), positions, Start::Fan)?;
        Ok(Self { moves, attention, wide, back })
    }
}

impl gradient_checkpointing::Block for Block {
    fn apply(&self, x: &[Tensor], vector: &Tensor) -> Result<Tensor, Error> {
        let x = &x[0];
        let moves = self.moves.apply(vector)?.f_unsqueeze(1)?.f_chunk(6, -1)?;
        let [scale0, shift0, gate0, scale1, shift1, gate1] = &moves[..] else {
            return Err(Error::Shape { what: "the moves of a block", expected: "six".into(), found: vec![] });
        };
        let seen = self.attention.apply(&normalised(x, scale0, shift0)?)?;
        let x = x.f_addcmul(&seen, gate0)?;
        let h = self.wide.apply(&normalised(&x, scale1, shift1)?)?;
        Ok(x.f_addcmul(&self.back.apply(&h.f_gelu("none")?)?, gate1)?)
    }
}

/// $x / \sqrt{\overline{x^2}}$ over the last dimension, weighted by 1 + scale and shifted.
fn normalised(x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor, Error> {
    let squares = x.f_square()?.f_mean_dim([-1i64].as_slice(), true, x.kind())?;
    let unit = x.f_mul(&squares.f_add_scalar(1e-6)?.f_rsqrt()?)?;
    Ok(shift.f_addcmul(&unit, &scale.f_add_scalar(1.0)?)?)
}

impl Network for Transformer {
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
        let (rows, columns) = (height / self.patch, width / self.patch);
        let patches = x.f_pixel_unshuffle(self.patch)?.f_flatten(2, 3)?.f_transpose(1, 2)?;
        let mut h = self.into.apply(&patches)?.f_add(&self.places)?;
        for block in &self.blocks {
            h = block.apply(&[h], &vector)?;
        }
        let moves = self.moves.apply(&vector)?.f_unsqueeze(1)?.f_chunk(2, -1)?;
        let out = self.out.apply(&normalised(&h, &moves[0], &moves[1])?)?;
        let images = out.f_transpose(1, 2)?.f_unflatten(2, [rows, columns].as_slice())?;
        Ok(images.f_pixel_shuffle(self.patch)?)
    }

    fn summary(&self) -> &NetworkSummary {
        &self.summary
    }
}

fields!(Transformer);
