//! SHA-256 of files, for the record of what a run read.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Error, Result, files};

/// A file and the SHA-256 of its contents.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileHash {
    /// The path as it was given.
    pub path: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256 of the contents in lower-case hexadecimal.
    pub sha256: String,
}

impl FileHash {
    /// Hashes the file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Input`] for anything but a regular file.
    pub fn of_file(path: &Path) -> Result<Self> {
        let (mut file, _) = files::open(path)?;
        let mut hasher = Sha256::new();
        let bytes = std::io::copy(&mut file, &mut HashWriter(&mut hasher)).map_err(Error::io(path))?;
        Ok(Self { path: path.display().to_string(), bytes, sha256: hex(&hasher.finalize()) })
    }

    /// Hashes the files at `paths`.
    ///
    /// # Errors
    /// [`Error::Io`] when one cannot be read.
    pub fn of_files(paths: impl IntoIterator<Item: AsRef<Path>>) -> Result<Vec<Self>> {
        paths.into_iter().map(|path| Self::of_file(path.as_ref())).collect()
    }
}

/// Hashes and keys in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Feeds a hasher from [`std::io::copy`].
struct HashWriter<'h>(&'h mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
