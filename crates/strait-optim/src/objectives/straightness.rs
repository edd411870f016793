use super::mean_square_norm;
use strait_core::{Batch, Error, InvertibleInterpolant, Loss, Models, Objective, Source};
use strait_paths::{Along, ExactField};
use tch::Tensor;

/// Settings of the straightness: its points, times and candidates, and its derivative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StraightnessConfig {
    /// Pairs of each batch whose data points are the candidates of the exact field, an even number; the others are its
    /// points.
    pub candidates: i64,
    /// Times that the points share: a path's network is evaluated once for each time and candidate.
    pub times: i64,
    /// The times are drawn on $[0, \text{until}]$, below 1: the exact field has no value at 1. Curvature after it is
    /// not seen, so evaluate the residual over all of t.
    pub until: f64,
    /// The least effective sample size of the exact field over all candidates, the median over the first batch's points,
    /// with which training begins; 1 refuses nothing.
    pub floor: f64,
    /// How the derivative along the flow is taken. `Along::Forward` is for paths in closed form of their networks
    /// (affine, scheduled), the others for all.
    pub along: Along,
}

/// The residual of the exact marginal field, for the interpolant:
///
/// $$ E\left|\frac{D v^\ast}{D t}(x_t, t)\right|^2 $$
///
/// with $v^\ast$ of Proposition 1 over candidates that are drawn separately from the points. Everything is
/// differentiated: the weights, the points and the direction.
///
/// The square of an estimate is too large by its variance, and a path can lower that variance near $t = 1$ by widening
/// its conditional laws there, while its true residual rises. So there are two estimates a and b, over halves of the
/// candidates: $\tfrac14|a + b|^2$ is too large by as much as $\tfrac14|a - b|^2$ is on average, and what is lowered is
///
/// $$ E \tfrac14|a + b|^2 - (1 - \epsilon) E \tfrac14|a - b|^2, \qquad \epsilon = \tfrac1{10} $$
///
/// which is too large by a tenth of the variance of the mean of both. (Without the variance, the objective would be the
/// product $a \cdot b$; then nothing keeps the variance itself from growing, and the path diverges.)
///
/// It needs an invertible path, independent pairs, a source with a density, and times below 1. Its effective sample
/// size falls fast with the dimension, so use it in about eight dimensions at most. It needs gradient
/// clipping, which keeps it from rising near $t = 1$.
pub struct Straightness {
    source: Box<dyn Source + Send>,
    config: StraightnessConfig,
}

impl Straightness {
    /// The share of the estimate's variance that remains in the objective.
    const VARIANCE: f64 = 0.1;

    /// Under a source.
    ///
    /// # Errors
    /// `Setting` for a number of candidates that has no halves, or of times below 1, and for a floor or a last time out of
    /// range.
    pub fn new(source: Box<dyn Source + Send>, config: StraightnessConfig) -> Result<Self, Error> {
        let (what, value) = ("candidates of the straightness", config.candidates);
        if value < 2 || value % 2 != 0 {
            return Err(Error::Setting { what, value: value as f64, must: "even and at least 2" });
        }
        let (what, value) = ("times of the straightness", config.times);
        if value < 1 {
            return Err(Error::Setting { what, value: value as f64, must: "at least 1" });
        }
        let (what, value) = ("the floor of the straightness's effective size", config.floor);
        if !(value >= 1.0 && value <= config.candidates as f64) {
            return Err(Error::Setting { what, value, must: "at least 1 and at most its candidates" });
        }
        let (what, value) = ("the last time of the straightness", config.until);
        if !(value > 0.0 && value < 1.0) {
            return Err(Error::Setting { what, value, must: "above 0 and below 1" });
        }
        Ok(Self { source, config })
    }
}

/// The parts of a batch for the straightness.
struct Parts {
    /// Endpoints that the exact field is over, (K, ...).
    candidates: Tensor,
    /// Points on the paths, (T, Q, ...).
    x_t: Tensor,
    /// Their times, (T,).
    t: Tensor,
}

impl Straightness {
    fn parts(&self, path: &dyn InvertibleInterpolant, batch: &Batch) -> Result<Parts, Error> {
        let StraightnessConfig { candidates: k, until, .. } = self.config;
        // All of them, or those of a rank.
        let times = batch.t.size1()?;
        let points = batch.x0.size()[0] - k;
        if times < 1 || points < times || points % times != 0 {
            let expected = format!("{k} candidates and a multiple of {times} points");
            return Err(Error::Shape { what: "a batch for the straightness", expected, found: batch.x0.size() });
        }
        let q = points / times;
        let few = &batch.t * until;
        let t = few.repeat_interleave_self_int(q, 0, None);
        let of_points = |x: &Tensor| x.narrow(0, k, points);
        let x_t = path.position(&of_points(&batch.x0), &of_points(&batch.x1), &t)?;
        let mut shape = x_t.size();
        shape.splice(0..1, [times, q]);
        Ok(Parts { candidates: batch.x1.narrow(0, 0, k), x_t: x_t.view(shape.as_slice()), t: few })
    }

    fn field<'a>(&'a self, path: &'a dyn InvertibleInterpolant, candidates: Tensor) -> Result<ExactField<'a>, Error> {
        ExactField::of_independent_pairs(path, &*self.source, candidates, i64::MAX)
    }
}

/// The path as an invertible one.
fn invertible<'a>(models: Models<'a>) -> Result<&'a dyn InvertibleInterpolant, Error> {
    models.interpolant.as_invertible().ok_or(Error::NotInvertible { what: "the straightness" })
}

impl Objective for Straightness {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let path = invertible(models)?;
        let Parts { candidates, x_t, t } = self.parts(path, batch)?;
        let half = self.config.candidates / 2;
        let over = |from| self.field(path, candidates.narrow(0, from, half))?.moving(&x_t, &t, self.config.along);
        let (a, b) = (over(0)?, over(half)?);
        let square = |x: Tensor| mean_square_norm(&x.flatten(0, 1)) / 4.0;
        let whole = square(&a.derivative + &b.derivative);
        let variance = square(&a.derivative - &b.derivative);
        let total = &whole - &variance * (1.0 - Self::VARIANCE);
        let effective = (a.effective + b.effective).detach().mean(x_t.kind());
        let terms = vec![
            ("straightness", (whole - &variance).detach()),
            ("variance", variance.detach()),
            ("effective_size", effective),
        ];
        Ok(Loss { total, terms })
    }

    fn ready(&self, models: Models<'_>, batch: &Batch) -> Result<(), Error> {
        let _no_grad = tch::no_grad_guard();
        let StraightnessConfig { candidates: k, floor, .. } = self.config;
        let path = invertible(models)?;
        let Parts { candidates, x_t, t } = self.parts(path, batch)?;
        let effective = self.field(path, candidates)?.at_times(&x_t, &t)?.effective.median().double_value(&[]);
        if effective < floor {
            return Err(Error::EffectiveSize { what: "the straightness", effective, candidates: k, floor });
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        "straightness"
    }

    fn times(&self, _pairs: i64) -> i64 {
        self.config.times
    }

    fn common(&self, _pairs: i64) -> i64 {
        self.config.candidates
    }

    fn needs_independent_pairs(&self) -> bool {
        true
    }
}
