//! What the core says about itself.

/// MVFR1, the media and floating-point feature register 1; software at any privilege of the core may read it.
const MVFR1: *const u32 = 0xe000_ef44 as *const u32;

/// Returns whether the core has MVE with f32.
pub(crate) fn has_mve() -> bool {
    // SAFETY: every core of Armv8-M has the register. It reads as zero where there is no floating point.
    let mve = unsafe { MVFR1.read_volatile() } >> 8 & 0xf;
    mve >= 2
}
