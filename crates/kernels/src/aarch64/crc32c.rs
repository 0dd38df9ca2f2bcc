//! CRC-32C by the CRC extension, a part of Armv8.1 and later.

use core::arch::aarch64::*;

use crate::crc32c_streams::crc32c_by;

/// Returns the CRC-32C of `bytes`.
#[target_feature(enable = "crc")]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc32c_by(bytes, |crc, word| __crc32cd(crc, word), |crc, byte| __crc32cb(crc, byte))
}
