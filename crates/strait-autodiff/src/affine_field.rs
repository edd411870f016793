//! The marginal field of an affine path in a single pass over its pairs, on the CPU.

use crate::kernel::{GREATEST_BOUND, understood};
use crate::{AutodiffError, Jet, ffi};
use std::ptr;
use tch::Tensor;

/// Beyond it the kernel keeps no room.
const MOST_DIMENSIONS: i64 = 8;

/// The marginal field of an affine path with its derivative along its own flow.
#[derive(Debug)]
pub struct AffineField {
    /// $v = \sum_j w_j u_j$, (T, Q, d).
    pub velocity: Tensor,
    /// $Dv/Dt$, (T, Q, d).
    pub derivative: Tensor,
    /// The logarithm of the sum of the weights, (T, Q).
    pub log_weight: Tensor,
    /// The logarithm of the sum of their squares, (T, Q); its gradient is that of twice the `log_weight`.
    pub log_square: Tensor,
}

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
    /// The ends, (K, d).
    pub x1: &'a Tensor,
    /// The times, (T,), below 1.
    pub t: &'a Tensor,
}

impl AffinePaths<'_> {
    fn check(&self) -> Result<i64, AutodiffError> {
        let (x, x1, t) = (self.x.size(), self.x1.size(), self.t.size());
        let fault = |what, expected, found| Err(AutodiffError::Shape { what, index: 0, expected, found });
        let [times, _, d] = x[..] else { return fault("points", vec![0, 0, 0], x) };
        let [ends, of] = x1[..] else { return fault("ends", vec![0, d], x1) };
        if of != d || ends < 1 || d < 1 {
            return fault("ends", vec![ends.max(1), d.max(1)], x1);
        }
        if t != [times] {
            return fault("times", vec![times], t);
        }
        let numbers = self.numbers.value().size();
        let mixed = 2 * d + d * (d - 1) / 2;
        if numbers != [times * ends, 2 * d] && numbers != [times * ends, mixed] {
            return fault("numbers", vec![times * ends, mixed], numbers);
        }
        Ok(d)
    }

    /// The marginal field under a standard normal source, differentiable once in the numbers and the points. With
    /// $A$ lower triangular of diagonal $(1-t) e^{t s}$ and other entries $t(1-t)\,n$, and $b = t x_1 + t(1-t) m$, the
    /// path to an end is $x = A y + b$ with velocity $u = A'y + b'$, and its weight
    /// $w \propto e^{-|y|^2/2} / \det A$; weights below $10^{-20}$ of their sum are nothing.
    ///
    /// None where no kernel serves: inside the function of a JVP, off the CPU, for other kinds than float and double,
    /// above eight dimensions, for $\beta$ above 80, where the derivative in an end or a time is wanted.
    ///
    /// # Errors
    /// `Shape` where the tensors do not fit; libtorch's, when memory runs out. A derivative of a gradient of the result
    /// is refused, as `NoSecondDerivative`, when it is taken.
    ///
    /// ```
    /// use strait_autodiff::{AffinePaths, AutodiffError, Jet};
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
    pub fn field(&self) -> Result<Option<AffineField>, AutodiffError> {
        let d = self.check()?;
        let numbers = [self.numbers.value().shallow_clone(), self.numbers.first(), self.numbers.second()];
        let all = [&numbers[0], &numbers[1], &numbers[2], self.x, self.x1, self.t];
        let still = !(self.x1.requires_grad() || self.t.requires_grad());
        if !(understood(&all) && still) || d > MOST_DIMENSIONS || self.bound > GREATEST_BOUND {
            return Ok(None);
        }
        let (given, mut made) = (all.map(ffi::handle), [ptr::null_mut(); 4]);
        // SAFETY: the handles are of borrowed tensors of checked shapes and kinds; four results are written on success.
        ffi::check(unsafe { ffi::strait_affine_field(given.as_ptr(), self.bound, made.as_mut_ptr()) })?;
        // SAFETY: on success all are fresh tensors that nothing else owns.
        let [velocity, derivative, log_weight, log_square] = made.map(|made| unsafe { ffi::own(made) });
        Ok(Some(AffineField { velocity, derivative, log_weight, log_square }))
    }
}
