use crate::config::ConfigError;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use strait_data::DataError;
use strait_io::IoError;
use strait_optim::OptimError;
use strait_transport::PairsError;

/// Why the program stopped. Each error is one line, names the cause and how to fix it, and has an exit code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// A config that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Data that is not there and that can be fetched by name.
    #[error("{source}; fetch it with `cargo xtask data {name}`")]
    MissingData {
        /// The data set's name.
        name: String,
        /// Where it was looked for.
        source: Box<DataError>,
    },
    /// Data that cannot be used.
    #[error(transparent)]
    Data(DataError),
    /// A device that is not there.
    #[error("device `{device}` is not there ({found}); use --device cpu, or see `cargo xtask doctor`")]
    Device {
        /// What was asked for.
        device: String,
        /// What there is.
        found: String,
    },
    /// A run that does not exist, exists already, or is not what was asked for.
    #[error("run {}: {problem}", path.display())]
    Run {
        /// Its folder.
        path: PathBuf,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// A run whose work came to nothing.
    #[error("run {}: {problem}", path.display())]
    Failed {
        /// Its folder.
        path: PathBuf,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// An array or a checkpoint's file.
    #[error(transparent)]
    File(#[from] IoError),
    /// An argument that cannot be used.
    #[error("{argument}: {problem}")]
    Argument {
        /// Which.
        argument: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Ctrl-C: a checkpoint was written.
    #[error("stopped at step {step}; go on with `{resume_command}`")]
    Interrupted {
        /// The step of the checkpoint.
        step: u64,
        /// The command that goes on.
        resume_command: String,
    },
    /// Stored pairs could not be written or read.
    #[error(transparent)]
    Pairs(#[from] PairsError),
    /// What was refused before the first step, as a batch above the data.
    #[error(transparent)]
    Refused(Box<ProgramError>),
    /// A record of a run that cannot be read again.
    #[error("{}: it is damaged ({problem}); remove it, and the same command makes it anew or does without", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No checkpoint of a run is whole.
    #[error("{0}; no whole one is left: remove the folder `checkpoints`, and `train --resume` begins anew")]
    NoneWhole(OptimError),
    /// Training failed.
    #[error(transparent)]
    Optim(#[from] OptimError),
    /// Sampling failed.
    #[error(transparent)]
    Ode(#[from] strait_ode::OdeError),
    /// Measuring failed.
    #[error(transparent)]
    Metric(#[from] strait_metrics::MetricError),
    /// The report could not be made.
    #[error(transparent)]
    Report(#[from] strait_report::ReportError),
    /// A model failed.
    #[error(transparent)]
    Core(#[from] strait_core::Error),
}

impl ProgramError {
    /// An error of reading or writing a file.
    pub fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    /// Whether it is about the training of one method with one seed, so that others can still be had.
    pub(crate) fn is_of_one_training(&self) -> bool {
        matches!(
            self,
            Self::Optim(OptimError::NonFinite { .. } | OptimError::Core(_))
                | Self::Ode(_)
                | Self::Metric(_)
                | Self::Core(_)
        )
    }

    /// The exit code: 2 for what cannot be done as it was asked for (settings, arguments, data, a device, a run's folder), 66
    /// for data that can be fetched, 130 for Ctrl-C, and 1 for work that failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::MissingData { .. } => 66,
            Self::Interrupted { .. } => 130,
            error if error.is_of_what_was_asked() => 2,
            _ => 1,
        }
    }

    fn is_of_what_was_asked(&self) -> bool {
        match self {
            Self::Config(_)
            | Self::Argument { .. }
            | Self::Refused(_)
            | Self::Device { .. }
            | Self::Run { .. }
            | Self::Damaged { .. }
            | Self::NoneWhole(_)
            | Self::Pairs(PairsError::Damaged { .. })
            | Self::Optim(
                OptimError::Plan { .. }
                | OptimError::NotIndependent { .. }
                | OptimError::OtherPhases { .. }
                | OptimError::Checkpoint { .. },
            ) => true,
            Self::Data(DataError::Core(error)) | Self::Core(error) => is_of_ranks(error),
            Self::Data(DataError::Io { source, .. })
            | Self::Io { source, .. }
            | Self::Pairs(PairsError::Io { source, .. })
            | Self::Optim(OptimError::Io { source, .. }) => is_of_its_name(source),
            Self::File(error) | Self::Data(DataError::File(error)) => match error {
                IoError::System { source, .. } => is_of_its_name(source),
                IoError::Tensor { .. } => false,
                _ => true,
            },
            Self::Data(_) => true,
            _ => false,
        }
    }
}

/// Whether a file is refused for its name or its rights; what fails beside that, as on a full disk, fails at work.
fn is_of_its_name(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::AlreadyExists
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidInput
            | ErrorKind::InvalidFilename
    )
}

/// Whether ranks were started with what makes no group, or with different things.
#[cfg(feature = "distributed")]
fn is_of_ranks(error: &strait_core::Error) -> bool {
    use strait_distributed::GroupError::{Differs, Environment, World};
    let strait_core::Error::Other(error) = error else { return false };
    matches!(error.downcast_ref(), Some(Environment { .. } | World { .. } | Differs { .. }))
}

#[cfg(not(feature = "distributed"))]
fn is_of_ranks(_: &strait_core::Error) -> bool {
    false
}

impl From<DataError> for ProgramError {
    fn from(source: DataError) -> Self {
        match &source {
            DataError::Missing { name, .. } => Self::MissingData { name: name.clone(), source: Box::new(source) },
            _ => Self::Data(source),
        }
    }
}

impl From<tch::TchError> for ProgramError {
    fn from(error: tch::TchError) -> Self {
        Self::Core(error.into())
    }
}
