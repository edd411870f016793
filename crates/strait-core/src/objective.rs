use crate::{Conditions, Error, FlowMap, Interpolant, VelocityField};
use tch::Tensor;

/// What an objective is evaluated on: coupled pairs and times.
#[derive(Debug)]
pub struct Batch {
    /// Source points, (B, ...).
    pub x0: Tensor,
    /// Data points, (B, ...).
    pub x1: Tensor,
    /// Times in $[0, 1]$: one for each pair, (B,), or as many as the objective asks for.
    pub t: Tensor,
    /// For flow maps, the later of two times, (n,), of the last n pairs: each is at least the pair's `t`. The pairs before
    /// them are on the diagonal, where both times are one. None where no pair has two times.
    pub later: Option<Tensor>,
    /// The conditions of the data points. The models of an objective are bound to them: the velocity as they are, the path
    /// also where they are dropped, so that the velocity of no condition is the mean over all of them. An objective that evaluates the
    /// velocity at only some of the pairs takes the velocity of those samples
    /// ([`VelocityField::of_samples`](crate::VelocityField::of_samples)).
    pub conditions: Conditions,
}

/// What an objective's batches are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// Pairs, with times.
    Times,
    /// Pairs, with times and, for some of them, later times: what a flow map is trained on.
    Spans,
    /// Two points of one stored trajectory in place of a pair: `x0` where it is at `t`, and `x1` where it is at `later`.
    Segments,
}

/// The models that an objective may read. The optimizer decides which of them learns: it takes the
/// gradient of the loss for the parameters of one level.
#[derive(Clone, Copy)]
pub struct Models<'a> {
    /// Level 1.
    pub interpolant: &'a dyn Interpolant,
    /// Level 2; the diagonal of a flow map, where that is what is trained.
    pub velocity: &'a dyn VelocityField,
}

impl<'a> Models<'a> {
    /// The flow map that the velocity is the diagonal of.
    ///
    /// # Errors
    /// `NotFlowMap` names what needs one, where it is none.
    pub fn flow_map(&self, what: &'static str) -> Result<&'a dyn FlowMap, Error> {
        self.velocity.as_flow_map().ok_or(Error::NotFlowMap { what })
    }
}

/// A scalar to minimise, with the named terms that it is made of (detached, for the log).
#[derive(Debug)]
pub struct Loss {
    /// The scalar.
    pub total: Tensor,
    /// Its terms, by name.
    pub terms: Vec<(&'static str, Tensor)>,
}

/// One training criterion.
pub trait Objective {
    /// Its value on a batch.
    ///
    /// # Errors
    /// Those of the models.
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error>;

    /// Checks the first batch of a phase, and refuses models or settings that do not fit the objective.
    ///
    /// # Errors
    /// Those of the implementor.
    fn ready(&self, _models: Models<'_>, _batch: &Batch) -> Result<(), Error> {
        Ok(())
    }

    /// Its name, for the log.
    fn name(&self) -> &'static str;

    /// How many times it needs for this number of pairs: one for each, unless pairs share times.
    fn times(&self, pairs: i64) -> i64 {
        pairs
    }

    /// The number of pairs at the start of a batch that every rank needs when ranks share the batch (such as
    /// candidates). The value is then a mean over the other pairs, or over their shared times. If all pairs are needed,
    /// ranks cannot share a batch.
    fn common(&self, _pairs: i64) -> i64 {
        0
    }

    /// The kind of its batches.
    fn sampling(&self) -> Sampling {
        Sampling::Times
    }

    /// Whether it uses the exact marginal field (Proposition 1), which is valid only for pairs whose two points are
    /// independent. The trainer checks that they are.
    fn needs_independent_pairs(&self) -> bool {
        false
    }
}
