//! Terms: objectives with their weights, and their sum.

use crate::OptimError;
use strait_core::{Batch, Loss, Models, Objective};

/// One term of a level's loss: an objective and its weight.
///
/// $$ \lambda(k) = \lambda \min(1, (k+1)/r) \qquad \text{at iteration } k \text{ of a phase} $$
pub struct Term {
    /// The objective.
    pub objective: Box<dyn Objective + Send>,
    /// $\lambda$.
    pub weight: f64,
    /// r, the iterations over which the weight rises from 0; 0: it is whole from the start.
    pub ramp: u64,
}

impl Term {
    /// An objective at weight 1.
    ///
    /// ```
    /// use strait_optim::{Term, objectives::FlowMatching};
    /// let terms = vec![Term::of(FlowMatching), Term { weight: 1e-3, ramp: 100, ..Term::of(FlowMatching) }];
    /// assert_eq!(terms[1].weight_at(49), 5e-4);
    /// ```
    pub fn of(objective: impl Objective + Send + 'static) -> Self {
        Self { objective: Box::new(objective), weight: 1.0, ramp: 0 }
    }

    /// $\lambda(k)$.
    pub fn weight_at(&self, iteration: u64) -> f64 {
        if self.ramp == 0 { self.weight } else { self.weight * ((iteration + 1) as f64 / self.ramp as f64).min(1.0) }
    }
}

/// The weighted sum of all terms on one batch; the named parts of each keep their unweighted values.
pub(crate) fn sum(terms: &[Term], models: Models<'_>, batch: &Batch, iteration: u64) -> Result<Loss, OptimError> {
    let mut sum: Option<Loss> = None;
    for term in terms {
        let Loss { total, terms: parts } = term.objective.loss(models, batch)?;
        let weight = term.weight_at(iteration);
        let total = if weight == 1.0 { total } else { total * weight };
        sum = Some(match sum {
            None => Loss { total, terms: parts },
            Some(before) => {
                Loss { total: before.total + total, terms: before.terms.into_iter().chain(parts).collect() }
            }
        });
    }
    sum.ok_or_else(|| OptimError::Plan { problem: "a level that is stepped has no objective".into() })
}

/// How many pairs at the start of a batch every rank needs, for all terms.
pub(crate) fn common(terms: &[Term], pairs: i64) -> Result<i64, OptimError> {
    let mut wanted = terms.iter().map(|term| (term.objective.name(), term.objective.common(pairs)));
    let Some((first, common)) = wanted.next() else { return Ok(0) };
    match wanted.find(|(_, other)| *other != common) {
        None => Ok(common),
        Some((other, count)) => Err(OptimError::Plan {
            problem: format!(
                "{first} sets {common} pairs of a batch apart and {other} sets {count}; give each a level entry of its own"
            ),
        }),
    }
}

/// How many times all terms need for this number of pairs.
pub(crate) fn times(terms: &[Term], pairs: i64) -> Result<i64, OptimError> {
    let mut wanted = terms.iter().map(|term| (term.objective.name(), term.objective.times(pairs)));
    let Some((first, times)) = wanted.next() else { return Ok(pairs) };
    match wanted.find(|(_, other)| *other != times) {
        None => Ok(times),
        Some((other, count)) => Err(OptimError::Plan {
            problem: format!(
                "{first} wants {times} times of a batch of {pairs} and {other} wants {count}; give each a level entry of its own"
            ),
        }),
    }
}
