//! One step of the embedded pair of Dormand and Prince (1980), and the state within that step.

use crate::scratch::evaluate;
use strait_core::{Error, VelocityField, per_sample};
use tch::Tensor;

const NODES: [f64; 6] = [1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0];
const STAGES: [&[f64]; 6] = [
    &[1.0 / 5.0],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    // The weights of order 5: the last stage stands at the end of the step and is the first of the next one.
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
/// The weights of order 5 less those of order 4.
const ERROR: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];
/// The last coefficient of the interpolant of order 4 (Shampine, 1986; Hairer, Norsett and Wanner, II.6).
const DENSE: [f64; 7] = [
    -12715105075.0 / 11282082432.0,
    0.0,
    87487479700.0 / 32700410799.0,
    -10690763975.0 / 1880347072.0,
    701980252875.0 / 199316789632.0,
    -1453857185.0 / 822651844.0,
    69997945.0 / 29380423.0,
];
/// Evaluations of one step, the first stage being known.
pub(crate) const EVALUATIONS: i64 = 6;

/// A step that was tried, for each sample with its own length.
pub(crate) struct Attempt {
    /// The state at the end, of order 5.
    pub(crate) end: Tensor,
    /// Its difference from the embedded result of order 4.
    pub(crate) error: Tensor,
    slopes: Vec<Tensor>,
    h: Tensor,
}

impl Attempt {
    /// From `x` at `t` with slope `first` to `next = t + h`; the times and h are (B,), in float64.
    pub(crate) fn new(
        field: &dyn VelocityField,
        x: &Tensor,
        first: &Tensor,
        t: &Tensor,
        next: &Tensor,
        h: &Tensor,
    ) -> Result<Self, Error> {
        let kind = x.kind();
        let wide = per_sample(&h.f_to_kind(kind)?, x);
        let mut slopes = vec![first.shallow_clone()];
        let mut end = x.shallow_clone();
        for (node, row) in NODES.iter().zip(STAGES) {
            end = plus(x, &slopes, row, &wide)?;
            let at = if *node == 1.0 { next.shallow_clone() } else { t.f_add(&(h.f_mul_scalar(*node)?))? };
            slopes.push(evaluate(field, &end, &at.f_to_kind(kind)?)?);
        }
        let error = plus(&x.f_zeros_like()?, &slopes, &ERROR, &wide)?;
        Ok(Self { end, error, slopes, h: wide })
    }

    /// The slope at the end, where the next step begins.
    pub(crate) fn last_slope(&self) -> &Tensor {
        &self.slopes[6]
    }

    /// The state at a fraction $\theta$ of the step from `x`, (B,), of order 4.
    pub(crate) fn within(&self, x: &Tensor, theta: &Tensor) -> Result<Tensor, Error> {
        let theta = per_sample(&theta.f_to_kind(x.kind())?, x);
        let rest = theta.f_neg()?.f_add_scalar(1.0)?;
        let rise = self.end.f_sub(x)?;
        let bend = self.slopes[0].f_mul(&self.h)?.f_sub(&rise)?;
        let twist = rise.f_sub(&self.slopes[6].f_mul(&self.h)?)?.f_sub(&bend)?;
        let last = plus(&x.f_zeros_like()?, &self.slopes, &DENSE, &self.h)?;
        let inner = twist.f_add(&rest.f_mul(&last)?)?;
        let middle = bend.f_add(&theta.f_mul(&inner)?)?;
        Ok(x.f_add(&theta.f_mul(&rise.f_add(&rest.f_mul(&middle)?)?)?)?)
    }
}

/// $x + h \sum_i a_i k_i$, h for each sample.
fn plus(x: &Tensor, slopes: &[Tensor], row: &[f64], h: &Tensor) -> Result<Tensor, Error> {
    let mut terms = slopes.iter().zip(row).filter(|(_, a)| **a != 0.0);
    let Some((first, &a)) = terms.next() else { return Ok(x.shallow_clone()) };
    let mut sum = x.f_addcmul(first, &h.f_mul_scalar(a)?)?;
    for (slope, &a) in terms {
        let _ = sum.f_addcmul_(slope, &h.f_mul_scalar(a)?)?;
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn rows_sum_to_their_nodes_and_corrections_to_zero() {
        for (node, row) in NODES.iter().zip(STAGES) {
            assert!((row.iter().sum::<f64>() - node).abs() < 1e-14, "{node}");
        }
        assert!(ERROR.iter().sum::<f64>().abs() < 1e-15);
        assert!(DENSE.iter().sum::<f64>().abs() < 1e-13);
        // Quadrature conditions of order 5: sum b_i c_i^k = 1 / (k + 1).
        let (nodes, weights) = ([0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0f64], STAGES[5]);
        for k in 0..5 {
            let moment: f64 = nodes.iter().zip(weights).map(|(c, b)| b * c.powi(k)).sum();
            assert!((moment - 1.0 / f64::from(k + 1)).abs() < 1e-14, "moment {k}");
        }
    }
    /// $\dot x = \sin(x) \cos(t)$: $\tan(x/2)$ grows like $e^{\sin t}$.
    struct Wave;

    impl VelocityField for Wave {
        fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
            Ok(x.sin() * per_sample(t, x).cos())
        }
    }

    fn exact(x: &Tensor, t: f64) -> Tensor {
        ((x / 2.0).tan() * t.sin().exp()).atan() * 2.0
    }

    /// The errors after `n` equal steps to 1: of order 5, of the embedded order 4, and in the middle of the first step.
    fn errors(n: i32) -> [f64; 3] {
        let start = Tensor::from_slice(&[0.4f64, 1.1, -0.7]).view([3, 1]);
        let h = 1.0 / f64::from(n);
        let time = |t: f64| Tensor::full([3], t, (Kind::Double, tch::Device::Cpu));
        let gap = |x: &Tensor, t: f64| (x - exact(&start, t)).abs().max().double_value(&[]);
        let (mut x, mut middle, mut embedded) = (start.copy(), 0.0, start.copy());
        for i in 0..n {
            let t = f64::from(i) * h;
            let go = |x: &Tensor| {
                let slope = Wave.velocity(x, &time(t)).unwrap();
                Attempt::new(&Wave, x, &slope, &time(t), &time(t + h), &time(h)).unwrap()
            };
            let step = go(&x);
            if i == 0 {
                middle = gap(&step.within(&x, &time(0.4)).unwrap(), 0.4 * h);
                assert!(gap(&step.within(&x, &time(1.0)).unwrap(), h) < gap(&step.end, h) + 1e-15);
            }
            x = step.end;
            let other = go(&embedded);
            embedded = other.end - other.error;
        }
        [gap(&x, 1.0), gap(&embedded, 1.0), middle]
    }

    #[test]
    fn orders_are_five_and_four_and_five_within_a_step() {
        let (coarse, fine) = (errors(20), errors(40));
        for (what, order, i) in [("step", 5.0, 0), ("embedded", 4.0, 1), ("interpolant, locally", 5.0, 2)] {
            let measured = (coarse[i] / fine[i]).log2();
            assert!((measured - order).abs() < 0.3, "{what}: {measured:.2}, not {order}");
        }
    }
}
