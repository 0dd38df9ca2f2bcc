//! Noticing that a file has changed while it was read more than once.

use std::fs::Metadata;
use std::path::Path;
use std::time::SystemTime;

use tinybert_base::{Error, Result};

/// What shows that a file has been written to.
#[derive(PartialEq, Eq)]
pub(super) struct FileState {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl FileState {
    /// The state that the system tells.
    pub fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }

    /// The present state of the file with this name.
    pub fn of_path(path: &Path) -> Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::of(&metadata)).map_err(Error::io(path))
    }

    /// Makes sure that the file at `path`, which is now in the state `now`, is as it was.
    ///
    /// # Errors
    /// [`Error::Input`] for a file of another length or of another time.
    pub fn check(&self, path: &Path, now: &Self) -> Result<()> {
        if self == now { Ok(()) } else { Err(changed(path)) }
    }
}

/// The error for a file that has changed.
pub(super) fn changed(path: &Path) -> Error {
    Error::input(path, "the file has changed while it was read; start again when it is complete")
}
