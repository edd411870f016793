use crate::material_derivative::{Along, MaterialDerivative, material_derivative};
use std::cell::Cell;
use strait_autodiff::inside_jvp;
use strait_core::{
    Coupling, Error, Interpolant, Inverted, InvertibleInterpolant, Marginal, MovingMarginal, Points, Source,
    VelocityField, check_batch, check_independent,
};
use tch::{Kind, Tensor};

/// The exact marginal field of an invertible path under independent coupling (Proposition 1), over K candidates
/// $x_1^{(j)}$ drawn from the data:
///
/// $$ v^\ast(x, t) = \sum_j w_j u_t(y_j; x_1^{(j)}), \qquad y_j = \varphi_t^{-1}(x; x_1^{(j)}), \qquad
///    w_j = \operatorname{softmax}_j\bigl(\log p_0(y_j) + \log|\det \partial y_j/\partial x|\bigr) $$
///
/// Over all points of a finite data set it is that data set's own field, exactly. Over a sample of a distribution its
/// quality is its effective sample size $1/\sum_j w_j^2$, which falls fast with the dimension: above about 8 the
/// estimate is soon the own pair's velocity.
///
/// Work goes in parts of at most so many pairs of a point and a candidate, over points and over candidates; what a pair
/// takes is a few samples' worth of memory for the paths in closed form, and a pass of the network for the others.
pub struct ExactField<'a> {
    path: &'a dyn InvertibleInterpolant,
    source: &'a dyn Source,
    candidates: Tensor,
    pairs_at_once: i64,
}

/// The exact field at some points, with how many candidates it rests on.
#[derive(Debug)]
pub struct Exact {
    /// $v^\ast(x, t)$, of the shape of the points.
    pub velocity: Tensor,
    /// Effective sample size of each point, between 1 and K.
    pub effective: Tensor,
    /// $\log p_t(x)$ in nats, with the candidates for the data.
    pub log_density: Tensor,
}

/// The exact field with its derivative along its own flow.
#[derive(Debug)]
pub struct MovingExact {
    /// $v^\ast(x, t)$.
    pub velocity: Tensor,
    /// $Dv^\ast/Dt$, of the same shape.
    pub derivative: Tensor,
    /// Effective sample size of each point.
    pub effective: Tensor,
}

impl<'a> ExactField<'a> {
    /// Over `candidates` (K, ...), in parts of at most `pairs_at_once` pairs of a point and a candidate.
    ///
    /// # Errors
    /// `NotIndependent` for a coupling whose pairs are not; `NoDensity` for a source without one; `Shape` for an empty
    /// set of candidates.
    pub fn new(
        path: &'a dyn InvertibleInterpolant,
        source: &'a dyn Source,
        coupling: &dyn Coupling,
        candidates: Tensor,
        pairs_at_once: i64,
    ) -> Result<Self, Error> {
        check_independent("the exact field", coupling)?;
        Self::of_independent_pairs(path, source, candidates, pairs_at_once)
    }

    /// As `new`, where it is known that pairs are independent.
    ///
    /// # Errors
    /// As `new`, but for the coupling.
    pub fn of_independent_pairs(
        path: &'a dyn InvertibleInterpolant,
        source: &'a dyn Source,
        candidates: Tensor,
        pairs_at_once: i64,
    ) -> Result<Self, Error> {
        if candidates.dim() < 2 || candidates.size()[0] == 0 {
            let expected = "(K, ...) with K at least 1".into();
            return Err(Error::Shape { what: "candidates", expected, found: candidates.size() });
        }
        let _has_density = source.log_density(&candidates.narrow(0, 0, 1))?;
        Ok(Self { path, source, candidates, pairs_at_once: pairs_at_once.max(1) })
    }

    /// The field, its effective sample size (B,) and log-density (B,) at points x (B, ...) and times (B,).
    ///
    /// # Errors
    /// `Shape` where they do not fit; `Time` at t = 1, where the path is not invertible.
    pub fn at(&self, x: &Tensor, t: &Tensor) -> Result<Exact, Error> {
        check_batch(x, t)?;
        // Points of one time (a step of a solver) share what is computed of it, unless a derivative in each is wanted.
        let shared = !t.requires_grad() && !inside_jvp() && t.numel() > 0 && t.f_min()? == t.f_max()?;
        let (axis, t) = if shared { (0, t.narrow(0, 0, 1)) } else { (1, t.shallow_clone()) };
        let Exact { velocity, effective, log_density } = self.at_times(&x.unsqueeze(axis), &t)?;
        Ok(Exact {
            velocity: velocity.squeeze_dim(axis),
            effective: effective.squeeze_dim(axis),
            log_density: log_density.squeeze_dim(axis),
        })
    }

    /// The same at Q points for each of T times: x (T, Q, ...), t (T,), effective sizes and log-densities (T, Q). What
    /// a path computes of a candidate and a time alone, it computes once for the Q points.
    ///
    /// # Errors
    /// As `at`.
    pub fn at_times(&self, x: &Tensor, t: &Tensor) -> Result<Exact, Error> {
        let marginal = |at: Points<'_>| self.path.marginal(self.source, at);
        let whole = self.over(Points { x_t: x, x1: &self.candidates, t }, &marginal)?;
        Ok(Exact {
            effective: whole.effective(),
            log_density: (whole.log_weight - (self.candidates.size()[0] as f64).ln()).to_kind(x.kind()),
            velocity: whole.velocity,
        })
    }

    /// The field with its derivative along its own flow, at Q points for each of T times, as `at_times`. By
    /// `Along::Forward` a path that has it in closed form gives it (affine paths, and warped ones over them), all pairs
    /// at once.
    ///
    /// # Errors
    /// As `at`, and as `material_derivative`.
    pub fn moving(&self, x: &Tensor, t: &Tensor, along: Along) -> Result<MovingExact, Error> {
        if along == Along::Forward {
            let at = Points { x_t: x, x1: &self.candidates, t };
            if let Some(MovingMarginal { marginal, derivative }) = self.path.moving_marginal(self.source, at)? {
                return Ok(MovingExact { effective: marginal.effective(), velocity: marginal.velocity, derivative });
            }
        }
        let effective = Cell::new(None);
        let velocity = |x: &Tensor, t: &Tensor| {
            let exact = self.at_times(x, t)?;
            effective.set(effective.take().or_else(|| Some(exact.effective.detach())));
            Ok(exact.velocity)
        };
        let MaterialDerivative { velocity, derivative } = material_derivative(&velocity, x, t, along)?;
        let effective = effective.take().unwrap_or_else(|| x.new_zeros([0], (x.kind(), x.device())));
        Ok(MovingExact { velocity, derivative, effective })
    }

    /// The mean acceleration of the paths through points, $E[x_{tt} \mid x_t = x]$: x (T, Q, ...), t (T,).
    ///
    /// # Errors
    /// As `at`.
    pub fn acceleration(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        let marginal = |at: Points<'_>| {
            let size = at.check()?;
            let (x_t, x1, t) = at.rows();
            let Inverted { x0, log_det } = self.path.invert(&x_t, &x1, &t)?;
            let log_weight = self.source.log_density(&x0)? + log_det;
            let acceleration = self.path.curve(&x0, &x1, &t)?.acceleration;
            Ok(Marginal::over(&log_weight.view(&size[..3]), &acceleration.view(size.as_slice())))
        };
        Ok(self.over(Points { x_t: x, x1: &self.candidates, t }, &marginal)?.velocity)
    }

    /// A marginal in parts of at most `pairs_at_once` pairs, over times, points and endpoints.
    fn over(&self, at: Points<'_>, marginal: &Part<'_>) -> Result<Marginal, Error> {
        let size = at.check()?;
        let [times, k, q] = [size[0], size[1], size[2]];
        let k_part = k.min(self.pairs_at_once);
        let q_part = q.min(self.pairs_at_once / k_part).max(1);
        let times_part = times.min(self.pairs_at_once / (k_part * q_part));
        in_parts(0, times, times_part, |from, n| {
            let (x_t, t) = (at.x_t.narrow(0, from, n), at.t.narrow(0, from, n));
            in_parts(1, q, q_part, |from, n| {
                let x_t = x_t.narrow(1, from, n);
                over_ends(k_part, Points { x_t: &x_t, x1: at.x1, t: &t }, marginal)
            })
        })
    }

    /// The mean effective sample size along the path itself, at each of some times: points are $x_t$ of the given
    /// pairs (B, ...), which must not be among the candidates.
    ///
    /// # Errors
    /// As `at`.
    pub fn effective_sizes(&self, x0: &Tensor, x1: &Tensor, times: &[f64]) -> Result<Vec<f64>, Error> {
        let _no_grad = tch::no_grad_guard();
        let path: &dyn Interpolant = self.path;
        times
            .iter()
            .map(|&time| {
                let t = Tensor::full([x0.size()[0]], time, (x0.kind(), x0.device()));
                let x_t = path.at(x0, x1, &t)?.x_t.unsqueeze(0);
                Ok(self.at_times(&x_t, &t.narrow(0, 0, 1))?.effective.mean(Kind::Double).double_value(&[]))
            })
            .collect()
    }
}

/// A marginal at points that are few enough.
type Part<'a> = dyn Fn(Points<'_>) -> Result<Marginal, Error> + 'a;

/// The marginal over all endpoints, `part` at once.
fn over_ends(part: i64, at: Points<'_>, marginal: &Part<'_>) -> Result<Marginal, Error> {
    let k = at.x1.size()[0];
    let endpoints = |from: i64| {
        let x1 = at.x1.narrow(0, from, part.min(k - from));
        marginal(Points { x1: &x1, ..at })
    };
    (part..k).step_by(part as usize).try_fold(endpoints(0)?, |whole, from| Ok(whole.join(&endpoints(from)?)))
}

/// The marginals of `n` rows along an axis, `part` rows at once.
fn in_parts(
    axis: i64,
    n: i64,
    part: i64,
    marginal: impl Fn(i64, i64) -> Result<Marginal, Error>,
) -> Result<Marginal, Error> {
    if part >= n {
        return marginal(0, n);
    }
    let parts =
        (0..n).step_by(part as usize).map(|from| marginal(from, part.min(n - from))).collect::<Result<Vec<_>, _>>()?;
    let join = |of: fn(&Marginal) -> &Tensor| Tensor::f_cat(&parts.iter().map(of).collect::<Vec<_>>(), axis);
    Ok(Marginal {
        velocity: join(|m| &m.velocity)?,
        log_weight: join(|m| &m.log_weight)?,
        log_effective: join(|m| &m.log_effective)?,
    })
}

impl VelocityField for ExactField<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.at(x, t)?.velocity)
    }
}
