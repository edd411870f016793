//! Integration to a tolerance: steps that are tried, kept or rejected, and made longer or shorter.

use crate::control::{Control, Controller};
use crate::dormand_prince::{Attempt, EVALUATIONS};
use crate::scratch::{copy, evaluate};
use crate::solve::{Output, Part, parts};
use crate::watch::{Watch, first_bad_sample};
use crate::{OdeError, Options, Solution, TimeGrid};
use strait_core::{VelocityField, per_sample};
use tch::{Kind, Tensor};

/// The pair of Dormand and Prince, orders 5 and 4, with a proportional-integral choice of its steps.
///
/// A step is kept when the root mean square of its estimated error, in units of `atol + rtol max(|x|, |x'|)`, is at
/// most 1. A kept step's last evaluation is the next one's first, so a step costs six, kept or rejected, and the
/// start two more.
///
/// ```
/// use strait_core::{Error, VelocityField};
/// use strait_ode::{DormandPrince, Options, TimeGrid};
/// use tch::Tensor;
/// struct Decay;
/// impl VelocityField for Decay {
///     fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
///         Ok(-x)
///     }
/// }
/// let x = Tensor::from_slice(&[1.0f64, 2.0]).view([2, 1]);
/// let method = DormandPrince { rtol: 1e-8, atol: 1e-8, ..DormandPrince::default() };
/// // The times of the grid are where a trajectory is saved; the steps are the method's own.
/// let grid = TimeGrid::uniform(4)?;
/// let solution = method.solve(&Decay, &x, &grid, Options { trajectory: true, ..Options::default() })?;
/// assert!(solution.x.allclose(&(&x * (-1f64).exp()), 0.0, 1e-7, false));
/// assert!(solution.trajectory.unwrap().get(1).allclose(&(&x * (-0.25f64).exp()), 0.0, 1e-7, false));
/// assert_eq!(solution.nfe % 6, 2);
/// # Ok::<(), strait_ode::OdeError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DormandPrince {
    /// Error allowed relative to the state.
    pub rtol: f64,
    /// Error allowed in absolute terms.
    pub atol: f64,
    /// Whether samples share their steps.
    pub control: Control,
    /// The most steps tried, rejected ones included.
    pub max_steps: usize,
}

impl Default for DormandPrince {
    /// Tolerances of $10^{-5}$, one step for the batch, 10,000 steps.
    fn default() -> Self {
        Self { rtol: 1e-5, atol: 1e-5, control: Control::Batch, max_steps: 10_000 }
    }
}

impl DormandPrince {
    /// Carries a batch from the first time of the grid to the last; the times between are where a trajectory is
    /// saved, from the interpolant of order 4 within each step.
    ///
    /// No graph is recorded. Every step waits for the device once, to learn whether it was kept.
    ///
    /// # Errors
    /// `Underflow` where the tolerance asks for steps below what the kind of `x` resolves in $[0, 1]$, `TooManySteps`
    /// at the limit, `NonFinite` where a velocity is not finite however short the step, `Field` for the field's own
    /// error, `Option` for tolerances that are negative, not finite or both zero.
    pub fn solve(
        &self,
        field: &dyn VelocityField,
        x: &Tensor,
        grid: &TimeGrid,
        options: Options<'_>,
    ) -> Result<Solution, OdeError> {
        self.check()?;
        let _no_grad = tch::no_grad_guard();
        let mut out = Output::new(x, grid, options)?;
        let each = Tensor::f_zeros([x.size().first().copied().unwrap_or(0)], (Kind::Int64, x.device()))?;
        let mut nfe = 0;
        for part in parts(x, options)? {
            let watch = Watch::new(field);
            Running::new(self, &watch, grid, &part, &out, &each)?.run(&mut out)?;
            nfe = nfe.max(watch.calls());
        }
        if let Some(trajectory) = &out.trajectory {
            trajectory.f_select(0, grid.steps() as i64)?.f_copy_(&out.x)?;
        }
        let nfe_of_each = (self.control == Control::Sample).then_some(each);
        Ok(Solution { x: out.x, nfe, trajectory: out.trajectory, nfe_of_each })
    }

    fn check(&self) -> Result<(), OdeError> {
        for (option, value) in [("rtol", self.rtol), ("atol", self.atol)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(OdeError::Option { option, value, expected: "a tolerance is finite and not negative" });
            }
        }
        if self.rtol == 0.0 && self.atol == 0.0 {
            return Err(OdeError::Option { option: "rtol", value: 0.0, expected: "one tolerance must be positive" });
        }
        Ok(())
    }
}

/// What the times in $[0, 1]$ of a kind resolve.
fn least_step(kind: Kind) -> f64 {
    4.0 * if kind == Kind::Double { f64::EPSILON } else { f64::from(f32::EPSILON) }
}

/// A part of the batch on its way. Times are counted from the start, in float64: each sample has gone `gone` of
/// `span` and will try a step of `h`.
struct Running<'a> {
    method: &'a DormandPrince,
    controller: Controller,
    field: &'a Watch<'a>,
    grid: &'a TimeGrid,
    part: &'a Part,
    sign: f64,
    span: f64,
    /// Which rows of the part are carried still.
    rows: Tensor,
    x: Tensor,
    slope: Tensor,
    gone: Tensor,
    h: Tensor,
    error: Tensor,
    /// The last estimate of the error, (n, ...).
    estimate: Tensor,
    /// The part's evaluations of each sample, all rows.
    each: Tensor,
}

/// What the host learns after a step that was tried.
struct Report {
    /// The range of times that kept steps covered.
    covered: (f64, f64),
    /// How many samples are on their way.
    running: usize,
    /// The least step that a running sample will try.
    least_h: f64,
    /// How far the hindmost has gone.
    least_gone: f64,
}

impl<'a> Running<'a> {
    fn new(
        method: &'a DormandPrince,
        field: &'a Watch<'a>,
        grid: &'a TimeGrid,
        part: &'a Part,
        out: &Output<'_>,
        each: &Tensor,
    ) -> Result<Self, OdeError> {
        let DormandPrince { rtol, atol, control, .. } = *method;
        let controller = Controller { rtol, atol, control };
        let x = copy(&part.of(&out.x, 0)?)?;
        let (sign, span) = ((grid.end() - grid.start()).signum(), (grid.end() - grid.start()).abs());
        let device = x.device();
        let gone = Tensor::f_zeros([part.length], (Kind::Double, device))?;
        let failed = |source| OdeError::Field { step: 0, from: grid.start(), to: grid.end(), source };
        let at = |gone: &Tensor| (gone * sign + grid.start()).to_kind(x.kind());
        strait_core::check_batch(&x, &gone)?;
        let slope = evaluate(field, &x, &at(&gone)).map_err(failed)?;
        if let Some((sample, count)) = first_bad_sample(&slope)? {
            strait_core::check_finite("x", &x, String::new)?;
            let (sample, of) = (part.start + sample, part.length);
            return Err(OdeError::NonFinite { what: "velocity", step: 0, t: grid.start(), sample, count, of });
        }
        let h = controller
            .first_step(&x, &slope, (least_step(x.kind()), span), |h| {
                let moved = x.f_addcmul(&slope, &per_sample(&(h * sign).to_kind(x.kind()), &x))?;
                evaluate(field, &moved, &at(h))
            })
            .map_err(failed)?;
        let rows = Tensor::f_arange(part.length, (Kind::Int64, device))?;
        let each = part.of(each, 0)?.f_fill_(2)?;
        let error = Controller::no_error(&h);
        let estimate = slope.shallow_clone();
        Ok(Self { method, controller, field, grid, part, sign, span, rows, x, slope, gone, h, error, estimate, each })
    }

    fn run(mut self, out: &mut Output<'_>) -> Result<(), OdeError> {
        let mut target = self.part.of(&out.x, 0)?;
        let least = least_step(self.x.kind());
        for step in 0..self.method.max_steps {
            let report = self.step(step, out)?;
            if let Some(progress) = out.progress {
                let part = self.part.length as f64 * report.least_gone / self.span;
                progress((self.part.start as f64 + part) / self.part.of as f64);
            }
            if report.running == 0 {
                let _ = target.f_index_copy_(0, &self.rows, &self.x)?;
                return self.check_end(&target, step);
            }
            if report.least_h < least {
                return Err(self.underflow(step, least)?);
            }
            if self.controller.control == Control::Sample && 2 * report.running as i64 <= self.rows.size()[0] {
                let _ = target.f_index_copy_(0, &self.rows, &self.x)?;
                self.keep_running()?;
            }
        }
        let (sample, t) = self.hindmost(&self.gone);
        Err(OdeError::TooManySteps { steps: self.method.max_steps, t, sample })
    }

    /// Tries a step for every sample and keeps those within the tolerance.
    fn step(&mut self, step: usize, out: &Output<'_>) -> Result<Report, OdeError> {
        let (start, end) = (self.grid.start(), self.grid.end());
        let left = self.span - &self.gone;
        let running = left.gt(0.0);
        let last = self.h.ge_tensor(&left);
        let h = self.h.minimum(&left);
        let t = &self.gone * self.sign + start;
        // At the end of a trajectory the time is the grid's own, to the bit.
        let next = (&t + &h * self.sign).masked_fill(&last, end);
        let attempt = Attempt::new(self.field, &self.x, &self.slope, &t, &next, &(&h * self.sign))
            .map_err(|source| OdeError::Field { step, from: self.time(&self.gone), to: end, source })?;
        let size = self.x.f_abs()?.f_maximum(&attempt.end.f_abs()?)?;
        let error = self.controller.norm(&attempt.error, &size)?;
        let kept = error.le(1.0).logical_and(&running);
        let gone = (&self.gone + &h).masked_fill(&last, self.span).where_self(&kept, &self.gone);

        let _ = self.each.f_index_add_(0, &self.rows, &(running.to_kind(Kind::Int64) * EVALUATIONS))?;
        let proposed = self.controller.next_step(&h, &error, &self.error);
        let left_running = gone.lt(self.span);
        let never = f64::INFINITY;
        let report = Tensor::f_stack(
            &[
                self.gone.masked_fill(&kept.logical_not(), never).min(),
                gone.masked_fill(&kept.logical_not(), -never).max(),
                left_running.sum(Kind::Double),
                proposed.masked_fill(&left_running.logical_not(), never).min(),
                gone.min(),
            ],
            0,
        )?;
        let report = Vec::<f64>::try_from(&report.to_device(tch::Device::Cpu))?;
        let report = Report {
            covered: (report[0], report[1]),
            running: report[2] as usize,
            least_h: report[3],
            least_gone: report[4],
        };
        if let Some(trajectory) = &out.trajectory {
            self.save(trajectory, &attempt, &h, &gone, report.covered)?;
        }
        let wide = per_sample(&kept, &self.x);
        self.x = attempt.end.f_where_self(&wide, &self.x)?;
        self.slope = attempt.last_slope().f_where_self(&wide, &self.slope)?;
        self.error = Controller::remember(&error, &self.error, &kept);
        self.gone = gone;
        self.h = proposed;
        self.estimate = attempt.error;
        Ok(report)
    }

    /// Writes the state at the grid's times that kept steps went over.
    fn save(
        &self,
        trajectory: &Tensor,
        attempt: &Attempt,
        h: &Tensor,
        gone: &Tensor,
        covered: (f64, f64),
    ) -> Result<(), OdeError> {
        for (index, time) in self.grid.times().iter().enumerate().skip(1) {
            let at = (time - self.grid.start()).abs();
            if !(covered.0 < at && at <= covered.1) {
                continue;
            }
            let here = self.gone.lt(at).logical_and(&gone.ge(at));
            let theta = ((at - &self.gone) / h).where_self(&here, &h.zeros_like());
            let value = attempt.within(&self.x, &theta)?;
            let mut saved = self.part.of(&trajectory.f_select(0, index as i64)?, 0)?;
            let mine = saved.f_index_select(0, &self.rows)?;
            let mine = value.f_where_self(&per_sample(&here, &value), &mine)?;
            let _ = saved.f_index_copy_(0, &self.rows, &mine)?;
        }
        Ok(())
    }

    /// Drops the samples that have arrived.
    fn keep_running(&mut self) -> Result<(), OdeError> {
        let keep = self.gone.lt(self.span).f_nonzero()?.f_squeeze_dim(1)?;
        for tensor in [&mut self.rows, &mut self.x, &mut self.slope, &mut self.gone, &mut self.h, &mut self.error] {
            *tensor = tensor.f_index_select(0, &keep)?;
        }
        Ok(())
    }

    fn time(&self, gone: &Tensor) -> f64 {
        self.grid.start() + self.sign * gone.min().double_value(&[])
    }

    /// The sample with the least of `measure` among those on their way, where each has its own step, and its time.
    fn hindmost(&self, measure: &Tensor) -> (Option<i64>, f64) {
        let arrived = self.gone.ge(self.span);
        let row = measure.masked_fill(&arrived, f64::INFINITY).argmin(0, false);
        let t = self.time(&self.gone.index_select(0, &row.view(1)));
        let sample = self.part.start + self.rows.index_select(0, &row.view(1)).int64_value(&[0]);
        ((self.controller.control == Control::Sample).then_some(sample), t)
    }

    /// Why no step is short enough: velocities ahead that are not finite, or a tolerance that is not to be had.
    fn underflow(&self, step: usize, least: f64) -> Result<OdeError, OdeError> {
        let (sample, t) = self.hindmost(&self.h);
        let stuck = self.h.lt(least).logical_and(&self.gone.lt(self.span));
        let estimate = self.estimate.f_where_self(&per_sample(&stuck, &self.x), &self.x.f_zeros_like()?)?;
        Ok(match first_bad_sample(&estimate)? {
            Some((row, count)) => OdeError::NonFinite {
                what: "velocity",
                step,
                t: self.grid.start() + self.sign * self.gone.double_value(&[row]),
                sample: self.part.start + self.rows.int64_value(&[row]),
                count,
                of: self.rows.size()[0],
            },
            None => {
                let h = self.h.masked_fill(&stuck.logical_not(), f64::INFINITY).min().double_value(&[]);
                OdeError::Underflow { step, t, h, sample }
            }
        })
    }

    /// A field may be finite at a state that is not.
    fn check_end(&self, x: &Tensor, step: usize) -> Result<(), OdeError> {
        match first_bad_sample(x)? {
            None => Ok(()),
            Some((sample, count)) => Err(OdeError::NonFinite {
                what: "state",
                step,
                t: self.grid.end(),
                sample: self.part.start + sample,
                count,
                of: self.part.length,
            }),
        }
    }
}
