use strait_core::{Batch, Error, Loss, Models, Objective, Source};

/// Maximum likelihood of the data under a law with parameters, in nats:
///
/// $$ -E \log p(x_1) $$
///
/// and given their conditions, where it depends on these: $-E \log p(x_1 \mid c)$. It does not use source points, times and
/// models.
pub struct Likelihood {
    /// The law; it holds the tensors that the stepped level's parameters name.
    pub law: Box<dyn Source + Send>,
}

impl Objective for Likelihood {
    fn loss(&self, _: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let log_density = match self.law.given(&batch.conditions)? {
            Some(law) => law.log_density(&batch.x1)?,
            None => self.law.log_density(&batch.x1)?,
        };
        let total = -log_density.mean(log_density.kind());
        Ok(Loss { terms: vec![("nats", total.detach())], total })
    }

    fn name(&self) -> &'static str {
        "likelihood"
    }
}
