//! The checksum of images and word rows.

use tinybert_image::Checksum;

/// Returns the fastest CRC-32C of this build and CPU.
pub(crate) fn checksum() -> Checksum {
    tinybert_kernels::crc32c().unwrap_or(tinybert_image::crc32c)
}
