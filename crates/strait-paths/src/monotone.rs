use strait_autodiff::{Jet, Order};
use strait_core::{Error, Init, Scope};
use tch::Tensor;

/// The learned schedule of the paper, $x_0 = (x_t - g(t) x_1) / (1 - h(t))$: two monotone functions from 0 to 1,
/// Bernstein polynomials with rising coefficients.
///
/// $$ g(t) = t + \sum_{k=1}^{n-1} \Bigl(c_k - \frac kn\Bigr) \binom nk t^k (1-t)^{n-k}, \qquad
///    c_k = \sum_{i \le k} \operatorname{softmax}(\gamma)_i $$
///
/// and h likewise. Coefficients that rise make a polynomial that rises; the sum vanishes at both endpoints, so they are
/// exact. Logits $\gamma = 0$ make $g(t) = t$, up to rounding.
#[derive(Debug)]
pub struct Monotone {
    g: Tensor,
    h: Tensor,
}

impl Monotone {
    /// Of a degree n, at least 2. Parameters: the logits `g` and `h`, (n,).
    ///
    /// # Errors
    /// `Setting` for a smaller degree; `Parameter` when names are taken.
    ///
    /// ```
    /// use strait_core::{Interpolant, Parameters, Seed};
    /// use strait_paths::{Monotone, Schedule};
    /// use tch::{Device, Kind, Tensor};
    /// let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
    /// let path = Schedule::Monotone(Monotone::new(&mut parameters.root(), 6)?);
    /// let (x0, x1) = (Tensor::from_slice2(&[[1.0f64]]), Tensor::from_slice2(&[[3.0f64]]));
    /// let sample = path.at(&x0, &x1, &Tensor::from_slice(&[0.25f64]))?;
    /// assert!((sample.x_t.double_value(&[0, 0]) - 1.5).abs() < 1e-12); // linear before it has learned
    /// # Ok::<(), strait_core::Error>(())
    /// ```
    pub fn new(scope: &mut Scope<'_>, degree: i64) -> Result<Self, Error> {
        if degree < 2 {
            let what = "the degree of a monotone schedule";
            return Err(Error::Setting { what, value: degree as f64, must: "at least 2" });
        }
        let mut logits = |name| scope.tensor(name, &[degree], Init::Constant(0.0));
        Ok(Self { g: logits("g")?, h: logits("h")? })
    }

    /// $a = 1 - h$ and $b = g$ at t (B,).
    pub(crate) fn weights(&self, t: &Tensor, order: Order) -> (Jet, Jet) {
        let basis = interior_basis(self.g.size()[0], t, order);
        let time = Jet::variable(t, order);
        let rising = |logits: &Tensor| time.plus(&basis.view(|b| b.mv(&excess(logits))));
        (rising(&self.h).map(|h| 1f64 - h, Tensor::neg), rising(&self.g))
    }
}

/// $c_k - k/n$ for k from 1 to n - 1.
fn excess(logits: &Tensor) -> Tensor {
    let n = logits.size()[0];
    let share = logits.softmax(0, logits.kind()) - 1.0 / n as f64;
    share.cumsum(0, logits.kind()).narrow(0, 0, n - 1)
}

/// The Bernstein polynomials of degree n but the first and the last, (B, n - 1), with derivatives.
fn interior_basis(n: i64, t: &Tensor, order: Order) -> Jet {
    let t = t.unsqueeze(1);
    let rest = 1f64 - &t;
    let pad = |x: &Tensor, before: i64| x.constant_pad_nd([before, 1 - before]);
    // From degree m to m + 1, and the difference of neighbours that makes a derivative.
    let raise = |basis: &Tensor| pad(&(basis * &rest), 0) + pad(&(basis * &t), 1);
    let slope = |basis: &Tensor| (pad(basis, 1) - pad(basis, 0)) * (basis.size()[1] as f64);
    let two_below = (0..n - 2).fold(t.ones_like(), |basis, _| raise(&basis));
    let below = raise(&two_below);
    let inner = |x: &Tensor| x.narrow(1, 1, n - 1);
    let value = inner(&raise(&below));
    match order {
        Order::Value => Jet::constant(&value),
        Order::First => Jet::with_derivatives(value, inner(&slope(&below)), None),
        Order::Second => {
            let second = slope(&(slope(&two_below)));
            Jet::with_derivatives(value, inner(&slope(&below)), Some(inner(&second)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn the_basis_is_bernsteins() {
        let t = Tensor::from_slice(&[0.3f64]);
        let value = interior_basis(3, &t, Order::Value);
        let expected = [3.0 * 0.3 * 0.49, 3.0 * 0.09 * 0.7];
        assert!(value.value().get(0).allclose(&Tensor::from_slice(&expected), 1e-14, 1e-14, false));
    }

    #[test]
    fn whatever_the_logits_both_functions_rise() {
        let logits = Tensor::from_slice(&[9.0f64, -9.0, 3.0, -20.0, 8.0, 0.0]);
        let learned = Monotone { g: logits.shallow_clone(), h: logits.flip([0]) };
        let t = Tensor::linspace(0.0, 1.0, 1001, (Kind::Double, tch::Device::Cpu));
        let (a, b) = learned.weights(&t, Order::First);
        assert!(a.first().max().double_value(&[]) <= 0.0 && b.first().min().double_value(&[]) >= 0.0);
        assert!(a.value().narrow(0, 0, 1000).min().double_value(&[]) > 0.0);
    }
}
