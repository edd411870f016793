use crate::check_samples::check;
use crate::condition::Condition;
use crate::epochs::Epochs;
use crate::file_form::{FileForm, Grid};
use crate::image_layout::Layout;
use crate::moments::{Moments, moments, moments_of};
use crate::normalise::move_to;
use crate::read_ahead::Ahead;
use crate::remarks::Remarks;
use crate::row_store::{Points, Stored, normalised};
use crate::{DataError, Image, LABELS, Normalise, Scaling, Splits};
use std::time::Duration;
use strait_core::{BatchShare, ConditionKind, Conditions, Dataset, Draws, Error, Split, Stream};
use strait_io::Element;
use tch::{Device, Kind, Tensor};

/// What rows are stored as.
#[derive(Debug)]
pub(crate) struct StoredForm {
    /// The type of the numbers of samples.
    pub(crate) element: Element,
    /// The width of a quantisation bin in the data's own units.
    pub(crate) bin: Option<Tensor>,
    /// Whether samples are images (C, H, W) that are mirrored in training.
    pub(crate) flips: bool,
}

/// Rows that statistics are taken of, where reading is slow.
const LOOKED_AT: i64 = 8192;

/// A finite data set in memory or in a file, in units with the statistics of its training split.
///
/// Minibatches run through the training points in epochs: each epoch in a random order of its own, every point once,
/// and a batch that an epoch's end cuts short is completed from the next. Which rows a step gets is a function of the
/// stream, the batch size and the step alone, so that a run resumes from its step.
///
/// ```
/// use strait_core::{Dataset, Seed, Split};
/// use strait_data::{ArrayDataset, Scaling, Splits};
/// use tch::{Device, Kind, Tensor};
/// let draw = |n| Tensor::randn([n, 3], (Kind::Float, Device::Cpu));
/// let arrays = Splits { train: draw(100), validation: draw(20), test: draw(20) };
/// let data = ArrayDataset::new("mine", &arrays, Scaling::Overall, Kind::Float, Device::Cpu)?;
/// let x = data.minibatch(32, 5, Seed(0).stream("data"))?;
/// assert_eq!(x.size(), [32, 3]);
/// assert_eq!(data.len(Split::Test), Some(20));
/// # Ok::<(), strait_data::DataError>(())
/// ```
#[derive(Debug)]
pub struct ArrayDataset {
    name: String,
    event: Vec<i64>,
    /// At the lower end of their quantisation bin.
    points: Splits<Points>,
    labels: Option<Splits<Tensor>>,
    condition: Option<Condition>,
    image: Option<Image>,
    units: Normalise,
    /// The width of a quantisation bin in the data set's units.
    bin: Option<Tensor>,
    /// Where a coordinate never changes, and the value that it has.
    constant: Option<(Tensor, Tensor)>,
    form: FileForm,
    /// Whether each training image is mirrored left to right with probability 1/2.
    flips: bool,
    remarks: Remarks,
    kind: Kind,
    device: Device,
    ahead: Ahead,
    epochs: Epochs,
}

impl ArrayDataset {
    /// Of arrays (n, ...) of numbers of any kind.
    ///
    /// # Errors
    /// `NotABatch`, `TooFewRows`, `ShapesDiffer`, or `NotFinite` names the array.
    pub fn new(
        name: &str,
        arrays: &Splits<Tensor>,
        scaling: Scaling,
        kind: Kind,
        device: Device,
    ) -> Result<Self, DataError> {
        Self::of_bins(name, arrays, None, scaling, (kind, device))
    }

    /// Of arrays whose numbers were rounded down to multiples of `bin`. Each time that a point is taken, noise uniform
    /// on $[0, \text{bin})$ is added to every coordinate, so that the data have a density (Theis et al., 2016).
    ///
    /// # Errors
    /// As `new`; `Parameter` where `bin` is not positive.
    pub fn quantised(
        name: &str,
        arrays: &Splits<Tensor>,
        bin: f64,
        scaling: Scaling,
        kind: Kind,
        device: Device,
    ) -> Result<Self, DataError> {
        if !(bin.is_finite() && bin > 0.0) {
            let value = bin.to_string();
            return Err(DataError::Parameter { of: "a quantised array", parameter: "bin", value, must: "positive" });
        }
        check(arrays)?;
        let bin = Tensor::f_full(&arrays.train.size()[1..], bin, (Kind::Double, Device::Cpu))?;
        let mut data = Self::of_bins(name, arrays, Some(bin), scaling, (kind, device))?;
        // Levels of a few bits: the precision of the points holds them.
        data.form.element = if kind == Kind::Double { Element::F64 } else { Element::F32 };
        Ok(data)
    }

    /// With a bin of each coordinate: 0 for one that is not quantised.
    pub(crate) fn of_bins(
        name: &str,
        arrays: &Splits<Tensor>,
        bin: Option<Tensor>,
        scaling: Scaling,
        place: (Kind, Device),
    ) -> Result<Self, DataError> {
        check(arrays)?;
        let moments = moments(&arrays.train, scaling)?;
        let element = Element::of(arrays.train.kind()).unwrap_or(Element::F32);
        let held = |units: &Normalise, (kind, device)| -> Result<_, DataError> {
            arrays.try_map(|_, x| Ok(Points::Held(normalised(x, units, kind, device)?)))
        };
        let form = StoredForm { element, bin, flips: false };
        Self::in_units(name, moments, form, scaling, place, held)
    }

    /// Of rows that stay where they are stored.
    pub(crate) fn stored(
        name: &str,
        rows: &Splits<Stored>,
        form: StoredForm,
        scaling: Scaling,
        place: (Kind, Device),
    ) -> Result<Self, DataError> {
        let train = &rows.train;
        // Of what is slow to read, evenly spaced rows.
        let every = if train.is_slow() { (train.len() / LOOKED_AT).max(1) } else { 1 };
        let read = |start: i64, n: i64| -> Result<Tensor, Error> {
            train.in_unit(&train.read(&(start..start + n).map(|row| row * every).collect::<Vec<_>>())?)
        };
        let moments = moments_of((train.len() - 1) / every + 1, scaling, &read)?;
        let moments = if form.flips { moments.mirrored()? } else { moments };
        let held = |_: &Normalise, _| rows.try_map(|_, x| Ok(Points::Stored(x.clone())));
        Self::in_units(name, moments, form, scaling, place, held)
    }

    fn in_units(
        name: &str,
        moments: Moments,
        StoredForm { element, bin, flips }: StoredForm,
        scaling: Scaling,
        (kind, device): (Kind, Device),
        points: impl FnOnce(&Normalise, (Kind, Device)) -> Result<Splits<Points>, DataError>,
    ) -> Result<Self, DataError> {
        let moments = match &bin {
            Some(bin) => moments.dequantised(bin)?,
            None => moments,
        };
        let event = moments.mean.size();
        let units = Normalise::from_moments(&moments, scaling)?;
        let points = points(&units, (kind, device))?;
        let varies = moments.constant.f_any()?.int64_value(&[]) == 0;
        let constant = (!varies).then(|| (moments.constant.shallow_clone(), moments.mean.shallow_clone()));
        let width = match &bin {
            Some(bin) => Some(move_to(&(units.scale().f_reciprocal()? * bin), kind, device)?),
            None => None,
        };
        let grid = bin.map(|bin| Grid { bin, range: None, dequantised: true });
        let form = FileForm { element, layout: Layout::Same, grid };
        Ok(Self {
            name: name.to_owned(),
            event,
            points,
            labels: None,
            condition: None,
            image: None,
            units,
            bin: width,
            constant,
            form,
            flips,
            remarks: Remarks::default(),
            kind,
            device,
            ahead: Ahead::default(),
            epochs: Epochs::default(),
        })
    }

    /// With a class for each point, (n,) of integers for each split.
    ///
    /// # Errors
    /// `Shape` where there is not one for each point.
    pub fn with_labels(mut self, labels: &Splits<Tensor>) -> Result<Self, DataError> {
        let device = self.device;
        let check = |split, labels: &Tensor| -> Result<Tensor, DataError> {
            let n = self.points.get(split).len();
            if labels.size() != [n] {
                let expected = format!("[{n}], one for each {} point", split.name());
                return Err(Error::Shape { what: "labels", expected, found: labels.size() }.into());
            }
            Ok(move_to(labels, Kind::Int64, device)?)
        };
        self.labels = Some(labels.try_map(check)?);
        Ok(self)
    }

    /// With its classes as the condition of its points, called `labels`.
    ///
    /// # Errors
    /// `NoClasses` where it has none; `Condition` for a class of validation or test that no training point has.
    pub fn by_class(mut self) -> Result<Self, DataError> {
        let Some(labels) = self.labels.take() else { return Err(DataError::NoClasses { data: self.name }) };
        let data = self.conditioned(LABELS, &labels)?;
        Ok(Self { labels: Some(labels), ..data })
    }

    /// With a condition for each point: classes (n,), whole numbers from 0, or vectors (n, k).
    ///
    /// ```
    /// use strait_core::{ConditionKind, Dataset, Seed};
    /// use strait_data::{ArrayDataset, Scaling, Splits};
    /// use tch::{Device, Kind, Tensor};
    /// let rows = |n| Tensor::arange(n, (Kind::Int64, Device::Cpu));
    /// let points = |n| rows(n).to_kind(Kind::Float).view([-1, 1]) * 10.0;
    /// let of = |part: &dyn Fn(i64) -> Tensor| Splits { train: part(9), validation: part(3), test: part(3) };
    /// let data = ArrayDataset::new("mine", &of(&points), Scaling::Overall, Kind::Float, Device::Cpu)?;
    /// let data = data.conditioned("group", &of(&|n| rows(n).remainder(3)))?;
    /// assert_eq!(data.condition(), Some(("group", ConditionKind::Classes(3))));
    /// let (x, conditions) = data.conditional_minibatch(4, 7, Seed(0).stream("data"))?;
    /// let tens = (data.denormalise(&x)?.view([-1]) / 10.0).round().to_kind(Kind::Int64);
    /// assert_eq!(*conditions.get("group")?, tens.remainder(3));
    /// # Ok::<(), strait_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// `Condition` where there is not one for each point, for labels below 0, and for labels that no training point has.
    pub fn conditioned(mut self, name: &str, rows: &Splits<Tensor>) -> Result<Self, DataError> {
        let counts = self.points.try_map(|_, points| Ok::<_, DataError>(points.len()))?;
        let condition = Condition::new(name, rows, &counts, (self.kind, self.device))?;
        self.remarks = self.remarks.with_condition(&condition);
        Ok(Self { condition: Some(condition), ..self })
    }

    /// With the image that each sample is.
    ///
    /// # Errors
    /// `Shape` where a sample has another number of coordinates.
    pub fn with_image(mut self, image: Image) -> Result<Self, DataError> {
        if image.channels * image.height * image.width != self.event.iter().product::<i64>() {
            let expected = format!("{image:?}");
            return Err(Error::Shape { what: "a sample", expected, found: self.event }.into());
        }
        self.image = Some(image);
        Ok(self)
    }

    /// The class of each point of a split, (n,) of 64-bit integers, in the order of [`in_order`](Self::in_order).
    pub fn labels(&self, split: Split) -> Option<&Tensor> {
        self.labels.as_ref().map(|labels| labels.get(split))
    }

    /// The image that each sample is, where it is one.
    pub fn image(&self) -> Option<Image> {
        self.image
    }

    /// How the data's file holds its samples.
    pub fn form(&self) -> &FileForm {
        &self.form
    }

    /// What was found in its files beside its points.
    pub fn remarks(&self) -> &Remarks {
        &self.remarks
    }

    pub(crate) fn with_remarks(self, remarks: Remarks) -> Self {
        Self { remarks, ..self }
    }

    pub(crate) fn with_form(mut self, form: FileForm) -> Self {
        self.form = form;
        self
    }

    /// All points of a split in the order in which they are stored, (n, ...), normalised. Those of `points` are in a random one.
    ///
    /// # Errors
    /// As `points`.
    pub fn in_order(&self, split: Split, draws: &mut Draws) -> Result<Tensor, Error> {
        let rows = Tensor::f_arange(self.points.get(split).len(), (Kind::Int64, Device::Cpu))?;
        Ok(self.at_rows(split, &rows, draws)?.0)
    }

    fn at_rows(&self, split: Split, rows: &Tensor, draws: &mut Draws) -> Result<(Tensor, Conditions), Error> {
        let x = self.dequantised(self.select(split, rows)?, &BatchShare::all(rows.size1()?), draws)?;
        Ok((x, self.conditions(split, rows)?))
    }

    fn conditions(&self, split: Split, rows: &Tensor) -> Result<Conditions, Error> {
        self.condition.as_ref().map_or_else(|| Ok(Conditions::default()), |condition| condition.at(split, rows))
    }

    fn select(&self, split: Split, rows: &Tensor) -> Result<Tensor, Error> {
        self.points.get(split).select(rows, &self.units, self.kind, self.device)
    }

    /// The change from the data's own units to the data set's, with the statistics of the training split.
    pub fn units(&self) -> &Normalise {
        &self.units
    }

    /// What leads from its units back to the data's own, by name and in double precision, for programs that sample without the
    /// data: `mean` and `scale`; where a coordinate never changes, `constant`, which is 1 there, and it is its mean whatever a
    /// model makes of it; where coordinates are whole numbers, `step`, which is their width and 0 of others, `least` and
    /// `greatest`, and, where they were dequantised, `down`: they are rounded down, and else to the nearest.
    ///
    /// ```
    /// # use strait_data::{ArrayDataset, Scaling, Splits};
    /// # use tch::{Device, Kind, Tensor};
    /// let x = || Tensor::from_slice2(&[[1e9, 7.0], [1e9 + 1.0, 7.0]]);
    /// let arrays = Splits { train: x(), validation: x(), test: x() };
    /// let data = ArrayDataset::new("mine", &arrays, Scaling::Overall, Kind::Float, Device::Cpu)?;
    /// let names: Vec<String> = data.put_back()?.into_iter().map(|(name, _)| name).collect();
    /// assert_eq!(names, ["mean", "scale", "constant"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// libtorch's, when memory runs out.
    pub fn put_back(&self) -> Result<Vec<(String, Tensor)>, Error> {
        let mut named = vec![("mean", self.units.mean()), ("scale", self.units.scale())];
        named.extend(self.constant.iter().map(|(constant, _)| ("constant", constant)));
        let down = Tensor::from(1.0);
        if let Some(grid) = &self.form.grid {
            named.push(("step", &grid.bin));
            let ends = grid.range.iter().flatten();
            named.extend(["least", "greatest"].into_iter().zip(ends));
            named.extend(grid.dequantised.then_some(("down", &down)));
        }
        let whole = |tensor| move_to(tensor, Kind::Double, Device::Cpu);
        named.into_iter().map(|(name, tensor)| Ok((name.to_owned(), whole(tensor)?))).collect()
    }

    /// Which training rows the minibatch of `n` at `step` holds, (n,) of 64-bit integers: for their labels.
    ///
    /// # Errors
    /// `Minibatch` where n is not between 1 and the number of training points.
    pub fn rows(&self, n: i64, step: u64, stream: Stream) -> Result<Tensor, DataError> {
        let of = self.points.train.len();
        if n < 1 || n > of {
            return Err(DataError::Minibatch { data: self.name.clone(), n, of });
        }
        Ok(self.epochs.rows(of, n, step, stream, self.device)?)
    }

    /// Each image mirrored left to right with probability 1/2. Units are those of images and mirror images alike, so that
    /// this is the mirror image in them too.
    fn flipped(&self, x: Tensor, of: &BatchShare, draws: &mut Draws) -> Result<Tensor, Error> {
        if !self.flips {
            return Ok(x);
        }
        let turned = of.select(&draws.uniform(&[of.batch(), 1, 1, 1], Kind::Float, self.device)?.f_lt(0.5)?)?;
        Ok(x.f_flip([-1])?.f_where_self(&turned, &x)?)
    }

    fn dequantised(&self, x: Tensor, of: &BatchShare, draws: &mut Draws) -> Result<Tensor, Error> {
        let Some(bin) = &self.bin else { return Ok(x) };
        let shape = [&[of.batch()], &x.size()[1..]].concat();
        Ok(of.select(&draws.uniform(&shape, x.kind(), x.device())?)? * bin + x)
    }
}

impl Dataset for ArrayDataset {
    fn name(&self) -> &str {
        &self.name
    }

    fn event_shape(&self) -> &[i64] {
        &self.event
    }

    fn len(&self, split: Split) -> Option<i64> {
        Some(self.points.get(split).len())
    }

    fn minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<Tensor, Error> {
        Ok(self.conditional_minibatch(n, step, stream)?.0)
    }

    fn points(&self, split: Split, n: i64, draws: &mut Draws) -> Result<Tensor, Error> {
        Ok(self.conditional_points(split, n, draws)?.0)
    }

    fn condition(&self) -> Option<(&str, ConditionKind)> {
        self.condition.as_ref().map(Condition::kind)
    }

    fn conditional_minibatch(&self, n: i64, step: u64, stream: Stream) -> Result<(Tensor, Conditions), Error> {
        self.minibatch_rows(&BatchShare::all(n), step, stream)
    }

    /// No others are read; what is drawn is drawn for the whole batch.
    fn minibatch_rows(&self, of: &BatchShare, step: u64, stream: Stream) -> Result<(Tensor, Conditions), Error> {
        let at = |step| of.select(&self.rows(of.batch(), step, stream)?);
        let rows = at(step)?;
        let x = match &self.points.train {
            Points::Stored(points) => {
                let places = |rows: &Tensor| Ok::<_, Error>(Vec::<i64>::try_from(rows.f_to_device(Device::Cpu)?)?);
                let x = points.in_unit(&self.ahead.read(points, &places(&rows)?)?)?;
                if points.is_slow() {
                    self.ahead.expect(points, places(&at(step.wrapping_add(1))?)?);
                }
                move_to(&self.units.apply(&x)?, self.kind, self.device)?
            }
            Points::Held(_) => self.select(Split::Train, &rows)?,
        };
        let x = self.flipped(x, of, &mut stream.stream("flips").at(step))?;
        let x = self.dequantised(x, of, &mut stream.stream("dequantisation").at(step))?;
        Ok((x, self.conditions(Split::Train, &rows)?))
    }

    fn conditional_points(&self, split: Split, n: i64, draws: &mut Draws) -> Result<(Tensor, Conditions), Error> {
        let of = self.points.get(split).len();
        // The first of any larger number of them, up to all.
        let rows = draws.permutation(of, Device::Cpu)?.f_narrow(0, 0, n.min(of))?;
        self.at_rows(split, &rows, draws)
    }

    fn denormalise(&self, x: &Tensor) -> Result<Tensor, Error> {
        let own = self.form.within_type(self.units.invert(&move_to(x, Kind::Double, x.device())?)?, x)?;
        let own = match &self.constant {
            // Whatever a model made of it.
            Some((constant, value)) => {
                value.f_to_device(x.device())?.f_where_self(&constant.f_to_device(x.device())?, &own)?
            }
            None => own,
        };
        Ok(own.f_to_kind(self.form.kind())?)
    }

    fn waited(&self) -> Duration {
        self.ahead.waited()
    }
}
