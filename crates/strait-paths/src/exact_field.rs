use strait_core::{
    Coupling, Error, Interpolant, InvertibleInterpolant, PathSample, Source, VelocityField, check_batch, check_same,
    per_sample,
};
use tch::{Kind, Tensor};

/// The exact marginal field of an invertible path under independent coupling (Proposition 1), over K candidates
/// $x_1^{(j)}$ drawn from the data:
///
/// $$ v^*(x, t) = \sum_j w_j\, u_t(y_j; x_1^{(j)}), \qquad y_j = \varphi_t^{-1}(x; x_1^{(j)}), \qquad
///    w_j = \operatorname{softmax}_j\bigl(\log p_0(y_j) + \log|\det \partial y_j/\partial x|\bigr) $$
///
/// Its quality is its effective sample size $1/\sum_j w_j^2$, which falls fast with the dimension: above about 8 the
/// estimate is soon the own pair's velocity.
pub struct ExactField<'a> {
    path: &'a dyn InvertibleInterpolant,
    source: &'a dyn Source,
    candidates: Tensor,
    pairs_at_once: i64,
}

/// The exact field at some points, with how many candidates it rests on.
#[derive(Debug)]
pub struct Exact {
    /// $v^*(x, t)$.
    pub velocity: Tensor,
    /// Effective sample size of each query, (B,), between 1 and K.
    pub effective: Tensor,
}

impl<'a> ExactField<'a> {
    /// Over `candidates` (K, ...), in parts of at most `pairs_at_once` pairs of a query and a candidate.
    ///
    /// # Errors
    /// `NotIndependent` for a coupling whose pairs are not; `NoDensity` for a source without one; `Shape` for an
    /// empty set of candidates.
    pub fn new(
        path: &'a dyn InvertibleInterpolant,
        source: &'a dyn Source,
        coupling: &dyn Coupling,
        candidates: Tensor,
        pairs_at_once: i64,
    ) -> Result<Self, Error> {
        if !coupling.is_independent() {
            let coupling = coupling.name().to_owned();
            return Err(Error::NotIndependent { what: "the exact field", coupling });
        }
        if candidates.dim() < 2 || candidates.size()[0] == 0 {
            let expected = "(K, ...) with K at least 1".into();
            return Err(Error::Shape { what: "candidates", expected, found: candidates.size() });
        }
        let _has_density = source.log_density(&candidates.narrow(0, 0, 1))?;
        let pairs_at_once = pairs_at_once.max(candidates.size()[0]);
        Ok(Self { path, source, candidates, pairs_at_once })
    }

    /// The field and its effective sample size, for queries x (B, ...) and times (B,).
    ///
    /// # Errors
    /// `Shape` where they do not fit; `Time` at t = 1, where the path is not invertible.
    pub fn at(&self, x: &Tensor, t: &Tensor) -> Result<Exact, Error> {
        check_batch(x, t)?;
        check_same(&self.candidates.narrow(0, 0, 1), "one query", &x.narrow(0, 0, 1))?;
        let (b, k) = (x.size()[0], self.candidates.size()[0]);
        let queries = (self.pairs_at_once / k).max(1);
        let (mut velocity, mut effective) = (vec![], vec![]);
        let mut from = 0;
        while from < b {
            let n = queries.min(b - from);
            let part = self.part(&x.narrow(0, from, n), &t.narrow(0, from, n))?;
            velocity.push(part.velocity);
            effective.push(part.effective);
            from += n;
        }
        Ok(Exact { velocity: Tensor::f_cat(&velocity, 0)?, effective: Tensor::f_cat(&effective, 0)? })
    }

    fn part(&self, x: &Tensor, t: &Tensor) -> Result<Exact, Error> {
        let (n, k) = (x.size()[0], self.candidates.size()[0]);
        let x_t = x.repeat_interleave_self_int(k, 0, None);
        let times = t.repeat_interleave_self_int(k, 0, None);
        let mut tiles = vec![1; x.dim()];
        tiles[0] = n;
        let x1 = self.candidates.repeat(tiles.as_slice());
        let inverse = self.path.invert(&x_t, &x1, &times)?;
        let log_weight = (self.source.log_density(&inverse.x0)? + inverse.log_det).view([n, k]);
        let top = log_weight.amax([1i64].as_slice(), true).detach();
        let weight = (log_weight - top).exp();
        let weight = &weight / weight.sum_dim_intlist([1i64].as_slice(), true, weight.kind());
        let PathSample { velocity, .. } = self.path.at(&inverse.x0, &x1, &times)?;
        let shares = per_sample(&weight.view([n * k]), &velocity) * velocity;
        let mut shape = x.size();
        shape.insert(1, k);
        Ok(Exact {
            velocity: shares.view(shape.as_slice()).sum_dim_intlist([1i64].as_slice(), false, x.kind()),
            effective: weight.square().sum_dim_intlist([1i64].as_slice(), false, weight.kind()).reciprocal(),
        })
    }

    /// The mean effective sample size along the path itself, at each of some times: queries are $x_t$ of the given
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
                let x_t = path.at(x0, x1, &t)?.x_t;
                Ok(self.at(&x_t, &t)?.effective.mean(Kind::Double).double_value(&[]))
            })
            .collect()
    }
}

impl VelocityField for ExactField<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.at(x, t)?.velocity)
    }
}
