//! Layers of networks of images in one pass each way, on the CPU and on the threads that libtorch has.

use crate::ffi;
use crate::supported::shared_out;
use std::ptr;
use strait_autodiff::AutodiffError;
use tch::Tensor;

/// Positions beyond which the scores of a head do not stay in the cache.
const MOST_POSITIONS: i64 = 256;

/// $\operatorname{silu}((1 + s_{bc}) (w_c \hat x + b_c) + h_{bc})$ of images x (B, C, ...), where $\hat x$ is x normalised to
/// mean 0 and variance 1 over each of `groups` groups of channels of a sample (group norm; Wu and He, arXiv 1803.08494), with
/// weights w and b (C), and `film` (B, 2 C) holds s and, after it, h (FiLM; Perez et al., arXiv 1709.07871): zero without it.
/// It can be differentiated in reverse any number of times. None where the kernel cannot be used: inside the function of a
/// JVP, off the CPU, for other kinds than float and double, where x is empty.
///
/// # Errors
/// `Shape` where the channels are not a multiple of the groups, or w, b or film are not those of x; libtorch's, when memory
/// runs out.
///
/// ```
/// use tch::{Device, Kind, Tensor};
/// let x = Tensor::from_slice(&[1.0f64, 3.0]).view([1, 1, 2]);
/// let (w, b) = (Tensor::ones([1], (Kind::Double, Device::Cpu)), Tensor::zeros([1], (Kind::Double, Device::Cpu)));
/// let y = strait_kernels::group_norm_silu(&x, &w, &b, None, 1, 0.0)?.expect("a kernel");
/// let silu = |z: f64| z / (1.0 + (-z).exp());
/// assert!((y.double_value(&[0, 0, 0]) - silu(-1.0)).abs() < 1e-15 && (y.double_value(&[0, 0, 1]) - silu(1.0)).abs() < 1e-15);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn group_norm_silu(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    film: Option<&Tensor>,
    groups: i64,
    epsilon: f64,
) -> Result<Option<Tensor>, AutodiffError> {
    let size = x.size();
    let &[batch, channels, ..] = &size[..] else {
        return Err(AutodiffError::Shape {
            what: "images to normalise",
            index: 0,
            expected: vec![-1, -1],
            found: size,
        });
    };
    let expect = |what, index, expected: Vec<i64>, found: Vec<i64>| {
        if expected == found { Ok(()) } else { Err(AutodiffError::Shape { what, index, expected, found }) }
    };
    let divisible = groups >= 1 && channels % groups == 0;
    expect("groups of channels", 0, vec![if divisible { groups } else { channels }], vec![groups])?;
    expect("weights of channels", 0, vec![channels], weight.size())?;
    expect("weights of channels", 1, vec![channels], bias.size())?;
    film.map_or(Ok(()), |film| expect("weights and shifts of samples", 0, vec![batch, 2 * channels], film.size()))?;
    let tensors: Vec<&Tensor> = [x, weight, bias].into_iter().chain(film).collect();
    if x.numel() == 0 || !shared_out(&tensors) {
        return Ok(None);
    }
    let mut result = ptr::null_mut();
    let film = film.map_or(ptr::null_mut(), ffi::handle);
    // SAFETY: the handles are of tensors of matching shapes and one kind that outlive the call.
    ffi::check(unsafe {
        let [x, weight, bias] = [x, weight, bias].map(ffi::handle);
        ffi::strait_group_norm_silu(x, weight, bias, film, groups, epsilon, &raw mut result)
    })?;
    // SAFETY: without an error the result was made by `new`, and nothing else owns it.
    Ok(Some(unsafe { ffi::own(result) }))
}

/// Images x (B, C, H, W) with the channels of each place beside each other in memory. On the CPU libtorch's convolutions take
/// less time for images in this order, and [`group_norm_silu`] keeps it. None where that kernel cannot be used.
///
/// # Errors
/// libtorch's, where x has not four dimensions or memory runs out.
///
/// ```
/// use tch::{Device, Kind, Tensor};
/// let x = Tensor::zeros([2, 8, 4, 4], (Kind::Float, Device::Cpu));
/// assert_eq!(strait_kernels::channels_last(&x)?.expect("a kernel").stride(), [128, 1, 32, 8]);
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn channels_last(x: &Tensor) -> Result<Option<Tensor>, AutodiffError> {
    if !shared_out(&[x]) {
        return Ok(None);
    }
    Ok(Some(x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?))
}

/// $\operatorname{softmax}(q k^\top / \sqrt{c}) v$ of each head over all positions (Vaswani et al., arXiv 1706.03762): `qkv`
/// (B, N, 3 H c) holds the H heads of q, then those of k and of v, and the result is (B, N, H c).
/// It can be differentiated in reverse any number of times, and keeps no scores. None where the kernel cannot be used: inside
/// the function of a JVP, off the CPU, for other kinds than float and double, beyond 256 positions.
///
/// # Errors
/// `Shape` where qkv does not hold such heads; libtorch's, when memory runs out.
///
/// ```
/// use tch::Tensor;
/// let qkv = Tensor::from_slice(&[0.0f64, 0.0, 1.0, 0.0, 0.0, 3.0]).view([1, 2, 3]);
/// let seen = strait_kernels::attention(&qkv, 1)?.expect("a kernel");
/// assert_eq!(seen.flatten(0, 2), Tensor::from_slice(&[2.0, 2.0]));
/// # Ok::<(), strait_autodiff::AutodiffError>(())
/// ```
pub fn attention(qkv: &Tensor, heads: i64) -> Result<Option<Tensor>, AutodiffError> {
    let found = qkv.size();
    let positions = match found[..] {
        [_, positions, width] if heads >= 1 && width > 0 && width % (3 * heads) == 0 => positions,
        _ => {
            let expected = vec![-1, -1, 3 * heads];
            return Err(AutodiffError::Shape { what: "queries, keys and values of heads", index: 0, expected, found });
        }
    };
    if !(1..=MOST_POSITIONS).contains(&positions) || !shared_out(&[qkv]) {
        return Ok(None);
    }
    let mut result = ptr::null_mut();
    // SAFETY: the handle is of a tensor of a matching shape that outlives the call.
    ffi::check(unsafe { ffi::strait_attention(ffi::handle(qkv), heads, &raw mut result) })?;
    // SAFETY: without an error the result was made by `new`, and nothing else owns it.
    Ok(Some(unsafe { ffi::own(result) }))
}
