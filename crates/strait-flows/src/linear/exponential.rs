use super::mix;
use crate::layer::{check_input, for_each_sample, places};
use crate::{Gate, Layer};
use std::fmt;
use strait_core::{Bijection, Condition, Error, Init, Scope, Transformed};
use tch::Tensor;

/// A linear map of the channels as a matrix exponential: every map reached is invertible, both directions cost the
/// same, and no order of channels is singled out.
///
/// $$ y = e^{g A} x, \qquad \log|\det| = g H W \operatorname{tr} A $$
///
/// with the gate $g$ (Hoogeboom and others, arXiv 2006.01910). Under the gate $t$ it is the flow of the linear
/// equation $\dot y = A y$ from time 0 to t. A fresh layer is the identity.
#[derive(Debug)]
pub struct Exponential {
    generator: Tensor,
    gate: Gate,
}

/// Terms of the Taylor polynomial; at the radius the first one left out is below 1e-19.
const TAYLOR_DEGREE: i32 = 16;

/// The largest norm of a matrix that the polynomial is used on.
const TAYLOR_RADIUS: f64 = 0.5;

impl Exponential {
    /// The identity over `channels` channels. Parameter: `generator`, $A$.
    ///
    /// # Errors
    /// `Parameter` when the name is taken.
    pub fn new(scope: &mut Scope<'_>, channels: i64, gate: Gate) -> Result<Self, Error> {
        Ok(Self { generator: scope.tensor("generator", &[channels, channels], Init::Constant(0.0))?, gate })
    }

    /// $e^{g A}$ for every g, (B, C, C): a Taylor polynomial of $g A / 2^k$, squared k times. The powers of $A$ are
    /// shared by the batch, and k depends on $A$ alone: one sample's matrix does not depend on the others' (in
    /// libtorch's `matrix_exp` it does, in the last five digits).
    fn exponentials(&self, g: &Tensor) -> Tensor {
        let channels = self.generator.size()[0];
        let norm = self.generator.detach().abs().sum_dim_intlist([1i64].as_slice(), false, self.generator.kind()).max();
        let halvings = (norm.double_value(&[]) / TAYLOR_RADIUS).log2().ceil().clamp(0.0, 1000.0) as i32;
        let mut powers = self.generator.unsqueeze(0);
        for count in [1, 2, 4, 8] {
            powers = Tensor::cat(&[&powers, &powers.matmul(&powers.get(count - 1))], 0);
        }
        let mut coefficients = vec![g * 0.5f64.powi(halvings)];
        for k in 2..=TAYLOR_DEGREE {
            coefficients.push(coefficients.last().expect("one at least") * &coefficients[0] / f64::from(k));
        }
        let rest = Tensor::stack(&coefficients, 1).matmul(&powers.flatten(1, -1)).view([-1, channels, channels]);
        (0..halvings).fold(rest, |rest, _| rest.bmm(&rest) + rest * 2.0) + Tensor::eye(channels, (g.kind(), g.device()))
    }

    /// $e^{\pm g A} x$ and its log-determinant.
    fn apply(&self, x: &Tensor, sign: f64, condition: Condition<'_>) -> Result<Transformed, Error> {
        let channels = self.generator.size()[0];
        check_input(x, channels, &self.generator)?;
        let trace = self.generator.trace() * (sign * places(x) as f64);
        let Some(g) = self.gate.factor("Exponential", x, condition)? else {
            let one = x.new_full([1], sign, (x.kind(), x.device()));
            let matrix = self.exponentials(&one).squeeze_dim(0);
            return Ok(Transformed { value: mix(&matrix, x), log_det: for_each_sample(&trace, x) });
        };
        let matrices = self.exponentials(&(&g * sign));
        let columns = x.reshape([x.size()[0], channels, places(x)]);
        Ok(Transformed { value: matrices.bmm(&columns).view_as(x), log_det: trace * g })
    }
}

impl Bijection for Exponential {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(x, 1.0, condition)
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(y, -1.0, condition)
    }
}

impl Layer for Exponential {
    fn parameters(&self) -> Vec<Tensor> {
        vec![self.generator.shallow_clone()]
    }
}

impl fmt::Display for Exponential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exponential({} channels{})", self.generator.size()[0], self.gate)
    }
}
