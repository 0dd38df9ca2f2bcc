//! CRC-32C by SSE 4.2.

use core::arch::x86_64::*;

use crate::crc32c_streams::crc32c_by;

/// Returns the CRC-32C of `bytes`.
#[target_feature(enable = "sse4.2")]
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    crc32c_by(bytes, |crc, word| _mm_crc32_u64(crc.into(), word) as u32, |crc, byte| _mm_crc32_u8(crc, byte))
}
