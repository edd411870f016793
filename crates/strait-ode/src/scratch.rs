//! The tensors that a fixed-step method reuses from step to step.

use strait_core::{Error, VelocityField, check_batch, check_same};
use tch::Tensor;

/// One stage's state, one time for all samples, one step size.
#[derive(Debug)]
pub(crate) struct Scratch {
    stage: Tensor,
    t: Tensor,
    h: Tensor,
}

impl Scratch {
    /// The scratch in `slot` if it fits `x`, else a new one.
    pub(crate) fn fit<'a>(slot: &'a mut Option<Self>, x: &Tensor) -> Result<&'a mut Self, Error> {
        let fits =
            |s: &Self| s.stage.size() == x.size() && s.stage.kind() == x.kind() && s.stage.device() == x.device();
        let scratch = match slot.take().filter(fits) {
            Some(scratch) => scratch,
            None => {
                let options = (x.kind(), x.device());
                let t = Tensor::f_zeros([x.size().first().copied().unwrap_or(0)], options)?;
                check_batch(x, &t)?;
                Self { stage: x.f_empty_like()?, t, h: Tensor::f_zeros([0i64; 0], options)? }
            }
        };
        Ok(slot.insert(scratch))
    }

    /// $v(x + h \sum_j a_j k_j,\ t)$.
    pub(crate) fn slope(
        &mut self,
        field: &dyn VelocityField,
        x: &Tensor,
        slopes: &[Tensor],
        row: &[f64],
        t: f64,
        h: f64,
    ) -> Result<Tensor, Error> {
        let mut moved = false;
        for (slope, &a) in slopes.iter().zip(row).filter(|(_, a)| **a != 0.0) {
            let _ = self.h.f_fill_(a * h)?;
            if moved {
                let _ = self.stage.f_addcmul_(slope, &self.h)?;
            } else {
                let _ = x.f_addcmul_out(&self.stage, slope, &self.h)?;
            }
            moved = true;
        }
        let at = if moved { &self.stage } else { x };
        let _ = self.t.f_fill_(t)?;
        evaluate(field, at, &self.t)
    }

    /// $x \leftarrow x + h \sum_i b_i k_i$ in place.
    pub(crate) fn advance(&mut self, x: &mut Tensor, slopes: &[Tensor], weights: &[f64], h: f64) -> Result<(), Error> {
        for (slope, &b) in slopes.iter().zip(weights).filter(|(_, b)| **b != 0.0) {
            let _ = self.h.f_fill_(b * h)?;
            let _ = x.f_addcmul_(slope, &self.h)?;
        }
        Ok(())
    }
}

/// The velocity, of the shape of `x` and in memory of its own: a field may hand back an input, or a view of one,
/// which the rule is about to overwrite.
pub(crate) fn evaluate(field: &dyn VelocityField, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
    let velocity = field.velocity(x, t)?;
    check_same(x, "velocity", &velocity)?;
    let ours = extent(&velocity);
    let shared = [x, t].into_iter().map(extent).any(|its| ours.start < its.end && its.start < ours.end);
    if shared { copy(&velocity) } else { Ok(velocity) }
}

/// The addresses between the first and the last element.
fn extent(x: &Tensor) -> std::ops::Range<usize> {
    let last: i64 = x.size().iter().zip(x.stride()).map(|(n, step)| (n - 1).max(0) * step).sum();
    let start = x.data_ptr() as usize;
    start..start + (last as usize + 1) * x.kind().elt_size_in_bytes()
}

/// A copy in memory of its own, without a graph.
pub(crate) fn copy(x: &Tensor) -> Result<Tensor, Error> {
    let mut y = x.f_empty_like()?;
    tch::no_grad(|| y.f_copy_(x))?;
    Ok(y)
}
