//! A tensor in a file of weights.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use tinybert_base::{Error, Result, files};

/// Number format of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dtype {
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// A format that weights never have here.
    Other(&'static str),
}

impl Dtype {
    /// The name of the format in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::Other(name) => name,
        }
    }
}

/// The place of a tensor's values in a file: row-major, little-endian, and checked to lie within the file.
#[derive(Debug, Clone)]
pub(super) struct StoredTensor {
    /// The name it is stored by.
    pub(super) name: String,
    /// Format of its values.
    pub(super) dtype: Dtype,
    /// Its shape; the product does not overflow.
    pub(super) shape: Vec<usize>,
    /// Offset of its first byte in the file.
    pub(super) offset: u64,
    /// Its bytes: the product of the shape times the format's size.
    pub(super) bytes: usize,
}

/// Opens a weight file, which has to be a regular file and no Git-LFS pointer; returns its length as well.
pub(super) fn open(path: &Path) -> Result<(File, u64)> {
    let (mut file, length) = files::open(path)?;
    let mut start = Vec::new();
    file.by_ref().take(64).read_to_end(&mut start).map_err(Error::io(path))?;
    files::refuse_lfs_pointer(path, &start)?;
    file.rewind().map_err(Error::io(path))?;
    Ok((file, length))
}
