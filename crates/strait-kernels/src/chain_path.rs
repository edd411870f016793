//! Paths through a chain of bijections in a single pass, on the CPU: the marginal field over many endpoints.

use crate::marginal_field::check_points;
use crate::supported::{GREATEST_BOUND, MOST_DIMENSIONS, check_bound, supported};
use crate::{MarginalField, ffi};
use std::ptr;
use strait_autodiff::{AutodiffError, Jet};
use tch::Tensor;

/// Which half of the channels a coupling transforms; of an odd number it is the larger half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Active {
    /// The first.
    First,
    /// The last.
    Last,
}

/// One bijection of a chain, at T times for K endpoints, by what it is made of these alone: the same for all points.
#[derive(Debug)]
pub enum Stage {
    /// $y = M x + b$.
    Linear {
        /// $M$, (T, d, d) with two derivatives in t.
        matrix: Jet,
        /// $M^{-1}$, (T, d, d).
        inverse: Tensor,
        /// $\log|\det M^{-1}|$, (T,).
        log_det: Tensor,
        /// $b$, (T, d) with two derivatives in t.
        shift: Jet,
    },
    /// $y_b = e^{g s} x_b + g m$ for the active half b of m coordinates, with $s = \beta \tanh(r / \beta)$ and
    /// $(r, m) = W \operatorname{silu}(V x_a + c) + w$ of the other half.
    Coupling {
        /// Which half is active.
        active: Active,
        /// $c$, (T K, h) with two derivatives in t.
        offset: Jet,
        /// $V$, (h, d - m).
        inner: Tensor,
        /// $W$, (2m, h).
        outer: Tensor,
        /// $w$, (2m,).
        bias: Tensor,
        /// $g$, (T,) with two derivatives in t.
        gate: Jet,
        /// $\beta$.
        bound: f64,
    },
}

/// Where the paths $x = t x_1 + (1-t) F_t(y; x_1)$ through a chain of bijections are to be summed.
#[derive(Debug, Clone, Copy)]
pub struct ChainPaths<'a> {
    /// The stages of $F$, from the source to the data.
    pub stages: &'a [Stage],
    /// The points, (T, Q, d).
    pub x: &'a Tensor,
    /// The endpoints, (K, d).
    pub x1: &'a Tensor,
    /// The times, (T,), below 1.
    pub t: &'a Tensor,
}

/// What the kernel calls a stage, and its tensors in the kernel's order.
struct Given {
    kind: i64,
    bound: f64,
    tensors: [Tensor; 7],
}

impl Stage {
    /// Refuses what [`given`](Self::given) and the shapes of the kernel's tensors do not show.
    fn check(&self, index: usize, times: i64) -> Result<(), AutodiffError> {
        let (what, of_times) = match self {
            Self::Linear { log_det, .. } => ("a stage's log-determinant", log_det),
            Self::Coupling { gate, bound, .. } => {
                check_bound(*bound)?;
                ("a stage's gate", gate.value())
            }
        };
        if of_times.size() == [times] {
            return Ok(());
        }
        Err(AutodiffError::Shape { what, index, expected: vec![times], found: of_times.size() })
    }

    fn given(&self) -> Given {
        let clone = Tensor::shallow_clone;
        match self {
            Self::Linear { matrix, inverse, shift, .. } => {
                let [m, b] = [matrix, shift].map(|jet| [clone(jet.value()), jet.first(), jet.second()]);
                let ([m, m1, m2], [b, b1, b2]) = (m, b);
                Given { kind: 0, bound: 1.0, tensors: [m, m1, m2, clone(inverse), b, b1, b2] }
            }
            Self::Coupling { active, offset, inner, outer, bias, gate, bound } => {
                let kind = if *active == Active::First { 1 } else { 2 };
                let gate = Tensor::stack(&[clone(gate.value()), gate.first(), gate.second()], 1);
                let [c, c1, c2] = [clone(offset.value()), offset.first(), offset.second()];
                let tensors = [c, c1, c2, clone(inner), clone(outer), clone(bias), gate];
                Given { kind, bound: *bound, tensors }
            }
        }
    }

    /// The shapes of its tensors in the kernel's order.
    fn shapes(&self, [times, endpoints, d]: [i64; 3]) -> [Vec<i64>; 7] {
        match self {
            Self::Linear { .. } => {
                let (matrix, shift) = (vec![times, d, d], vec![times, d]);
                let m = || matrix.clone();
                [m(), m(), m(), m(), shift.clone(), shift.clone(), shift]
            }
            Self::Coupling { inner, .. } => {
                let (h, moved) = (inner.size().first().copied().unwrap_or(0), d - d / 2);
                let offset = vec![times * endpoints, h];
                let c = || offset.clone();
                [c(), c(), c(), vec![h, d - moved], vec![2 * moved, h], vec![2 * moved], vec![times, 3]]
            }
        }
    }

    fn log_det(&self) -> Option<&Tensor> {
        match self {
            Self::Linear { log_det, .. } => Some(log_det),
            Self::Coupling { .. } => None,
        }
    }
}

impl ChainPaths<'_> {
    /// The marginal field under a standard normal source, differentiable once in the stages' tensors, except gates, and
    /// in the points. An end's weight is $w \propto e^{-|y|^2/2} |\det \partial y / \partial x|$; weights below
    /// $10^{-20}$ of their sum are taken as 0.
    ///
    /// None where the kernel cannot be used: inside the function of a JVP, off the CPU, for other kinds than float and
    /// double, above eight dimensions, for $\beta$ above 80, where the derivative in an end, a time or a gate is
    /// wanted.
    ///
    /// # Errors
    /// `Shape` where the tensors do not fit; `Bound` where a $\beta$ is not positive and finite; libtorch's, when memory
    /// runs out. A derivative of a gradient of the result is refused, as `NoSecondDerivative`, when it is taken.
    ///
    /// ```
    /// use strait_autodiff::AutodiffError;
    /// use strait_kernels::ChainPaths;
    /// use tch::Tensor;
    /// // No stage makes the linear path; with one end its field goes there.
    /// let (x, x1) = (Tensor::from_slice(&[1.0f64]).view([1, 1, 1]), Tensor::from_slice(&[2.0f64]).view([1, 1]));
    /// let field = ChainPaths { stages: &[], x: &x, x1: &x1, t: &Tensor::from_slice(&[0.5f64]) }.field()?.expect("a kernel");
    /// assert!((field.velocity.double_value(&[0, 0, 0]) - 2.0).abs() < 1e-12); // (2 - 1) / (1 - 0.5)
    /// assert!(field.derivative.double_value(&[0, 0, 0]).abs() < 1e-12);
    /// # Ok::<(), AutodiffError>(())
    /// ```
    pub fn field(&self) -> Result<Option<MarginalField>, AutodiffError> {
        let sizes @ [times, _, d] = check_points(self.x, self.x1, self.t)?;
        self.stages.iter().enumerate().try_for_each(|(i, stage)| stage.check(i, times))?;
        let given: Vec<Given> = self.stages.iter().map(Stage::given).collect();
        for (i, (stage, given)) in self.stages.iter().zip(&given).enumerate() {
            for (expected, x) in stage.shapes(sizes).into_iter().zip(&given.tensors) {
                if x.size() != expected {
                    let (what, found) = ("a stage's tensor", x.size());
                    return Err(AutodiffError::Shape { what, index: i, expected, found });
                }
            }
        }
        let all: Vec<&Tensor> =
            [self.x, self.x1, self.t].into_iter().chain(given.iter().flat_map(|given| &given.tensors)).collect();
        let gated = given.iter().any(|given| given.kind != 0 && given.tensors[6].requires_grad());
        let still = !(gated || self.x1.requires_grad() || self.t.requires_grad());
        let bounded = given.iter().all(|given| given.bound <= GREATEST_BOUND);
        if !(still && bounded && d <= MOST_DIMENSIONS && supported(&all)) {
            return Ok(None);
        }
        let handles = ffi::handles(all.iter().copied());
        let (kinds, bounds): (Vec<_>, Vec<_>) = given.iter().map(|given| (given.kind, given.bound)).unzip();
        let mut made = [ptr::null_mut(); 4];
        // SAFETY: the handles are of borrowed tensors of checked shapes and kinds, seven for each of the stages and three
        // more; four results are written on success.
        ffi::check(unsafe {
            ffi::strait_chain_field(
                handles.as_ptr(),
                handles.len(),
                kinds.as_ptr(),
                bounds.as_ptr(),
                kinds.len(),
                made.as_mut_ptr(),
            )
        })?;
        // SAFETY: on success all are fresh tensors that nothing else owns.
        let mut field = unsafe { MarginalField::own(made) };
        for log_det in self.stages.iter().filter_map(Stage::log_det) {
            field.log_weight = field.log_weight.f_add(&log_det.unsqueeze(1))?;
        }
        Ok(Some(field))
    }
}
