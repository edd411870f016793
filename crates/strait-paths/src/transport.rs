use crate::Schedule;
use crate::linear::check;
use crate::time_derivative::push;
use strait_autodiff::Jet;
use strait_core::{
    Bijection, Condition, Conditions, Error, Interpolant, PathCurve, PathSample, Source, own_endpoints, per_sample,
};
use tch::Tensor;

/// A path through the latent space of a map T that carries the source to the data:
///
/// $$ x_t = T_t\bigl(\cos\theta_t x_0 + \sin\theta_t T^{-1}(x_1)\bigr), \qquad
///    T_t = (1-t) \mathrm{id} + t T, \qquad \theta_t = \tfrac\pi2 \bigl(1 - (1-t)^4(1+4t)\bigr) $$
///
/// Where $T(x_0)$ has the law of the data, the latent stays standard normal at every t and the marginal field is
/// $T(z) - z$ along straight lines at constant speed: one Euler step is exact. Where it has not, the flow still ends in
/// the data. At $t = 0$ the latent rests, and the velocity is $T(x_0) - x_0$ for every end. A fresh T, the identity, makes
/// the path of [`Schedule::Resting`](crate::Schedule::Resting). At $t = 1$ the path is at $x_1$ to the round-trip
/// error of T.
///
/// ```
/// use strait_core::{Bijection, Condition, Error, Interpolant, Transformed};
/// use tch::Tensor;
/// struct Double; // T(z) = 2 z
/// impl Bijection for Double {
///     fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
///         Ok(Transformed { value: x * 2.0, log_det: x.zeros_like().sum_dim_intlist([1i64].as_slice(), false, x.kind()) + 2f64.ln() })
///     }
///     fn inverse(&self, y: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
///         Ok(Transformed { value: y / 2.0, log_det: y.zeros_like().sum_dim_intlist([1i64].as_slice(), false, y.kind()) - 2f64.ln() })
///     }
/// }
/// let (x0, x1) = (Tensor::from_slice2(&[[1.0f64]]), Tensor::from_slice2(&[[6.0f64]]));
/// let sample = strait_paths::Transport::new(Double).at(&x0, &x1, &Tensor::from_slice(&[1.0f64]))?;
/// assert!((sample.x_t.double_value(&[0, 0]) - 6.0).abs() < 1e-12);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct Transport<T> {
    map: T,
}

/// The path in the latent space. It rests at both endpoints, so that the velocity there does not depend on the other
/// one.
const LATENT: Schedule = Schedule::Resting;

impl<T: Bijection> Transport<T> {
    /// Through the latent space of `map`, which sees neither context nor time.
    pub fn new(map: T) -> Self {
        Self { map }
    }

    /// T.
    pub fn map(&self) -> &T {
        &self.map
    }

    fn latent(&self, x1: &Tensor) -> Result<Tensor, Error> {
        Ok(self.map.inverse(x1, Condition::NONE)?.value)
    }

    /// The jet of the image under $T_t$, of jets of the latent points.
    fn push(&self, z: &Jet, t: &Tensor) -> Result<Jet, Error> {
        let image = push(&self.map, z, None, &Jet::variable(t, z.order()))?;
        let s = Jet::variable(&per_sample(t, z.value()), z.order());
        Ok(s.map(|s| 1f64 - s, Tensor::neg).times(z).plus(&s.times(&image)))
    }

    fn push_sample(&self, latent: PathSample, t: &Tensor) -> Result<PathSample, Error> {
        Ok(self.push(&Jet::with_derivatives(latent.x_t, latent.velocity, None), t)?.into())
    }
}

impl<T: Bijection> Interpolant for Transport<T> {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        check(x0, x1, t)?;
        self.push_sample(LATENT.at(x0, &self.latent(x1)?, t)?, t)
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        check(x0, x1, t)?;
        let PathCurve { x_t, velocity, acceleration } = LATENT.curve(x0, &self.latent(x1)?, t)?;
        Ok(self.push(&Jet::with_derivatives(x_t, velocity, Some(acceleration)), t)?.into())
    }

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Interpolant + '_>>, Error> {
        Ok(self.map.given(conditions)?.map(|map| Box::new(Transport { map }) as Box<dyn Interpolant>))
    }

    /// Of the latent points, $E[u \mid z]$: where two of them have one image, still a velocity whose mean there is that of
    /// the marginal field.
    fn marginal_at(&self, source: &dyn Source, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        check(x0, &own_endpoints(x0, x1)?, t)?;
        self.push_sample(LATENT.marginal_at(source, x0, &self.latent(x1)?, t)?, t)
    }
}
