//! A network of tch's own modules, held to the laws and trained: `cargo run -p strait-optim --example own_network`.

use strait_core::{Error, PairedDataset, Pairs, Parameters, Scope, Seed, Stream, TrainingMode, VelocityField};
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

struct Rings; // pairs of noise and a ring

impl PairedDataset for Rings {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn count(&self) -> i64 {
        i64::MAX // each is fresh
    }
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        let mut draws = stream.at(step);
        let x0 = draws.normal(&[n, 2], Kind::Float, Device::Cpu)?;
        let angle = draws.uniform(&[n], Kind::Float, Device::Cpu)? * std::f64::consts::TAU;
        Ok(Pairs { x0, x1: Tensor::stack(&[angle.cos(), angle.sin()], 1), target_rows: None })
    }
}

pub(crate) fn trainer(iterations: u64) -> Result<Trainer<'static>, OptimError> {
    tch::manual_seed(0); // tch's modules start by libtorch's own generator
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let (interpolant, velocity) = (Box::new(strait_paths::Linear), Box::new(own(&mut parameters.root())?));
    let levels = vec![Level::new(LevelName::Velocity, parameters, &[50.0])?];
    let plan = LevelPlan::of(LevelName::Velocity, FlowMatching, 256, 1e-2);
    let phases = vec![Phase { name: "fit".into(), iterations, levels: vec![plan], fresh: vec![] }];
    Trainer::new(System { interpolant, velocity, levels }, phases, Pairing::Stored(&Rings), Seed(0))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let suite = Suite::new("my network").events(&[&[2]]);
    suite.check_differentiable(|_, scope| own(scope))?;
    suite.check_through_tangent(|_, scope| own(scope))?;
    let mut trainer = trainer(300)?;
    (0..300).try_for_each(|_| trainer.iterate())?;
    println!("{:?}", trainer.log()?);
    Ok(())
}
