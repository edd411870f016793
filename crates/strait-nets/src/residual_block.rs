use crate::attention::Attention;
use crate::error::shape;
use crate::gradient_checkpointing::Block;
use crate::layers::{Convolution, GroupNorm, Linear, Maker, Start};
use strait_core::Error;
use tch::Tensor;

/// What all blocks of a U-Net share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockConfig {
    /// The width of the vector that moves a block.
    pub(crate) embedding: i64,
    pub(crate) groups: i64,
    pub(crate) heads: i64,
}

/// Two convolutions beside the identity, the second normalised as the network's vector says, and attention after them
/// where the images are small. It starts as the identity (or as its projection to other channels).
#[derive(Debug)]
pub(crate) struct ResidualBlock {
    norms: [GroupNorm; 2],
    convolutions: [Convolution; 2],
    film: Linear,
    skip: Option<Convolution>,
    attention: Option<ImageAttention>,
}

impl ResidualBlock {
    pub(crate) fn new(
        mut at: Maker<'_, '_>,
        (input, output): (i64, i64),
        size: [i64; 2],
        attends: bool,
        config: BlockConfig,
    ) -> Result<Self, Error> {
        let BlockConfig { embedding, groups, heads } = config;
        let first = GroupNorm::new(at.sub("norm0"), input, groups, size)?;
        let into = Convolution::new(at.sub("conv0"), (input, output), (3, 1), size, Start::Fan)?;
        let film = Linear::new(at.sub("film"), (embedding, 2 * output), 1, Start::Fan)?;
        let second = GroupNorm::new(at.sub("norm1"), output, groups, size)?;
        let out = Convolution::new(at.sub("conv1"), (output, output), (3, 1), size, Start::Zero)?;
        let skip = (input != output)
            .then(|| Convolution::new(at.sub("skip"), (input, output), (1, 1), size, Start::Fan))
            .transpose()?;
        let attention =
            attends.then(|| ImageAttention::new(at.sub("attention"), output, size, groups, heads)).transpose()?;
        Ok(Self { norms: [first, second], convolutions: [into, out], film, skip, attention })
    }
}

/// Of images (B, C, H, W), whose channels may come in parts, and vectors (B, embedding).
impl Block for ResidualBlock {
    fn apply(&self, x: &[Tensor], vector: &Tensor) -> Result<Tensor, Error> {
        let x = &match x {
            [x] => x.shallow_clone(),
            parts => Tensor::f_cat(parts, 1)?,
        };
        let h = self.convolutions[0].apply(&self.norms[0].then_silu(x, None)?)?;
        let film = self.film.apply(vector)?;
        let h = self.convolutions[1].apply(&self.norms[1].then_silu(&h, Some(&film))?)?;
        let h = match &self.skip {
            Some(skip) => h.f_add(&skip.apply(x)?)?,
            None => h.f_add(x)?,
        };
        match &self.attention {
            Some(attention) => attention.apply(&h),
            None => Ok(h),
        }
    }
}

/// Attention over the positions of images, beside the identity, which it starts as.
#[derive(Debug)]
struct ImageAttention {
    name: String,
    norm: GroupNorm,
    attention: Attention,
}

impl ImageAttention {
    fn new(mut at: Maker<'_, '_>, channels: i64, size: [i64; 2], groups: i64, heads: i64) -> Result<Self, Error> {
        let name = at.scope.path().to_owned();
        let norm = GroupNorm::new(at.sub("norm"), channels, groups, size)?;
        let attention = Attention::new(at, channels, heads, size[0] * size[1], Start::Zero)?;
        Ok(Self { name, norm, attention })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        let &[_, _, height, width] = &x.size()[..] else { return Err(shape(&self.name, "(B, C, H, W)", x)) };
        let positions = self.norm.apply(x)?.f_flatten(2, 3)?.f_transpose(1, 2)?;
        let seen = self.attention.apply(&positions)?.f_transpose(1, 2)?;
        Ok(x.f_add(&seen.f_unflatten(2, [height, width].as_slice())?)?)
    }
}
