//! The gradient of a level's loss, part of a batch after part.

use crate::share::Shared;
use crate::system::{System, missing};
use crate::{LevelPlan, OptimError, term};
use strait_autodiff::{Graph, gradient};
use strait_core::{Batch, Draws, Loss, Models};
use tch::Tensor;

/// The gradient of a level's loss on a batch.
pub(crate) struct Slope {
    /// In each of the level's parameters.
    pub(crate) gradients: Vec<Tensor>,
    /// The terms of the loss.
    pub(crate) terms: Vec<(&'static str, Tensor)>,
}

/// The gradient on a rank's share of a batch, the mean over the parts that it is computed in. What a part needed to be
/// differentiated is dropped before the next is computed.
pub(crate) fn slope(
    system: &System,
    plan: &LevelPlan,
    (batch, parts): (&Batch, Vec<Shared>),
    iteration: u64,
    modules: Draws,
) -> Result<Slope, OptimError> {
    let level = system.level(plan.level).ok_or_else(|| missing(plan.level))?;
    let _training = level.parameters.train(modules);
    let mut sum: Option<Slope> = None;
    for rows in parts {
        let part = rows.select(batch)?;
        let (path, velocity) = (system.path_given(&part.conditions)?, system.velocity_given(&part.conditions)?);
        let models = Models { interpolant: &*path, velocity: &*velocity };
        let loss = term::sum(&plan.terms, models, &part, iteration)?;
        let Loss { total, terms } = if plan.parts == 1 { loss } else { over(loss, plan.parts) };
        let of_part = Slope { gradients: gradient(&total, level.parameters.tensors(), Graph::Free)?, terms };
        sum = Some(match sum {
            None => of_part,
            Some(before) => before.plus(&of_part)?,
        });
    }
    sum.ok_or_else(|| OptimError::Plan { problem: "a batch is computed in no parts".into() })
}

impl Slope {
    fn plus(self, other: &Self) -> Result<Self, OptimError> {
        let gradients = self.gradients.iter().zip(&other.gradients).map(|(sum, own)| sum.f_add(own));
        let terms = self.terms.iter().zip(&other.terms).map(|((name, sum), (_, own))| Ok((*name, sum.f_add(own)?)));
        Ok(Self { gradients: gradients.collect::<Result<_, _>>()?, terms: terms.collect::<Result<_, OptimError>>()? })
    }
}

/// The share of one of so many parts in a mean over all.
fn over(Loss { total, terms }: Loss, parts: u32) -> Loss {
    let of = |x: Tensor| x / f64::from(parts);
    Loss { total: of(total), terms: terms.into_iter().map(|(name, term)| (name, of(term))).collect() }
}
