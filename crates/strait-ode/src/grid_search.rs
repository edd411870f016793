//! The search for a grid of times, for one field and one number of evaluations.

use crate::{DormandPrince, Method, OdeError, Options, TimeGrid, solve};
use strait_core::{VelocityField, sum_per_sample};
use tch::{Kind, Tensor};

/// Grids are bent at no more places than this, however many steps they have.
const KNOTS: usize = 8;
/// The search ends when changes of this size, in the logarithm of a step, help no more.
const FINEST: f64 = 0.02;

/// A search for the grid of `steps` steps whose result is nearest to the endpoint of the exact flow:
///
/// $$ \min_{t_1 < \dots < t_{n-1}} \Bigl( \tfrac1B \sum_b |x^{(b)}_n - x^{(b)}(1)|^2 \Bigr)^{1/2}, $$
///
/// over grids whose steps follow a curve with at most 8 free values, by a coordinate search from the best of a few
/// grids of fixed form, the uniform one among them: the result is never worse than that on the points of the search.
/// Evaluate it on other points.
///
/// ```
/// use strait_core::{Error, VelocityField, per_sample};
/// use strait_ode::{GridSearch, Method};
/// use tch::{Device, Kind, Tensor};
/// struct Late; // x' = 8 t^7 moves near the end only
/// impl VelocityField for Late {
///     fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
///         Ok(per_sample(t, x).pow_tensor_scalar(7).expand_as(x) * 8.0)
///     }
/// }
/// let x = Tensor::zeros([1, 2], (Kind::Double, Device::Cpu));
/// let found = GridSearch { method: Method::Midpoint, steps: 4, trials: 200 }.run(&Late, &x)?;
/// assert!(found.error < 0.5 * found.uniform_error);
/// assert!(found.grid.times()[1] > 0.4); // the first step is long
/// # Ok::<(), strait_ode::OdeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GridSearch {
    /// The method that will use the grid.
    pub method: Method,
    /// How many steps it has.
    pub steps: usize,
    /// The most grids that are tried.
    pub trials: usize,
}

/// What a [`GridSearch`] found. The grid's times are all that need be kept ([`TimeGrid::custom`]).
#[derive(Debug, Clone, PartialEq)]
pub struct FoundGrid {
    /// The best grid.
    pub grid: TimeGrid,
    /// Its root mean square error on the points of the search.
    pub error: f64,
    /// That of the uniform grid.
    pub uniform_error: f64,
    /// How many grids were tried.
    pub trials: usize,
}

/// The state of a search: grids are made from the logarithms of what their steps are proportional to.
struct Trials<'a> {
    search: &'a GridSearch,
    field: &'a dyn VelocityField,
    x: &'a Tensor,
    reference: Tensor,
    made: usize,
    best: (f64, Vec<f64>, TimeGrid),
}

impl GridSearch {
    /// Searches with the samples x, (B, ...), of the source; the flow itself is found by [`DormandPrince`] with its
    /// default tolerances.
    ///
    /// # Errors
    /// `GridTooShort` for no steps, `Adaptive` for a method that chooses its own; as [`Method::solve`] where the flow
    /// itself cannot be followed.
    pub fn run(&self, field: &dyn VelocityField, x: &Tensor) -> Result<FoundGrid, OdeError> {
        self.method.stepper()?;
        let uniform = TimeGrid::uniform(self.steps)?;
        let reference = solve(field, x, &TimeGrid::uniform(1)?, &mut DormandPrince::default(), Options::default())?.x;
        let knots = self.steps.min(KNOTS);
        let best = (f64::INFINITY, vec![0.0; knots], uniform);
        let mut trials = Trials { search: self, field, x, reference, made: 0, best };
        trials.consider(vec![0.0; knots])?;
        let uniform_error = trials.best.0;
        if self.steps > 1 && uniform_error > 0.0 {
            trials.consider_forms(knots)?;
            trials.descend(knots)?;
        }
        let (error, _, grid) = trials.best;
        Ok(FoundGrid { grid, error, uniform_error, trials: trials.made })
    }
}

impl Trials<'_> {
    /// Tries a grid; true if it is the best so far.
    fn consider(&mut self, logs: Vec<f64>) -> Result<bool, OdeError> {
        if self.made >= self.search.trials.max(1) {
            return Ok(false);
        }
        self.made += 1;
        let grid = grid(&logs, self.search.steps)?;
        let error = match self.search.method.solve(self.field, self.x, &grid, Options::default()) {
            Ok(solution) => {
                let squares = sum_per_sample(&solution.x.f_sub(&self.reference)?.f_square()?);
                squares.mean(Kind::Double).sqrt().double_value(&[])
            }
            Err(OdeError::NonFinite { .. }) => f64::INFINITY,
            Err(error) => return Err(error),
        };
        let better = error < self.best.0;
        if better {
            self.best = (error, logs, grid);
        }
        Ok(better)
    }

    /// Steps that grow, shrink, or do both.
    fn consider_forms(&mut self, knots: usize) -> Result<(), OdeError> {
        let middle = |k: usize| (k as f64 + 0.5) / knots as f64;
        let forms: [fn(f64) -> f64; 4] = [
            |s| s.ln(),
            |s| (1.0 - s).ln(),
            |s| (std::f64::consts::PI * s).sin().ln(),
            |s| -(std::f64::consts::PI * s).sin().ln(),
        ];
        for form in forms {
            self.consider((0..knots).map(|k| form(middle(k))).collect())?;
        }
        Ok(())
    }

    /// Changes one value at a time, by less and less.
    fn descend(&mut self, knots: usize) -> Result<(), OdeError> {
        let mut change = 0.5;
        while change > FINEST && self.made < self.search.trials {
            let mut helped = false;
            for k in 0..knots {
                for sign in [1.0, -1.0] {
                    let mut logs = self.best.1.clone();
                    logs[k] += sign * change;
                    if self.consider(logs)? {
                        helped = true;
                        break;
                    }
                }
            }
            if !helped {
                change /= 2.0;
            }
        }
        Ok(())
    }
}

/// The grid whose time runs at a rate `exp(logs[k])` over the k-th of equal parts of its steps.
fn grid(logs: &[f64], steps: usize) -> Result<TimeGrid, OdeError> {
    let rates: Vec<f64> = logs.iter().map(|log| log.exp()).collect();
    let total: f64 = rates.iter().sum();
    let time = |step: usize| {
        let at = step as f64 / steps as f64 * rates.len() as f64;
        let whole = (at.floor() as usize).min(rates.len() - 1);
        (rates[..whole].iter().sum::<f64>() + rates[whole] * (at - whole as f64)) / total
    };
    let mut times: Vec<f64> = (0..=steps).map(time).collect();
    times[steps] = 1.0;
    TimeGrid::custom(times)
}
