//! Every network with conditions, against the laws; and planted faults that the laws must find.

use strait_core::{
    Bound, ConditionKind, Conditional, Conditions, Draws, Error, Parameters, Scope, Seed, VelocityField,
};
use strait_laws::conditions::{Case, Law, check, check_on};
use strait_nets::{
    Activation, EmbeddingConfig, Mlp, MlpConfig, MlpFlowMap, TimeFeatures, Transformer, TransformerConfig, Unet,
    UnetConfig,
};
use tch::{Device, Kind, Tensor};

const KINDS: [ConditionKind; 2] = [ConditionKind::Classes(3), ConditionKind::Vector(4)];

fn draw(kind: ConditionKind) -> impl Fn(&Case, &mut Draws) -> Result<Conditions, Error> {
    move |case, draws| match kind {
        ConditionKind::Classes(n) => Conditions::of("labels", draws.integers(n, &[case.batch], Device::Cpu)?),
        ConditionKind::Vector(n) => Conditions::of("c", draws.normal(&[case.batch, n], Kind::Double, Device::Cpu)?),
    }
}

fn config(d: i64, activation: Activation) -> MlpConfig {
    MlpConfig { input: d, hidden: vec![8, 8], output: d, activation, time: TimeFeatures::Raw, zero_last: false }
}

fn of_case(case: &Case) -> MlpConfig {
    config(case.event.iter().product(), Activation::Silu)
}

#[test]
fn perceptrons_and_their_flow_maps_keep_the_laws_of_conditions() {
    for kind in KINDS {
        check("mlp", draw(kind), |case, scope| Mlp::conditional(&of_case(case), kind, scope)).unwrap();
        check("map", draw(kind), |case, scope| MlpFlowMap::conditional(&of_case(case), kind, scope)).unwrap();
    }
}

#[test]
fn networks_of_images_keep_the_laws_of_conditions() {
    for (kind, times) in [(KINDS[0], 1), (KINDS[0], 2), (KINDS[1], 1)] {
        let embedding = EmbeddingConfig { times, condition: Some(kind), width: 8, ..EmbeddingConfig::default() };
        let events: [&[i64]; 1] = [&[1, 8, 8]];
        check_on("unet", &events, draw(kind), |_, scope| {
            let config = UnetConfig { channels: 4, groups: 2, embedding, ..UnetConfig::of([1, 8, 8]) };
            Unet::new(&config, scope)
        })
        .unwrap();
        check_on("transformer", &events, draw(kind), |_, scope| {
            let config =
                TransformerConfig { width: 8, depth: 1, heads: 2, embedding, ..TransformerConfig::of([1, 8, 8]) };
            Transformer::new(&config, scope)
        })
        .unwrap();
    }
}

/// A conditional map's written jet is that of its differences, and a part of it that of those samples.
#[test]
fn the_jet_of_a_conditional_map_is_its_derivative() {
    let of = |name: &str, shape: &[i64]| Seed(3).stream(name).at(0).normal(shape, Kind::Double, Device::Cpu).unwrap();
    for activation in [Activation::Silu, Activation::Selu] {
        let mut parameters = Parameters::new(Seed(0), Kind::Double, Device::Cpu);
        let map = MlpFlowMap::conditional(&config(2, activation), KINDS[0], &mut parameters.root()).unwrap();
        let conditions = Conditions::of("labels", Tensor::from_slice(&[0i64, 2, 1, 1])).unwrap();
        let bound = map.given(&conditions).unwrap();
        let (x, dx, s) = (of("x", &[4, 2]), of("dx", &[4, 2]), of("s", &[4]).sigmoid());
        let t = s.ones_like();
        let along = strait_core::Jet::with_derivatives(x.shallow_clone(), dx.shallow_clone(), None);
        let moving = strait_core::Jet::variable(&s, strait_core::Order::First);
        let u = |by: f64| bound.as_flow_map().unwrap().average_velocity(&(&x + &dx * by), &(&s + by), &t).unwrap();
        let jet = bound.as_flow_map().unwrap();
        let jet = jet.average_velocity_jet(&along, &moving, &strait_core::Jet::constant(&t)).unwrap();
        let numeric = (u(1e-5) - u(-1e-5)) / 2e-5;
        assert!(jet.value().allclose(&u(0.0), 1e-12, 1e-12, false), "{activation:?}");
        assert!(jet.first().allclose(&numeric, 1e-6, 1e-6, false), "{activation:?}");
    }
}

/// A network with a fault beside its condition.
struct Faulty {
    net: Mlp,
    fault: Law,
}

impl Conditional for Faulty {
    fn velocity_given(&self, x: &Tensor, t: &Tensor, conditions: &Conditions) -> Result<Tensor, Error> {
        let n = x.size()[0];
        let label = |rows: Tensor| Conditions::of("labels", rows);
        let Some(rows) = conditions.only()? else { return self.net.velocity(x, t) };
        let faulty = match self.fault {
            Law::Runs => return Err(Error::NotInvertible { what: "a faulty network" }),
            Law::Shape => return Ok(self.net.velocity_given(x, t, conditions)?.unsqueeze(0)),
            Law::Sees => return self.net.velocity(x, t),
            Law::OwnCondition => label(rows.max().expand([n], false))?,
            Law::Order => label(&rows.flip([0]) * i64::from(n > 1) + rows * i64::from(n == 1))?,
            Law::BatchSplit => label((rows + (n - 1)).remainder(3))?,
            Law::Dropped => label(rows.shallow_clone())?,
            Law::Mismatch if rows.size()[0] < n => {
                label(rows.index_select(0, &Tensor::zeros([n], (Kind::Int64, Device::Cpu))))?
            }
            _ => conditions.shallow_clone(),
        };
        let faulty = match conditions.dropped() {
            Some(dropped) if self.fault != Law::Dropped => faulty.dropping(dropped.shallow_clone())?,
            _ => faulty,
        };
        self.net.velocity_given(x, t, &faulty)
    }
}

/// [`Bound`] with faults of its own.
struct Loose<'a> {
    model: &'a Faulty,
    conditions: Conditions,
}

impl VelocityField for Loose<'_> {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.model.velocity_given(x, t, &self.conditions)
    }

    fn of_samples(&self, _start: i64, length: i64) -> Result<Box<dyn VelocityField + '_>, Error> {
        Ok(Bound::boxed(self.model, &self.conditions.part(0, length)?))
    }
}

impl VelocityField for Faulty {
    fn velocity(&self, x: &Tensor, t: &Tensor) -> Result<Tensor, Error> {
        self.net.velocity(x, t)
    }

    fn given(&self, conditions: &Conditions) -> Result<Box<dyn VelocityField + '_>, Error> {
        match self.fault {
            Law::OfSamples | Law::Mismatch => {
                Ok(Box::new(Loose { model: self, conditions: conditions.shallow_clone() }))
            }
            _ => Ok(Bound::boxed(self, conditions)),
        }
    }
}

#[test]
fn planted_faults_are_found_by_the_law_that_names_them() {
    let build = |fault| {
        move |case: &Case, scope: &mut Scope<'_>| {
            Ok(Faulty { net: Mlp::conditional(&of_case(case), KINDS[0], scope)?, fault })
        }
    };
    for (fault, found_by) in [
        (Law::Runs, &[Law::Runs][..]),
        (Law::Shape, &[Law::Shape]),
        (Law::Sees, &[Law::Sees]),
        (Law::OwnCondition, &[Law::OwnCondition, Law::BatchSplit]),
        (Law::Order, &[Law::OwnCondition, Law::BatchSplit, Law::Order]),
        (Law::BatchSplit, &[Law::BatchSplit]),
        (Law::OfSamples, &[Law::OfSamples]),
        (Law::Dropped, &[Law::Dropped]),
        (Law::Mismatch, &[Law::Mismatch]),
    ] {
        let broken = check("faulty", draw(KINDS[0]), build(fault)).unwrap_err();
        assert!(found_by.contains(&broken.law), "{fault:?}: {broken}");
    }
}

#[test]
fn wrong_conditions_are_one_line_each() {
    let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
    let mut root = parameters.root();
    let with = Mlp::conditional(&config(2, Activation::Silu), KINDS[0], &mut root.sub("a")).unwrap();
    let vector = Mlp::conditional(&config(2, Activation::Silu), KINDS[1], &mut root.sub("b")).unwrap();
    let none = Mlp::new(&config(2, Activation::Silu), &mut root.sub("c")).unwrap();
    let (x, t) = (Tensor::zeros([2, 2], (Kind::Float, Device::Cpu)), Tensor::zeros([2], (Kind::Float, Device::Cpu)));
    let said = |net: &Mlp, rows: Tensor| {
        let conditions = Conditions::of("labels", rows).unwrap();
        net.given(&conditions).and_then(|bound| bound.velocity(&x, &t)).unwrap_err().to_string()
    };
    let lines = [
        (said(&with, Tensor::from_slice(&[0i64, 3])), "label 3 is not one of the 3 classes, 0 to 2"),
        (said(&with, Tensor::from_slice(&[0i64, -1])), "label -1 is not one of the 3 classes, 0 to 2"),
        (
            said(&with, Tensor::from_slice(&[0i64, 1, 2])),
            "rows of a condition: shape [3], expected (2, ...), one row a sample",
        ),
        (said(&vector, Tensor::zeros([2, 3], (Kind::Float, Device::Cpu))), "condition: shape [2, 3], expected (2, 4)"),
        (
            said(&none, Tensor::from_slice(&[0i64, 1])),
            "conditions were given to a velocity that takes none; build it with a condition, or leave them out",
        ),
    ];
    for (line, wanted) in lines {
        assert!(line.ends_with(wanted) && !line.contains('\n'), "{line}");
    }
    let two = Conditions::new(vec![
        ("a".into(), Tensor::zeros([2, 1], (Kind::Float, Device::Cpu))),
        ("b".into(), Tensor::zeros([2, 1], (Kind::Float, Device::Cpu))),
    ])
    .unwrap();
    let line = with.given(&two).unwrap().velocity(&x, &t).unwrap_err().to_string();
    assert_eq!(line, "there is no condition `the only one` (there are: a, b)");
    assert!(with.as_flow_map().is_none() && with.given(&two).unwrap().as_flow_map().is_none());
}
