//! Reading small files of a model folder, and recognising the faults of incomplete downloads.

use std::path::Path;

use crate::{Error, Result};

/// First bytes of a Git-LFS pointer, the few lines of text that stand in for a file not yet fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// Refuses a Git-LFS pointer by the first bytes of a file.
///
/// # Errors
/// [`Error::Input`] saying how to fetch the real file.
pub fn refuse_lfs_pointer(path: &Path, start: &[u8]) -> Result<()> {
    if start.starts_with(LFS_POINTER) {
        return Err(Error::input(
            path,
            "this is a Git-LFS pointer, not the file itself; run `git lfs install && git lfs pull` in that \
             repository, or download the file again",
        ));
    }
    Ok(())
}

/// Reads a whole file, which must not be a Git-LFS pointer.
///
/// # Errors
/// [`Error::Io`] when it cannot be read, [`Error::Input`] for a pointer.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    refuse_lfs_pointer(path, &bytes)?;
    Ok(bytes)
}

/// Reads `path` as [`read`] does; `None` when there is no such file.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    if path.exists() { read(path).map(Some) } else { Ok(None) }
}

/// Parses the JSON text of `path`.
///
/// # Errors
/// [`Error::Input`] with line and reason.
pub fn parse_json<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::line(path, error.line(), format!("not valid: {error}")))
}
