//! One entry of the cache.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tinybert_base::{Error, Result};

/// A complete and undamaged entry.
pub struct CacheEntry {
    pub(super) path: PathBuf,
    pub(super) file: File,
}

impl CacheEntry {
    /// Fills `bytes` from the file at `offset`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read.
    pub fn read(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(Error::io(&self.path))
    }
}
