use crate::moments::moments;
use crate::{DataError, LABELS, Normalise, Scaling, Toy};
use strait_core::{ConditionKind, Conditions, Dataset, Draws, Error, Seed, Source, Split, Stream};
use tch::{Device, Kind, Tensor};

/// Points that a toy's statistics are taken over: the mean is known to .3 % of a standard deviation.
const STATISTICS: i64 = 1 << 17;

/// A toy in units in which its variance, averaged over the coordinates, is 1. It is a [`Source`] itself, with the
/// density of the changed units.
pub struct NormalisedToy {
    toy: Box<dyn Toy + Send>,
    units: Normalise,
}

impl NormalisedToy {
    /// With the toy's own statistics, over a large sample that is the same in every run.
    ///
    /// # Errors
    /// The toy's.
    pub fn new(toy: Box<dyn Toy + Send>) -> Result<Self, Error> {
        Self::scaled(toy, Scaling::Overall)
    }

    /// As `new`, with another scale, or none.
    ///
    /// # Errors
    /// The toy's.
    pub fn scaled(toy: Box<dyn Toy + Send>, scaling: Scaling) -> Result<Self, Error> {
        let mut draws = Seed(0).stream("statistics of a toy").at(0);
        let statistics = moments(&toy.sample(STATISTICS, &mut draws, Kind::Double, Device::Cpu)?, scaling)?;
        Ok(Self { toy, units: Normalise::from_moments(&statistics, scaling)? })
    }

    /// In given units: for a source that shall live in those of its target.
    pub fn in_units(toy: Box<dyn Toy + Send>, units: Normalise) -> Self {
        Self { toy, units }
    }

    /// The toy in its own units.
    pub fn toy(&self) -> &dyn Toy {
        &*self.toy
    }

    /// The change of units.
    pub fn units(&self) -> &Normalise {
        &self.units
    }
}

impl Source for NormalisedToy {
    fn event_shape(&self) -> &[i64] {
        self.toy.event_shape()
    }

    fn sample(&self, n: i64, draws: &mut Draws, kind: Kind, device: Device) -> Result<Tensor, Error> {
        self.units.apply(&self.toy.sample(n, draws, kind, device)?)
    }

    /// $\log p_z(z) = \log p_x(\mu + \sigma z) + \sum_i \log \sigma_i$.
    fn log_density(&self, z: &Tensor) -> Result<Tensor, Error> {
        Ok(self.toy.log_density(&self.units.invert(z)?)? - self.units.log_det())
    }
}

/// A toy as a data set without end: every draw is fresh, and what is drawn for training, validation and test comes
/// from streams that never meet, whatever draws they are asked with.
///
/// ```
/// use strait_core::{Dataset, Seed, Split};
/// use strait_data::{ToyDataset, toys::Mixture};
/// use tch::{Device, Kind};
/// let data = ToyDataset::new(Box::new(Mixture::eight_gaussians(5.0, 1.0)?), Kind::Float, Device::Cpu)?;
/// let stream = Seed(0).stream("data");
/// let x1 = data.minibatch(512, 7, stream)?;
/// assert_eq!(x1, data.minibatch(512, 7, stream)?);
/// let test = data.points(Split::Test, 512, &mut stream.at(7))?;
/// assert_ne!(x1, test);
/// # Ok::<(), strait_data::DataError>(())
/// ```
pub struct ToyDataset {
    law: NormalisedToy,
    /// How many classes its points come with.
    classes: Option<i64>,
    kind: Kind,
    device: Device,
}

impl ToyDataset {
    /// Points of this kind on this device, in units of unit variance.
    ///
    /// # Errors
    /// The toy's; libtorch's for a device that is not there.
    pub fn new(toy: Box<dyn Toy + Send>, kind: Kind, device: Device) -> Result<Self, Error> {
        Self::of(NormalisedToy::new(toy)?, kind, device)
    }

    /// As `new`, in the units of a law.
    ///
    /// # Errors
    /// libtorch's for a device that is not there.
    pub fn of(law: NormalisedToy, kind: Kind, device: Device) -> Result<Self, Error> {
        let NormalisedToy { toy, units } = law;
        // The statistics go to the device once, not with every batch.
        Ok(Self { law: NormalisedToy { toy, units: units.to(kind, device)? }, classes: None, kind, device })
    }

    /// The same points, which come with their class, a condition called `labels`.
    ///
    /// # Errors
    /// `NoClasses` where the toy has none.
    pub fn by_class(self) -> Result<Self, DataError> {
        let classes = self.law.toy.classes();
        match classes {
            Some(_) => Ok(Self { classes, ..self }),
            None => Err(DataError::NoClasses { data: self.law.toy.name().to_owned() }),
        }
    }

    /// The law that the points are drawn from, in the data set's units.
    pub fn law(&self) -> &NormalisedToy {
        &self.law
    }

    fn fresh(&self, split: Split, n: i64, step: u64, draws: &mut Draws) -> Result<(Tensor, Conditions), Error> {
        let mut own = Seed(draws.bits()).stream(split.name()).at(step);
        if self.classes.is_none() {
            return Ok((self.law.sample(n, &mut own, self.kind, self.device)?, Conditions::default()));
        }
        let (x, classes) = self.law.toy.sample_classes(n, &mut own, self.kind, self.device)?;
        Ok((self.law.units.apply(&x)?, Conditions::of(LABELS, classes)?))
    }
}

impl Dataset for ToyDataset {
    fn name(&self) -> &str {
        self.law.toy.name()
    }

    fn event_shape(&self) -> &[i64] {
        self.law.event_shape()
    }

    fn len(&self, _: Split) -> Option<i64> {
        None
    }

    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Tensor, Error> {
        Ok(self.conditional_minibatch(n, step, stream)?.0)
    }

    fn points(&self, split: Split, n: i64, draws: &mut Draws) -> Result<Tensor, Error> {
        Ok(self.conditional_points(split, n, draws)?.0)
    }

    fn condition(&self) -> Option<(&str, ConditionKind)> {
        Some((LABELS, ConditionKind::Classes(self.classes?)))
    }

    fn conditional_minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<(Tensor, Conditions), Error> {
        self.fresh(Split::Train, n, step, &mut stream.at(step))
    }

    fn conditional_points(&self, split: Split, n: i64, draws: &mut Draws) -> Result<(Tensor, Conditions), Error> {
        self.fresh(split, n, 0, draws)
    }

    fn denormalise(&self, x: &Tensor) -> Result<Tensor, Error> {
        self.law.units.invert(x)
    }
}
