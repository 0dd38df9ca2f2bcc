//! Files that are compressed as a whole, by the last extension of their names: `.gz` and `.zst`.

use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use tinybert_base::{Error, Result, files};

/// How a file is compressed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstandard,
}

impl Compression {
    /// By file name extension.
    pub fn of(path: &Path) -> Self {
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        match extension.as_ref().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst" | "zstd") => Self::Zstandard,
            _ => Self::None,
        }
    }
}

/// The name of a file without the extension of its compression.
pub(super) fn uncompressed_name(path: &Path) -> PathBuf {
    match Compression::of(path) {
        Compression::None => path.into(),
        _ => path.with_extension(""),
    }
}

/// Opens a file; what is read of it is not compressed.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let (file, _) = files::open(path)?;
    Ok(match Compression::of(path) {
        Compression::None => Box::new(BufReader::new(file)),
        Compression::Gzip => Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(file))),
        Compression::Zstandard => {
            let mut decoder = zstd::Decoder::new(file).map_err(Error::io(path))?;
            // The largest window that there is (`zstd --long=31`).
            decoder.window_log_max(31).map_err(Error::io(path))?;
            Box::new(BufReader::new(decoder))
        }
    })
}

/// The error for a file that could not be read further than to `line`. What a decoder refuses is a fault of the
/// contents.
pub(super) fn fault(path: &Path, line: usize, error: std::io::Error) -> Error {
    // What the system refuses is no fault of the contents.
    if Compression::of(path) == Compression::None || error.raw_os_error().is_some() {
        return Error::io(path)(error);
    }
    let what = match error.kind() {
        ErrorKind::UnexpectedEof => "the compressed data end here, in the middle: the file is cut".to_owned(),
        _ => format!("the compressed data are damaged from here on ({error})"),
    };
    Error::line(path, line, format!("{what}; copy or download it again"))
}
