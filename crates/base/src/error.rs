//! One error type for the host, whose variants are the exit codes of the command line.

use std::path::{Path, PathBuf};

/// The errors, one variant for each way to deal with them. Messages say what was expected, what was found and
/// what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that cannot be (exit code 2).
    #[error("{0}")]
    Usage(String),
    /// A file's contents are not what they should be (exit code 3).
    #[error("{0}")]
    Input(String),
    /// The operating system refused to read or write (exit code 4).
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder at fault.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// Training produced a value that is not finite (exit code 5).
    #[error("{0}")]
    Diverged(String),
    /// The user stopped the run (exit code 130); the message says how to continue it.
    #[error("{0}")]
    Interrupted(String),
    /// The ranks of a run cannot work together: one is lost, or is not like the others (exit code 6).
    #[error("{0}")]
    Ranks(String),
    /// The tensor engine refused an operation: a fault of this program (exit code 1).
    #[error("internal error in the tensor engine: {0}")]
    Engine(#[from] candle_core::Error),
}

/// A result with the host's error type.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Exit code of [`Error::Ranks`].
    pub(crate) const RANKS: u8 = 6;

    /// The error for bad contents of `path`.
    pub fn input(path: impl AsRef<Path>, what: impl std::fmt::Display) -> Self {
        Self::Input(format!("{}: {what}", path.as_ref().display()))
    }

    /// The error for bad contents of `path` at a line counted from 1.
    pub fn line(path: impl AsRef<Path>, line: usize, what: impl std::fmt::Display) -> Self {
        Self::Input(format!("{}:{line}: {what}", path.as_ref().display()))
    }

    /// Makes an I/O failure an error at `path`; for `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io { path, source }
    }

    /// The user stopped a model on its way through a data set.
    pub fn judging_stopped() -> Self {
        Self::Interrupted(
            "stopped while a model was judged; what was written before stays, and the same command, with --resume if it \
             has that, judges again"
                .into(),
        )
    }

    /// The process exit code that stands for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Engine(_) => 1,
            Self::Usage(_) => 2,
            Self::Input(_) => 3,
            Self::Io { .. } => 4,
            Self::Diverged(_) => 5,
            Self::Ranks(_) => Self::RANKS,
            Self::Interrupted(_) => 130,
        }
    }
}
