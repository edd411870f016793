//! Flows that other libraries have trained, loaded from safetensors files: equal log-densities.
//!
//! One file has maps that our layers can represent, and the other has maps that they cannot. `fixtures/make.py` wrote
//! the files, with normflows 1.7.3 and zuko 1.6.0, in double precision.

use std::fmt;
use std::path::Path;
use strait_core::{Bijection, Condition, Error, Init, Parameters, Scope, Seed, Transformed};
use strait_flows::{
    ActNorm, Active, Base, Chain, CouplingLayer, Density, Gate, Layer, Permutation, Setting, Transform,
};
use tch::{Device, Kind, Tensor};

type Named = Vec<(String, Tensor)>;

fn read(name: &str) -> Named {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    strait_io::tensors::read(&path).unwrap()
}

fn get(tensors: &Named, name: &str) -> Tensor {
    tensors.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no `{name}`")).1.shallow_clone()
}

fn fresh() -> Parameters {
    Parameters::new(Seed(0), Kind::Double, Device::Cpu)
}

fn equals<F: Layer>(density: &Density<F>, of: &str) {
    let points = read("points.safetensors");
    let (x, known) = (get(&points, "x"), get(&points, of));
    let found = density.log_density(&x, Condition::NONE).unwrap();
    let apart = (&found - &known).abs().max().double_value(&[]);
    assert!(apart < 1e-5, "{of}: {apart}: {found} {known}");
    // Samples are of the same law: their density there and back.
    let samples = density.sample(8, 1.0, Condition::NONE, &mut Seed(1).stream("samples").at(0)).unwrap();
    let again = density.log_density(&samples.value, Condition::NONE).unwrap();
    assert!(again.allclose(&samples.log_density, 0.0, 1e-8, false), "{of}: {again} {}", samples.log_density);
}

/// Affine couplings with `scale_map = "exp"`, a swap of halves and a constant affine map are layers of ours. What differs is
/// where numbers stand: normflows has shifts and log-scales in turn, ours have all log-scales first. A bound of the
/// log-scale that is never near is none.
#[test]
fn a_flow_of_normflows() {
    let file = read("normflows.safetensors");
    let mut parameters = fresh();
    let setting = Setting { event: &[4], context: &[], gate: Gate::Timeless, hidden: &[8] };
    let mut scope = parameters.root();
    let mut coupling = |name: &str| {
        CouplingLayer::new(&mut scope.sub(name), &setting, Transform::Affine { bound: 1e6 }, Active::Last).unwrap()
    };
    let flow = Chain::new().then(coupling("0")).then(Permutation::new(&[2, 3, 0, 1]).unwrap()).then(coupling("2"));
    let flow = flow.then(ActNorm::new(&mut parameters.root().sub("3"), 4, Gate::Timeless).unwrap());
    let density = Density::new(flow, Base::learned(&mut parameters.root().sub("base"), &[4]).unwrap());

    let mut values = vec![];
    for layer in ["0", "2"] {
        for (theirs, ours) in [("0", "layer0"), ("2", "layer1")] {
            for part in ["weight", "bias"] {
                let tensor = get(&file, &format!("flows.{layer}.flows.1.param_map.{theirs}.{part}"));
                let tensor = match ours {
                    "layer1" => tensor.index_select(0, &Tensor::from_slice(&[1i64, 3, 0, 2])),
                    _ => tensor,
                };
                values.push((format!("{layer}.{ours}.{part}"), tensor));
            }
        }
    }
    for (ours, theirs) in [
        ("3.log_scale", "flows.3.s"),
        ("3.shift", "flows.3.t"),
        ("base.mean", "q0.loc"),
        ("base.log_scale", "q0.log_scale"),
    ] {
        values.push((ours.into(), get(&file, theirs).squeeze_dim(0)));
    }
    parameters.assign(&values).unwrap();
    equals(&density, "normflows");
}

/// A coupling of zuko's RealNVP, which keeps its log-scale in bounds by $a / (1 + |a / \ln 10^{-3}|)$: a layer of one's own.
/// Its transform goes from data to the base.
struct Realnvp {
    still: Tensor,
    moved: Tensor,
    layers: Vec<(Tensor, Tensor)>,
}

impl Realnvp {
    /// With parameters named as in zuko's state dict; channels where `mask` holds stand still.
    fn new(scope: &mut Scope<'_>, mask: &[bool], hidden: i64) -> Result<Self, Error> {
        let places =
            |of: bool| (0i64..).zip(mask).filter(|(_, still)| **still == of).map(|(i, _)| i).collect::<Vec<_>>();
        let (still, moved) = (places(true), places(false));
        let mut layers = vec![];
        for (name, seen, made) in [("0", still.len() as i64, hidden), ("2", hidden, 2 * moved.len() as i64)] {
            let mut scope = scope.sub(name);
            let init = Init::Uniform(0.1);
            layers.push((scope.tensor("weight", &[made, seen], init)?, scope.tensor("bias", &[made], init)?));
        }
        Ok(Self { still: Tensor::from_slice(&still), moved: Tensor::from_slice(&moved), layers })
    }

    /// Log-slopes and shifts of the channels that move.
    fn conditioned(&self, x: &Tensor) -> Result<(Tensor, Tensor), Error> {
        let [(w0, b0), (w1, b1)] = &self.layers[..] else { unreachable!("two layers are made") };
        let h = x.f_index_select(1, &self.still)?.f_linear(w0, Some(b0))?.f_silu()?.f_linear(w1, Some(b1))?;
        let both = h.f_unflatten(1, [-1, 2].as_slice())?;
        let a = both.f_select(2, 1)?;
        Ok((&a / (1.0 + (&a / 1e-3f64.ln()).abs()), both.f_select(2, 0)?))
    }

    fn with(&self, x: &Tensor, moved: &Tensor, log_det: &Tensor) -> Result<Transformed, Error> {
        let value = x.f_index_copy(1, &self.moved, moved)?;
        Ok(Transformed { value, log_det: log_det.f_sum_dim_intlist([1i64].as_slice(), false, x.kind())? })
    }
}

impl Bijection for Realnvp {
    fn forward(&self, z: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        let (log_slope, shift) = self.conditioned(z)?;
        let x = (z.f_index_select(1, &self.moved)? - shift) * log_slope.neg().exp();
        self.with(z, &x, &log_slope.neg())
    }

    fn inverse(&self, x: &Tensor, _: Condition<'_>) -> Result<Transformed, Error> {
        let (log_slope, shift) = self.conditioned(x)?;
        let z = x.f_index_select(1, &self.moved)? * log_slope.exp() + shift;
        self.with(x, &z, &log_slope)
    }
}

impl fmt::Display for Realnvp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a coupling of zuko's RealNVP")
    }
}

impl Layer for Realnvp {
    fn parameters(&self) -> Vec<Tensor> {
        self.layers.iter().flat_map(|(w, b)| [w.shallow_clone(), b.shallow_clone()]).collect()
    }
}

#[test]
fn a_flow_of_zuko() {
    let mut parameters = fresh();
    let mut chain = Chain::new();
    // From the base to the data, theirs are in reverse.
    for i in (0..3).rev() {
        let mask = [0, 1, 2, 3].map(|channel| (channel + i) % 2 == 0);
        let name = format!("transform.transforms.{i}.hyper");
        chain = chain.then(Realnvp::new(&mut parameters.root().sub(&name), &mask, 8).unwrap());
    }
    let (theirs, rest): (Named, Named) =
        read("zuko.safetensors").into_iter().partition(|(name, _)| name.contains("hyper"));
    let rest: Vec<&str> = rest.iter().map(|(name, _)| name.as_str()).filter(|name| !name.ends_with("mask")).collect();
    assert_eq!(rest, ["base.loc", "base.scale"]); // of a standard normal
    parameters.assign(&theirs).unwrap();
    let base = Base::standard(&[4], Kind::Double, Device::Cpu);
    equals(&Density::new(chain, base), "zuko");
}

/// A layer of one's own under the laws that ours are held to.
#[test]
fn the_layer_is_a_bijection() {
    use strait_laws::bijection::{Domain, check};
    let domain = Domain::vectors(2..=6);
    check("zuko's RealNVP", &domain, |case, scope| {
        let mask: Vec<bool> = (0..case.event[0]).map(|channel| channel % 2 == 0).collect();
        Realnvp::new(scope, &mask, 5)
    })
    .unwrap();
}
