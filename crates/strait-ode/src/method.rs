use crate::{
    AdamsBashforth2, Arguments, DormandPrince, FieldWithArguments, FlowMapStepper, OdeError, Options, RungeKutta,
    Solution, TimeGrid, solve_with,
};
use std::{fmt, str::FromStr};
use strait_core::{Conditions, Stepper, VelocityField};
use tch::Tensor;

/// The methods by name, where a command line or a config chooses one.
///
/// ```
/// use strait_ode::Method;
/// let method: Method = "heun".parse()?;
/// assert_eq!(method.steps(8)?, 4); // two evaluations a step
/// assert_eq!(method.steps(7).unwrap_err().to_string(),
///     "heun takes 2 evaluations a step, and 7 is not a positive multiple of that");
/// # Ok::<(), strait_ode::OdeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// [`RungeKutta::euler`].
    Euler,
    /// [`RungeKutta::midpoint`].
    Midpoint,
    /// [`RungeKutta::heun`].
    Heun,
    /// [`RungeKutta::ralston`].
    Ralston,
    /// [`RungeKutta::rk4`].
    Rk4,
    /// [`AdamsBashforth2`], called `ab2`.
    AdamsBashforth2,
    /// [`FlowMapStepper`], called `map`: of a field that is the diagonal of a flow map.
    Map,
    /// [`DormandPrince`], called `dopri5`; from its name with default tolerances.
    Dopri5(DormandPrince),
}

impl Method {
    /// The names that [`FromStr`] knows.
    pub const NAMES: [&'static str; 8] = ["euler", "midpoint", "heun", "ralston", "rk4", "ab2", "map", "dopri5"];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::Midpoint => "midpoint",
            Self::Heun => "heun",
            Self::Ralston => "ralston",
            Self::Rk4 => "rk4",
            Self::AdamsBashforth2 => "ab2",
            Self::Map => "map",
            Self::Dopri5(_) => "dopri5",
        }
    }

    /// The fixed-step method of this name.
    ///
    /// # Errors
    /// `Adaptive` for a method that has none.
    pub fn stepper(self) -> Result<Box<dyn Stepper + Send>, OdeError> {
        Ok(match self {
            Self::Euler => Box::new(RungeKutta::euler()),
            Self::Midpoint => Box::new(RungeKutta::midpoint()),
            Self::Heun => Box::new(RungeKutta::heun()),
            Self::Ralston => Box::new(RungeKutta::ralston()),
            Self::Rk4 => Box::new(RungeKutta::rk4()),
            Self::AdamsBashforth2 => Box::new(AdamsBashforth2::default()),
            Self::Map => Box::new(FlowMapStepper),
            Self::Dopri5(_) => return Err(OdeError::Adaptive { method: self.name() }),
        })
    }

    /// How many steps take `nfe` evaluations of the field.
    ///
    /// # Errors
    /// `NotAMultiple` where no whole number of steps does; `Adaptive` where tolerances decide.
    pub fn steps(self, nfe: usize) -> Result<usize, OdeError> {
        let per_step = self.stepper()?.evaluations(1);
        if nfe == 0 || !nfe.is_multiple_of(per_step) {
            return Err(OdeError::NotAMultiple { method: self.name(), per_step, nfe });
        }
        Ok(nfe / per_step)
    }

    /// Carries `x` along the flow over the grid; see [`solve()`](crate::solve()).
    ///
    /// # Errors
    /// As that.
    pub fn solve(
        self,
        field: &dyn VelocityField,
        x: &Tensor,
        grid: &TimeGrid,
        options: Options<'_>,
    ) -> Result<Solution, OdeError> {
        self.solve_with(&field, &Arguments::default(), x, grid, options)
    }

    /// Carries `x` along the flow of a field under conditions, one row a sample: each part of the batch, and each sample that
    /// is still integrated, keeps its own.
    ///
    /// # Errors
    /// As [`solve`](Self::solve); `Core` with `Shape` for conditions that are not one a sample, and with `Unconditional` for
    /// a field that takes none.
    pub fn solve_given(
        self,
        field: &dyn VelocityField,
        conditions: &Conditions,
        x: &Tensor,
        grid: &TimeGrid,
        options: Options<'_>,
    ) -> Result<Solution, OdeError> {
        self.solve_with(&field, &Arguments::default().given(conditions), x, grid, options)
    }

    /// The same for a field with arguments beside state and time; see [`solve_with`].
    ///
    /// # Errors
    /// As that.
    pub fn solve_with(
        self,
        field: &dyn FieldWithArguments,
        arguments: &Arguments,
        x: &Tensor,
        grid: &TimeGrid,
        options: Options<'_>,
    ) -> Result<Solution, OdeError> {
        match self {
            Self::Dopri5(mut method) => solve_with(field, arguments, x, grid, &mut method, options),
            _ => solve_with(field, arguments, x, grid, &mut *self.stepper()?, options),
        }
    }
}

impl FromStr for Method {
    type Err = OdeError;

    fn from_str(name: &str) -> Result<Self, OdeError> {
        Ok(match name {
            "euler" => Self::Euler,
            "midpoint" => Self::Midpoint,
            "heun" => Self::Heun,
            "ralston" => Self::Ralston,
            "rk4" => Self::Rk4,
            "ab2" => Self::AdamsBashforth2,
            "map" => Self::Map,
            "dopri5" => Self::Dopri5(DormandPrince::default()),
            _ => return Err(OdeError::UnknownMethod { name: name.into() }),
        })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
