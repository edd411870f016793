use super::square_error;
use strait_core::{Batch, Error, Loss, Models, Objective, PathSample, Source};

/// Flow matching towards the marginal field over the data points of the batch (Xu et al., arXiv 2302.00670), for the
/// velocity:
///
/// $$ E |v(x_t, t) - \hat v(x_t, t)|^2, \qquad
///    \hat v(x, t) = \sum_j w_j u_t(y_j; x_1^{(j)}) \quad\text{of Proposition 1 over all } x_1^{(j)} \text{ of the batch} $$
///
/// The target of flow matching is u of one pair, whose mean at $x_t$ is the field and whose spread is noise. Given
/// $x_t$ and all endpoints of the batch, the pair's own endpoint is the j-th with probability $w_j$, so that $\hat v =
/// E[u \mid x_t, \text{endpoints}]$: it has the same mean and less spread. The minimiser is the marginal field, as it
/// is of flow matching, for batches of any size; the noise falls by the effective sample size, which is that of the
/// batch at $t = 0$ and 1 at $t = 1$. So of the last pairs of a batch, as many as there are candidates, only the data
/// points are used: endpoints cost less than steps.
///
/// It needs independent pairs, a source with a density, and a path with such a field. Times are limited to
/// [`LAST`](Self::LAST), beyond which no path is invertible in single precision.
pub struct MarginalFlowMatching {
    source: Box<dyn Source + Send>,
    candidates: i64,
}

impl MarginalFlowMatching {
    /// The last time.
    pub const LAST: f64 = 0.999;

    /// Under a source, with `candidates` pairs of each batch of which only the data points are used.
    ///
    /// # Errors
    /// `Setting` for candidates below 0.
    ///
    /// ```
    /// use strait_core::{Error, Objective, StandardNormal};
    /// use strait_optim::objectives::MarginalFlowMatching;
    /// let objective = MarginalFlowMatching::new(Box::new(StandardNormal::new(&[2])), 192)?;
    /// assert_eq!(objective.times(256), 64); // the points that it steps on
    /// assert!(objective.needs_independent_pairs());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new(source: Box<dyn Source + Send>, candidates: i64) -> Result<Self, Error> {
        if candidates < 0 {
            let what = "candidates of marginal flow matching";
            return Err(Error::Setting { what, value: candidates as f64, must: "at least 0" });
        }
        Ok(Self { source, candidates })
    }
}

impl Objective for MarginalFlowMatching {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let t = batch.t.clamp_max(Self::LAST);
        let points = self.times(batch.x0.size()[0]);
        if points < 1 {
            let expected = format!("more than {} candidates", self.candidates);
            return Err(Error::Shape { what: "a batch for marginal flow matching", expected, found: batch.x0.size() });
        }
        let x0 = batch.x0.narrow(0, 0, points);
        let PathSample { x_t, velocity } =
            tch::no_grad(|| models.interpolant.marginal_at(&*self.source, &x0, &batch.x1, &t))?;
        let total = square_error(models.velocity, &x_t, &t, &velocity)?;
        Ok(Loss { terms: vec![("marginal_flow_matching", total.detach())], total })
    }

    fn times(&self, pairs: i64) -> i64 {
        pairs - self.candidates
    }

    /// The field of each point is over the data points of all.
    fn common(&self, pairs: i64) -> i64 {
        pairs
    }

    fn needs_independent_pairs(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "marginal_flow_matching"
    }
}
