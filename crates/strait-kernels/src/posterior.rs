use crate::ffi;
use crate::supported::supported;
use std::ptr;
use strait_autodiff::AutodiffError;
use tch::Tensor;

/// Of equally likely endpoints of which points show one each, scaled and under Gaussian noise:
///
/// $$ w_j = e^{-|x - b e_j|^2 / 2a^2} $$
#[derive(Debug)]
pub struct Posterior {
    /// $\sum_j w_j e_j / \sum_j w_j$, (R, d).
    pub mean: Tensor,
    /// $\log \sum_j w_j$, (R,).
    pub log_weight: Tensor,
    /// $\log \bigl((\sum_j w_j)^2 / \sum_j w_j^2\bigr)$, (R,).
    pub log_effective: Tensor,
}

/// The posterior over endpoints (K, d) at points x (R, d) with scales $a > 0$ and b, (R,), in a single pass; weights below
/// $10^{-20}$ of the largest are taken as 0.
///
/// None where the kernel cannot be used: inside the function of a JVP, off the CPU, for other kinds than float and
/// double, where a derivative is wanted.
///
/// # Errors
/// `Shape` where the tensors do not fit; libtorch's, when memory runs out.
///
/// ```
/// use strait_autodiff::AutodiffError;
/// use strait_kernels::posterior;
/// use tch::Tensor;
/// // In the middle between two endpoints nothing is known.
/// let (x, endpoints) = (Tensor::from_slice2(&[[0.5f64]]), Tensor::from_slice2(&[[0.0f64], [2.0]]));
/// let found = posterior(&x, &endpoints, &Tensor::from_slice(&[0.1]), &Tensor::from_slice(&[0.5]))?.expect("a kernel");
/// assert_eq!(found.mean.double_value(&[0, 0]), 1.0);
/// assert!((found.log_weight - (2.0 * (-0.5f64 * 25.0).exp()).ln()).abs().double_value(&[0]) < 1e-12);
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn posterior(x: &Tensor, endpoints: &Tensor, a: &Tensor, b: &Tensor) -> Result<Option<Posterior>, AutodiffError> {
    let fault = |what, index, expected, found| Err(AutodiffError::Shape { what, index, expected, found });
    let [rows, d] = x.size()[..] else { return fault("points", 0, vec![0, 0], x.size()) };
    let fits = matches!(endpoints.size()[..], [k, of] if k > 0 && of == d && d > 0);
    if !fits {
        return fault("endpoints", 1, vec![1, d.max(1)], endpoints.size());
    }
    for (index, scale) in [(2, a), (3, b)] {
        if scale.size() != [rows] {
            return fault("scales", index, vec![rows], scale.size());
        }
    }
    let all = [x, endpoints, a, b];
    let wanted = all.iter().any(|x| x.requires_grad());
    if wanted || !supported(&all) {
        return Ok(None);
    }
    let (given, mut made) = (all.map(ffi::handle), [ptr::null_mut(); 3]);
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds; three results are written on success.
    ffi::check(unsafe { ffi::strait_posterior(given.as_ptr(), made.as_mut_ptr()) })?;
    // SAFETY: on success all are fresh tensors that nothing else owns.
    let [mean, log_weight, log_effective] = made.map(|made| unsafe { ffi::own(made) });
    Ok(Some(Posterior { mean, log_weight, log_effective }))
}
