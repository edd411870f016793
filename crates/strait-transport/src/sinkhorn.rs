//! Entropic optimal transport in the log domain, and the Sinkhorn divergence.

use crate::distances::{Distances, are_same};
use crate::error::{SinkhornError, TransportError};
use ndarray::{ArrayView1, ArrayView2};

/// Terms of a sum of exponentials that lie this far below the largest are dropped: together under $n \cdot 4 \cdot
/// 10^{-18}$ of the sum.
const NEGLIGIBLE: f64 = -40.0;

/// The marginal error to which a cloud is paired with itself: the error of the value is of its square.
const FINE: f64 = 1e-8;

/// The marginal error up to which the potentials of two clouds by themselves are taken to begin with between them.
const NEAR: f64 = 0.1;

/// What may be left of the iteration, as a share of a divergence.
const SHARE: f64 = 1e-3;

/// The slowest fall of the rest that is trusted.
const STEADY: f64 = 0.9999;

/// Entropic optimal transport between uniform weights (Cuturi, 2013), by Sinkhorn's iteration in the log domain:
///
/// $$\min_P \sum_{ij} P_{ij} c_{ij} + \varepsilon \mathrm{KL}(P \| a \otimes b), \qquad a_i = \frac1n, b_j = \frac1m,$$
///
/// whose solution is $P_{ij} = a_i b_j \exp((f_i + g_j - c_{ij}) / \varepsilon)$. The regularisation is lowered from
/// the range of the costs to $\varepsilon$ by halves, one iteration each; then the iteration goes on until the rows of
/// $P$ sum to $a$ within the tolerance (its columns sum to $b$ by construction).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinkhorn {
    /// $\varepsilon > 0$, in the units of the costs.
    pub epsilon: f64,
    /// The largest marginal error accepted, $\sum_i |\sum_j P_{ij} - a_i|$, between 0 and 2.
    pub tolerance: f64,
    /// How many iterations at most.
    pub max_iterations: usize,
}

impl Sinkhorn {
    /// At regularisation `epsilon`, to a marginal error of $10^{-3}$, in at most 10,000 iterations.
    pub fn new(epsilon: f64) -> Self {
        Self { epsilon, tolerance: 1e-3, max_iterations: 10_000 }
    }
}

/// The solution of an entropic transport problem.
#[derive(Debug, Clone, PartialEq)]
pub struct EntropicPlan {
    /// $f_i$.
    pub row_potentials: Vec<f64>,
    /// $g_j$.
    pub column_potentials: Vec<f64>,
    /// $\varepsilon$.
    pub epsilon: f64,
    /// Iterations made.
    pub iterations: usize,
    /// $\sum_i |\sum_j P_{ij} - a_i|$.
    pub marginal_error: f64,
    /// $\sum_{ij} P_{ij}$, 1 but for the marginal error.
    pub mass: f64,
}

impl EntropicPlan {
    /// The dual value $\frac1n \sum_i f_i + \frac1m \sum_j g_j - \varepsilon (\sum_{ij} P_{ij} - 1)$: the minimum where the
    /// marginals hold, and below it by the square of their error elsewhere.
    pub fn value(&self) -> f64 {
        mean(&self.row_potentials) + mean(&self.column_potentials) - self.epsilon * (self.mass - 1.0)
    }

    /// Row $i$ of the plan, normalised: the law of the target given source $i$. Needs row $i$ of the costs.
    pub fn conditional(&self, i: usize, costs: ArrayView1<'_, f64>) -> Vec<f64> {
        let (f, m) = (self.row_potentials[i], self.column_potentials.len() as f64);
        let weight = |(cost, g): (&f64, &f64)| ((f + g - cost) / self.epsilon).exp() / m;
        let weights: Vec<f64> = costs.iter().zip(&self.column_potentials).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        weights.into_iter().map(|weight| weight / sum).collect()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl Sinkhorn {
    /// Solves the problem for a cost matrix, (n, m).
    ///
    /// ```
    /// use ndarray::array;
    /// use strait_transport::Sinkhorn;
    ///
    /// let costs = array![[0.0, 1.0], [1.0, 0.0]];
    /// let plan = Sinkhorn::new(0.1).plan(costs.view())?;
    /// assert!(plan.conditional(0, costs.row(0))[0] > 0.999);
    /// # Ok::<(), strait_transport::SinkhornError>(())
    /// ```
    ///
    /// # Errors
    /// `Epsilon`, `Empty`, `NonFinite`; `NotConverged` with the error that was reached.
    pub fn plan(&self, costs: ArrayView2<'_, f64>) -> Result<EntropicPlan, SinkhornError> {
        let mut epsilon = self.check(costs)?;
        let (n, m) = costs.dim();
        let (mut f, mut g) = (vec![0.0; n], vec![0.0; m]);
        let mut marginal_error = f64::INFINITY;
        for iteration in 0..self.max_iterations {
            let next = row_update(costs, &g, epsilon);
            if iteration > 0 && epsilon == self.epsilon {
                // With the old f the columns are exact, and row i sums to a_i exp((f_i - next_i) / epsilon).
                marginal_error = row_error(&f, &next, epsilon);
                if marginal_error <= self.tolerance {
                    return Ok(self.found((f, g), iteration, marginal_error, 1.0));
                }
            }
            epsilon = (epsilon / 2.0).max(self.epsilon);
            f = if epsilon == self.epsilon { next } else { row_update(costs, &g, epsilon) };
            g = column_update(costs, &f, epsilon);
        }
        Err(self.not_converged(marginal_error))
    }

    /// The problem of a cloud with itself, for a symmetric cost matrix: $f = g$, averaged with its update, which
    /// converges in few iterations (Feydy et al., 2019): to more digits than were asked for, as long as iterations are left.
    /// Returns the dual value, and $f$.
    fn symmetric(&self, costs: ArrayView2<'_, f64>) -> Result<(f64, Vec<f64>), SinkhornError> {
        let mut epsilon = self.check(costs)?;
        let mut f = vec![0.0; costs.nrows()];
        let mut marginal_error = f64::INFINITY;
        let (fine, last) = (self.tolerance.min(FINE), self.max_iterations.saturating_sub(1));
        for iteration in 0..self.max_iterations {
            let next = row_update(costs, &f, epsilon);
            if epsilon == self.epsilon {
                marginal_error = row_error(&f, &next, epsilon);
                if marginal_error <= fine || iteration == last && marginal_error <= self.tolerance {
                    // What the mass is above 1, without the 1: beside it the digits of costs far below epsilon are lost.
                    let above = f.iter().zip(&next).map(|(f, next)| ((f - next) / epsilon).exp_m1());
                    let above = above.sum::<f64>() / f.len() as f64;
                    return Ok((2.0 * mean(&f) - epsilon * above, f));
                }
            }
            f.iter_mut().zip(next).for_each(|(f, next)| *f = 0.5 * (*f + next));
            epsilon = (epsilon / 2.0).max(self.epsilon);
        }
        Err(self.not_converged(marginal_error))
    }

    /// The debiased Sinkhorn divergence of two clouds (Feydy et al., 2019), (n, d) and (m, d), with squared Euclidean
    /// costs: zero for equal clouds, never negative, and $W_2^2$ as $\varepsilon \to 0$:
    ///
    /// $$S_\varepsilon(x, y) = OT_\varepsilon(x, y) - \tfrac12 OT_\varepsilon(x, x) - \tfrac12
    /// OT_\varepsilon(y, y).$$
    ///
    /// The iteration between the clouds goes on until what is left of it is below a thousandth of the divergence, however
    /// small that is; where iterations run out before, the tolerance decides. Three cost matrices are made, one at a time.
    ///
    /// # Errors
    /// Those of the points, and of the iteration.
    pub fn divergence<T: Copy + Into<f64>>(
        &self,
        x: ArrayView2<'_, T>,
        y: ArrayView2<'_, T>,
    ) -> Result<f64, TransportError> {
        let across = Distances::new(x, y, 1)?;
        if are_same(x, y) {
            return Ok(0.0);
        }
        let within = |points: Distances| -> Result<_, TransportError> { Ok(self.symmetric(points.matrix()?.view())?) };
        let (of_x, f) = within(Distances::new(x, x, 1)?)?;
        let (of_y, g) = within(Distances::new(y, y, 1)?)?;
        Ok(self.beyond(across.matrix()?.view(), 0.5 * (of_x + of_y), (f, g))?)
    }

    /// By how much the value of a problem is above `within`, from potentials that are nearly its own where the two clouds are
    /// near each other.
    fn beyond(
        &self,
        costs: ArrayView2<'_, f64>,
        within: f64,
        (start, mut g): (Vec<f64>, Vec<f64>),
    ) -> Result<f64, SinkhornError> {
        let epsilon = self.epsilon;
        self.check(costs)?;
        let mut f = row_update(costs, &g, epsilon);
        if row_error(&start, &f, epsilon) > NEAR {
            (f, g) = self.plan(costs).map(|plan| (plan.row_potentials, plan.column_potentials))?;
        } else {
            g = column_update(costs, &f, epsilon);
        }
        let (mut value, mut before, mut marginal_error) = (mean(&f) + mean(&g), f64::INFINITY, f64::INFINITY);
        let mut found = value - within;
        for _ in 0..self.max_iterations {
            let next = row_update(costs, &g, epsilon);
            marginal_error = row_error(&f, &next, epsilon);
            f = next;
            g = column_update(costs, &f, epsilon);
            let (now, digits) = (mean(&f) + mean(&g), 4.0 * f64::EPSILON * (mean(&f).abs() + mean(&g).abs()));
            let rise = now - value;
            // The value rises by parts that fall like a geometric series.
            let ratio = (rise / before).clamp(0.0, STEADY);
            let rest = if rise > digits { rise * ratio / (1.0 - ratio) } else { 0.0 };
            (value, found) = (now, now + rest - within);
            if before.is_finite() && marginal_error <= self.tolerance && rest <= SHARE * found.max(digits) {
                return Ok(found.max(0.0)); // below it by rounding alone
            }
            before = rise;
        }
        if marginal_error <= self.tolerance { Ok(found.max(0.0)) } else { Err(self.not_converged(marginal_error)) }
    }

    /// Refuses what cannot be solved; returns the regularisation to begin with.
    fn check(&self, costs: ArrayView2<'_, f64>) -> Result<f64, SinkhornError> {
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(SinkhornError::Epsilon(self.epsilon));
        }
        if costs.is_empty() {
            return Err(SinkhornError::Empty);
        }
        if let Some(((row, column), &value)) = costs.indexed_iter().find(|(_, cost)| !cost.is_finite()) {
            return Err(SinkhornError::NonFinite { row, column, value });
        }
        let (low, high) = costs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &c| (l.min(c), h.max(c)));
        Ok((high - low).max(self.epsilon))
    }

    fn found(&self, (f, g): (Vec<f64>, Vec<f64>), iterations: usize, marginal_error: f64, mass: f64) -> EntropicPlan {
        let epsilon = self.epsilon;
        EntropicPlan { row_potentials: f, column_potentials: g, epsilon, iterations, marginal_error, mass }
    }

    fn not_converged(&self, marginal_error: f64) -> SinkhornError {
        let Self { epsilon, tolerance, max_iterations: iterations } = *self;
        SinkhornError::NotConverged { iterations, marginal_error, tolerance, epsilon }
    }
}

/// $\frac1n \sum_i |e^{(f_i - \hat f_i) / \varepsilon} - 1|$.
fn row_error(f: &[f64], updated: &[f64], epsilon: f64) -> f64 {
    f.iter().zip(updated).map(|(f, updated)| ((f - updated) / epsilon).exp_m1().abs()).sum::<f64>() / f.len() as f64
}

/// $f_i = -\varepsilon \log \frac1m \sum_j e^{(g_j - c_{ij}) / \varepsilon}$.
fn row_update(costs: ArrayView2<'_, f64>, g: &[f64], epsilon: f64) -> Vec<f64> {
    let m = g.len() as f64;
    let update = |row: ArrayView1<'_, f64>| {
        let ends = row.iter().zip(g).fold(Ends::NONE, |ends, (cost, g)| ends.with(g - cost));
        let below = row.iter().zip(g).map(|(cost, g)| (g - cost - ends.largest) / epsilon);
        ends.soft_minimum(
            if ends.are_near(epsilon) { below.map(f64::exp_m1).sum() } else { below.map(exp_or_zero).sum() },
            m,
            epsilon,
        )
    };
    costs.rows().into_iter().map(update).collect()
}

/// The same for columns, reading the matrix row by row.
fn column_update(costs: ArrayView2<'_, f64>, f: &[f64], epsilon: f64) -> Vec<f64> {
    let mut ends = vec![Ends::NONE; costs.ncols()];
    for (row, f) in costs.rows().into_iter().zip(f) {
        ends.iter_mut().zip(row).for_each(|(ends, cost)| *ends = ends.with(f - cost));
    }
    let near: Vec<bool> = ends.iter().map(|ends| ends.are_near(epsilon)).collect();
    let mut sums = vec![0.0; costs.ncols()];
    for (row, f) in costs.rows().into_iter().zip(f) {
        for (((sum, cost), ends), near) in sums.iter_mut().zip(row).zip(&ends).zip(&near) {
            let below = (f - cost - ends.largest) / epsilon;
            *sum += if *near { below.exp_m1() } else { exp_or_zero(below) };
        }
    }
    let n = f.len() as f64;
    ends.iter().zip(sums).map(|(ends, sum)| ends.soft_minimum(sum, n, epsilon)).collect()
}

/// The ends of the numbers $z_j$ that a potential is the soft minimum of.
#[derive(Clone, Copy)]
struct Ends {
    smallest: f64,
    largest: f64,
}

impl Ends {
    const NONE: Self = Self { smallest: f64::INFINITY, largest: f64::NEG_INFINITY };

    fn with(self, z: f64) -> Self {
        Self { smallest: self.smallest.min(z), largest: self.largest.max(z) }
    }

    /// Whether all exponentials are near 1: their sum would round away what they differ by.
    fn are_near(self, epsilon: f64) -> bool {
        self.largest - self.smallest < 0.5 * epsilon
    }

    /// $-\varepsilon \log \frac1n \sum_j e^{z_j / \varepsilon}$ from the sum of exponentials of what is below the largest, or of
    /// these less 1 where they are near.
    fn soft_minimum(self, sum: f64, n: f64, epsilon: f64) -> f64 {
        let logarithm = if self.are_near(epsilon) { (sum / n).ln_1p() } else { (sum / n).ln() };
        -self.largest - epsilon * logarithm
    }
}

#[inline]
fn exp_or_zero(x: f64) -> f64 {
    if x > NEGLIGIBLE { x.exp() } else { 0.0 }
}
