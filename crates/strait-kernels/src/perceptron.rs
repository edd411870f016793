//! A whole perceptron, its value or its jet, in one call forward and one call backward, on the CPU.

use crate::ffi;
use crate::supported::supported;
use std::ptr;
use strait_autodiff::{AutodiffError, Jet, Order};
use tch::Tensor;

/// What stands between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// $x \sigma(x)$ with the logistic $\sigma$ (Hendrycks and Gimpel, arXiv 1606.08415).
    Silu = 0,
    /// Of Klambauer et al., arXiv 1706.02515; it has no second derivative at 0, and no jet here.
    Selu = 1,
}

/// Multiply-adds from which on libtorch's own products use several threads to some effect, and a kernel would not.
const MANY: i64 = 16_000_000;

/// A perceptron of layers, each a weight (out, in) and a bias (out,), of concatenated inputs: parts (N, n) whose n add up to
/// the width of the first layer, and whose derivatives are those along one scalar. The result, (N, out) with its derivatives,
/// can be differentiated in reverse any number of times. A row of it is the same to the bit in whatever batch it is computed.
///
/// None where the kernel cannot be used and the caller must compute layer by layer: inside the function of a JVP, off the
/// CPU, for other kinds than float and double, for a jet through SELU, and where libtorch has several threads and the network
/// work for them.
///
/// # Errors
/// `Shape` where the tensors do not fit; libtorch's, when memory runs out.
///
/// ```
/// use strait_autodiff::{AutodiffError, Jet, Order};
/// use strait_kernels::{Between, perceptron};
/// use tch::Tensor;
/// let (x, t) = (Tensor::from_slice(&[2.0f64]).view([1, 1]), Tensor::from_slice(&[0.5f64]).view([1, 1]));
/// let layer = (Tensor::from_slice(&[1.0f64, 3.0]).view([1, 2]), Tensor::from_slice(&[0.25f64]));
/// let (x, t) = (Jet::constant(&x), Jet::variable(&t, Order::Second));
/// let y = perceptron(&[&x, &t], &[layer], Between::Silu, Order::Second)?.expect("a kernel"); // 2 + 3 t + 0.25
/// assert_eq!((y.value().double_value(&[0, 0]), y.first().double_value(&[0, 0])), (3.75, 3.0));
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn perceptron(
    parts: &[&Jet],
    layers: &[(Tensor, Tensor)],
    between: Between,
    order: Order,
) -> Result<Option<Jet>, AutodiffError> {
    check(parts, layers)?;
    let mut tensors = vec![];
    let mut derivatives = vec![];
    for part in parts {
        let present: Vec<&Tensor> = part.present().into_iter().take(1 + order as usize).collect();
        derivatives.push(present.len() as i64 - 1);
        tensors.extend(present);
    }
    tensors.extend(layers.iter().flat_map(|(weight, bias)| [weight, bias]));
    let moves = derivatives.iter().any(|&count| count > 0);
    let rows = tensors[0].size()[0] * if moves { 1 + order as i64 } else { 1 };
    if !supported(&tensors) || is_for_many(rows, layers) || (moves && between == Between::Selu) {
        return Ok(None);
    }
    let (given, mut made) = (ffi::handles(tensors.iter().copied()), [ptr::null_mut(); 3]);
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds, as many as stated; there is room for
    // three results.
    ffi::check(unsafe {
        ffi::strait_perceptron(
            given.as_ptr(),
            given.len(),
            derivatives.as_ptr(),
            derivatives.len(),
            between as i64,
            order as i64,
            made.as_mut_ptr(),
        )
    })?;
    // SAFETY: what is not null was made by `new`, and nothing else owns it.
    let [value, first, second] = unsafe { ffi::own_each(made) };
    Ok(value.map(|value| match order {
        Order::Value => Jet::value_of(parts.iter().copied(), value),
        _ => Jet::of(order, value, first, second),
    }))
}

/// $|f(x) - y|^2$ for the perceptron f of [`perceptron`], inputs x that are values alone, and a target y (N, out): its mean over
/// the samples, a scalar, and that of each sample, (N,), which records nothing. The gradient of the mean in the layers is computed
/// with it, block by block, so that nothing is kept for the reverse pass but that gradient. The mean can be differentiated in
/// reverse any number of times.
///
/// None where the kernel cannot be used, as there, where nothing is recorded, and where an input or the target is to be
/// differentiated.
///
/// # Errors
/// `Shape` where the tensors do not fit; libtorch's, when memory runs out.
///
/// ```
/// use strait_autodiff::{AutodiffError, Graph, Jet, gradient};
/// use strait_kernels::{Between, perceptron_square_error};
/// use tch::Tensor;
/// let x = Jet::constant(&Tensor::from_slice(&[2.0f64, 4.0]).view([2, 1]));
/// let weight = Tensor::from_slice(&[1.0f64]).view([1, 1]).set_requires_grad(true);
/// let layer = (weight.shallow_clone(), Tensor::from_slice(&[0.0f64]));
/// let target = Tensor::from_slice(&[1.0f64, 4.0]).view([2, 1]);
/// let (mean, each) = perceptron_square_error(&[&x], &[layer], Between::Silu, &target)?.expect("a kernel");
/// assert_eq!(each, Tensor::from_slice(&[1.0f64, 0.0])); // (2w - 1)^2 and (4w - 4)^2
/// assert_eq!(mean.double_value(&[]), 0.5);
/// assert_eq!(gradient(&mean, &[weight], Graph::Free)?[0].double_value(&[0, 0]), 2.0);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn perceptron_square_error(
    parts: &[&Jet],
    layers: &[(Tensor, Tensor)],
    between: Between,
    target: &Tensor,
) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
    regressed(parts, layers, between, target, None)
}

/// The right side of an identity between the values of a perceptron u(x, times) and their derivative u' along a scalar.
#[derive(Debug, Clone, Copy)]
pub enum RightSide<'a> {
    /// $u = y + h u'$: MeanFlow's.
    Derivative,
    /// $u + h u' = u(x + h u, \text{these times})$, parts (n, ...): the Lagrangian one. x is the first part.
    End(&'a [&'a Tensor]),
}

/// As [`perceptron_square_error`], with the last samples, as many as there are spans h (n,), held to an identity in the place of
/// their target: the gradient is stopped at its right side. The derivatives of the parts are those along the scalar.
///
/// None where the kernel cannot be used, as there, and for SELU.
///
/// # Errors
/// `Shape` where the tensors do not fit; libtorch's, when memory runs out.
///
/// ```
/// use strait_autodiff::{AutodiffError, Jet, Order};
/// use strait_kernels::{Between, RightSide, perceptron_identity_error};
/// use tch::Tensor;
/// let column = |x: f64| Tensor::from_slice(&[x]).view([1, 1]);
/// // u(x, s) = w x + s, along x' = 3: u' = 3 w + 1
/// let x = Jet::with_derivatives(column(2.0), column(3.0), None);
/// let s = Jet::variable(&column(0.5), Order::First);
/// let weight = Tensor::from_slice(&[2.0f64, 1.0]).view([1, 2]).set_requires_grad(true);
/// let layer = (weight, Tensor::from_slice(&[0.0f64]));
/// let (velocity, span) = (column(3.0), Tensor::from_slice(&[0.25f64]));
/// let (mean, _) =
///     perceptron_identity_error(&[&x, &s], &[layer], Between::Silu, &velocity, &span, RightSide::Derivative)?
///         .expect("a kernel");
/// assert_eq!(mean.double_value(&[]), (4.5f64 - (3.0 + 0.25 * 7.0)).powi(2));
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn perceptron_identity_error(
    parts: &[&Jet],
    layers: &[(Tensor, Tensor)],
    between: Between,
    target: &Tensor,
    span: &Tensor,
    right: RightSide<'_>,
) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
    if between == Between::Selu {
        check(parts, layers)?;
        return Ok(None);
    }
    regressed(parts, layers, between, target, Some((span, right)))
}

fn regressed(
    parts: &[&Jet],
    layers: &[(Tensor, Tensor)],
    between: Between,
    target: &Tensor,
    identity: Option<(&Tensor, RightSide<'_>)>,
) -> Result<Option<(Tensor, Tensor)>, AutodiffError> {
    check(parts, layers)?;
    let rows = parts[0].value().size()[0];
    let fits = |what, index, x: &Tensor, expected: Vec<i64>| match x.size() {
        found if found == expected => Ok(()),
        found => Err(AutodiffError::Shape { what, index, expected, found }),
    };
    let width = layers[layers.len() - 1].1.size()[0];
    fits("target", 0, target, vec![rows, width])?;
    let mut held = vec![target];
    let code = match identity {
        None => 0,
        Some((span, right)) => {
            let off = span.size().first().map_or(0, |&n| n.min(rows));
            fits("span", 0, span, vec![off])?;
            fits("first part", 0, parts[0].value(), vec![rows, width])?;
            held.push(span);
            match right {
                RightSide::Derivative => 1,
                RightSide::End(end) => {
                    let widths = parts[1..].iter().map(|part| part.value().size()[1]);
                    if widths.len() != end.len() {
                        let (left, right) = (widths.len(), end.len());
                        return Err(AutodiffError::Count { what: "parts against those of the end", left, right });
                    }
                    for (i, (x, width)) in end.iter().zip(widths).enumerate() {
                        fits("part of the end", i + 1, x, vec![off, width])?;
                    }
                    held.extend(end);
                    2
                }
            }
        }
    };
    let mut tensors = vec![];
    let mut derivatives = vec![];
    for part in parts {
        let present: Vec<&Tensor> = part.present().into_iter().take(2).collect();
        derivatives.push(present.len() as i64 - 1);
        tensors.extend(present);
    }
    tensors.extend(layers.iter().flat_map(|(weight, bias)| [weight, bias]));
    let all: Vec<&Tensor> = tensors.iter().chain(&held).copied().collect();
    let moves = parts.iter().any(|part| part.present().len() > 1);
    if (code == 0 && moves) || rows == 0 || !supported(&all) || is_for_many(rows, layers) {
        return Ok(None);
    }
    let (given, held, mut made) = (ffi::handles(tensors), ffi::handles(held), [ptr::null_mut(); 2]);
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds, as many as stated; there is room for two results.
    ffi::check(unsafe {
        ffi::strait_perceptron_regressed(
            given.as_ptr(),
            given.len(),
            derivatives.as_ptr(),
            derivatives.len(),
            between as i64,
            code,
            held.as_ptr(),
            held.len(),
            made.as_mut_ptr(),
        )
    })?;
    // SAFETY: what is not null was made by `new`, and nothing else owns it.
    let [mean, of_each] = unsafe { ffi::own_each(made) };
    Ok(mean.zip(of_each))
}

/// Whether libtorch's own products have several threads, and rows enough for them.
fn is_for_many(rows: i64, layers: &[(Tensor, Tensor)]) -> bool {
    let products =
        layers.iter().fold(0, |sum: i64, (weight, _)| sum.saturating_add(rows.saturating_mul(weight.numel() as i64)));
    products >= MANY && tch::get_num_threads() > 1
}

fn check(parts: &[&Jet], layers: &[(Tensor, Tensor)]) -> Result<(), AutodiffError> {
    let fault = |what, index, expected, found| Err(AutodiffError::Shape { what, index, expected, found });
    let rows = parts.first().map_or(0, |part| part.value().size().first().copied().unwrap_or(0));
    let mut width = 0;
    for (i, part) in parts.iter().enumerate() {
        let size = part.value().size();
        if size.len() != 2 || size[0] != rows {
            return fault("part", i, vec![rows, -1], size);
        }
        if let Some(other) = part.present().into_iter().find(|x| x.size() != size) {
            return fault("derivative of part", i, size, other.size());
        }
        width += size[1];
    }
    for (i, (weight, bias)) in layers.iter().enumerate() {
        let (size, out) = (weight.size(), bias.size());
        if size.len() != 2 || size[1] != width {
            return fault("weight", i, vec![-1, width], size);
        }
        if out != size[..1] {
            return fault("bias", i, size[..1].to_vec(), out);
        }
        width = size[0];
    }
    if parts.is_empty() || layers.is_empty() {
        return Err(AutodiffError::Count { what: "parts against layers", left: parts.len(), right: layers.len() });
    }
    Ok(())
}
