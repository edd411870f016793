use super::mix;
use crate::backward::{BackwardRequest, BackwardStep, reversible_backward_linear};
use crate::kernels::triangular;
use crate::layer::{at_all_places, check_input, for_each_sample, places};
use crate::{Gate, Layer};
use std::fmt;
use strait_autodiff::Jet;
use strait_core::{Bijection, Condition, ConditionJet, Direction, Error, Init, Scope, Transformed, per_sample};
use tch::Tensor;

/// A linear map of the channels as a product of triangular factors, its log-determinant O(C).
///
/// $$ y = (I + g L) (\operatorname{diag} e^{g s} + g U) x, \qquad \log|\det| = g H W \sum_c s_c $$
///
/// with $L$ strictly lower and $U$ strictly upper triangular, and the gate $g$. For images it is the invertible 1x1
/// convolution in its LU form (Kingma and Dhariwal, arXiv 1807.03039, section 3.2); the permutation of that form is
/// a layer of its own, [`Permutation`](crate::Permutation), so that a fresh layer is the identity. $L$, $U$ and $s$
/// are the three parts of one matrix: C² parameters and no masks to train around.
#[derive(Debug)]
pub struct Plu {
    weight: Tensor,
    gate: Gate,
}

/// Up to so many channels substitution by whole products is faster than a matrix for each sample.
const FEW: i64 = 8;

impl Plu {
    /// The identity over `channels` channels. Parameter: `weight`, below the diagonal $L$, on it $s$, above it $U$.
    ///
    /// # Errors
    /// `Parameter` when the name is taken.
    ///
    /// ```
    /// use strait_core::{Bijection, Condition, Parameters, Seed};
    /// use strait_flows::{Gate, Plu};
    /// use tch::{Device, Kind, Tensor};
    /// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    /// let layer = Plu::new(&mut parameters.root(), 3, Gate::Timeless)?;
    /// let image = Tensor::rand([2, 3, 8, 8], (Kind::Float, Device::Cpu));
    /// assert_eq!(layer.forward(&image, Condition::NONE)?.value, image);
    /// # Ok::<(), strait_core::Error>(())
    /// ```
    pub fn new(scope: &mut Scope<'_>, channels: i64, gate: Gate) -> Result<Self, Error> {
        Ok(Self { weight: scope.tensor("weight", &[channels, channels], Init::Constant(0.0))?, gate })
    }

    pub(crate) fn channels(&self) -> i64 {
        self.weight.size()[0]
    }

    fn log_diagonal(&self) -> Tensor {
        self.weight.diagonal(0, 0, 1)
    }

    /// Ready to be broadcast over x.
    fn wide_log_diagonal(&self, x: &Tensor) -> Tensor {
        let s = self.log_diagonal();
        if x.dim() == 4 { s.view([-1, 1, 1]) } else { s }
    }

    /// $\operatorname{diag} e^{s} + U$.
    fn upper(&self) -> Tensor {
        self.weight.triu(1) + self.log_diagonal().exp().diag_embed(0, 0, 1)
    }

    /// The matrix, or its inverse, and the log-determinant of one place.
    fn matrix(&self, direction: Direction) -> Result<(Tensor, Tensor), Error> {
        if let Some(done) = triangular(direction, &self.weight)? {
            return Ok(done);
        }
        let (upper, log_det) = (self.upper(), self.log_diagonal().sum(self.weight.kind()));
        let matrix = upper.addmm(&self.weight.tril(-1), &upper);
        Ok(match direction {
            Direction::Forward => (matrix, log_det),
            Direction::Inverse => (matrix.inverse(), -log_det),
        })
    }

    fn apply(&self, direction: Direction, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        check_input(x, self.channels(), &self.weight)?;
        let Some(g) = self.gate.factor("Plu", x, condition)? else {
            let (matrix, log_det) = self.matrix(direction)?;
            return Ok(Transformed { value: mix(&matrix, x), log_det: for_each_sample(&at_all_places(log_det, x), x) });
        };
        let log_det = at_all_places(self.log_diagonal().sum(self.weight.kind()), x) * &g;
        Ok(match direction {
            Direction::Forward => Transformed { value: self.gated(x, &g), log_det },
            Direction::Inverse => Transformed { value: self.solve_gated(x, &g), log_det: -log_det },
        })
    }

    /// The gated product without a matrix for each sample: the factors are shared, the gate multiplies their images.
    fn gated(&self, x: &Tensor, g: &Tensor) -> Tensor {
        let (g, s) = (per_sample(g, x), self.wide_log_diagonal(x));
        let y = x * (s * &g).exp() + mix(&self.weight.triu(1), x) * &g;
        mix(&self.weight.tril(-1), &y) * g + y
    }

    /// Few channels: substitution, one more channel settled by each product with the shared factors.
    fn substitute_gated(&self, y: &Tensor, g: &Tensor) -> Tensor {
        let (g, s) = (per_sample(g, y), self.wide_log_diagonal(y));
        let (minus, down) = (g.neg(), (s * &g).neg().exp());
        let (lower, upper) = (self.weight.tril(-1), self.weight.triu(1));
        let z = (1..self.channels()).fold(y.shallow_clone(), |z, _| y.addcmul(&mix(&lower, &z), &minus));
        (1..self.channels()).fold(&z * &down, |x, _| z.addcmul(&mix(&upper, &x), &minus) * &down)
    }

    /// Triangular systems: (B, C, C) for a gate of each sample. Only the triangle in use is ever read.
    fn solve_gated(&self, y: &Tensor, g: &Tensor) -> Tensor {
        if self.channels() <= FEW {
            return self.substitute_gated(y, g);
        }
        let g = g.view([-1, 1, 1]);
        let weight = &self.weight * &g;
        let upper = weight.triu(1) + weight.diagonal(0, 1, 2).exp().diag_embed(0, 1, 2);
        let columns = y.reshape([y.size()[0], self.channels(), places(y)]);
        let z = weight.linalg_solve_triangular(&columns, false, true, true);
        upper.linalg_solve_triangular(&z, true, true, false).reshape(y.size())
    }
}

impl Bijection for Plu {
    fn forward(&self, x: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(Direction::Forward, x, condition)
    }

    fn inverse(&self, y: &Tensor, condition: Condition<'_>) -> Result<Transformed, Error> {
        self.apply(Direction::Inverse, y, condition)
    }

    fn push(&self, x: &Jet, condition: ConditionJet<'_>) -> Result<Option<Jet>, Error> {
        check_input(x.value(), self.channels(), &self.weight)?;
        Ok(Some(match self.gate.moving(x.value(), condition)? {
            None => {
                let (matrix, _) = self.matrix(Direction::Forward)?;
                x.view(|x| mix(&matrix, x))
            }
            Some(g) => {
                let g = g.view(|g| per_sample(g, x.value()));
                let (s, upper, lower) = (self.wide_log_diagonal(x.value()), self.weight.triu(1), self.weight.tril(-1));
                let y = x.times(&g.view(|g| g * &s).exp()).plus(&x.view(|x| mix(&upper, x)).times(&g));
                y.plus(&y.view(|y| mix(&lower, y)).times(&g))
            }
        }))
    }

    #[cfg(feature = "kernels")]
    fn answer(&self, question: &mut dyn std::any::Any) -> Result<(), Error> {
        strait_kernels::Lowering::answer(question, self)
    }
}

impl Layer for Plu {
    fn parameters(&self) -> Vec<Tensor> {
        vec![self.weight.shallow_clone()]
    }

    fn reversible_backward(&self, at: BackwardRequest<'_>) -> Result<BackwardStep, Error> {
        let solve = |_: &Tensor, rest: &Tensor| Ok(self.inverse(rest, at.condition)?.value);
        reversible_backward_linear(self, &self.parameters(), at, solve)
    }
}

impl fmt::Display for Plu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plu({} channels{})", self.channels(), self.gate)
    }
}
