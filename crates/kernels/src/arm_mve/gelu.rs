//! GELU of rows that are quantized with a scale per token.

use core::arch::naked_asm;

use super::{FLUSHED, clear_flags, cpu};
use crate::math::{self, GELU, GELU_CLAMP};

/// Computes [`math::gelu`] of all elements in place.
///
/// # Safety
/// The CPU must have MVE with f32.
pub(super) unsafe fn gelu(x: &mut [f32]) {
    let [c0, c1, c2, c3, c4, c5] = GELU;
    let constants = [-GELU_CLAMP, GELU_CLAMP, c5, c4, c3, c2, c1, c0, 0.5];
    // SAFETY: the row is valid.
    let left = unsafe { gelu_row(x.as_mut_ptr(), x.len(), &constants) };
    let done = x.len() - left;
    x.iter_mut().skip(done).for_each(|x| *x = math::gelu(*x));
}

/// Computes GELU in place and returns how many elements are left, as [`scale_row`] does.
///
/// # Safety
/// `count` elements must be valid for reads and writes.
#[unsafe(naked)]
unsafe extern "C" fn gelu_row(x: *mut f32, count: usize, constants: &[f32; 9]) -> usize {
    naked_asm!(
        cpu!(),
        "push {{r4-r10, lr}}",
        "vpush {{d8-d9}}",
        clear_flags!(),
        "ldrd r3, r4, [r2], #8",
        "vdup.32 q3, r3",
        "vdup.32 q4, r4",
        "ldm r2, {{r2, r3, r4, r5, r6, r7, r8}}",
        "wlstp.32 lr, r1, 2f",
        "1:",
        "vldrw.u32 q0, [r0]",
        "vmaxnm.f32 q1, q0, q3",
        "vminnm.f32 q1, q1, q4",
        // The squares of small numbers flush, without harm. They make the whole vector scalar nevertheless.
        "vmul.f32 q2, q1, q1",
        // The polynomial needs one more vector than there are; x is loaded again.
        "vmul.f32 q0, q2, r2",
        "vadd.f32 q0, q0, r3",
        "vmul.f32 q0, q0, q2",
        "vadd.f32 q0, q0, r4",
        "vmul.f32 q0, q0, q2",
        "vadd.f32 q0, q0, r5",
        "vmul.f32 q0, q0, q2",
        "vadd.f32 q0, q0, r6",
        "vmul.f32 q0, q0, q2",
        "vadd.f32 q0, q0, r7",
        "vmul.f32 q0, q0, q1",
        "vldrw.u32 q2, [r0]",
        "vadd.f32 q0, q0, r8",
        "vmul.f32 q0, q2, q0",
        "vmrs r12, fpscr",
        "tst r12, #{flushed}",
        "bne 3f",
        "vstrw.32 q0, [r0], #16",
        "letp lr, 1b",
        "2: mov r0, #0",
        "b 4f",
        "3: mov r0, lr",
        "lctp",
        "4: vpop {{d8-d9}}",
        "pop {{r4-r10, pc}}",
        flushed = const FLUSHED,
    )
}
