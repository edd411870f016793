use crate::suite::{CASES, config};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;
use std::fmt;
use std::ops::RangeInclusive;
use strait_core::{Condition, Draws, Error, Seed};
use tch::{Device, Kind, Tensor};

/// One generated case: everything that `check` needs to build a layer and its inputs again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Case {
    /// Samples in the batch.
    pub batch: i64,
    /// The shape of one sample: `[d]`, or `[c, h, w]`.
    pub event: Vec<i64>,
    /// The shape of one sample's context; empty: none.
    pub context: Vec<i64>,
    /// Whether a time is given.
    pub timed: bool,
    /// Whether the first time is exactly 0 (and the last exactly 1, in a batch of two or more).
    pub edges: bool,
    /// The standard deviation of the input.
    pub spread: f64,
    /// The standard deviation of the noise on every parameter.
    pub perturbation: f64,
    /// The seed of parameters, noise and inputs.
    pub seed: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, event, context, timed, edges, spread, perturbation, seed } = self;
        write!(f, "batch {batch}, event {event:?}")?;
        if !context.is_empty() {
            write!(f, ", context {context:?}")?;
        }
        if *timed {
            write!(f, ", t{}", if *edges { " from 0 to 1" } else { "" })?;
        }
        write!(f, ", spread {spread}, perturbation {perturbation}, seed {seed}")
    }
}

impl Case {
    /// Draws of this case, under a name.
    pub(super) fn draws(&self, name: &str) -> Draws {
        Seed(self.seed).stream("case").stream(name).at(0)
    }

    /// A tensor of standard normal numbers for this case, under a name.
    pub(super) fn normal(&self, name: &str, shape: &[i64]) -> Result<Tensor, Error> {
        self.draws(name).normal(shape, Kind::Double, Device::Cpu)
    }

    /// The input, (B, ...).
    pub(super) fn input(&self) -> Result<Tensor, Error> {
        let shape: Vec<i64> = std::iter::once(self.batch).chain(self.event.iter().copied()).collect();
        Ok(self.normal("x", &shape)? * self.spread)
    }

    /// The context and the time, as far as this case has them.
    pub(super) fn condition(&self) -> Result<Given, Error> {
        let context = if self.context.is_empty() {
            None
        } else {
            let shape: Vec<i64> = std::iter::once(self.batch).chain(self.context.iter().copied()).collect();
            Some(self.normal("context", &shape)?)
        };
        let t = if self.timed {
            let t = Seed(self.seed).stream("case t").at(0).uniform(&[self.batch], Kind::Double, Device::Cpu)?;
            if self.edges {
                let _ = t.get(self.batch - 1).fill_(1.0);
                let _ = t.get(0).fill_(0.0);
            }
            Some(t)
        } else {
            None
        };
        Ok(Given { context, t })
    }
}

/// The tensors behind a `Condition`.
pub(super) struct Given {
    pub(super) context: Option<Tensor>,
    pub(super) t: Option<Tensor>,
}

impl Given {
    pub(super) fn condition(&self) -> Condition<'_> {
        Condition { context: self.context.as_ref(), t: self.t.as_ref() }
    }

    /// Each tensor changed by `f`.
    pub(super) fn map(&self, f: impl Fn(&Tensor) -> Tensor) -> Given {
        Given { context: self.context.as_ref().map(&f), t: self.t.as_ref().map(&f) }
    }
}

/// The cases that a layer is meant for.
///
/// ```
/// use strait_laws::bijection::Domain;
/// let vectors = Domain::vectors(1..=6).context(0..=3).time();
/// let images = Domain::images(1..=3, &[2, 4]).context(0..=2);
/// # let _ = (vectors, images);
/// ```
#[derive(Debug, Clone)]
pub struct Domain {
    events: Events,
    context: RangeInclusive<i64>,
    timed: bool,
    perturbation: f64,
    pub(super) config: Config,
}

/// The default bound of the noise on parameters.
const PERTURBATION: f64 = 0.4;

#[derive(Debug, Clone)]
enum Events {
    Vectors(RangeInclusive<i64>),
    Images { channels: RangeInclusive<i64>, sides: Vec<i64> },
}

impl Domain {
    /// Samples of shape (d,) with d in a range.
    pub fn vectors(d: RangeInclusive<i64>) -> Self {
        Self::of(Events::Vectors(d))
    }

    /// Samples of shape (c, h, w), with h and w drawn from `sides` independently.
    pub fn images(channels: RangeInclusive<i64>, sides: &[i64]) -> Self {
        Self::of(Events::Images { channels, sides: sides.to_vec() })
    }

    fn of(events: Events) -> Self {
        Self { events, context: 0..=0, timed: false, perturbation: PERTURBATION, config: config(CASES) }
    }

    /// With a context of a width in a range, 0 for none; for images it is (n,) or (n, h, w) in turn.
    pub fn context(self, width: RangeInclusive<i64>) -> Self {
        Self { context: width, ..self }
    }

    /// With a time for each sample.
    pub fn time(self) -> Self {
        Self { timed: true, ..self }
    }

    /// With noise of a standard deviation up to `most` on the parameters, in place of 0.4: a deep composition of
    /// strongly moved layers is so ill-conditioned that float64 itself cannot bring a point back to $10^{-10}$.
    pub fn perturbation(self, most: f64) -> Self {
        Self { perturbation: most, ..self }
    }

    /// This many cases in place of 96, where `PROPTEST_CASES` sets no number. Fewer do for a composition whose layers
    /// keep the laws by themselves: its own mistakes show in every case.
    pub fn cases(self, cases: u32) -> Self {
        let config = Config { max_shrink_iters: self.config.max_shrink_iters, ..config(cases) };
        Self { config, ..self }
    }

    /// Reports a broken law on the case where it was found, and looks for no smaller one: a tenth of the time, for whoever only
    /// asks which law it is.
    #[must_use]
    pub fn as_found(self) -> Self {
        Self { config: Config { max_shrink_iters: 0, ..self.config }, ..self }
    }

    pub(super) fn strategy(&self) -> BoxedStrategy<Case> {
        let events = match self.events.clone() {
            Events::Vectors(d) => d.prop_map(|d| vec![d]).boxed(),
            Events::Images { channels, sides } => {
                (channels, select(sides.clone()), select(sides)).prop_map(|(c, h, w)| vec![c, h, w]).boxed()
            }
        };
        let timed = self.timed;
        let most = self.perturbation;
        // Round numbers shrink to numbers that can be read.
        let scales = (1..=40u32, 1..=40u32)
            .prop_map(move |(s, p)| (f64::from(s) / 10.0, (f64::from(p) * most * 25.0).ceil() / 1000.0));
        (1..=4i64, events, self.context.clone(), any::<bool>(), any::<bool>(), scales, 0..1000u64)
            .prop_map(move |(batch, event, width, maps, edges, (spread, perturbation), seed)| {
                let context = match (width, event.as_slice()) {
                    (0, _) => vec![],
                    (n, [_, h, w]) if maps => vec![n, *h, *w],
                    (n, _) => vec![n],
                };
                Case { batch, event, context, timed, edges: timed && edges, spread, perturbation, seed }
            })
            .boxed()
    }
}
