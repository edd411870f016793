//! Paths and flows that depend on the condition of the data: the laws of every family, built from its config, and planted faults.

use crate::common::Place;
use strait::build::{self, Samples};
use strait::config::{FAMILIES, InterpolantConfig};
use strait_core::{
    Bijection, Condition, ConditionKind, Conditions, Draws, Error, Interpolant, PathCurve, PathSample, Scope, Seed,
    TimeFunction, Transformed,
};
use strait_flows::{Gate, Glow, Plan};
use strait_laws::conditions::{Case, Law, check_bijection, check_path};
use strait_laws::interpolant::Suite;
use strait_nets::{
    Activation, ConditionEmbedding, ConditionalBijection, ConvNet, ConvNetConfig, Mlp, MlpConfig, TimeFeatures,
};
use strait_paths::{Affine, AffineConfig, GlowPath, Mixing, ResidualPath, Transport, Warped};
use tch::{Device, Kind, Tensor};

const VECTORS: [&[i64]; 2] = [&[2], &[3]];
const IMAGES: [&[i64]; 1] = [&[2, 4, 4]];
const KINDS: [ConditionKind; 2] = [ConditionKind::Classes(3), ConditionKind::Vector(2)];

fn draw(kind: ConditionKind) -> impl Fn(&Case, &mut Draws) -> Result<Conditions, Error> {
    move |case, draws| match kind {
        ConditionKind::Classes(n) => Conditions::of("labels", draws.integers(n, &[case.batch], Device::Cpu)?),
        ConditionKind::Vector(n) => Conditions::of("c", draws.normal(&[case.batch, n], Kind::Double, Device::Cpu)?),
    }
}

fn network(kind: ConditionKind, input: i64, output: i64, scope: &mut Scope<'_>) -> Result<Mlp, Error> {
    let (activation, time) = (Activation::Silu, TimeFeatures::Raw);
    let config = MlpConfig { input, hidden: vec![8], output, activation, time, zero_last: true };
    Mlp::conditional(&config, kind, scope)
}

fn affine(kind: ConditionKind, case: &Case, scope: &mut Scope<'_>) -> Result<Affine<Mlp>, Error> {
    let dimensions = case.event.iter().product();
    let config = AffineConfig { dimensions, mixing: Mixing::Triangular, log_scale_bound: 2.0 };
    Affine::new(network(kind, dimensions, config.outputs(), scope)?, config)
}

/// With the condition behind the channels of `context`.
fn glow(
    kind: ConditionKind,
    case: &Case,
    (context, gate): (&[i64], Gate),
    scope: &mut Scope<'_>,
) -> Result<ConditionalBijection<Glow>, Error> {
    const WIDTH: i64 = 2;
    let embedding = ConditionEmbedding::new(kind, WIDTH, scope)?;
    let mut context = context.to_vec();
    match context.first_mut() {
        Some(channels) => *channels += WIDTH,
        None => context.push(WIDTH),
    }
    let plan = Plan { steps: 2, hidden: &[8], context: &context, gate, ..Plan::default() };
    let flow = match case.event[..] {
        [c, h, w] => Glow::image(scope, [c, h, w], 1, &plan)?,
        _ => Glow::vector(scope, case.event[0], &plan)?,
    };
    Ok(ConditionalBijection::new(flow, embedding))
}

#[test]
fn paths_by_networks_keep_the_laws_of_conditions() {
    for kind in KINDS {
        check_path("affine", &VECTORS, draw(kind), |case, scope| affine(kind, case, scope)).unwrap();
        check_path("residual", &VECTORS, draw(kind), |case, scope| {
            let d = case.event[0];
            Ok(ResidualPath::new(network(kind, 2 * d, d, scope)?))
        })
        .unwrap();
        check_path("residual of a conditional base", &VECTORS, draw(kind), |case, scope| {
            let d = case.event[0];
            let base = affine(kind, case, &mut scope.sub("base"))?;
            let bend = MlpConfig { input: 2 * d, hidden: vec![8], output: d, ..of_no_condition() };
            Ok(ResidualPath::on(base, Mlp::new(&bend, scope)?))
        })
        .unwrap();
    }
}

/// The same over images, by convolutions, under the laws of paths too.
#[test]
fn paths_by_convolutions_keep_the_laws() {
    let network = |kind: Option<ConditionKind>, samples: (i64, i64), event: &[i64], scope: &mut Scope<'_>| {
        let &[channels, height, width] = event else { unreachable!("images") };
        let (activation, time, zero_last) = (Activation::Silu, TimeFeatures::Raw, true);
        let (input, output) = ([samples.0 * channels, height, width], samples.1 * channels);
        let config = ConvNetConfig { input, stem: 2, hidden: vec![6], output, activation, time, zero_last };
        match kind {
            Some(kind) => ConvNet::conditional(&config, kind, scope),
            None => ConvNet::new(&config, scope),
        }
    };
    let affine = |kind, event: &[i64], scope: &mut Scope<'_>| {
        let dimensions = event.iter().product();
        let config = AffineConfig { dimensions, mixing: Mixing::Diagonal, log_scale_bound: 2.0 };
        Affine::new(network(kind, (1, 2), event, scope)?, config)
    };
    for kind in KINDS {
        check_path("affine", &IMAGES, draw(kind), |case, scope| affine(Some(kind), &case.event, scope)).unwrap();
        let residual = |case: &Case, scope: &mut Scope<'_>| {
            Ok(ResidualPath::new(network(Some(kind), (2, 1), &case.event, scope)?))
        };
        check_path("residual", &IMAGES, draw(kind), residual).unwrap();
    }
    let laws = |subject| Suite::new(subject).events(&IMAGES).cases(16);
    laws("affine").check_invertible(|case, scope| affine(None, &case.event, scope)).unwrap();
    laws("residual").check(|case, scope| Ok(ResidualPath::new(network(None, (2, 1), &case.event, scope)?))).unwrap();
}

fn of_no_condition() -> MlpConfig {
    let (activation, time) = (Activation::Silu, TimeFeatures::Raw);
    MlpConfig { input: 2, hidden: vec![8], output: 2, activation, time, zero_last: true }
}

#[test]
fn paths_by_flows_keep_the_laws_of_conditions() {
    for kind in KINDS {
        for events in [&VECTORS[..], &IMAGES[..]] {
            check_path("glow", events, draw(kind), |case, scope| {
                Ok(GlowPath::new(glow(kind, case, (&case.event, Gate::Start), scope)?))
            })
            .unwrap();
            check_path("transport", events, draw(kind), |case, scope| {
                Ok(Transport::new(glow(kind, case, (&[], Gate::Timeless), scope)?))
            })
            .unwrap();
            check_bijection("glow as a map", events, draw(kind), |case, scope| {
                glow(kind, case, (&[], Gate::Endpoints), scope)
            })
            .unwrap();
        }
        check_path("warped", &VECTORS, draw(kind), |case, scope| {
            let base = affine(kind, case, &mut scope.sub("base"))?;
            Ok(Warped::new(base, glow(kind, case, (&[], Gate::Endpoints), &mut scope.sub("warp"))?))
        })
        .unwrap();
    }
}

/// The linear path with a bend that depends on the condition, of which a fault takes something away.
struct Bent {
    fault: Option<Law>,
    bound: Option<Tensor>,
}

impl Bent {
    fn bend(&self, t: &Tensor) -> Result<[Tensor; 3], Error> {
        let Some(c) = &self.bound else {
            if self.fault == Some(Law::Without) {
                return Ok([t.zeros_like(), t.zeros_like(), t.zeros_like()].map(|x| x.unsqueeze(1)));
            }
            return Err(Error::MissingCondition { layer: "a bend", missing: "its condition" });
        };
        let c = match self.fault {
            Some(Law::Mismatch) if c.size()[0] < t.size()[0] => Tensor::cat(&[c, &c.narrow(0, 0, 1)], 0),
            _ if c.size()[0] != t.size()[0] => {
                return Err(Error::Shape { what: "conditions", expected: "one a sample".into(), found: c.size() });
            }
            Some(Law::OwnCondition) => c.flip([0]),
            _ => c.shallow_clone(),
        };
        let t = t.unsqueeze(1);
        let at_end = if self.fault == Some(Law::Endpoints) { 1.0 } else { 0.0 };
        let first = if self.fault == Some(Law::Derivative) { 0.5 } else { 1.0 };
        Ok([&c * (&t * (1f64 - &t) + at_end), &c * (1f64 - &t * 2.0) * first, c * t.ones_like() * -2.0])
    }
}

impl Interpolant for Bent {
    fn at(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathSample, Error> {
        let [bend, first, _] = self.bend(t)?;
        let s = t.unsqueeze(1);
        Ok(PathSample { x_t: (x0 * (1f64 - &s) + x1 * s).f_add(&bend)?, velocity: x1 - x0 + first })
    }

    fn curve(&self, x0: &Tensor, x1: &Tensor, t: &Tensor) -> Result<PathCurve, Error> {
        let PathSample { x_t, velocity } = self.at(x0, x1, t)?;
        let acceleration = self.bend(t)?[2].expand_as(&x_t);
        Ok(PathCurve { x_t, velocity, acceleration })
    }

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Interpolant + '_>>, Error> {
        if self.fault == Some(Law::Sees) {
            return Ok(None);
        }
        let bound = conditions.get("c")?.narrow(1, 0, 1);
        Ok(Some(Box::new(Bent { fault: self.fault, bound: Some(bound) })))
    }
}

#[test]
fn each_planted_fault_of_a_path_breaks_its_law() {
    let broken = |fault| check_path("bent", &VECTORS, draw(KINDS[1]), move |_, _| Ok(Bent { fault, bound: None }));
    broken(None).unwrap();
    for law in [Law::Sees, Law::OwnCondition, Law::Mismatch, Law::Without, Law::Endpoints, Law::Derivative] {
        assert_eq!(broken(Some(law)).unwrap_err().law, law);
    }
}

/// A shift by the condition, of which a fault does something else on the way back.
struct Shifted {
    fault: Option<Law>,
    bound: Option<Tensor>,
}

impl Shifted {
    fn by(&self, x: &Tensor, sign: f64) -> Result<Transformed, Error> {
        let Some(c) = &self.bound else {
            return Err(Error::MissingCondition { layer: "a shift", missing: "its condition" });
        };
        if c.size()[0] != x.size()[0] {
            return Err(Error::Shape { what: "conditions", expected: "one a sample".into(), found: c.size() });
        }
        let log_det = x.new_zeros([x.size()[0]], (x.kind(), x.device()));
        let log_det = if self.fault == Some(Law::RoundTrip) { log_det + c.select(1, 0) } else { log_det };
        Ok(Transformed { value: x + c * sign, log_det })
    }
}

impl Bijection for Shifted {
    fn forward(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        self.by(x, 1.0)
    }

    fn inverse(&self, y: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        self.by(y, -1.0)
    }

    fn given(&self, conditions: &Conditions) -> Result<Option<Box<dyn Bijection + '_>>, Error> {
        if self.fault == Some(Law::Sees) {
            return Ok(None);
        }
        let bound = conditions.get("c")?.narrow(1, 0, 1);
        Ok(Some(Box::new(Shifted { fault: self.fault, bound: Some(bound) })))
    }
}

#[test]
fn each_planted_fault_of_a_bijection_breaks_its_law() {
    let broken =
        |fault| check_bijection("shift", &VECTORS, draw(KINDS[1]), move |_, _| Ok(Shifted { fault, bound: None }));
    broken(None).unwrap();
    for law in [Law::Sees, Law::RoundTrip] {
        assert_eq!(broken(Some(law)).unwrap_err().law, law);
    }
}

/// A conditional affine path whose network sees no condition of its own is one path under all of them.
#[test]
fn what_sees_no_condition_is_one_under_all() {
    let mut parameters = strait_core::Parameters::new(Seed(0), Kind::Double, Device::Cpu);
    let mlp = Mlp::new(&of_no_condition(), &mut parameters.root()).unwrap();
    let labels = Conditions::of("labels", Tensor::from_slice(&[0i64, 1])).unwrap();
    assert!(TimeFunction::given(&mlp, &labels).unwrap().is_none());
    assert!(ResidualPath::new(&mlp).given(&labels).unwrap().is_none());
    let glow = Glow::vector(&mut parameters.root().sub("glow"), 2, &Plan::default()).unwrap();
    assert!(Transport::new(&glow).given(&labels).unwrap().is_none());
}

/// Every family with a network, as its config builds it: it is conditional where the key says so and the data have a condition.
#[test]
fn the_key_makes_each_learned_family_conditional() {
    let labels = Conditions::of("labels", Tensor::from_slice(&[2i64, 0, 1])).unwrap();
    for family in FAMILIES.iter().filter(|family| family.takes_conditions) {
        let key = "conditioned = true";
        let example = match family.name {
            "transport" | "warped" => family
                .example
                .replace("] }", &format!("], {key} }}"))
                .replace("'spline' }", &format!("'spline', {key} }}")),
            _ => format!("{}\n{key}", family.example),
        };
        let config: InterpolantConfig = toml::from_str(&format!("family = '{}'\n{example}", family.name)).unwrap();
        assert!(config.is_conditioned(), "{example}");
        for event in [&[2i64] as &[i64], &[1, 8, 8]] {
            let built = |condition| {
                build::interpolant(&config, Samples { event, condition }, Seed(0), Device::Cpu).unwrap().path
            };
            let x = Tensor::ones([&[3], event].concat(), (Kind::Float, Device::Cpu));
            let t = Tensor::full([3], 0.5, (Kind::Float, Device::Cpu));
            let path = built(Some(ConditionKind::Classes(3)));
            assert!(path.at(&x, &x, &t).is_err(), "{}: without its condition", family.name);
            let own = path.given(&labels).unwrap().expect("it is conditional");
            own.at(&x, &x, &t).unwrap();
            assert!(built(None).given(&labels).unwrap().is_none(), "{}: of no condition", family.name);
        }
    }
    let fixed = FAMILIES.iter().filter(|family| !family.takes_conditions).map(|family| family.name);
    assert_eq!(fixed.collect::<Vec<_>>(), ["linear", "trigonometric", "variance_preserving", "power", "monotone"]);
}

#[test]
fn a_path_of_a_condition_that_the_data_lack_is_refused_by_its_key() {
    let place = Place::new();
    for (interpolant, key) in [
        (
            "family = 'affine'\nhidden = [8]\nmixing = 'diagonal'\nlog_scale_bound = 2.0\nconditioned = true",
            "interpolant.conditioned",
        ),
        (
            "family = 'transport'\nmap = { kind = 'glow', steps = 2, hidden = [8], conditioned = true }",
            "interpolant.map.conditioned",
        ),
        (
            "family = 'residual'\nhidden = [8]\n\
             base = { family = 'glow', steps = 2, hidden = [8], conditioned = true }",
            "interpolant.base.conditioned",
        ),
    ] {
        let text = format!(
            "version = 1\n[data]\nname = 'moons'\n[interpolant]\n{interpolant}\n[velocity]\nhidden = [8]\n[[phase]]\nname = 'fit'\n\
             turns = 1\nlevel = [ {{ level = 'velocity', batch = 32, rate = 1e-3, objective = {{ name = 'flow_matching' }} }} ]\n"
        );
        place.write("path.toml", &text);
        let (line, code) = place.refusal(&["train", "path.toml"]);
        assert!(code == 2 && line.contains(key) && line.contains("data.condition"), "{line}");
    }
}

/// What a bijection needs besides.
#[test]
fn a_conditional_map_of_nothing_is_no_map() {
    let mut parameters = strait_core::Parameters::new(Seed(0), Kind::Double, Device::Cpu);
    let case = Case { batch: 2, event: vec![2], seed: 0 };
    let map = glow(KINDS[0], &case, (&[], Gate::Timeless), &mut parameters.root()).unwrap();
    let none = Bijection::given(&map, &Conditions::default()).unwrap().expect("it is conditional");
    let x = Tensor::ones([2, 2], (Kind::Double, Device::Cpu));
    let error = none.forward(&x, Condition::NONE).unwrap_err().to_string();
    assert!(error.contains("its condition"), "{error}");
}
