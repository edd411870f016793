//! Explicit Runge-Kutta methods with a fixed step.

use crate::scratch::Scratch;
use strait_core::{Error, Stepper, VelocityField};
use tch::Tensor;

/// The coefficients of an explicit Runge-Kutta method (its Butcher tableau).
#[derive(Debug)]
struct Tableau {
    order: u32,
    /// Where each stage lies in the step, $c_i$.
    nodes: &'static [f64],
    /// The stages before it that each one uses, $a_{ij}$.
    stages: &'static [&'static [f64]],
    /// The combination that makes the step, $b_i$.
    weights: &'static [f64],
}

const EULER: Tableau = Tableau { order: 1, nodes: &[0.0], stages: &[&[]], weights: &[1.0] };
const MIDPOINT: Tableau = Tableau { order: 2, nodes: &[0.0, 0.5], stages: &[&[], &[0.5]], weights: &[0.0, 1.0] };
const HEUN: Tableau = Tableau { order: 2, nodes: &[0.0, 1.0], stages: &[&[], &[1.0]], weights: &[0.5, 0.5] };
const RALSTON: Tableau =
    Tableau { order: 2, nodes: &[0.0, 2.0 / 3.0], stages: &[&[], &[2.0 / 3.0]], weights: &[0.25, 0.75] };
const RK4: Tableau = Tableau {
    order: 4,
    nodes: &[0.0, 0.5, 0.5, 1.0],
    stages: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    weights: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
};

/// An explicit Runge-Kutta method with $s$ stages:
///
/// $$ k_i = v\Bigl(x + h \sum_{j<i} a_{ij} k_j,\ t + c_i h\Bigr), \qquad x \leftarrow x + h \sum_i b_i k_i . $$
///
/// It keeps one state and one time tensor for its stages and reuses them from step to step.
///
/// ```
/// use strait_core::{Error, Stepper, VelocityField};
/// use strait_ode::RungeKutta;
/// use tch::Tensor;
/// struct Decay;
/// impl VelocityField for Decay {
///     fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
///         Ok(-x)
///     }
/// }
/// let mut x = Tensor::from_slice(&[1.0f64]).view([1, 1]);
/// let mut heun = RungeKutta::heun();
/// tch::no_grad(|| heun.step(&Decay, &mut x, 0.0, 0.5))?;
/// assert!((x.double_value(&[0, 0]) - 0.625).abs() < 1e-15); // 1 - h + h^2/2
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct RungeKutta {
    tableau: &'static Tableau,
    scratch: Option<Scratch>,
    slopes: Vec<Tensor>,
}

impl RungeKutta {
    /// $x + h v(x, t)$: order 1, one evaluation.
    pub fn euler() -> Self {
        Self::new(&EULER)
    }

    /// The slope at the middle, reached by Euler: order 2, two evaluations.
    pub fn midpoint() -> Self {
        Self::new(&MIDPOINT)
    }

    /// The mean of the slopes at both ends, the far one reached by Euler: order 2, two evaluations.
    pub fn heun() -> Self {
        Self::new(&HEUN)
    }

    /// Slopes at 0 and 2/3 with weights 1/4 and 3/4: the two-stage method of order 2 with the least bound on its
    /// local error (Ralston, 1962).
    pub fn ralston() -> Self {
        Self::new(&RALSTON)
    }

    /// The classical method of Runge and Kutta: order 4, four evaluations.
    pub fn rk4() -> Self {
        Self::new(&RK4)
    }

    fn new(tableau: &'static Tableau) -> Self {
        Self { tableau, scratch: None, slopes: Vec::with_capacity(tableau.weights.len()) }
    }
}

impl Stepper for RungeKutta {
    fn order(&self) -> u32 {
        self.tableau.order
    }

    fn evaluations(&self, steps: usize) -> usize {
        steps * self.tableau.weights.len()
    }

    fn start(&mut self) {
        self.slopes.clear();
    }

    fn step(&mut self, field: &dyn VelocityField, x: &mut Tensor, from: f64, to: f64) -> Result<(), Error> {
        let scratch = Scratch::fit(&mut self.scratch, x)?;
        let h = to - from;
        self.slopes.clear();
        for (&node, row) in self.tableau.nodes.iter().zip(self.tableau.stages) {
            // from + h need not round to `to`, and a field may be defined up to `to` only.
            let t = if node == 1.0 { to } else { from + node * h };
            let slope = scratch.slope(field, x, &self.slopes, row, t, h)?;
            self.slopes.push(slope);
        }
        scratch.advance(x, &self.slopes, self.tableau.weights, h)?;
        self.slopes.clear();
        Ok(())
    }
}
