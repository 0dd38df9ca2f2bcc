//! The checksum of images and word rows, and what is read of an image by it alone.

use tinybert_image::{Checksum, Metadata};

use crate::Error;

/// Returns the fastest CRC-32C of this build and CPU.
pub(crate) fn checksum() -> Checksum {
    tinybert_kernels::crc32c().unwrap_or(tinybert_image::crc32c)
}

/// Returns what an image says about itself, without a model: see [`tinybert_image::image_metadata`].
///
/// # Errors
/// [`Error::Image`], the reason why the image cannot be used.
pub fn image_metadata(bytes: &[u8]) -> Result<Metadata<&str>, Error> {
    Ok(tinybert_image::image_metadata(bytes, checksum())?)
}
