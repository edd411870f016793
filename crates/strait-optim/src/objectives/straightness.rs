use strait_core::{Batch, Coupling, Error, InvertibleInterpolant, Loss, Models, Objective, Source, sum_per_sample};
use strait_paths::{Along, ExactField, MovingExact};
use tch::{Kind, Tensor};

/// How many points the straightness is taken at, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StraightnessConfig {
    /// Pairs of each batch whose data points are the candidates of the exact field, at least 2: half of them make one
    /// field, half another. The other pairs make its points.
    pub candidates: i64,
    /// Times that the points share: a path's network is evaluated once for each time and candidate.
    pub times: i64,
    /// The times are drawn on $[0, \text{until}]$, below 1: the exact field has no value at 1. What bends after it is not
    /// seen, so a residual is judged over all of t.
    pub until: f64,
    /// The least effective sample size of the exact field over all candidates, the median over the first batch's points,
    /// with which training begins; 1 refuses nothing.
    pub floor: f64,
    /// How the derivative along the flow is taken. `Along::Forward` is for paths in closed form of their networks
    /// (affine, scheduled), the others for all.
    pub along: Along,
}

/// How far the exact marginal field is from straight, for the interpolant:
///
/// $$ E\left|\frac{D v^*}{D t}(x_t, t)\right|^2 = E\left[\frac{D v_A}{D t} \cdot \frac{D v_B}{D t}\right] $$
///
/// with $v_A$ and $v_B$ the fields of Proposition 1 over two sets of candidates, drawn apart from each other and from the
/// points, each with its derivative along its own flow. The square of ONE such field is too large by its variance, which
/// goes with one over the effective sample size: a path lowers it by widening its conditional laws near $t = 1$, where the
/// true residual then rises. Of two, the errors are independent, and the product's mean is that of the square of the mean;
/// so a batch's value can lie below 0. What is left is the bias of a ratio, which more candidates take away.
///
/// Everything is differentiated: the weights, the points and the direction. It needs an invertible path, independent
/// pairs, a source with a density, and times short of 1; its effective sample size falls fast with the dimension, so it is
/// for about eight dimensions at most. Beside it stands the gradient clipping that keeps it from rising near $t = 1$.
pub struct Straightness {
    source: Box<dyn Source>,
    coupling: Box<dyn Coupling>,
    config: StraightnessConfig,
}

impl Straightness {
    /// Under a source and a coupling.
    ///
    /// # Errors
    /// `NotIndependent` for a coupling whose pairs are not; `Setting` for less than two candidates or one time.
    pub fn new(
        source: Box<dyn Source>,
        coupling: Box<dyn Coupling>,
        config: StraightnessConfig,
    ) -> Result<Self, Error> {
        if !coupling.is_independent() {
            let coupling = coupling.name().to_owned();
            return Err(Error::NotIndependent { what: "the straightness of the exact field", coupling });
        }
        let counts = [
            ("candidates of the straightness", config.candidates, 2, "at least 2"),
            ("times of the straightness", config.times, 1, "at least 1"),
        ];
        for (what, value, least, must) in counts {
            if value < least {
                return Err(Error::Setting { what, value: value as f64, must });
            }
        }
        let (what, value) = ("the floor of the straightness's effective size", config.floor);
        if !(value >= 1.0 && value <= config.candidates as f64) {
            return Err(Error::Setting { what, value, must: "at least 1 and at most its candidates" });
        }
        let (what, value) = ("the last time of the straightness", config.until);
        if !(value > 0.0 && value < 1.0) {
            return Err(Error::Setting { what, value, must: "above 0 and below 1" });
        }
        Ok(Self { source, coupling, config })
    }
}

/// Points on the paths of a batch, and where its candidates are.
struct Parts<'a> {
    straightness: &'a Straightness,
    path: &'a dyn InvertibleInterpolant,
    /// (K, ...).
    candidates: Tensor,
    /// (T, Q, ...).
    x_t: Tensor,
    /// (T,).
    t: Tensor,
}

impl Straightness {
    fn parts<'a>(&'a self, models: Models<'a>, batch: &Batch) -> Result<Parts<'a>, Error> {
        let StraightnessConfig { candidates: k, times, until, .. } = self.config;
        let path = models.interpolant.as_invertible().ok_or(Error::NotInvertible { what: "the straightness" })?;
        let points = batch.x0.size()[0] - k;
        if points < times || points % times != 0 {
            let expected = format!("{k} candidates and a multiple of {times} points");
            return Err(Error::Shape { what: "a batch for the straightness", expected, found: batch.x0.size() });
        }
        let t = &batch.t * until;
        let each = t.repeat_interleave_self_int(points / times, 0, None);
        let of_points = |x: &Tensor| x.narrow(0, k, points);
        let x_t = path.position(&of_points(&batch.x0), &of_points(&batch.x1), &each)?;
        let mut shape = x_t.size();
        shape.splice(0..1, [times, points / times]);
        let (candidates, x_t) = (batch.x1.narrow(0, 0, k), x_t.view(shape.as_slice()));
        Ok(Parts { straightness: self, path, candidates, x_t, t })
    }
}

impl Parts<'_> {
    /// The exact field over `n` of the candidates, all pairs at once.
    fn field(&self, from: i64, n: i64) -> Result<ExactField<'_>, Error> {
        let Straightness { source, coupling, .. } = self.straightness;
        ExactField::new(self.path, &**source, &**coupling, self.candidates.narrow(0, from, n), i64::MAX)
    }

    fn moving(&self, from: i64, n: i64) -> Result<MovingExact, Error> {
        self.field(from, n)?.moving(&self.x_t, &self.t, self.straightness.config.along)
    }
}

impl Objective for Straightness {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let parts = self.parts(models, batch)?;
        let k = self.config.candidates;
        let (one, other) = (parts.moving(0, k / 2)?, parts.moving(k / 2, k - k / 2)?);
        let product = one.derivative * other.derivative;
        let total = sum_per_sample(&product.flatten(0, 1)).mean(Kind::Float);
        let effective = (one.effective + other.effective).detach().mean(Kind::Float);
        let terms = vec![("straightness", total.detach()), ("effective_size", effective)];
        Ok(Loss { total, terms })
    }

    fn ready(&self, models: Models<'_>, batch: &Batch) -> Result<(), Error> {
        let StraightnessConfig { candidates, floor, .. } = self.config;
        let _no_grad = tch::no_grad_guard();
        let parts = self.parts(models, batch)?;
        let effective = parts.field(0, candidates)?.at_times(&parts.x_t, &parts.t)?.effective.median().double_value(&[]);
        if effective < floor {
            return Err(Error::EffectiveSize { what: "the straightness", effective, candidates, floor });
        }
        Ok(())
    }

    fn name(&self) -> &'static str {
        "straightness"
    }

    fn times(&self, _pairs: i64) -> i64 {
        self.config.times
    }
}
