//! Data sets and sources, from `[data]` and `[source]`.

use crate::ProgramError;
use crate::config::{ArraysConfig, ConfigError, DataConfig, DataName, SourceConfig, UnitsConfig};
use std::io;
use std::path::Path;
use strait_core::{Dataset, Seed, Source, Split, StandardNormal};
use strait_data::toys::{Checkerboard, Gaussian, Mixture, Moons, Pinwheel, Rings, SCurve, TwoSpirals};
use strait_data::{
    ArrayDataset, Arrays, DataError, FileForm, FileOptions, FolderOptions, Image, Normalise, NormalisedToy, Scaling,
    Splits, Toy, ToyDataset, cifar10, cifar100, data_dir, digits, emoji, fashion_mnist, from_file, from_folder, mnist,
};
use strait_report::{Colour, ImageCell, ImageFormat, ImageGrid, ImageRow, Shade};
use tch::{Device, Kind, Tensor};
use tracing::warn;

const KIND: Kind = Kind::Float;

/// How samples are shown as images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageDisplay {
    /// What their numbers are.
    pub format: ImageFormat,
    /// The numbers, in the data's own units, that are the ends of its scale.
    pub range: (f64, f64),
}

/// A data set, how its samples are shown, and its units.
pub struct Data {
    /// The points.
    pub points: Box<dyn Dataset + Send>,
    /// How samples are shown, where they are images.
    pub picture: Option<ImageDisplay>,
    /// From the data's own units to those of `points`.
    pub units: Normalise,
    /// What leads back, for programs that sample without the data ([`ArrayDataset::put_back`]).
    pub put_back: Vec<(String, Tensor)>,
    /// How samples are written, where a file says so.
    pub form: Option<FileForm>,
    /// Columns of a file whose law has no density ([`strait_data::Remarks`]).
    pub atoms: Vec<usize>,
    /// Classes that no training point has.
    pub classes_without_points: Vec<i64>,
    /// What is worth knowing of the condition before a training, in words.
    pub condition_remarks: Vec<String>,
    /// The data set whose classifier's features samples are compared in.
    pub classifier: Option<DataName>,
}

impl Data {
    fn of(points: ArrayDataset, picture: Option<ImageDisplay>, device: Device) -> Result<Self, ProgramError> {
        let units = points.units().to(KIND, device)?;
        let put_back = points.put_back()?;
        let remarks = points.remarks();
        let (atoms, classes_without_points) = (remarks.atoms.clone(), remarks.classes_without_points.clone());
        let condition_remarks = remarks.condition.clone();
        Ok(Self {
            points: Box::new(points),
            picture,
            units,
            put_back,
            form: None,
            atoms,
            classes_without_points,
            condition_remarks,
            classifier: None,
        })
    }

    /// Refuses so many training points, or all where there are fewer, as take too much memory.
    ///
    /// # Errors
    /// `Value`, of their key.
    pub(crate) fn check_drawn(&self, key: &str, n: i64) -> Result<(), ConfigError> {
        let n = self.points.len(Split::Train).map_or(n, |held| held.min(n));
        check_drawn(key, n, self.points.event_shape())
    }

    /// Of images, whose numbers are from 0 to 1.
    fn images(points: ArrayDataset, classifier: Option<DataName>, device: Device) -> Result<Self, ProgramError> {
        const SHOWN: usize = 5;
        let skipped = &points.remarks().skipped;
        for (path, reason) in skipped.files.iter().take(SHOWN) {
            warn!("{} is passed over: it is {reason}", path.display());
        }
        if skipped.files.len() > SHOWN {
            warn!("{skipped}");
        }
        let shade = |channels| if channels == 3 { Shade::Rgb } else { Shade::Light };
        let picture =
            points.image().map(|image| ImageDisplay::new(shade(image.channels), image.height, image.width, (0.0, 1.0)));
        Ok(Self { classifier, ..Self::of(points, picture, device)? })
    }
}

impl ImageDisplay {
    fn new(shade: Shade, height: i64, width: i64, range: (f64, f64)) -> Self {
        Self { format: ImageFormat { shade, height: height as usize, width: width as usize }, range }
    }

    /// Of a file's samples, channels, height and width; its range is that of its training points.
    fn of(image: [i64; 3], points: &ArrayDataset) -> Result<Self, ProgramError> {
        let [channels, height, width] = image;
        let event = points.event_shape();
        if channels * height * width != event.iter().product::<i64>() {
            let must = format!("of as many numbers as a sample, which is {event:?}");
            return Err(ConfigError::Value { key: format!("data.image = {image:?}"), must }.into());
        }
        let all = points.len(Split::Train).unwrap_or(1);
        let own = points.denormalise(&points.points(Split::Train, all, &mut Seed(0).stream("range").at(0))?)?;
        let range = (own.min().double_value(&[]), own.max().double_value(&[]));
        let shade = if channels == 3 { Shade::Rgb } else { Shade::Light };
        Ok(Self::new(shade, height, width, range))
    }

    /// Samples (n, ...) of the data's own units as one picture under a heading, in the PNG format: the largest square of them that
    /// leaves a pixel of the picture for each of theirs.
    ///
    /// # Errors
    /// Those of drawing.
    pub fn png(&self, heading: String, x: &Tensor) -> Result<Vec<u8>, ProgramError> {
        let cell = ImageCell { values: self.values(x, i64::MAX), note: String::new() };
        let grid = ImageGrid {
            id: "samples".into(),
            title: String::new(),
            caption: String::new(),
            format: self.format,
            columns: vec![heading],
            last_is_truth: false,
            rows: vec![ImageRow { label: String::new(), colour: Colour::of(1), cells: vec![cell] }],
        };
        Ok(grid.draw()?.png)
    }

    /// The first samples (n, ...) of the data's own units, one after the other, on the scale from 0 to 1.
    pub fn values(&self, x: &Tensor, most: i64) -> Vec<f32> {
        let (low, high) = self.range;
        let x = x.narrow(0, 0, most.min(x.size()[0])).to_device(Device::Cpu).to_kind(Kind::Double);
        let x = ((x - low) / if high > low { high - low } else { 1.0 }).to_kind(Kind::Float);
        Vec::<f32>::try_from(x.contiguous().view([-1])).unwrap_or_default()
    }
}

/// `[data]`.
///
/// # Errors
/// Those of the data set; `MissingData` where it can be fetched.
pub fn data(config: &DataConfig, seed: Seed, device: Device) -> Result<Data, ProgramError> {
    let scaling = config.units.map(scaling);
    if let Some(path) = &config.file {
        let options = FileOptions {
            scaling,
            arrays: arrays(&config.arrays),
            dequantise: config.dequantise,
            condition: config.condition.clone(),
            image: config.image.map(|[channels, height, width]| Image { channels, height, width }),
            ..FileOptions::default()
        };
        let points = from_file(path, &options, seed, KIND, device).map_err(|error| of_file(error, path))?;
        points.remarks().shifts.iter().for_each(|shift| warn!("{shift}"));
        let picture = config.image.map(|image| ImageDisplay::of(image, &points)).transpose()?;
        let form = Some(points.form().shallow_clone());
        return Ok(Data { form, ..Data::of(points, picture, device)? });
    }
    if let Some(path) = &config.folder {
        let image = config.image.map(|[channels, height, width]| Image { channels, height, width });
        let options = FolderOptions { image, flips: config.flips };
        let points = from_folder(path, options, seed, KIND, device).map_err(|error| of_file(error, path))?;
        return Data::images(by_class(points, config)?, None, device);
    }
    let images = |points| Data::images(by_class(points, config)?, config.classifier(), device);
    let toy: Box<dyn Toy + Send> = match config.name {
        Some(DataName::FashionMnist) => return images(fashion_mnist(&data_dir()?, KIND, device)?),
        Some(DataName::Mnist) => return images(mnist(&data_dir()?, KIND, device)?),
        Some(DataName::Cifar10) => return images(cifar10(&data_dir()?, config.flips, KIND, device)?),
        Some(DataName::Cifar100) => return images(cifar100(&data_dir()?, config.flips, KIND, device)?),
        Some(DataName::Emoji) => return images(emoji(&data_dir()?, config.flips, KIND, device)?),
        Some(DataName::Digits) => {
            let points = digits(&data_dir()?, KIND, device)?;
            let points = by_class(points, config)?;
            let ink = |image: Image| ImageDisplay::new(Shade::Ink, image.height, image.width, (0.0, 1.0));
            let picture = points.image().map(ink);
            return Ok(Data { classifier: config.classifier(), ..Data::of(points, picture, device)? });
        }
        Some(DataName::EightGaussians) => {
            Box::new(Mixture::eight_gaussians(config.radius.unwrap_or(5.0), config.sd.unwrap_or(0.316))?)
        }
        Some(DataName::Moons) => Box::new(Moons::new(0.05, 2.0, [-1.0, 0.0])?),
        Some(DataName::TwoSpirals) => Box::new(TwoSpirals::new(0.1)?),
        Some(DataName::Rings) => Box::new(Rings::new(0.08)?),
        Some(DataName::Pinwheel) => Box::new(Pinwheel),
        Some(DataName::Checkerboard) => Box::new(Checkerboard::new(4.0)?),
        Some(DataName::Mixture16) => Box::new(Mixture::sixteen_modes(16)?),
        Some(DataName::SCurve) => Box::new(SCurve::new(0.05, 1.5)?),
        Some(DataName::Gaussian) => Box::new(match config.dimension {
            None | Some(2) => Gaussian::planar()?,
            Some(d) => Gaussian::of_dimension(d)?,
        }),
        None => {
            let (key, must) = ("data.name".into(), "given, or a `file` or a `folder`".into());
            return Err(ConfigError::Value { key, must }.into());
        }
    };
    let scaling = scaling.unwrap_or(Scaling::Overall);
    if let Some(n) = config.points {
        let points = drawn_once(&*toy, n, scaling, seed, device)?;
        return Data::of(by_class(points, config)?, None, device);
    }
    let points = ToyDataset::of(NormalisedToy::scaled(toy, scaling)?, KIND, device)?;
    let units = points.law().units().to(KIND, device)?;
    let put_back = [("mean", units.mean()), ("scale", units.scale())];
    let put_back = put_back.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).into();
    let points = if config.condition.is_some() { points.by_class()? } else { points };
    Ok(Data {
        points: Box::new(points),
        picture: None,
        units,
        put_back,
        form: None,
        atoms: vec![],
        classes_without_points: vec![],
        condition_remarks: vec![],
        classifier: None,
    })
}

/// Points with their classes, where the config asks for them.
fn by_class(points: ArrayDataset, config: &DataConfig) -> Result<ArrayDataset, DataError> {
    if config.condition.is_some() { points.by_class() } else { Ok(points) }
}

/// `data.units`.
pub fn scaling(units: UnitsConfig) -> Scaling {
    match units {
        UnitsConfig::Unit => Scaling::Overall,
        UnitsConfig::Column => Scaling::PerCoordinate,
        UnitsConfig::Robust => Scaling::Robust,
        UnitsConfig::Own => Scaling::Own,
    }
}

/// The names of a file's arrays.
pub fn arrays(config: &ArraysConfig) -> Arrays {
    let ArraysConfig { train, validation, test, data, train_labels, validation_labels, test_labels } = config.clone();
    Arrays { train, validation, test, data, train_labels, validation_labels, test_labels }
}

/// An error of a file of one's own, which is no data set to fetch.
pub fn of_file(error: DataError, path: &Path) -> ProgramError {
    match error {
        DataError::Missing { .. } => {
            let problem = "there is no such file; paths are relative to the current folder";
            ProgramError::io(path)(io::Error::new(io::ErrorKind::NotFound, problem))
        }
        DataError::NotAnImage { event, image, .. } => {
            let same = event.iter().product::<i64>() == image.iter().product::<i64>();
            let how = if same { "in the order of" } else { "of as many numbers as" };
            let must = format!("{how} a sample, which is {event:?}");
            ConfigError::Value { key: format!("data.image = {image:?}"), must }.into()
        }
        DataError::Parameter { parameter: "image", must, .. } => {
            ConfigError::Value { key: "data.image".into(), must: must.into() }.into()
        }
        error => ProgramError::Data(error),
    }
}

/// `n` points of a toy for each split.
fn drawn_once(
    toy: &dyn Toy,
    n: i64,
    scaling: Scaling,
    seed: Seed,
    device: Device,
) -> Result<ArrayDataset, ProgramError> {
    check_drawn("data.points", n, toy.event_shape())?;
    let draw =
        |split: Split| toy.sample_classes(n, &mut seed.stream("points").stream(split.name()).at(0), KIND, Device::Cpu);
    let (train, validation, test) = (draw(Split::Train)?, draw(Split::Validation)?, draw(Split::Test)?);
    let arrays = Splits { train: train.0, validation: validation.0, test: test.0 };
    let data = ArrayDataset::new(toy.name(), &arrays, scaling, KIND, device)?;
    Ok(match toy.classes() {
        Some(_) => data.with_labels(&Splits { train: train.1, validation: validation.1, test: test.1 })?,
        None => data,
    })
}

/// The most memory of points that are drawn at once.
const DRAWN: u64 = 4 << 30;

/// Refuses so many points, drawn at once, as take too much memory.
///
/// # Errors
/// `Value`, of their key.
fn check_drawn(key: &str, n: i64, event: &[i64]) -> Result<(), ConfigError> {
    let d = event.iter().product::<i64>().max(1);
    let most = (DRAWN / 4) as i64 / d;
    if n <= most {
        return Ok(());
    }
    let must = format!("at most {most}: more points of {d} coordinates take too much memory");
    Err(ConfigError::Value { key: format!("{key} = {n}"), must })
}

/// `[source]` for a data set.
///
/// # Errors
/// `Config` where its samples have another shape than the data's.
pub fn source(config: SourceConfig, data: &Data) -> Result<Box<dyn Source + Send>, ProgramError> {
    let event = data.points.event_shape();
    let toy: (&str, Box<dyn Toy + Send>) = match config {
        SourceConfig::Normal => return Ok(Box::new(StandardNormal::new(event))),
        SourceConfig::Moons { noise, scale, shift } => ("moons", Box::new(Moons::new(noise, scale, shift)?)),
        SourceConfig::EightGaussians { radius, sd } => ("8gaussians", Box::new(Mixture::eight_gaussians(radius, sd)?)),
    };
    if event != [2] {
        let (key, must) = (format!("source.name = \"{}\"", toy.0), "left out for data that are not planar".into());
        return Err(ConfigError::Value { key, must }.into());
    }
    Ok(Box::new(NormalisedToy::in_units(toy.1, data.units.to(KIND, data.units.mean().device())?)))
}
