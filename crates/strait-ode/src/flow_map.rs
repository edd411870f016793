//! The step of a flow map: one evaluation in place of an ODE solver's steps.

use strait_core::{Error, Stepper, VelocityField, check_batch, check_same};
use tch::Tensor;

/// One evaluation of a flow map a step, of a field that is the diagonal of one:
///
/// $$ x \leftarrow X_{s,t}(x) = x + (t - s) u(x, s, t) $$
///
/// It is exact for the exact map of a field, for any step size; a grid of k steps samples by k maps. For a learned map
/// it is as accurate as the map. A flow map only goes forward in time.
///
/// ```
/// use strait_core::{Error, FlowMap, Stepper, VelocityField};
/// use strait_ode::FlowMapStepper;
/// use tch::Tensor;
/// struct Drift; // v(x, t) = 2t, whose average between s and t is s + t
/// impl VelocityField for Drift {
///     fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
///         self.average_velocity(x, t, t)
///     }
///     fn as_flow_map(&self) -> Option<&dyn FlowMap> {
///         Some(self)
///     }
/// }
/// impl FlowMap for Drift {
///     fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
///         Ok((s + t).view([-1, 1]).expand_as(x))
///     }
/// }
/// let mut x = Tensor::from_slice(&[5.0f64]).view([1, 1]);
/// tch::no_grad(|| FlowMapStepper.step(&Drift, &mut x, 0.0, 1.0))?;
/// assert_eq!(x.double_value(&[0, 0]), 6.0);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlowMapStepper;

impl Stepper for FlowMapStepper {
    /// That of a method whose step is the average velocity; the error of a learned map does not fall with the step.
    fn order(&self) -> u32 {
        1
    }

    fn evaluations(&self, steps: usize) -> usize {
        steps
    }

    fn start(&mut self) {}

    fn step(&mut self, field: &dyn VelocityField, x: &mut Tensor, from: f64, to: f64) -> Result<(), Error> {
        let map = field.as_flow_map().ok_or(Error::NotFlowMap { what: "a step of a flow map" })?;
        if to < from {
            return Err(Error::Time {
                what: "a step of a flow map",
                t: to,
                domain: "it carries forward in time alone",
            });
        }
        let count = x.size().first().copied().unwrap_or(0);
        let at = |t: f64| x.f_new_full([count], t, (x.kind(), x.device()));
        let (s, t) = (at(from)?, at(to)?);
        check_batch(x, &t)?;
        let average = map.average_velocity(x, &s, &t)?;
        check_same(x, "average velocity", &average)?;
        // Not in place: a map may hand back its input.
        let moved = &*x + average * (to - from);
        x.f_copy_(&moved)?;
        Ok(())
    }
}
