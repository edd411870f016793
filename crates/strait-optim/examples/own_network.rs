//! A network of tch's own modules, held to the laws and trained: `cargo run -p strait-optim --example own_network`.

use strait_core::{Error, Parameters, Scope, Seed, StandardNormal, TrainingMode, VelocityField};
use strait_data::{ToyDataset, toys::Rings};
use strait_laws::field::Suite;
use strait_optim::{
    Level, LevelName, LevelPlan, OptimError, Pairing, Phase, System, Trainer, objectives::FlowMatching,
};
use tch::nn::{self, ModuleT};
use tch::{Device, Kind, Tensor};

struct Own(nn::SequentialT, TrainingMode); // with batch norm and dropout

fn own(scope: &mut Scope<'_>) -> Result<Own, Error> {
    let store = nn::VarStore::new(scope.device());
    let (root, hidden) = (store.root(), 32);
    let net = nn::seq_t()
        .add(nn::linear(&root / "first", 3, hidden, Default::default()))
        .add(nn::batch_norm1d(&root / "norm", hidden, Default::default()))
        .add_fn_t(|h, training| h.silu().dropout(0.1, training))
        .add(nn::linear(&root / "last", hidden, 2, Default::default()));
    scope.adopt(&store)?; // names, buffers and all
    Ok(Own(net, scope.mode().clone()))
}

impl VelocityField for Own {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        Ok(self.0.forward_t(&Tensor::f_cat(&[x, &t.f_unsqueeze(1)?], 1)?, self.1.is_training()))
    }
}

pub(crate) fn trainer(pairing: Pairing<'_>, iterations: u64) -> Result<Trainer<'_>, OptimError> {
    tch::manual_seed(0); // tch's modules start by libtorch's own generator
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let (interpolant, velocity) = (Box::new(strait_paths::Linear), Box::new(own(&mut parameters.root())?));
    let levels = vec![Level::new(LevelName::Velocity, parameters, &[50.0])?];
    let plan = LevelPlan::of(LevelName::Velocity, FlowMatching, 256, 1e-2);
    let phases = vec![Phase { name: "fit".into(), iterations, levels: vec![plan], fresh: vec![] }];
    Trainer::new(System { interpolant, velocity, levels }, phases, pairing, Seed(0))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let suite = Suite::new("my network").events(&[&[2]]);
    suite.check_differentiable(|_, scope| own(scope))?;
    suite.check_through_tangent(|_, scope| own(scope))?;
    let (source, data) =
        (StandardNormal::new(&[2]), ToyDataset::new(Box::new(Rings::new(0.1)?), Kind::Float, Device::Cpu)?);
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &strait_transport::Independent };
    let mut trainer = trainer(pairing, 300)?;
    (0..300).try_for_each(|_| trainer.iterate())?;
    println!("{:?}", trainer.log()?);
    Ok(())
}
