use crate::OdeError;

/// The times $t_0, t_1, \dots, t_n$ between which steps are taken, or at which a trajectory is saved.
///
/// They lie in $[0, 1]$ and are strictly monotone: rising from source to data, falling on the way back.
///
/// ```
/// use strait_ode::TimeGrid;
/// let grid = TimeGrid::uniform(4)?;
/// assert_eq!(grid.times(), [0.0, 0.25, 0.5, 0.75, 1.0]);
/// assert_eq!(grid.reversed().times()[0], 1.0);
/// assert!(TimeGrid::custom(vec![0.0, 0.5, 0.5, 1.0]).is_err());
/// # Ok::<(), strait_ode::OdeError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TimeGrid {
    times: Vec<f64>,
}

impl TimeGrid {
    /// $t_i = i/n$.
    ///
    /// # Errors
    /// `GridTooShort` for no steps.
    pub fn uniform(steps: usize) -> Result<Self, OdeError> {
        Self::custom((0..=steps).map(|i| i as f64 / steps.max(1) as f64).collect())
    }

    /// $t_i = \tfrac12 (1 - \cos(\pi i/n))$: dense towards both endpoints, where fields tend to be stiff.
    ///
    /// # Errors
    /// `GridTooShort` for no steps.
    pub fn cosine(steps: usize) -> Result<Self, OdeError> {
        let quarter = std::f64::consts::FRAC_PI_2 / steps.max(1) as f64;
        Self::custom((0..=steps).map(|i| if i == steps { 1.0 } else { (quarter * i as f64).sin().powi(2) }).collect())
    }

    /// $t_i = (i/n)^p$: short steps first for $p > 1$, last for $p < 1$.
    ///
    /// ```
    /// use strait_ode::TimeGrid;
    /// assert_eq!(TimeGrid::power(2, 2.0)?.times(), [0.0, 0.25, 1.0]);
    /// assert_eq!(TimeGrid::power(4, 1.0)?, TimeGrid::uniform(4)?);
    /// # Ok::<(), strait_ode::OdeError>(())
    /// ```
    ///
    /// # Errors
    /// `GridTooShort` for no steps, `GridOrder` for a power so far from 1 that times coincide.
    pub fn power(steps: usize, power: f64) -> Result<Self, OdeError> {
        Self::custom((0..=steps).map(|i| (i as f64 / steps.max(1) as f64).powf(power)).collect())
    }

    /// Any times.
    ///
    /// # Errors
    /// `GridTooShort` for fewer than two, `GridTime` for one outside of $[0, 1]$ or NaN, `GridOrder` where they are
    /// not strictly monotone.
    pub fn custom(times: Vec<f64>) -> Result<Self, OdeError> {
        if times.len() < 2 {
            return Err(OdeError::GridTooShort { points: times.len() });
        }
        if let Some((index, &t)) = times.iter().enumerate().find(|(_, t)| !(0.0..=1.0).contains(*t)) {
            return Err(OdeError::GridTime { index, t });
        }
        let rising = times[1] > times[0];
        for (i, pair) in times.windows(2).enumerate() {
            if pair[0] == pair[1] || (pair[1] > pair[0]) != rising {
                return Err(OdeError::GridOrder { index: i + 1, before: pair[0], after: pair[1] });
            }
        }
        Ok(Self { times })
    }

    /// The same times in reverse order: from data to source.
    pub fn reversed(&self) -> Self {
        Self { times: self.times.iter().rev().copied().collect() }
    }

    /// The times.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// How many steps it has, $n$.
    pub fn steps(&self) -> usize {
        self.times.len() - 1
    }

    /// The first time.
    pub fn start(&self) -> f64 {
        self.times[0]
    }

    /// The last time.
    pub fn end(&self) -> f64 {
        self.times[self.steps()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_run_from_zero_to_one() {
        for steps in [1, 2, 7, 100] {
            for grid in [TimeGrid::uniform(steps).unwrap(), TimeGrid::cosine(steps).unwrap()] {
                assert_eq!((grid.steps(), grid.start(), grid.end()), (steps, 0.0, 1.0));
                let middle: f64 = grid.times().iter().sum::<f64>() / (steps + 1) as f64;
                assert!((middle - 0.5).abs() < 1e-12, "both are symmetric");
            }
        }
        let cosine = TimeGrid::cosine(4).unwrap();
        assert!((cosine.times()[1] - (1.0 - std::f64::consts::FRAC_1_SQRT_2) / 2.0).abs() < 1e-15);
    }

    #[test]
    fn bad_grids_are_refused_by_position() {
        assert!(matches!(TimeGrid::uniform(0), Err(OdeError::GridTooShort { points: 1 })));
        assert!(matches!(TimeGrid::cosine(0), Err(OdeError::GridTooShort { points: 1 })));
        assert!(matches!(TimeGrid::custom(vec![]), Err(OdeError::GridTooShort { points: 0 })));
        let refused = |times: &[f64]| TimeGrid::custom(times.to_vec()).unwrap_err();
        assert!(matches!(refused(&[0.0, 1.5]), OdeError::GridTime { index: 1, t: 1.5 }));
        assert!(matches!(refused(&[-0.1, 1.0]), OdeError::GridTime { index: 0, .. }));
        assert!(matches!(refused(&[0.0, f64::NAN, 1.0]), OdeError::GridTime { index: 1, .. }));
        assert!(matches!(refused(&[0.0, 0.5, 0.5]), OdeError::GridOrder { index: 2, before: 0.5, after: 0.5 }));
        assert!(matches!(refused(&[1.0, 0.5, 0.6]), OdeError::GridOrder { index: 2, .. }));
        assert!(matches!(refused(&[0.5, 0.5]), OdeError::GridOrder { index: 1, .. }));
    }
}
