use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use strait_io::IoError;

/// What can be wrong with data. Every message names the file, the array or the parameter, and what would mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file is not there.
    #[error("data set `{name}`: there is no file {}", path.display())]
    Missing {
        /// The data set.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file of a data set that no package holds is not there.
    #[error(
        "data set `{name}`: there is no file {}; no package holds it: place the original files there, or name their folder as \
         your own",
        path.display()
    )]
    NotFetched {
        /// The data set.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A folder without a picture that can be used.
    #[error(
        "{} holds no {}", path.display(),
        if *found == 0 {
            "PNG, JPEG or WebP file, and no idx or CIFAR files".into()
        } else {
            format!("picture that can be used, of {found} ({skipped})")
        }
    )]
    NoPictures {
        /// The folder.
        path: PathBuf,
        /// Files that are called as pictures are.
        found: usize,
        /// Why they are passed over.
        skipped: String,
    },
    /// A folder with fewer pictures than there are parts.
    #[error("{} holds pictures that can be used, but only {found} different ones of the 3 that its parts need at least", path.display())]
    FewPictures {
        /// The folder.
        path: PathBuf,
        /// How many can be used.
        found: usize,
    },
    /// A file cannot be opened or read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file that is cut short, damaged, or not what its name says.
    #[error("{} is damaged ({problem}): {remedy}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and in which row or array.
        problem: String,
        /// What would mend it.
        remedy: &'static str,
    },
    /// A file whose first bytes are those of neither format.
    #[error("{} is neither an .npy nor an .npz file: save it with numpy.save or numpy.savez (a table in text is read by numpy.genfromtxt)", path.display())]
    NotNumpy {
        /// The file.
        path: PathBuf,
    },
    /// An archive without the arrays that are looked for.
    #[error(
        "{} holds no array `{wanted}` ({}): name its arrays `train` and `test`, or `data`, or say which are which",
        path.display(),
        if present.is_empty() { "it holds none".into() } else { format!("it holds {present:?}") }
    )]
    MissingArray {
        /// The file.
        path: PathBuf,
        /// The array that is missing.
        wanted: String,
        /// The arrays that are there.
        present: Vec<String>,
    },
    /// An `.npy` file, where an array beside the points is looked for.
    #[error("{} is a single array, and holds no `{wanted}`: save its points and `{wanted}` in one .npz with numpy.savez", path.display())]
    OneArray {
        /// The file.
        path: PathBuf,
        /// The array that is looked for.
        wanted: String,
    },
    /// A file whose arrays cannot be used as they are.
    #[error(transparent)]
    File(strait_io::IoError),
    /// An archive with an array that is to be split at random beside arrays that are parts of a split.
    #[error(
        "{} holds `{data}`, which is split at random, beside `{}`: name it `train`, or leave the others out",
        path.display(),
        beside.join("` and `")
    )]
    MixedArrays {
        /// The file.
        path: PathBuf,
        /// The array that is to be split.
        data: String,
        /// The arrays beside it.
        beside: Vec<String>,
    },
    /// There is no folder to look for data in.
    #[error("no folder for data: set STRAIT_DATA to one (neither XDG_CACHE_HOME nor HOME is set)")]
    NoFolder,
    /// A parameter is outside of what makes sense.
    #[error("{of}: {parameter} is {value}, and must be {must}")]
    Parameter {
        /// Whose.
        of: &'static str,
        /// Which parameter.
        parameter: &'static str,
        /// The value given.
        value: String,
        /// What it must be, in words.
        must: &'static str,
    },
    /// A NaN or an infinity.
    #[error("array `{array}` holds {value} in row {row} (counted from 0): remove or repair that sample")]
    NotFinite {
        /// The array.
        array: String,
        /// The first row that holds one.
        row: i64,
        /// "NaN" or "an infinity".
        value: &'static str,
    },
    /// Fewer samples than are needed.
    #[error("array `{array}` has {rows} rows, and at least {needed} are needed")]
    TooFewRows {
        /// The array.
        array: String,
        /// How many it has.
        rows: i64,
        /// How many it must have.
        needed: i64,
    },
    /// An array that is not a batch of samples.
    #[error(
        "array `{array}` has shape {shape:?}: the first axis is the sample, and it needs another of at least one \
         coordinate (for single numbers, reshape it to (n, 1))"
    )]
    NotABatch {
        /// The array.
        array: String,
        /// Its shape.
        shape: Vec<i64>,
    },
    /// A single row that makes the scale of a column.
    #[error(
        "array `{array}`: row {row} alone makes the scale of column {column}, {spreads:.3e} spreads from its median (both \
         counted from 0): remove or repair that sample"
    )]
    OneRow {
        /// The array.
        array: String,
        /// The column.
        column: usize,
        /// The row.
        row: i64,
        /// Its distance from the median, in spreads of the column.
        spreads: f64,
    },
    /// A column with so heavy a tail that a single row of it makes the scale.
    #[error(
        "array `{array}`: column {column} has so heavy a tail that row {row} makes its scale, {spreads:.3e} spreads from its median \
         (both counted from 0), and {far_rows} rows lie above 100: save numpy.arcsinh((x - {median:.4e}) / {spread:.4e}) in its \
         place, or its logarithm where it is positive, or repair those rows"
    )]
    HeavyTail {
        /// The array.
        array: String,
        /// The column.
        column: usize,
        /// The farthest row.
        row: i64,
        /// Its distance from the median, in spreads of the column.
        spreads: f64,
        /// How many rows lie more than 100 spreads from the median.
        far_rows: i64,
        /// The column's median.
        median: f64,
        /// Its spread.
        spread: f64,
    },
    /// A column that single precision cannot hold in the units that were chosen.
    #[error(
        "array `{array}`: column {column} (counted from 0) is {problem} for single precision in these units: {remedy}"
    )]
    Precision {
        /// The array.
        array: String,
        /// The column.
        column: usize,
        /// What it is.
        problem: &'static str,
        /// What would mend it.
        remedy: &'static str,
    },
    /// A column of 64-bit integers that double precision cannot tell apart.
    #[error(
        "array `{array}`: column {column} (counted from 0) holds whole numbers above 2^53 that double precision cannot tell \
         apart: subtract an offset that they share, in integers"
    )]
    Merged {
        /// The array.
        array: String,
        /// The column.
        column: usize,
    },
    /// A row that lies too far from the training points to be measured beside them.
    #[error(
        "array `{array}`: row {row} (counted from 0) lies too far from the training points for single precision: remove or \
         repair that sample"
    )]
    TooFar {
        /// The array.
        array: String,
        /// The first such row.
        row: i64,
    },
    /// Samples that are not the image that they were said to be.
    #[error(
        "samples of `{array}` have shape {event:?}, which is no image of channels, height, width {image:?}: they may be flat, \
         channels first, or channels last"
    )]
    NotAnImage {
        /// The array.
        array: String,
        /// The shape of its samples.
        event: Vec<i64>,
        /// Channels, height and width.
        image: [i64; 3],
    },
    /// Two arrays whose samples have different shapes.
    #[error("samples of `{first}` have shape {first_shape:?}, those of `{second}` {second_shape:?}: they must agree")]
    ShapesDiffer {
        /// One array.
        first: String,
        /// The shape of its samples.
        first_shape: Vec<i64>,
        /// The other array.
        second: String,
        /// The shape of its samples.
        second_shape: Vec<i64>,
    },
    /// A minibatch that the training split cannot fill without repetition.
    #[error("a minibatch of {n} from {of} training points of {data}: it must be between 1 and {of}")]
    Minibatch {
        /// The data set.
        data: String,
        /// The size asked for.
        n: i64,
        /// How many points there are.
        of: i64,
    },
    /// Classes of data that have none.
    #[error("{data} has no classes to be conditioned on: leave its condition out, or take other data")]
    NoClasses {
        /// The data set.
        data: String,
    },
    /// A condition that is none for its points.
    #[error("condition `{array}`: {problem}")]
    Condition {
        /// The array.
        array: String,
        /// What is wrong.
        problem: String,
    },
    /// An error of tensors behind a constructor.
    #[error(transparent)]
    Core(#[from] strait_core::Error),
}

impl From<tch::TchError> for DataError {
    fn from(error: tch::TchError) -> Self {
        Self::Core(error.into())
    }
}

impl From<DataError> for strait_core::Error {
    fn from(error: DataError) -> Self {
        match error {
            DataError::Core(error) => error,
            error => Self::other(error),
        }
    }
}

/// What to do about a file of one's own that is damaged.
const REMEDY: &str = "copy it again from its source, or save it anew with numpy";

/// An error of a file of one's own.
pub(crate) fn refused(error: IoError) -> DataError {
    match error {
        IoError::System { path, source } if source.kind() == ErrorKind::NotFound => {
            DataError::Missing { name: file_name(&path), path }
        }
        IoError::System { path, source } => DataError::Io { path, source },
        IoError::Damaged { path, problem } => DataError::Damaged { path, problem, remedy: REMEDY },
        IoError::MissingArray { path, wanted, present } => DataError::MissingArray { path, wanted, present },
        error => DataError::File(error),
    }
}

/// A file's name without its folder.
pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
