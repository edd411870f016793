//! `[data]` and `[source]`: data sets, files of a user's own, units, and the source; with the table of data sets.

use super::error::{ConfigError, need, one_of};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use strait_data::LABELS;

/// The named data sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataName {
    /// Eight Gaussians on a circle of radius 5.
    #[serde(rename = "8gaussians")]
    EightGaussians,
    /// Two half-circles.
    Moons,
    /// Two spirals that start at one point.
    TwoSpirals,
    /// Four concentric circles.
    Rings,
    /// Five bent blades.
    Pinwheel,
    /// Eight of 4 x 4 squares.
    Checkerboard,
    /// One Gaussian with a general covariance.
    Gaussian,
    /// Sixteen modes in 16 dimensions.
    Mixture16,
    /// The 2-D projection of an S.
    SCurve,
    /// 1,797 real handwritten digits of 8 x 8 pixels.
    Digits,
    /// 70,000 pictures of clothes of 28 x 28 pixels in 10 classes.
    FashionMnist,
    /// 70,000 handwritten digits of 28 x 28 pixels.
    Mnist,
    /// 60,000 colour pictures of 32 x 32 pixels in 10 classes.
    Cifar10,
    /// 60,000 colour pictures of 32 x 32 pixels in 100 classes.
    Cifar100,
    /// 3,786 emoji of 64 x 64 pixels in colour on white.
    Emoji,
}

/// `[data]`: a named data set, or a file or folder of the user's own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// A named data set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<DataName>,
    /// An `.npz` (arrays `train` and `test`, and `validation` where it is given; or `data`) or `.npy` file; the first axis
    /// is the sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// A folder of images: idx or CIFAR files, or pictures in sub-folders that are classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Whether in training each image is mirrored left to right with probability 1/2: of a `folder`, and of named colour
    /// pictures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flips: bool,
    /// Channels (1 or 3), height and width of the image that a sample of `file` is, in the order of its numbers:
    /// samples are then shown as images, from the least to the largest number of the training points. For a `folder`,
    /// the shape that its pictures are converted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<[i64; 3]>,
    /// Standard deviation of each of the eight Gaussians.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sd: Option<f64>,
    /// Radius of the circle that the eight Gaussians lie on; 5 unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub radius: Option<f64>,
    /// Train on this many points of a toy, drawn once, in place of fresh ones; as many are held out for each of
    /// validation and test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<i64>,
    /// The units that the networks see. Unless given, those that the columns of a `file` propose, and `unit` for other
    /// data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub units: Option<UnitsConfig>,
    /// The names of the arrays of `file`, where they are not usual ones.
    #[serde(default, skip_serializing_if = "ArraysConfig::is_empty")]
    pub arrays: ArraysConfig,
    /// The condition of the points, so that samples can be drawn for a class or a vector: `labels`, the classes of
    /// named data or of `file`; for `file` also an array of another name, as `train_NAME` and `test_NAME` or `NAME`
    /// beside `data`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whether the integers k of `file` become uniform on [k, k + 1), so that they have a density.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dequantise: bool,
    /// Dimensions of `gaussian`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<i64>,
}

/// Units of the data, as networks and source see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitsConfig {
    /// Mean 0, and variance 1 on average over the coordinates.
    #[serde(alias = "overall")]
    Unit,
    /// Mean 0 and variance 1 of each coordinate: for columns of different units.
    Column,
    /// Median 0 and the quartiles of a normal law of variance 1 of each coordinate: for heavy tails.
    Robust,
    /// The data's own.
    Own,
}

/// `[data.arrays]`: the names of a file's arrays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArraysConfig {
    /// The training points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<String>,
    /// The validation points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<String>,
    /// The test points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// Points that are split at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The classes of the training points, or of those that are split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_labels: Option<String>,
    /// The classes of the validation points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation_labels: Option<String>,
    /// The classes of the test points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_labels: Option<String>,
}

impl ArraysConfig {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `[source]`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceConfig {
    /// $N(0, I)$ in the units that networks see.
    #[default]
    Normal,
    /// Eight Gaussians on a circle, given in the data's own units.
    #[serde(rename = "8gaussians")]
    EightGaussians {
        /// The radius of the circle.
        radius: f64,
        /// The standard deviation of each.
        sd: f64,
    },
    /// Two half-circles, given in the data's own units. It has no density.
    Moons {
        /// Standard deviation of the noise, before scaling.
        noise: f64,
        /// The radius.
        scale: f64,
        /// Where their middle is moved.
        shift: [f64; 2],
    },
}

/// The properties of a named data set that are known without building it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatasetKind {
    /// Which.
    pub name: DataName,
    /// Its name in a config.
    pub key: &'static str,
    /// Whether it is a toy: a law from which new points are drawn.
    pub is_toy: bool,
    /// Keys of `[data]` that are its own.
    pub keys: &'static [&'static str],
    /// Whether a classifier is fitted to it, in whose features samples are compared.
    pub has_classifier: bool,
    /// Whether it is images that may be mirrored left to right.
    pub may_flip: bool,
    /// Whether its points have classes, which they can be conditioned on.
    pub has_classes: bool,
}

/// All named data sets.
pub const DATASETS: [DatasetKind; 15] = [
    DatasetKind { keys: &["sd", "radius"], ..classes(DataName::EightGaussians, "8gaussians") },
    classes(DataName::Moons, "moons"),
    classes(DataName::TwoSpirals, "two-spirals"),
    classes(DataName::Rings, "rings"),
    classes(DataName::Pinwheel, "pinwheel"),
    toy(DataName::Checkerboard, "checkerboard"),
    DatasetKind { keys: &["dimension"], ..toy(DataName::Gaussian, "gaussian") },
    classes(DataName::Mixture16, "mixture16"),
    toy(DataName::SCurve, "s-curve"),
    DatasetKind { has_classifier: true, ..images(DataName::Digits, "digits") },
    DatasetKind { has_classifier: true, ..images(DataName::FashionMnist, "fashion-mnist") },
    DatasetKind { has_classifier: true, ..images(DataName::Mnist, "mnist") },
    DatasetKind { has_classifier: true, may_flip: true, ..images(DataName::Cifar10, "cifar10") },
    DatasetKind { may_flip: true, ..images(DataName::Cifar100, "cifar100") },
    DatasetKind { may_flip: true, ..images(DataName::Emoji, "emoji") },
];

const fn toy(name: DataName, key: &'static str) -> DatasetKind {
    DatasetKind { name, key, is_toy: true, keys: &[], has_classifier: false, may_flip: false, has_classes: false }
}

const fn classes(name: DataName, key: &'static str) -> DatasetKind {
    DatasetKind { has_classes: true, ..toy(name, key) }
}

const fn images(name: DataName, key: &'static str) -> DatasetKind {
    DatasetKind { is_toy: false, ..classes(name, key) }
}

impl DataConfig {
    /// The row of a named data set; None for a file.
    pub fn kind(&self) -> Option<&'static DatasetKind> {
        DATASETS.iter().find(|kind| Some(kind.name) == self.name)
    }

    /// Whether a classifier is fitted to it, in whose features samples are compared.
    pub fn has_classifier(&self) -> bool {
        self.classifier().is_some()
    }

    /// The data set whose classifier's features its samples are compared in.
    pub fn classifier(&self) -> Option<DataName> {
        self.kind().filter(|kind| kind.has_classifier).map(|kind| kind.name)
    }

    /// Refuses keys that its data set does not have.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let kind = self.kind();
        let own = usize::from(self.file.is_some()) + usize::from(self.folder.is_some());
        need(self.name.is_some() || own > 0, "data.name", self.name, "given, or a `file` or a `folder`")?;
        need(own < 2, "data.folder", &self.folder, "left out where a `file` is given")?;
        need(self.name.is_none() || self.file.is_none(), "data.file", &self.file, "left out where `name` is given")?;
        need(self.name.is_none() || own == 0, "data.folder", &self.folder, "left out where `name` is given")?;
        let of_file = "left out where there is no `file`";
        let of_own = "left out where there is neither a `file` nor a `folder`";
        need(self.image.is_none() || own > 0, "data.image", self.image, of_own)?;
        need(self.arrays.is_empty() || self.file.is_some(), "data.arrays", &self.arrays, of_file)?;
        need(!self.dequantise || self.file.is_some(), "data.dequantise", self.dequantise, of_file)?;
        let flips = self.folder.is_some() || kind.is_some_and(|kind| kind.may_flip);
        need(
            !self.flips || flips,
            "data.flips",
            self.flips,
            "left out for all but a `folder`, cifar10, cifar100 and emoji",
        )?;
        if let Some(condition) = &self.condition {
            let has_classes = self.folder.is_some() || kind.is_some_and(|kind| kind.has_classes);
            let own = self.file.is_some() || (condition == LABELS && has_classes);
            let those: Vec<&str> = DATASETS.iter().filter(|kind| kind.has_classes).map(|kind| kind.key).collect();
            let must =
                format!("`{LABELS}` of data with classes ({}, a `folder`), or an array of a `file`", those.join(", "));
            need(own, "data.condition", condition, &must)?;
        }
        let image = self.image.is_none_or(|[c, h, w]| [1, 3].contains(&c) && h > 0 && w > 0);
        need(
            image,
            "data.image",
            self.image,
            "1 or 3 channels, then height and width, in whatever order the file has them",
        )?;
        let of_one = |key: &str, value: Option<f64>| {
            let has = |kind: &DatasetKind| kind.keys.contains(&key);
            let those: Vec<&str> = DATASETS.iter().filter(|kind| has(kind)).map(|kind| kind.key).collect();
            let must = format!("left out for all data but {}", one_of(&those));
            need(value.is_none() || kind.is_some_and(has), &format!("data.{key}"), value, &must)
        };
        of_one("sd", self.sd)?;
        of_one("radius", self.radius)?;
        of_one("dimension", self.dimension.map(|d| d as f64))?;
        let toy = kind.is_some_and(|kind| kind.is_toy);
        need(self.points.is_none() || toy, "data.points", self.points, "left out for data that are not a toy")?;
        let scales = toy || self.file.is_some() || self.units.is_none_or(|units| units == UnitsConfig::Unit);
        need(scales, "data.units", self.units, "left out for images and for named data that are not a toy")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_every_data_set_of_the_config() {
        let message = toml::from_str::<DataConfig>("name = '?'").unwrap_err().message().to_owned();
        let names: Vec<&str> = message.split('`').skip(3).step_by(2).collect();
        assert_eq!(names, DATASETS.map(|kind| kind.key));
        for kind in &DATASETS {
            let config: DataConfig = toml::from_str(&format!("name = '{}'", kind.key)).unwrap();
            assert_eq!(config.kind(), Some(kind));
            config.check().unwrap();
        }
    }
}
