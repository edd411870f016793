//! A picture of samples during the training, every few minutes.

use super::context::RunContext;
use crate::ProgramError;
use crate::config::Config;
use crate::run::folder::RunFolder;
use std::time::{Duration, Instant};
use strait_core::{Conditions, VelocityField};
use strait_ode::{Method, Options, TimeGrid};
use tch::{Kind, Tensor};

/// Between two pictures.
const EVERY: Duration = Duration::from_secs(180);
const SAMPLES: i64 = 64;
/// Steps of a velocity that is no flow map.
const STEPS: usize = 8;

/// Pictures of samples of the last parameters, from the same source points each time, in the folder `samples` of a run of
/// images. What is trained does not depend on them: they have a stream of their own, and only when they are drawn depends on
/// the clock.
pub(super) struct Preview<'a> {
    context: &'a RunContext,
    folder: &'a RunFolder,
    method: Method,
    grid: TimeGrid,
    x0: Tensor,
    /// The conditions of these, as for training points.
    conditions: Conditions,
    last: Instant,
}

impl<'a> Preview<'a> {
    /// None of data that are no images, and of a velocity that is one step of a flow.
    pub(super) fn new(
        context: &'a RunContext,
        config: &Config,
        folder: &'a RunFolder,
    ) -> Result<Option<Self>, ProgramError> {
        if context.data.picture.is_none() || config.velocity.kind().is_one_step {
            return Ok(None);
        }
        let steps = if config.is_flow_map() { 1 } else { STEPS };
        let (method, grid) = (config.default_solver().parse()?, TimeGrid::uniform(steps)?);
        let mut draws = context.seed.stream("preview").at(0);
        let x0 = context.source.sample(SAMPLES, &mut draws, Kind::Float, context.device)?;
        let conditions = context.conditions(SAMPLES, &mut draws)?;
        Ok(Some(Self { context, folder, method, grid, x0, conditions, last: Instant::now() }))
    }

    /// Draws one where the last is minutes ago.
    pub(super) fn draw(&mut self, velocity: &dyn VelocityField, step: u64) -> Result<(), ProgramError> {
        let Some(picture) = self.context.data.picture.filter(|_| self.last.elapsed() >= EVERY) else { return Ok(()) };
        let solution = self.method.solve_given(velocity, &self.conditions, &self.x0, &self.grid, Options::default())?;
        let x = self.context.data.points.denormalise(&solution.x)?;
        let below = self.folder.path().join("samples");
        std::fs::create_dir_all(&below).map_err(ProgramError::io(&below))?;
        let path = below.join(format!("{step:08}.png"));
        let evaluations =
            if solution.nfe == 1 { "1 evaluation".into() } else { format!("{} evaluations", solution.nfe) };
        let png = picture.png(format!("step {step}, {evaluations}"), &x)?;
        strait_io::write_whole(&path, |to| std::fs::write(to, png)).map_err(ProgramError::io(&path))?;
        self.last = Instant::now();
        Ok(())
    }
}
