//! The identification registers of a Cortex-M, for programs without an operating system. Reading them takes privileged
//! mode. Section B4.1 of the Armv7-M Architecture Reference Manual describes the fields.

/// Instruction set attribute registers 2 and 3.
const ID_ISAR2: *const u32 = 0xe000_ed68 as *const u32;
const ID_ISAR3: *const u32 = 0xe000_ed6c as *const u32;

/// Returns whether the core has the DSP extension: multiplications of pairs, and SIMD on bytes and half words.
pub(crate) fn has_dsp() -> bool {
    // SAFETY: every core of this architecture has the registers, which hold constants. If reading them is not allowed, the
    // core faults, which changes no memory.
    let (isar2, isar3) = unsafe { (ID_ISAR2.read_volatile(), ID_ISAR3.read_volatile()) };
    isar2 >> 16 & 0xf >= 3 && isar3 >> 4 & 0xf >= 3
}
