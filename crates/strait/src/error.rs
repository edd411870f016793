use crate::config::ConfigError;
use std::path::{Path, PathBuf};
use strait_data::DataError;
use strait_optim::OptimError;

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
    /// A run that does not exist, or exists already.
    #[error("run {}: {problem}", path.display())]
    Run {
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
    File(#[from] strait_io::IoError),
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
    Pairs(#[from] strait_transport::PairsError),
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

    /// The exit code: 2 for a config or an argument, 66 for data that can be fetched, 130 for Ctrl-C, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_)
            | Self::Argument { .. }
            | Self::Refused(_)
            | Self::Data(DataError::Parameter { .. })
            | Self::Optim(OptimError::Plan { .. } | OptimError::NotIndependent { .. }) => 2,
            Self::MissingData { .. } => 66,
            Self::Interrupted { .. } => 130,
            _ => 1,
        }
    }
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
