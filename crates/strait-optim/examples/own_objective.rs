//! An objective of one's own, which a few pairs far from the others do not pull away: `cargo run -p strait-optim --example
//! own_objective`.

use strait_core::{
    Batch, Error, Init, Loss, Models, Objective, PairedDataset, Pairs, Parameters, Seed, Stream, VelocityField,
};
use strait_optim::{Level, LevelName, LevelPlan, OptimError, Pairing, Phase, System, Trainer};
use tch::{Device, Kind, Tensor};

/// $E |v(x_t, t) - u|$, whose minimiser is the median where that of flow matching is the mean.
struct Absolute;

impl Objective for Absolute {
    fn loss(&self, models: Models<'_>, batch: &Batch) -> Result<Loss, Error> {
        let path = tch::no_grad(|| models.interpolant.at(&batch.x0, &batch.x1, &batch.t))?;
        let error = models.velocity.velocity(&path.x_t, &batch.t)? - path.velocity;
        let total = error.abs().mean(error.kind());
        Ok(Loss { terms: vec![("absolute", total.detach())], total })
    }
    fn name(&self) -> &'static str {
        "absolute"
    }
}

struct Constant(Tensor); // v(x, t) = c

impl VelocityField for Constant {
    fn velocity(&self, x: &Tensor, _t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.0.expand_as(x))
    }
}

struct Moved; // three of four pairs are 1 apart, and the others 9

impl PairedDataset for Moved {
    fn event_shape(&self) -> &[i64] {
        &[1]
    }
    fn count(&self) -> i64 {
        i64::MAX // each is fresh
    }
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        let mut draws = stream.at(step);
        let x0 = draws.normal(&[n, 1], Kind::Float, Device::Cpu)?;
        let far = draws.uniform(&[n, 1], Kind::Float, Device::Cpu)?.lt(0.25).to_kind(Kind::Float);
        Ok(Pairs { x1: &x0 + 1.0 + far * 8.0, x0, target_rows: None })
    }
}

/// What the constant is after its training.
pub(crate) fn fitted() -> Result<f64, OptimError> {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let c = parameters.root().tensor("c", &[1], Init::Constant(0.0))?;
    let (interpolant, velocity) = (Box::new(strait_paths::Linear), Box::new(Constant(c.shallow_clone())));
    let system = System { interpolant, velocity, levels: vec![Level::new(LevelName::Velocity, parameters, &[])?] };
    let plan = LevelPlan::of(LevelName::Velocity, Absolute, 64, 0.05);
    let phases = vec![Phase { name: "fit".into(), iterations: 200, levels: vec![plan], fresh: vec![] }];
    let mut trainer = Trainer::new(system, phases, Pairing::Stored(&Moved), Seed(0))?;
    (0..200).try_for_each(|_| trainer.iterate())?;
    Ok(c.double_value(&[0]))
}

fn main() -> Result<(), OptimError> {
    println!("{:.3}, and the mean of what moves the pairs is 3", fitted()?);
    Ok(())
}
