//! Adaptive integration to a tolerance: steps are accepted or rejected, and their size is adapted.

use crate::OdeError;
use crate::control::{Control, Controller};
use crate::dormand_prince::{Attempt, EVALUATIONS};
use crate::scratch::{copy, evaluate};
use crate::solve::{Journey, Solver};
use crate::watched_field::first_bad_sample;
use strait_core::per_sample;
use tch::{Kind, Tensor};

/// The pair of Dormand and Prince, orders 5 and 4, with a proportional-integral choice of its steps.
///
/// A step is kept when the root mean square of its estimated error, in units of `atol + rtol max(|x|, |x'|)`, is at
/// most 1. A kept step's last evaluation is the next one's first, so a step costs six, kept or rejected, and the
/// start two more.
///
/// ```
/// use strait_core::{Error, VelocityField};
/// use strait_ode::{DormandPrince, Options, TimeGrid, solve};
/// use tch::Tensor;
/// struct Decay;
/// impl VelocityField for Decay {
///     fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
///         Ok(-x)
///     }
/// }
/// let x = Tensor::from_slice(&[1.0f64, 2.0]).view([2, 1]);
/// let mut method = DormandPrince { rtol: 1e-8, atol: 1e-8, ..DormandPrince::default() };
/// // The times of the grid are where a trajectory is saved; the steps are the method's own.
/// let grid = TimeGrid::uniform(4)?;
/// let options = Options { trajectory: true, ..Options::default() };
/// let solution = solve(&Decay, &x, &grid, &mut method, options)?;
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

/// The times of the grid between its ends are where a trajectory is saved, from the interpolant of order 4 within each
/// step. Every step waits for the device once, to learn whether it was kept.
///
/// It fails by `Underflow` where the tolerance asks for steps below what the kind of x resolves in $[0, 1]$,
/// `TooManySteps` at the limit, `NonFinite` where a velocity is not finite however short the step, `Option` for
/// tolerances that are negative, not finite or both zero.
impl Solver for DormandPrince {
    fn carry(&mut self, journey: &mut Journey<'_>) -> Result<Option<Tensor>, OdeError> {
        self.check()?;
        let each = Running::new(self, journey)?.run()?;
        Ok((self.control == Control::Sample).then_some(each))
    }
}

impl DormandPrince {
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

/// Samples that are integrated. Times are counted from the start, in float64: each sample has gone `gone` of `span` and
/// will try a step of `h`.
struct Running<'a, 'b> {
    method: &'a DormandPrince,
    controller: Controller,
    journey: &'a mut Journey<'b>,
    sign: f64,
    span: f64,
    /// Which of the journey's samples are carried still.
    rows: Tensor,
    x: Tensor,
    slope: Tensor,
    gone: Tensor,
    h: Tensor,
    error: Tensor,
    /// The last estimate of the error, (n, ...).
    estimate: Tensor,
    /// The evaluations of each sample of the journey.
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
    /// The progress of the slowest sample.
    least_gone: f64,
}

impl<'a, 'b> Running<'a, 'b> {
    fn new(method: &'a DormandPrince, journey: &'a mut Journey<'b>) -> Result<Self, OdeError> {
        let DormandPrince { rtol, atol, control, .. } = *method;
        let controller = Controller { rtol, atol, control };
        let x = copy(&journey.x)?;
        let (start, end) = (journey.grid.start(), journey.grid.end());
        let (sign, span) = ((end - start).signum(), (end - start).abs());
        let (device, length) = (x.device(), journey.part.length);
        let gone = Tensor::f_zeros([length], (Kind::Double, device))?;
        let failed = |source| OdeError::Field { step: 0, from: start, to: end, source };
        let at = |gone: &Tensor| (gone * sign + start).to_kind(x.kind());
        strait_core::check_batch(&x, &gone)?;
        let slope = evaluate(&journey.field, &x, &at(&gone)).map_err(failed)?;
        if let Some(bad) = first_bad_sample(&slope)? {
            strait_core::check_finite("x", &x, String::new)?;
            return Err(journey.not_finite("velocity", 0, start, bad));
        }
        let h = controller
            .first_step(&x, &slope, (least_step(x.kind()), span), |h| {
                let moved = x.f_addcmul(&slope, &per_sample(&(h * sign).to_kind(x.kind()), &x))?;
                evaluate(&journey.field, &moved, &at(h))
            })
            .map_err(failed)?;
        let rows = Tensor::f_arange(length, (Kind::Int64, device))?;
        let each = Tensor::f_full([length], 2, (Kind::Int64, device))?;
        let error = Controller::no_error(&h);
        let estimate = slope.shallow_clone();
        Ok(Self { method, controller, journey, sign, span, rows, x, slope, gone, h, error, estimate, each })
    }

    /// To the end; the evaluations of each sample.
    fn run(mut self) -> Result<Tensor, OdeError> {
        let mut target = self.journey.x.shallow_clone();
        let least = least_step(self.x.kind());
        for step in 0..self.method.max_steps {
            let report = self.step(step)?;
            self.journey.tell(report.least_gone / self.span);
            if report.running == 0 {
                let _ = target.f_index_copy_(0, &self.rows, &self.x)?;
                // A field may be finite at a state that is not.
                if let Some(bad) = first_bad_sample(&target)? {
                    return Err(self.journey.not_finite("state", step, self.journey.grid.end(), bad));
                }
                if let Some(trajectory) = &self.journey.trajectory {
                    trajectory.f_select(0, self.journey.grid.steps() as i64)?.f_copy_(&target)?;
                }
                return Ok(self.each);
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
    fn step(&mut self, step: usize) -> Result<Report, OdeError> {
        let (start, end) = (self.journey.grid.start(), self.journey.grid.end());
        let left = self.span - &self.gone;
        let running = left.gt(0.0);
        let last = self.h.ge_tensor(&left);
        let h = self.h.minimum(&left);
        let t = &self.gone * self.sign + start;
        // At the end of a trajectory the time is the grid's own, to the bit.
        let next = (&t + &h * self.sign).masked_fill(&last, end);
        let attempt = Attempt::new(&self.journey.field, &self.x, &self.slope, &t, &next, &(&h * self.sign))
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
        if let Some(trajectory) = &self.journey.trajectory {
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
        for (index, time) in self.journey.grid.times().iter().enumerate().skip(1) {
            let at = (time - self.journey.grid.start()).abs();
            if !(covered.0 < at && at <= covered.1) {
                continue;
            }
            let here = self.gone.lt(at).logical_and(&gone.ge(at));
            let theta = ((at - &self.gone) / h).where_self(&here, &h.zeros_like());
            let value = attempt.within(&self.x, &theta)?;
            let mut saved = trajectory.f_select(0, index as i64)?;
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
        self.journey.field.keep(&keep)?;
        Ok(())
    }

    fn time(&self, gone: &Tensor) -> f64 {
        self.journey.grid.start() + self.sign * gone.min().double_value(&[])
    }

    /// The sample with the least of `measure` among those on their way, where each has its own step, and its time.
    fn hindmost(&self, measure: &Tensor) -> (Option<i64>, f64) {
        let arrived = self.gone.ge(self.span);
        let row = measure.masked_fill(&arrived, f64::INFINITY).argmin(0, false);
        let t = self.time(&self.gone.index_select(0, &row.view(1)));
        let sample = self.journey.part.start + self.rows.index_select(0, &row.view(1)).int64_value(&[0]);
        ((self.controller.control == Control::Sample).then_some(sample), t)
    }

    /// Why no step is short enough: velocities ahead that are not finite, or a tolerance that cannot be reached.
    fn underflow(&self, step: usize, least: f64) -> Result<OdeError, OdeError> {
        let (sample, t) = self.hindmost(&self.h);
        let stuck = self.h.lt(least).logical_and(&self.gone.lt(self.span));
        let estimate = self.estimate.f_where_self(&per_sample(&stuck, &self.x), &self.x.f_zeros_like()?)?;
        Ok(match first_bad_sample(&estimate)? {
            Some((row, count)) => OdeError::NonFinite {
                what: "velocity",
                step,
                t: self.journey.grid.start() + self.sign * self.gone.double_value(&[row]),
                sample: self.journey.part.start + self.rows.int64_value(&[row]),
                count,
                of: self.rows.size()[0],
            },
            None => {
                let h = self.h.masked_fill(&stuck.logical_not(), f64::INFINITY).min().double_value(&[]);
                OdeError::Underflow { step, t, h, sample }
            }
        })
    }
}
