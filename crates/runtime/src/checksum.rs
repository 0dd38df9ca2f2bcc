//! The checksum of images and word rows.

use tinybert_image::Checksum;

/// The fastest CRC-32C there is here.
pub(crate) fn checksum() -> Checksum {
    tinybert_kernels::crc32c().unwrap_or(tinybert_image::crc32c)
}
