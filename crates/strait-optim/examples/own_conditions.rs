//! A conditional network and data of one's own, held to the laws, trained and sampled by class:
//! `cargo run -p strait-optim --example own_conditions`.

use strait_core::{
    Bound, Conditional, Conditions, Error, Init, PairedDataset, Pairs, Parameters, Scope, Seed, Stream, VelocityField,
};
use strait_optim::{
    Level, LevelName, LevelPlan, OptimError, Pairing, Phase, System, Trainer, objectives::FlowMatching,
};
use tch::{Device, Kind, Tensor};

/// $v(x, t; c) = A_c [x, t, 1]$; the last row of A is that of no class.
pub(crate) struct Affine(Tensor);

const CLASSES: i64 = 3;

pub(crate) fn affine(scope: &mut Scope<'_>) -> Result<Affine, Error> {
    Ok(Affine(scope.tensor("a", &[CLASSES + 1, 4, 2], Init::Normal(0.1))?))
}

impl Conditional for Affine {
    fn velocity_given(&self, x: &Tensor, t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
        let none = Tensor::full([x.size()[0]], CLASSES, (Kind::Int64, x.device()));
        let rows = match (conditions.only()?, conditions.dropped()) {
            (Some(labels), Some(dropped)) => none.where_self(dropped, labels),
            (Some(labels), None) => labels.shallow_clone(),
            (None, _) => none,
        };
        let seen = Tensor::f_cat(&[x, &t.unsqueeze(1), &t.ones_like().unsqueeze(1)], 1)?;
        Ok(seen.unsqueeze(1).f_bmm(&self.0.f_index_select(0, &rows)?)?.squeeze_dim(1))
    }
}

impl VelocityField for Affine {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.velocity_given(x, t, &Conditions::default())
    }
    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Bound::boxed(self, conditions))
    }
}

pub(crate) struct Spots; // class c is a spot at (3c - 3, c)

impl PairedDataset for Spots {
    fn event_shape(&self) -> &[i64] {
        &[2]
    }
    fn count(&self) -> i64 {
        i64::MAX // each is fresh
    }
    fn is_conditional(&self) -> bool {
        true
    }
    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Pairs, Error> {
        Ok(self.conditional_minibatch(n, step, stream)?.0)
    }
    fn conditional_minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<(Pairs, Conditions), Error> {
        let mut draws = stream.at(step);
        let labels = draws.integers(CLASSES, &[n], Device::Cpu)?;
        let mut normal = || draws.normal(&[n, 2], Kind::Float, Device::Cpu);
        let (x0, x1) = (normal()?, normal()? * 0.1 + Tensor::stack(&[&labels * 3 - 3, labels.shallow_clone()], 1));
        Ok((Pairs { x0, x1, target_rows: None }, Conditions::of("labels", labels)?))
    }
}

pub(crate) fn trainer(iterations: u64, condition_drop: f64) -> Result<Trainer<'static>, OptimError> {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let (interpolant, velocity) = (Box::new(strait_paths::Linear), Box::new(affine(&mut parameters.root())?));
    let levels = vec![Level::new(LevelName::Velocity, parameters, &[50.0])?];
    let plan = LevelPlan { condition_drop, ..LevelPlan::of(LevelName::Velocity, FlowMatching, 256, 3e-2) };
    let phases = vec![Phase { name: "fit".into(), iterations, levels: vec![plan], fresh: vec![] }];
    Trainer::new(System { interpolant, velocity, levels }, phases, Pairing::Stored(&Spots), Seed(0))
}

/// Samples of each label, by Euler steps.
pub(crate) fn samples(field: &dyn VelocityField, labels: Tensor, steps: i64) -> Result<Tensor, Error> {
    let n = labels.size()[0];
    let field = field.given(&Conditions::of("labels", labels)?)?;
    let mut x = Seed(1).stream("source").at(0).normal(&[n, 2], Kind::Float, Device::Cpu)?;
    for step in 0..steps {
        let t = Tensor::full([n], step as f64 / steps as f64, (Kind::Float, Device::Cpu));
        x = tch::no_grad(|| Ok::<_, Error>(&x + field.velocity(&x, &t)? / steps as f64))?;
    }
    Ok(x)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let labels = |n: i64| Tensor::arange(n, (Kind::Int64, Device::Cpu)).remainder(CLASSES);
    strait_laws::conditions::check_on(
        "my network",
        &[&[2]],
        |case, draws| Conditions::of("labels", draws.integers(CLASSES, &[case.batch], Device::Cpu)?),
        |_, scope| affine(scope),
    )?;
    let mut trainer = trainer(500, 0.1)?;
    (0..500).try_for_each(|_| trainer.iterate())?;
    samples(&*trainer.system.velocity, labels(6), 20)?.print();
    Ok(())
}
