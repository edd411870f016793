//! Self-attention over all positions.

use crate::error::shape;
use crate::kernels;
use crate::layers::{Linear, Maker, Start};
use strait_core::Error;
use tch::Tensor;

/// $\operatorname{softmax}(q k^\top / \sqrt{c}) v$ over the last dimension of (..., N, c).
///
/// By hand, since libtorch 2.13 has no derivative of the forward derivative of its softmax, and no forward derivative of
/// its attention. The largest score of a row changes nothing and has no derivative.
fn attend(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor, Error> {
    let c = q.size()[q.dim() - 1];
    let scores = q.f_mul_scalar(1.0 / (c as f64).sqrt())?.f_matmul(&k.f_transpose(-2, -1)?)?;
    let weights = scores.f_sub(&scores.f_detach()?.f_amax([-1i64].as_slice(), true)?)?.f_exp()?;
    let total = weights.f_sum_dim_intlist([-1i64].as_slice(), true, weights.kind())?;
    // Divided at the end: (N, c) quotients in place of (N, N).
    Ok(weights.f_matmul(v)?.f_div(&total)?)
}

/// Attention with several heads over (B, N, C).
#[derive(Debug)]
pub(crate) struct Attention {
    name: String,
    channels: i64,
    heads: i64,
    into: Linear,
    out: Linear,
}

impl Attention {
    /// Of `positions` vectors a sample.
    pub(crate) fn new(
        mut at: Maker<'_, '_>,
        channels: i64,
        heads: i64,
        positions: i64,
        last: Start,
    ) -> Result<Self, Error> {
        if heads < 1 || channels % heads != 0 {
            let must = "positive, and a divisor of the channels that attend";
            return Err(Error::Setting { what: "the number of attention heads", value: heads as f64, must });
        }
        let into = Linear::new(at.sub("qkv"), (channels, 3 * channels), positions, Start::Fan)?;
        let kind = format!("attention, {heads} heads");
        let name = at.list(kind, vec![positions, channels], 0, 2 * positions * positions * channels);
        let out = Linear::new(at.sub("out"), (channels, channels), positions, last)?;
        Ok(Self { name, channels, heads, into, out })
    }

    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor, Error> {
        let &[batch, positions, channels] = &x.size()[..] else {
            return Err(shape(&self.name, format!("(B, N, {})", self.channels), x));
        };
        let qkv = self.into.apply(x)?;
        if let Some(seen) = kernels::attention(&qkv, self.heads)? {
            return self.out.apply(&seen);
        }
        let each = channels / self.heads;
        let qkv = qkv.f_view([batch, positions, 3, self.heads, each])?.f_permute([2, 0, 3, 1, 4])?;
        let part = |i: i64| qkv.f_select(0, i);
        let seen = attend(&part(0)?, &part(1)?, &part(2)?)?;
        self.out.apply(&seen.f_transpose(1, 2)?.f_reshape([batch, positions, channels])?)
    }
}
