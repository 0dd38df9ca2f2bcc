//! CRC-32C (Castagnoli) by the CPU's instruction for it.

#[cfg(target_arch = "aarch64")]
use crate::aarch64::crc32c as cpu;
#[cfg(target_arch = "x86_64")]
use crate::x86_64::crc32c as cpu;

/// Returns a function that computes the CRC-32C of some bytes by an instruction for it (x86-64: SSE 4.2, aarch64: CRC),
/// or `None` if this CPU (with the feature `std` or `id-registers`) or this build's target (without) has none. RFC
/// 3720, appendix B.4 has examples.
pub fn crc32c() -> Option<fn(&[u8]) -> u32> {
    #[cfg(target_arch = "x86_64")]
    let has = crate::detect::has!("sse4.2");
    #[cfg(target_arch = "aarch64")]
    let has = crate::detect::has!("crc");
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if has {
        // SAFETY: `has`: the CPU, or the target this is built for, has the instruction.
        return Some(|bytes| unsafe { cpu::crc32c(bytes) });
    }
    None
}
