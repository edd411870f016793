//! The part of the trainer for several ranks: equal shares, averaged gradients, checks that ranks agree.

use crate::share::Share;
use crate::{Level, OptimError, PairedOver, Position, Trainer};
use strait_core::Synchronize;
use strait_io::digest_of;
use tch::{Device, Kind, Tensor};

impl<'a> Trainer<'a> {
    /// Shares every batch with the other ranks of a group: each takes an equal part of what one process would draw, and
    /// the gradients of a level are averaged after its backward pass, in one reduction, before they are clipped. If the
    /// value of one sample does not depend on the others of its batch, the training equals that of one process up to
    /// rounding. Dropout differs: each rank draws its own.
    ///
    /// All ranks call `iterate`, `log`, `check_ranks` and `follow_first` in the same order.
    ///
    /// # Errors
    /// `Plan` for a batch that so many ranks, each in the parts of its plan, cannot share equally, or an objective that is over
    /// a whole batch.
    pub fn among(mut self, ranks: &'a dyn Synchronize, over: PairedOver) -> Result<Self, OptimError> {
        self.share = Share { rank: ranks.rank(), world: ranks.world(), over };
        for plan in self.phases().iter().flat_map(|phase| &phase.levels) {
            self.share.of(plan)?;
        }
        self.ranks = ranks;
        Ok(self)
    }

    /// Refuses ranks whose parameters are not those of rank 0, bit for bit.
    ///
    /// # Errors
    /// The group's, which names them.
    pub fn check_ranks(&self) -> Result<(), OptimError> {
        if self.ranks.world() == 1 {
            return Ok(());
        }
        let step = self.position().step;
        for level in &self.system.levels {
            let digest = digest(level.parameters.tensors())?;
            self.ranks.check_same(&format!("{} (its parameters at step {step})", level.name.name()), digest)?;
        }
        Ok(())
    }

    /// Gives every rank the state of rank 0: its position, parameters, moments and averages. Only rank 0 has to read a
    /// checkpoint.
    ///
    /// # Errors
    /// The group's.
    pub fn follow_first(&mut self) -> Result<(), OptimError> {
        if self.ranks.world() == 1 {
            return Ok(());
        }
        let Position { step, phase, iteration, batches } = self.position();
        let mut counts = vec![step as i64, phase as i64, iteration as i64, batches as i64];
        counts.extend(self.averages().map(|average| average.steps() as i64));
        let counts = Tensor::from_slice(&counts);
        let mut all = vec![counts.shallow_clone()];
        all.extend(self.system.levels.iter().flat_map(state));
        self.ranks.spread(&all)?;
        let counts = Vec::<i64>::try_from(&counts)?;
        let averages = self.system.levels.iter_mut().flat_map(|level| &mut level.averages);
        averages.zip(&counts[4..]).for_each(|(average, steps)| average.set_steps(*steps as u64));
        let [step, phase, iteration, batches] = [0, 1, 2, 3].map(|i| counts[i] as u64);
        self.set_position(Position { step, phase: phase as usize, iteration, batches });
        Ok(())
    }

    fn averages(&self) -> impl Iterator<Item = &crate::Ema> {
        self.system.levels.iter().flat_map(|level| &level.averages)
    }
}

/// All tensors of a level that a step changes.
fn state(level: &Level) -> Vec<Tensor> {
    let moments = level.state.exp_avg.iter().chain(&level.state.exp_avg_sq).chain([&level.state.step]);
    let averages = level.averages.iter().flat_map(|average| average.averages());
    let tensors = level.parameters.tensors().iter().chain(moments).chain(averages).map(Tensor::shallow_clone);
    tensors.chain(level.parameters.buffers().into_iter().map(|(_, buffer)| buffer)).collect()
}

/// The SHA-256 of the bits of tensors.
fn digest(tensors: &[Tensor]) -> Result<[u8; 32], OptimError> {
    let mut bytes = vec![];
    for tensor in tensors {
        let flat = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?.f_view([-1])?.f_view_dtype(Kind::Uint8)?;
        bytes.extend(Vec::<u8>::try_from(&flat)?);
    }
    Ok(digest_of(&bytes))
}
