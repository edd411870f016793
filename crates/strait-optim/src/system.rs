//! What is trained: the models, and the levels that their parameters belong to.

use crate::{Level, LevelName, OptimError};
use strait_core::{Conditions, Error, Interpolant, VelocityField, path_given};

/// The models with their levels. The models and the levels' parameters share their tensors.
pub struct System {
    /// The path.
    pub interpolant: Box<dyn Interpolant + Send>,
    /// The field.
    pub velocity: Box<dyn VelocityField + Send>,
    /// What learns.
    pub levels: Vec<Level>,
}

impl System {
    /// A level by name; None where the system has no such level (a path without parameters).
    pub fn level(&self, name: LevelName) -> Option<&Level> {
        self.levels.iter().find(|level| level.name == name)
    }

    /// The velocity of a batch under its conditions.
    pub(crate) fn velocity_given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        if conditions.is_empty() { Ok(Box::new(&*self.velocity)) } else { self.velocity.given(conditions) }
    }

    /// The path of a batch under its conditions. It sees those that are dropped for the velocity too: then the velocity of no
    /// condition is the mean of the velocities of all conditions, which guidance rests on.
    pub(crate) fn path_given(&self, conditions: &Conditions) -> Result<Box<dyn Interpolant + '_>, Error> {
        path_given(&*self.interpolant, &conditions.dropping_none())
    }

    pub(crate) fn level_mut(&mut self, name: LevelName) -> Result<&mut Level, OptimError> {
        self.levels.iter_mut().find(|level| level.name == name).ok_or_else(|| missing(name))
    }
}

pub(crate) fn missing(name: LevelName) -> OptimError {
    OptimError::Plan { problem: format!("a phase names the {}, which has no parameters", name.name()) }
}
