//! A network of tch's own modules that sees a class, held to the laws, trained and sampled by class:
//! `cargo run -p strait-optim --example own_conditions`.

use strait_core::{Bound, ConditionKind, Conditional, Conditions, Error, Parameters, Scope, Seed, StandardNormal};
use strait_data::{ToyDataset, toys::Mixture};
use strait_nets::ConditionEmbedding;
use strait_ode::{Method, Options, TimeGrid};
use strait_optim::{Level, LevelName, LevelPlan, Pairing, Phase, System, Trainer, objectives::FlowMatching};
use tch::nn::{self, Module};
use tch::{Device, Kind, Tensor};

pub(crate) struct Own(nn::Sequential, ConditionEmbedding);

pub(crate) fn own(scope: &mut Scope<'_>) -> Result<Bound<Box<Own>>, Error> {
    let class = ConditionEmbedding::new(ConditionKind::Classes(8), 16, scope)?; // a vector for each, and for none
    let store = nn::VarStore::new(scope.device());
    let layer = |name, from, to| nn::linear(store.root() / name, from, to, Default::default());
    let net = nn::seq().add(layer("first", 2 + 1 + 16, 64)).add_fn(Tensor::silu).add(layer("last", 64, 2));
    scope.adopt(&store)?; // names and all
    Ok(Bound::new(Own(net, class)))
}

impl Conditional for Own {
    fn velocity_given(&self, x: &Tensor, t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
        let class = self.1.of(conditions, x.size()[0])?;
        Ok(self.0.forward(&Tensor::f_cat(&[x, &t.f_unsqueeze(1)?, &class], 1)?))
    }
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

pub(crate) fn trainer(pairing: Pairing<'_>, iterations: u64) -> Outcome<Trainer<'_>> {
    tch::manual_seed(0); // tch's modules start by libtorch's own generator
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let (interpolant, velocity) = (Box::new(strait_paths::Linear), Box::new(own(&mut parameters.root())?));
    let levels = vec![Level::new(LevelName::Velocity, parameters, &[50.0])?];
    let plan = LevelPlan { condition_drop: 0.1, ..LevelPlan::of(LevelName::Velocity, FlowMatching, 256, 2e-2) };
    let phases = vec![Phase { name: "fit".into(), iterations, levels: vec![plan], fresh: vec![] }];
    Ok(Trainer::new(System { interpolant, velocity, levels }, phases, pairing, Seed(0))?)
}

fn main() -> Outcome<()> {
    let labels = |n: i64, draws: &mut strait_core::Draws| draws.integers(8, &[n], Device::Cpu);
    strait_laws::field::Suite::new("my network").events(&[&[2]]).check_differentiable(|_, scope| own(scope))?;
    let draw =
        |case: &strait_laws::conditions::Case, draws: &mut _| Conditions::of("labels", labels(case.batch, draws)?);
    strait_laws::conditions::check_on("my network by class", &[&[2]], draw, |_, scope| own(scope))?;
    let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 0.5)?), Kind::Float, Device::Cpu)?.by_class()?;
    let source = StandardNormal::new(&[2]);
    let pairing = Pairing::Drawn { source: &source, data: &data, coupling: &strait_transport::Independent };
    let mut trainer = trainer(pairing, 500)?;
    (0..500).try_for_each(|_| trainer.iterate())?;
    let mut draws = Seed(1).stream("source").at(0);
    let (x0, class) =
        (draws.normal(&[6, 2], Kind::Float, Device::Cpu)?, Conditions::of("labels", labels(6, &mut draws)?)?);
    let velocity = &*trainer.system.velocity;
    Method::Euler.solve_given(velocity, &class, &x0, &TimeGrid::uniform(20)?, Options::default())?.x.print();
    Ok(())
}
