//! Closed-form velocity fields between $N(0, I)$ and $N(m, S)$: the reference for tests.

use strait_core::{Error, FlowMap, VelocityField, check_batch, check_times, event_size};
use tch::Tensor;

/// The mean m (d,) of the data, and the factors of its covariance S = R R that both fields need.
#[derive(Debug)]
struct Target {
    mean: Tensor,
    /// The eigenvalues of R, (d,), and its eigenvectors in columns.
    roots: Tensor,
    vectors: Tensor,
}

impl Target {
    fn new(mean: &Tensor, covariance: &Tensor) -> Result<Self, Error> {
        let d = mean.size().first().copied().unwrap_or(0);
        if covariance.size() != [d, d] || mean.dim() != 1 {
            let found = covariance.size();
            return Err(Error::Shape { what: "covariance", expected: format!("({d}, {d})"), found });
        }
        let (values, vectors) = covariance.f_linalg_eigh("L")?;
        if values.f_min()?.double_value(&[]) <= 0.0 {
            let expected = "a positive definite matrix".into();
            return Err(Error::Shape { what: "covariance", expected, found: covariance.size() });
        }
        Ok(Self { mean: mean.shallow_clone(), roots: values.sqrt(), vectors })
    }

    /// $x - t m$, flattened to (B, d).
    fn centred(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        check_batch(x, t)?;
        if event_size(x) != self.mean.size()[0] {
            let expected = format!("(B, ...) with {} in all", self.mean.size()[0]);
            return Err(Error::Shape { what: "x", expected, found: x.size() });
        }
        Ok(x.f_flatten(1, -1)? - t.unsqueeze(1) * &self.mean)
    }
}

/// A flow map whose matrix $M_t M_s^{-1}$ has the eigenvectors of R, by the eigenvalues of $M_t$ and their difference
/// quotient $q(s, t) = (M_t - M_s) / (t - s)$, each (B, d):
///
/// $$ X_{s,t}(x) = t m + M_t M_s^{-1} (x - s m), \qquad u = m + q(s, t) M_s^{-1} (x - s m) $$
fn average(target: &Target, x: &Tensor, s: &Tensor, quotient: &Tensor, at_s: &Tensor) -> Result<Tensor, Error> {
    let Target { mean, vectors, .. } = target;
    let u = (target.centred(x, s)?.matmul(vectors) * quotient / at_s).matmul(&vectors.tr()) + mean;
    Ok(u.f_to_kind(x.kind())?.f_view_as(x)?)
}

/// The marginal field of the linear path with independent coupling, $C_t = (1-t)^2 I + t^2 S$:
///
/// $$ v^\ast(x, t) = m + (t S - (1-t) I) C_t^{-1} (x - t m) $$
#[derive(Debug)]
pub struct LinearPathField(Target);

impl LinearPathField {
    /// For data $N(m, S)$: `mean` (d,), `covariance` (d, d).
    ///
    /// # Errors
    /// `Shape` where they do not fit or S is not positive definite.
    pub fn new(mean: &Tensor, covariance: &Tensor) -> Result<Self, Error> {
        Target::new(mean, covariance).map(Self)
    }
}

impl VelocityField for LinearPathField {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        // S and C_t have the same eigenvectors. (libtorch differentiates the tangent of a solution wrongly.)
        let Target { mean, roots, vectors } = &self.0;
        let (t1, variances) = (t.unsqueeze(1), roots.square());
        let rest = 1f64 - &t1;
        let slopes = (&t1 * &variances - &rest) / (rest.square() + t1.square() * variances);
        let v = (self.0.centred(x, t)?.matmul(vectors) * slopes).matmul(&vectors.tr()) + mean;
        Ok(v.f_to_kind(x.kind())?.f_view_as(x)?)
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }
}

/// Its flow map, as $C_t^{1/2}$ for all t has the eigenvectors of S:
///
/// $$ X_{s,t}(x) = t m + C_t^{1/2} C_s^{-1/2} (x - s m) $$
impl FlowMap for LinearPathField {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        check_times(x, s, t)?;
        let (s1, t1) = (s.unsqueeze(1), t.unsqueeze(1));
        let variances = self.0.roots.square();
        let scale = |t: &Tensor| ((1f64 - t).square() + t.square() * &variances).sqrt();
        let (at_s, at_t) = (scale(&s1), scale(&t1));
        // (a - b) / (t - s) = (a^2 - b^2) / ((a + b) (t - s)), whose square difference is divisible by t - s.
        let sum = &s1 + &t1;
        let quotient = (&sum * &variances + &sum - 2.0) / (&at_s + at_t);
        average(&self.0, x, s, &quotient, &at_s)
    }
}

/// The exactly straight field between the two Gaussians (their optimal transport), $R = S^{1/2}$,
/// $S_t = (1-t) I + t R$:
///
/// $$ v^\ast(x, t) = m + (R - I) S_t^{-1} (x - t m) $$
///
/// Its trajectories are straight lines at constant speed; one Euler step is exact.
///
/// ```
/// use strait_core::VelocityField;
/// use strait_paths::gaussian::StraightField;
/// use tch::Tensor;
/// let (m, s) = (Tensor::from_slice(&[1.0f64, 0.0]), Tensor::from_slice2(&[[4.0f64, 0.0], [0.0, 1.0]]));
/// let v = StraightField::new(&m, &s)?;
/// let x = Tensor::from_slice2(&[[3.0f64, 5.0]]);
/// let end = &x + v.velocity(&x, &Tensor::from_slice(&[0.0f64]))?;
/// assert!(end.allclose(&Tensor::from_slice2(&[[7.0f64, 5.0]]), 1e-12, 1e-12, false)); // m + R x
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct StraightField(Target);

impl StraightField {
    /// For data $N(m, S)$: `mean` (d,), `covariance` (d, d).
    ///
    /// # Errors
    /// As `LinearPathField::new`.
    pub fn new(mean: &Tensor, covariance: &Tensor) -> Result<Self, Error> {
        Target::new(mean, covariance).map(Self)
    }
}

impl VelocityField for StraightField {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        // R and S_t have the same eigenvectors.
        let Target { mean, roots, vectors } = &self.0;
        let t1 = t.unsqueeze(1);
        let slopes = (roots - 1.0) / (1f64 - &t1 + &t1 * roots);
        let v = (self.0.centred(x, t)?.matmul(vectors) * slopes).matmul(&vectors.tr()) + mean;
        Ok(v.f_to_kind(x.kind())?.f_view_as(x)?)
    }

    fn as_flow_map(&self) -> Option<&dyn FlowMap> {
        Some(self)
    }
}

/// Its flow map, whose average velocity is that of a straight line:
///
/// $$ X_{s,t}(x) = t m + S_t S_s^{-1} (x - s m), \qquad u(x, s, t) = v^\ast(x, s) $$
impl FlowMap for StraightField {
    fn average_velocity(&self, x: &Tensor, s: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        check_times(x, s, t)?;
        self.velocity(x, s)
    }
}
