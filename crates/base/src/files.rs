//! Opening files that others made: reading the small ones whole, and recognising the faults of incomplete downloads.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::{Error, Result};

/// Bytes of the largest file that is read whole. The largest vocabularies have some tens of megabytes.
const LARGEST: u64 = 256 << 20;

/// What some editors put before the text.
pub const BYTE_ORDER_MARK: &str = "\u{feff}";

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

/// Opens a regular file for reading; gives its length too. Anything else, such as a pipe or a device, may never end.
///
/// # Errors
/// [`Error::Io`] when it cannot be opened, [`Error::Input`] for anything but a regular file.
pub fn open(path: &Path) -> Result<(File, u64)> {
    // Without this flag, a pipe that nobody writes to is waited for.
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(Error::io(path))?;
    let metadata = file.metadata().map_err(Error::io(path))?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(Error::input(path, "not a regular file, but a folder, a pipe or a device")),
    }
}

/// Reads a whole regular file of at most 256 MiB, which must not be a Git-LFS pointer.
///
/// # Errors
/// Returns the errors of [`open`]; [`Error::Io`] when it cannot be read, [`Error::Input`] for a larger file and for a
/// pointer.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let (file, length) = open(path)?;
    if length > LARGEST {
        return Err(Error::input(path, format!("it has {length} bytes; expected at most {LARGEST}")));
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(LARGEST).read_to_end(&mut bytes).map_err(Error::io(path))?;
    refuse_lfs_pointer(path, &bytes)?;
    Ok(bytes)
}

/// Reads `path` as [`read`] does; `None` when there is no such file.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    if path.exists() { read(path).map(Some) } else { Ok(None) }
}

/// `bytes` without the byte order mark that some editors put before text.
pub fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(bytes)
}

/// Parses the JSON text of `path`, which may have a byte order mark.
///
/// # Errors
/// [`Error::Input`] with line and reason.
pub fn parse_json<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(without_byte_order_mark(bytes))
        .map_err(|error| Error::line(path, error.line(), format!("not valid: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let zeros = folder.path().join("zeros");
        std::os::unix::fs::symlink("/dev/zero", &zeros).unwrap();
        for path in [&pipe, &zeros, folder.path()] {
            let error = read(path).unwrap_err();
            assert!(error.to_string().contains("not a regular file") && error.exit_code() == 3, "{error}");
        }
    }

    #[test]
    fn a_file_is_not_read_beyond_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains("1099511627776 bytes") && said.contains("at most"), "{said}");
    }

    #[test]
    fn json_may_have_a_byte_order_mark() {
        let parsed: Vec<u8> = parse_json(Path::new("a.json"), b"\xef\xbb\xbf[1]").unwrap();
        assert_eq!(parsed, [1]);
    }
}
