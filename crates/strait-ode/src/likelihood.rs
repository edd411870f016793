//! Log-densities along a flow, returned with the endpoint of the trajectory.

use crate::divergence::{AutodiffMode, Directions, Divergence};
use crate::{Arguments, FieldWithArguments, Method, OdeError, Options, Solution, TimeGrid};
use strait_core::{Conditions, Error, Source, VelocityField, check_batch, event_size};
use tch::{Kind, Tensor};

/// The law to which the flow of a field carries a source, with its log-density by the instantaneous change of variables
/// (Chen et al., 2018; Grathwohl et al., 2019):
///
/// $$ \log p_1(x_1) = \log p_0(x_0) - \int_0^1 \nabla \cdot v(x_t, t) dt . $$
///
/// ```
/// use strait_core::{Error, Source, StandardNormal, VelocityField};
/// use strait_ode::{AutodiffMode, Divergence, FlowDensity, Method, Options, TimeGrid};
/// use tch::{Kind, Tensor};
/// struct Widen; // x -> e x, so N(0, I) becomes N(0, e^2 I)
/// impl VelocityField for Widen {
///     fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
///         Ok(x * 1.0)
///     }
/// }
/// let source = StandardNormal::new(&[2]);
/// let flow = FlowDensity {
///     field: &Widen,
///     source: &source,
///     method: Method::Rk4,
///     grid: TimeGrid::uniform(20)?,
///     divergence: Divergence::Exact(AutodiffMode::Forward { at_once: 2 }),
/// };
/// let x1 = Tensor::from_slice(&[1.0f64, -2.0]).view([1, 2]);
/// let at_data = flow.at_data(&x1, Options::default())?;
/// let x0 = &at_data.solution.x; // the data's code in the source
/// let exact = source.log_density(&(&x1 / 1f64.exp()))? - 2.0;
/// assert!(at_data.log_density.allclose(&exact, 0.0, 1e-6, false));
/// let again = flow.at_samples(x0, Options::default())?;
/// assert!(again.solution.x.allclose(&x1, 0.0, 1e-6, false));
/// assert!(again.log_density.allclose(&exact, 0.0, 1e-6, false));
/// # Ok::<(), strait_ode::OdeError>(())
/// ```
#[derive(Clone)]
pub struct FlowDensity<'a> {
    /// The velocity.
    pub field: &'a dyn VelocityField,
    /// The law at the grid's start.
    pub source: &'a dyn Source,
    /// How the flow and the integral, one system, are solved.
    pub method: Method,
    /// A rising grid, from the source to the data.
    pub grid: TimeGrid,
    /// How the divergence is computed.
    pub divergence: Divergence,
}

/// Log-densities, and the flow that they were integrated along.
#[derive(Debug)]
pub struct Densities {
    /// The endpoint of the flow, with evaluations counted in calls that yield a velocity and its divergence.
    pub solution: Solution,
    /// $\log p_1$ of the sample at the data end, in nats, (B,).
    pub log_density: Tensor,
    /// The standard error of an estimate from two or more pairs of probes, (B,).
    pub standard_error: Option<Tensor>,
}

impl FlowDensity<'_> {
    /// The log-density of data x1, (B, ...); the solution holds the points of the source that they come from.
    ///
    /// # Errors
    /// `GridOrder` for a grid that falls; `Option` for no directions at once or no pairs; as [`Method::solve`] and
    /// [`Source::log_density`] otherwise. An operation without a forward derivative is an `AutodiffError` that names
    /// it, within `Field`.
    pub fn at_data(&self, x1: &Tensor, options: Options<'_>) -> Result<Densities, OdeError> {
        self.at_data_given(x1, &Conditions::default(), options)
    }

    /// The log-density of each data point under its own condition, $\log p_1(x_1 | c)$.
    ///
    /// # Errors
    /// As `at_data`; `Core` with `Shape` for conditions that are not one a sample, and with `Unconditional` for a field that
    /// takes none.
    pub fn at_data_given(
        &self,
        x1: &Tensor,
        conditions: &Conditions,
        options: Options<'_>,
    ) -> Result<Densities, OdeError> {
        let (solution, gain) = self.integrate(x1, conditions, &self.grid.reversed(), options)?;
        let source = self.source.log_density(&solution.x)?;
        self.densities(solution, &source, &gain.f_neg()?)
    }

    /// Carries samples x0 of the source, (B, ...), to the data, with the log-density of where they arrive.
    ///
    /// # Errors
    /// As `at_data`.
    pub fn at_samples(&self, x0: &Tensor, options: Options<'_>) -> Result<Densities, OdeError> {
        let (solution, gain) = self.integrate(x0, &Conditions::default(), &self.grid, options)?;
        let source = self.source.log_density(x0)?;
        self.densities(solution, &source, &gain)
    }

    /// `gain` holds one estimate a column.
    fn densities(&self, solution: Solution, source: &Tensor, gain: &Tensor) -> Result<Densities, OdeError> {
        let _no_grad = tch::no_grad_guard();
        let log_density = gain.f_mean_dim(1i64, false, gain.kind())?.f_add(source)?;
        let columns = gain.size()[1];
        let standard_error = if columns > 1 {
            Some(gain.f_std_dim(1i64, true, false)?.f_div_scalar((columns as f64).sqrt())?)
        } else {
            None
        };
        Ok(Densities { solution, log_density, standard_error })
    }

    /// Solves for x with $\dot\ell = -\nabla \cdot v$ beside it: the solution for x, and $\ell$ at the end, (B, columns).
    fn integrate(
        &self,
        x: &Tensor,
        conditions: &Conditions,
        grid: &TimeGrid,
        options: Options<'_>,
    ) -> Result<(Solution, Tensor), OdeError> {
        let _no_grad = tch::no_grad_guard();
        self.check()?;
        let batch = x.size().first().copied().unwrap_or(0);
        check_batch(x, &Tensor::f_zeros([batch], (Kind::Float, tch::Device::Cpu))?)?;
        let d = event_size(x);
        let options_of_x = (x.kind(), x.device());
        let (columns, probes) = match &self.divergence {
            Divergence::Exact(_) => (1, Arguments::default()),
            Divergence::Hutchinson { pairs, draws, .. } => {
                let signs = Directions::signs(*pairs, batch, d, &mut draws.clone(), x.kind(), x.device())?;
                (*pairs, Arguments::new(vec![signs.f_transpose(0, 1)?])?)
            }
        };
        let integrals = Tensor::f_zeros([batch, columns], options_of_x)?;
        let state = Tensor::f_cat(&[x.f_reshape([batch, d])?, integrals], 1)?;
        let field = Augmented { field: self.field, mode: self.divergence.mode(), columns, event: &x.size()[1..] };
        let solution = self.method.solve_with(&field, &probes.given(conditions), &state, grid, options)?;
        let gain = solution.x.f_narrow(1, d, columns)?;
        let mut shape = x.size();
        let carried = solution.x.f_narrow(1, 0, d)?.f_reshape(&shape)?;
        shape.insert(0, grid.steps() as i64 + 1);
        let trajectory = solution.trajectory.map(|all| all.f_narrow(2, 0, d)?.f_reshape(&shape)).transpose()?;
        Ok((Solution { x: carried, trajectory, ..solution }, gain))
    }

    fn check(&self) -> Result<(), OdeError> {
        if self.grid.end() < self.grid.start() {
            let (before, after) = (self.grid.start(), self.grid.times()[1]);
            return Err(OdeError::GridOrder { index: 1, before, after });
        }
        if let AutodiffMode::Forward { at_once } = self.divergence.mode()
            && at_once < 1
        {
            return Err(OdeError::Option {
                option: "at_once",
                value: at_once as f64,
                expected: "at least 1 direction",
            });
        }
        if let Divergence::Hutchinson { pairs, .. } = self.divergence
            && pairs < 1
        {
            return Err(OdeError::Option { option: "pairs", value: pairs as f64, expected: "at least 1 pair" });
        }
        Ok(())
    }
}

/// The field of the state [x, minus the integrals of the divergence]: any method solves it. Its arguments are the
/// sample's own probes, (B, 2 pairs, d), or nothing where the divergence is exact.
struct Augmented<'a> {
    field: &'a dyn VelocityField,
    mode: AutodiffMode,
    columns: i64,
    event: &'a [i64],
}

impl FieldWithArguments for Augmented<'_> {
    fn velocity_with(&self, state: &Tensor, t: &Tensor, arguments: &Arguments) -> Result<Tensor, Error> {
        let (n, d) = (state.size()[0], self.event.iter().product::<i64>());
        let x = state.f_narrow(1, 0, d)?.f_reshape([&[n], self.event].concat())?;
        let probes = arguments.tensors().first();
        let directions = match probes {
            None => Directions::Axes,
            Some(probes) => Directions::Given(probes.f_transpose(0, 1)?.f_contiguous()?),
        };
        let field = Copies { field: self.field, conditions: arguments.conditions() };
        let (velocity, forms) = directions.quadratic_forms(self.mode, &field, &x, t)?;
        strait_core::check_same(&x, "velocity", &velocity)?;
        let (velocity, forms) = (velocity.f_reshape([n, d])?, forms.f_neg()?);
        let kind = forms.kind();
        let slopes = match probes {
            None => forms.f_sum_dim_intlist(0i64, false, kind)?.f_unsqueeze(1)?,
            Some(_) => forms.f_view([2, self.columns, n])?.f_mean_dim(0i64, false, kind)?.f_transpose(0, 1)?,
        };
        Ok(Tensor::f_cat(&[velocity, slopes], 1)?)
    }
}

/// The field of a batch under its conditions, also if the batch is repeated several times.
struct Copies<'a> {
    field: &'a dyn VelocityField,
    conditions: &'a Conditions,
}

impl VelocityField for Copies<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        match self.conditions.count() {
            None => self.field.velocity(x, t),
            Some(count) => self.field.given(&self.conditions.repeat(x.size()[0] / count.max(1))?)?.velocity(x, t),
        }
    }
}
