//! Linear multistep methods: they reuse earlier evaluations for a higher order.

use crate::scratch::Scratch;
use strait_core::{Error, Stepper, VelocityField};
use tch::Tensor;

/// The two-step method of Adams and Bashforth, order 2 with one evaluation a step. With $r = h_n / h_{n-1}$, so that
/// steps may differ:
///
/// $$ x_{n+1} = x_n + h_n \Bigl[ \bigl(1 + \tfrac r2\bigr) v_n - \tfrac r2 v_{n-1} \Bigr], \qquad v_n = v(x_n, t_n). $$
///
/// The first step is Euler's, whose local error $O(h^2)$ happens once and leaves the order at 2.
///
/// ```
/// use strait_core::{Error, Stepper, VelocityField};
/// use strait_ode::AdamsBashforth2;
/// use tch::{Kind, Tensor};
/// struct Ramp; // x' = t
/// impl VelocityField for Ramp {
///     fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
///         Ok(t.view([-1, 1]).expand_as(x))
///     }
/// }
/// let mut x = Tensor::from_slice(&[0.0f64]).view([1, 1]);
/// let mut rule = AdamsBashforth2::default();
/// tch::no_grad(|| {
///     rule.step(&Ramp, &mut x, 0.0, 0.5)?; // Euler: 0
///     rule.step(&Ramp, &mut x, 0.5, 0.75) // exact for a slope linear in t: (0.75^2 - 0.5^2) / 2
/// })?;
/// assert!((x.double_value(&[0, 0]) - 0.15625).abs() < 1e-15);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Default)]
pub struct AdamsBashforth2 {
    scratch: Option<Scratch>,
    /// The last slope, and the step taken from there.
    previous: Option<(Tensor, f64)>,
}

impl Stepper for AdamsBashforth2 {
    fn order(&self) -> u32 {
        2
    }

    fn evaluations(&self, steps: usize) -> usize {
        steps
    }

    fn start(&mut self) {
        self.previous = None;
    }

    fn step(&mut self, field: &dyn VelocityField, x: &mut Tensor, from: f64, to: f64) -> Result<(), Error> {
        let scratch = Scratch::fit(&mut self.scratch, x)?;
        let h = to - from;
        let slope = scratch.slope(field, x, &[], &[], from, h)?;
        let slope = match self.previous.take() {
            None => {
                scratch.advance(x, std::slice::from_ref(&slope), &[1.0], h)?;
                slope
            }
            Some((before, h_before)) => {
                let half = h / h_before / 2.0;
                let both = [slope, before];
                scratch.advance(x, &both, &[1.0 + half, -half], h)?;
                let [slope, _] = both;
                slope
            }
        };
        self.previous = Some((slope, h));
        Ok(())
    }
}
