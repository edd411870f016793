//! Affine paths in a single pass, on the CPU: the curves themselves, and the marginal field over many endpoints.

use crate::marginal_field::check_points;
use crate::supported::{GREATEST_BOUND, MOST_DIMENSIONS, check_bound, supported};
use crate::{MarginalField, ffi};
use std::ptr;
use strait_autodiff::{AutodiffError, Jet, Order};
use tch::Tensor;

/// Where the paths of an affine family are to be summed.
#[derive(Debug, Clone, Copy)]
pub struct AffinePaths<'a> {
    /// The network's numbers, (T K, n) with two derivatives in t: d of the log-scales, d shifts, and, or not, the
    /// entries below the diagonal row by row.
    pub numbers: &'a Jet,
    /// $\beta$: log-scales are $\beta \tanh(\cdot / \beta)$.
    pub bound: f64,
    /// The points, (T, Q, d).
    pub x: &'a Tensor,
    /// The endpoints, (K, d).
    pub x1: &'a Tensor,
    /// The times, (T,), below 1.
    pub t: &'a Tensor,
}

impl AffinePaths<'_> {
    fn check(&self) -> Result<i64, AutodiffError> {
        check_bound(self.bound)?;
        let [times, endpoints, d] = check_points(self.x, self.x1, self.t)?;
        check_numbers(self.numbers, times * endpoints, d)?;
        Ok(d)
    }

    /// The marginal field under a standard normal source, differentiable once in the numbers and the points. With
    /// $A$ lower triangular of diagonal $(1-t) e^{t s}$ and other entries $t(1-t) n$, and $b = t x_1 + t(1-t) m$, the
    /// path to an end is $x = A y + b$ with velocity $u = A'y + b'$, and its weight
    /// $w \propto e^{-|y|^2/2} / \det A$; weights below $10^{-20}$ of their sum are taken as 0.
    ///
    /// None where the kernel cannot be used: inside the function of a JVP, off the CPU, for other kinds than float and
    /// double, above eight dimensions, for $\beta$ above 80, where the derivative in an end or a time is wanted.
    ///
    /// # Errors
    /// `Shape` where the tensors do not fit; `Bound` where $\beta$ is not positive and finite; libtorch's, when memory
    /// runs out. A derivative of a gradient of the result is refused, as `NoSecondDerivative`, when it is taken.
    ///
    /// ```
    /// use strait_autodiff::{AutodiffError, Jet};
    /// use strait_kernels::AffinePaths;
    /// use tch::{Device, Kind, Tensor};
    /// // A network that is zero makes the linear path; with one end its field goes there.
    /// let numbers = Jet::constant(&Tensor::zeros([1, 2], (Kind::Double, Device::Cpu)));
    /// let (x, x1) = (Tensor::from_slice(&[1.0f64]).view([1, 1, 1]), Tensor::from_slice(&[2.0f64]).view([1, 1]));
    /// let t = Tensor::from_slice(&[0.5f64]);
    /// let field = AffinePaths { numbers: &numbers, bound: 2.0, x: &x, x1: &x1, t: &t }.field()?.expect("a kernel");
    /// assert!((field.velocity.double_value(&[0, 0, 0]) - 2.0).abs() < 1e-12); // (2 - 1) / (1 - 0.5)
    /// assert!(field.derivative.double_value(&[0, 0, 0]).abs() < 1e-12);
    /// # Ok::<(), AutodiffError>(())
    /// ```
    pub fn field(&self) -> Result<Option<MarginalField>, AutodiffError> {
        let d = self.check()?;
        let numbers = [self.numbers.value().shallow_clone(), self.numbers.first(), self.numbers.second()];
        let all = [&numbers[0], &numbers[1], &numbers[2], self.x, self.x1, self.t];
        let still = !(self.x1.requires_grad() || self.t.requires_grad());
        if !(still && path_supported(&all, d, self.bound)) {
            return Ok(None);
        }
        let (given, mut made) = (all.map(ffi::handle), [ptr::null_mut(); 4]);
        // SAFETY: the handles are of borrowed tensors of checked shapes and kinds; four results are written on success.
        ffi::check(unsafe { ffi::strait_affine_field(given.as_ptr(), self.bound, made.as_mut_ptr()) })?;
        // SAFETY: on success all are fresh tensors that nothing else owns.
        Ok(Some(unsafe { MarginalField::own(made) }))
    }
}

/// The number of each sample or end: $2d$, or with the entries below the diagonal $2d + d(d-1)/2$.
fn check_numbers(numbers: &Jet, rows: i64, d: i64) -> Result<(), AutodiffError> {
    let (found, mixed) = (numbers.value().size(), 2 * d + d * (d - 1) / 2);
    if found == [rows, 2 * d] || found == [rows, mixed] {
        return Ok(());
    }
    Err(AutodiffError::Shape { what: "numbers", index: 0, expected: vec![rows, mixed], found })
}

fn path_supported(all: &[&Tensor], d: i64, bound: f64) -> bool {
    supported(all) && d <= MOST_DIMENSIONS && bound <= GREATEST_BOUND
}

/// The points at t of affine paths with their derivatives in t, each sample at its own time:
///
/// $$ x = (1-t) L y + t x_1 + t(1-t) m $$
///
/// with $L$ lower triangular, of diagonal $e^{t s}$, $s = \beta \tanh(r / \beta)$, and other entries $t n$.
///
/// `numbers` is (B, n) with its derivatives in t: d of $r$, d of $m$, and optionally the $n$, row by row; y and $x_1$
/// are (B, d), t is (B,). It can be differentiated in numbers and y, any number of times. None where the kernel cannot
/// be used: inside the function of a JVP, off the CPU, for other kinds than float and double, above eight dimensions,
/// for $\beta$ above 80, where a derivative in $x_1$ or t is wanted.
///
/// # Errors
/// `Shape` where the tensors do not fit; `Bound` where $\beta$ is not positive and finite; libtorch's, when memory runs
/// out.
///
/// ```
/// use strait_autodiff::{AutodiffError, Jet, Order};
/// use strait_kernels::affine_curve;
/// use tch::{Device, Kind, Tensor};
/// // A network that is zero makes the linear path.
/// let numbers = Jet::constant(&Tensor::zeros([1, 2], (Kind::Double, Device::Cpu)));
/// let (y, x1) = (Tensor::from_slice2(&[[1.0f64]]), Tensor::from_slice2(&[[3.0f64]]));
/// let x = affine_curve(&numbers, 2.0, &y, &x1, &Tensor::from_slice(&[0.5f64]), Order::Second)?.expect("a kernel");
/// assert_eq!((x.value().double_value(&[0, 0]), x.first().double_value(&[0, 0])), (2.0, 2.0));
/// # Ok::<(), AutodiffError>(())
/// ```
pub fn affine_curve(
    numbers: &Jet,
    bound: f64,
    y: &Tensor,
    x1: &Tensor,
    t: &Tensor,
    order: Order,
) -> Result<Option<Jet>, AutodiffError> {
    check_bound(bound)?;
    let size = y.size();
    let fault = |what, index, expected, found| Err(AutodiffError::Shape { what, index, expected, found });
    let [batch, d] = size[..] else { return fault("y", 0, vec![0, 0], size) };
    if x1.size() != size {
        return fault("endpoints", 1, size, x1.size());
    }
    if t.size() != [batch] {
        return fault("times", 2, vec![batch], t.size());
    }
    check_numbers(numbers, batch, d)?;
    let numbers = numbers.up_to(order);
    let all: Vec<&Tensor> = numbers.iter().chain([y, x1, t]).collect();
    if x1.requires_grad() || t.requires_grad() || d < 1 || !path_supported(&all, d, bound) {
        return Ok(None);
    }
    let (mut present, mut made) = ([ptr::null_mut(); 3], [ptr::null_mut(); 3]);
    for (to, of) in present.iter_mut().zip(&numbers) {
        *to = ffi::handle(of);
    }
    let given = [y, x1, t].map(ffi::handle);
    // SAFETY: the handles are of borrowed tensors of checked shapes and kinds; `order + 1` results are written on success.
    ffi::check(unsafe {
        ffi::strait_affine_curve(present.as_ptr(), given.as_ptr(), bound, order as i64, made.as_mut_ptr())
    })?;
    // SAFETY: what is not null was made by `new`, and nothing else owns it.
    let [value, first, second] = unsafe { ffi::own_each(made) };
    Ok(value.map(|value| Jet::of(order, value, first, second)))
}
