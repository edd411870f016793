//! Cases that are batches of samples, and models with perturbed parameters for them.

use proptest::prelude::{BoxedStrategy, Strategy, any};
use proptest::sample::select;
use std::fmt;
use strait_core::{Error, Parameters, Scope, Seed, Stream};
use tch::{Device, Kind, Tensor};

/// A generated case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Case {
    /// How many samples.
    pub batch: i64,
    /// The shape of one sample.
    pub event: Vec<i64>,
    /// Seed of parameters, noise and inputs.
    pub seed: u64,
}

/// In the words of its fields.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Case {
    /// The shape of a batch.
    pub(crate) fn shape(&self) -> Vec<i64> {
        std::iter::once(self.batch).chain(self.event.iter().copied()).collect()
    }

    /// A stream of its own for inputs.
    pub(crate) fn stream(&self) -> Stream {
        Seed(self.seed).stream("laws")
    }
}

/// The shapes of the samples that cases are drawn with.
#[derive(Debug)]
pub(crate) enum Events {
    /// One to three dimensions of one to three.
    Small,
    /// One of these.
    Of(Vec<Vec<i64>>),
}

impl Events {
    /// Cases of up to `largest` samples.
    pub(crate) fn cases(&self, largest: i64) -> impl Strategy<Value = Case> + use<> {
        let events: BoxedStrategy<Vec<i64>> = match self {
            Self::Small => proptest::collection::vec(1i64..=3, 1..=3).boxed(),
            Self::Of(events) => select(events.clone()).boxed(),
        };
        (1..=largest, events, any::<u32>()).prop_map(|(batch, event, seed)| Case {
            batch,
            event,
            seed: u64::from(seed),
        })
    }
}

/// A model whose parameters were moved by normal noise (a fresh one is often a known one, where a wrong derivative would
/// pass), in double and in single precision.
pub(crate) struct Perturbed<M> {
    pub(crate) double: M,
    /// Those of the model in double precision.
    pub(crate) parameters: Parameters,
    pub(crate) single: M,
}

impl<M> Perturbed<M> {
    pub(crate) fn new(case: &Case, build: &impl Fn(&Case, &mut Scope<'_>) -> Result<M, Error>) -> Result<Self, Error> {
        let seed = Seed(case.seed);
        let make = |kind| -> Result<(M, Parameters), Error> {
            let mut parameters = Parameters::new(seed, kind, Device::Cpu);
            Ok((build(case, &mut parameters.root())?, parameters))
        };
        let ((double, parameters), (single, same)) = (make(Kind::Double)?, make(Kind::Float)?);
        let mut draws = seed.stream("perturbation").at(0);
        for p in parameters.tensors() {
            let noise = draws.normal(&p.size(), Kind::Double, Device::Cpu)? * 0.3;
            let _ = tch::no_grad(|| p.shallow_clone().f_add_(&noise))?;
        }
        let values: Vec<_> = parameters.named().into_iter().map(|(n, v)| (n, v.to_kind(Kind::Float))).collect();
        same.assign(&values)?;
        Ok(Self { double, parameters, single })
    }
}

/// The largest entry of |a - b| in units of 1 + |b|; infinite where the shapes differ or something is not finite.
pub(crate) fn distance(a: &Tensor, b: &Tensor) -> f64 {
    if a.size() != b.size() {
        return f64::INFINITY;
    }
    let worst = ((a - b).abs() / (b.abs() + 1.0)).max().to_kind(Kind::Double).double_value(&[]);
    if worst.is_finite() { worst } else { f64::INFINITY }
}
