//! The embedding: one vector of a network's inputs beside the sample, its times and a condition.

use crate::error::shape;
use crate::layers::{Linear, Maker, Start};
use crate::{NetError, TimeFeatures};
use strait_autodiff::Jet;
use strait_core::{ConditionKind, Conditions, Error, Init, Scope};
use tch::{Device, Kind, Tensor};

/// The standard deviation of a fresh vector that is added to others.
const SPREAD: f64 = 0.02;

/// A condition as a vector of a network's own width, with one that stands for no condition: what classifier-free guidance
/// (Ho and Salimans, arXiv 2207.12598) trains on where a condition is dropped, and evaluates beside the condition.
///
/// ```
/// use strait_core::{Parameters, Seed};
/// use strait_nets::{ConditionEmbedding, ConditionKind};
/// use tch::{Device, Kind, Tensor};
/// let mut parameters = Parameters::new(Seed(0), Kind::Float, Device::Cpu);
/// let embedding = ConditionEmbedding::new(ConditionKind::Classes(10), 16, &mut parameters.root())?;
/// let labels = Tensor::from_slice(&[3i64, 9]);
/// let both = embedding.embed(Some(&labels), None, 2)?;
/// let dropped = embedding.embed(Some(&labels), Some(&Tensor::from_slice(&[true, false])), 2)?;
/// assert_eq!(dropped.get(0), embedding.embed(None, None, 1)?.get(0));
/// assert_eq!(dropped.get(1), both.get(1));
/// let wrong = embedding.embed(Some(&Tensor::from_slice(&[3i64, 10])), None, 2).unwrap_err();
/// assert_eq!(wrong.to_string(), "label 10 is not one of the 10 classes, 0 to 9");
/// # Ok::<(), strait_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ConditionEmbedding {
    name: String,
    kind: ConditionKind,
    of: Embedded,
    /// (width,): in the place of a condition that is not there.
    none: Tensor,
}

#[derive(Debug)]
enum Embedded {
    /// (classes, width).
    Table(Tensor),
    Map(Linear),
}

impl ConditionEmbedding {
    /// Into vectors of `width`, with parameters under `scope`.
    ///
    /// # Errors
    /// `Setting` for no classes or an empty vector; `Parameter` where a name is taken.
    pub fn new(kind: ConditionKind, width: i64, scope: &mut Scope<'_>) -> Result<Self, Error> {
        Self::spread(kind, width, SPREAD, scope)
    }

    /// As `new`, with entries of standard deviation `spread` to begin with.
    pub(crate) fn spread(kind: ConditionKind, width: i64, spread: f64, scope: &mut Scope<'_>) -> Result<Self, Error> {
        Self::make(kind, width, spread, Maker { scope: scope.sub("condition"), layers: &mut vec![] })
    }

    pub(crate) fn make(kind: ConditionKind, width: i64, spread: f64, mut at: Maker<'_, '_>) -> Result<Self, Error> {
        let (ConditionKind::Classes(n) | ConditionKind::Vector(n)) = kind;
        if n < 1 {
            let must = "at least 1";
            return Err(Error::Setting {
                what: "the number of classes, or of numbers in a condition",
                value: n as f64,
                must,
            });
        }
        let none = at.scope.tensor("none", &[width], Init::Normal(spread))?;
        let of = match kind {
            ConditionKind::Classes(n) => {
                Embedded::Table(at.scope.tensor("classes", &[n, width], Init::Normal(spread))?)
            }
            ConditionKind::Vector(n) => Embedded::Map(Linear::new(at.sub("vector"), (n, width), 1, Start::Fan)?),
        };
        let (what, rows) = match kind {
            ConditionKind::Classes(n) => (format!("{n} classes, or none"), n + 1),
            ConditionKind::Vector(_) => ("no condition".into(), 1),
        };
        let name = at.list(what, vec![width], rows * width, 0);
        Ok(Self { name, kind, of, none })
    }

    /// (B, width) for the conditions of a batch of `batch`: of the only one, whatever its name.
    ///
    /// # Errors
    /// As `embed`; `NoSuchCondition` where there are several.
    pub fn of(&self, conditions: &Conditions, batch: i64) -> Result<Tensor, Error> {
        self.embed(conditions.only()?, conditions.dropped(), batch)
    }

    /// The vector as channels that are the same everywhere in a sample: (B, width, ...) for samples whose dimensions after the
    /// first are `rest`.
    ///
    /// # Errors
    /// As `of`; `MissingCondition` where there are none.
    pub fn channels(&self, conditions: &Conditions, rest: &[i64]) -> Result<Tensor, Error> {
        let missing = Error::MissingCondition { layer: "a flow under conditions", missing: "its condition" };
        let vector = self.of(conditions, conditions.count().ok_or(missing)?)?;
        let size = vector.size();
        let thin = [size.as_slice(), &vec![1; rest.len()]].concat();
        Ok(vector.f_view(thin.as_slice())?.f_expand([size.as_slice(), rest].concat(), false)?)
    }

    /// (B, width) for the rows of a batch of `batch`; without rows, and where `dropped` (B,) holds, the vector of no
    /// condition.
    ///
    /// # Errors
    /// `NetError::Label` for a class that does not exist (looked for on the CPU, where it costs no wait), and
    /// `NetError::Shape` for rows that do not fit, both within `Other`.
    pub fn embed(&self, rows: Option<&Tensor>, dropped: Option<&Tensor>, batch: i64) -> Result<Tensor, Error> {
        let width = self.none.size()[0];
        let Some(rows) = rows else { return Ok(self.none.f_unsqueeze(0)?.f_expand([batch, width], false)?) };
        let embedded = match (&self.of, self.kind) {
            (Embedded::Table(table), ConditionKind::Classes(classes)) => {
                if rows.size() != [batch] || rows.kind() != Kind::Int64 {
                    return Err(shape(&self.name, format!("labels ({batch},) of 64-bit integers"), rows));
                }
                check_labels(rows, classes)?;
                Tensor::f_embedding(table, rows, -1, false, false)?
            }
            (Embedded::Map(map), ConditionKind::Vector(n)) => {
                if rows.size() != [batch, n] {
                    return Err(shape(&self.name, format!("({batch}, {n})"), rows));
                }
                map.apply(rows)?
            }
            _ => return Err(NetError::NoCondition.into()),
        };
        let Some(dropped) = dropped else { return Ok(embedded) };
        if dropped.size() != [batch] {
            return Err(shape(&self.name, format!("({batch},) of what is dropped"), dropped));
        }
        Ok(self.none.f_where_self(&dropped.f_unsqueeze(1)?, &embedded)?)
    }
}

fn check_labels(labels: &Tensor, classes: i64) -> Result<(), Error> {
    if labels.device() != Device::Cpu || labels.numel() == 0 {
        return Ok(());
    }
    for label in [labels.f_min()?.f_int64_value(&[])?, labels.f_max()?.f_int64_value(&[])?] {
        if !(0..classes).contains(&label) {
            return Err(NetError::Label { label, classes }.into());
        }
    }
    Ok(())
}

/// One time or two, and a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbeddingConfig {
    /// 1 for a velocity $v(x, t)$, 2 for an average velocity $u(x, s, t)$.
    pub times: usize,
    /// How each time enters.
    pub features: TimeFeatures,
    /// What else there is.
    pub condition: Option<ConditionKind>,
    /// The width of the vector.
    pub width: i64,
}

impl Default for EmbeddingConfig {
    /// One time in 6 octaves, no condition, width 64.
    fn default() -> Self {
        Self { times: 1, features: TimeFeatures::Fourier(6), condition: None, width: 64 }
    }
}

/// SiLU of the sum of a small network's vector of the times and that of the condition: (B, width).
#[derive(Debug)]
pub(crate) struct Embedding {
    config: EmbeddingConfig,
    first: Linear,
    second: Linear,
    condition: Option<ConditionEmbedding>,
}

impl Embedding {
    pub(crate) fn new(config: &EmbeddingConfig, mut at: Maker<'_, '_>) -> Result<Self, Error> {
        let EmbeddingConfig { times, features, condition, width } = *config;
        if !(1..=2).contains(&times) {
            let must = "1 for a velocity, or 2 for an average velocity";
            return Err(Error::Setting { what: "the number of times", value: times as f64, must });
        }
        if features.count() == 0 {
            let must = "at least 1: a network that sees no time has no embedding";
            return Err(Error::Setting { what: "the number of time features", value: 0.0, must });
        }
        let first = Linear::new(at.sub("0"), (times as i64 * features.count(), width), 1, Start::Fan)?;
        let second = Linear::new(at.sub("1"), (width, width), 1, Start::Fan)?;
        let condition =
            condition.map(|kind| ConditionEmbedding::make(kind, width, SPREAD, at.sub("condition"))).transpose()?;
        Ok(Self { config: *config, first, second, condition })
    }

    /// Times (B,), as many as the network has, and conditions.
    pub(crate) fn apply(&self, times: &[&Tensor], conditions: &Conditions, batch: i64) -> Result<Tensor, Error> {
        if times.len() != self.config.times {
            return Err(NetError::Times { expected: self.config.times, found: times.len() }.into());
        }
        let mut features = Vec::with_capacity(times.len());
        for t in times {
            if t.size() != [batch] {
                return Err(Error::Shape { what: "t", expected: format!("({batch},)"), found: t.size() });
            }
            features.push(self.config.features.of(&Jet::constant(&t.f_unsqueeze(1)?)).value().shallow_clone());
        }
        let h = self.first.apply(&Tensor::f_cat(&features, 1)?)?.f_silu()?;
        let mut vector = self.second.apply(&h)?;
        match &self.condition {
            Some(embedding) => vector = vector.f_add(&embedding.of(conditions, batch)?)?,
            None if conditions.is_empty() => {}
            None => return Err(NetError::NoCondition.into()),
        }
        Ok(vector.f_silu()?)
    }

    /// Refuses to be bound to conditions that it does not take.
    pub(crate) fn check_conditional(&self) -> Result<(), Error> {
        if self.condition.is_some() { Ok(()) } else { Err(Error::Unconditional) }
    }

    /// Whether a network of these is a flow map.
    pub(crate) fn is_of_two_times(&self) -> bool {
        self.config.times == 2
    }

    /// As many times as the network takes, all of them t: on its diagonal an average velocity is the velocity.
    pub(crate) fn diagonal<'t>(&self, t: &'t Tensor) -> Vec<&'t Tensor> {
        vec![t; self.config.times]
    }
}
