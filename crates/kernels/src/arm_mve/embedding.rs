//! Sum of a token's three embeddings.

use core::arch::naked_asm;

use super::{FLUSHED, clear_flags, cpu};
use crate::embedding::Embedding;
use crate::scalar;

/// Computes [`crate::scalar::embed`].
///
/// # Safety
/// The CPU must have MVE with f32, and the operands must be checked.
pub(crate) unsafe fn embed(row: &Embedding, out: &mut [f32]) {
    let operands = EmbedOperands {
        word: row.word.as_ptr(),
        position: row.position.as_ptr(),
        kind: row.kind.as_ptr(),
        out: out.as_mut_ptr(),
        count: out.len(),
        word_scale: row.word_scale,
        position_scale: row.position_scale,
    };
    // SAFETY: the checks say that all rows have this length.
    if unsafe { embed_row(&operands) } & FLUSHED != 0 {
        scalar::embed(row, out);
    }
}

#[repr(C)]
struct EmbedOperands {
    word: *const i8,
    position: *const i8,
    kind: *const f32,
    out: *mut f32,
    count: usize,
    word_scale: f32,
    position_scale: f32,
}

/// Writes the sums and returns FPSCR.
///
/// # Safety
/// `count` elements must be valid for reads and writes.
#[unsafe(naked)]
unsafe extern "C" fn embed_row(operands: &EmbedOperands) -> u32 {
    naked_asm!(
        cpu!(),
        "push {{r4-r6, lr}}",
        clear_flags!(),
        "ldm r0, {{r0, r1, r2, r3, r4, r5, r6}}",
        "wlstp.32 lr, r4, 2f",
        "1:",
        "vldrb.s32 q0, [r0], #4",
        "vcvt.f32.s32 q0, q0",
        "vldrb.s32 q1, [r1], #4",
        "vmul.f32 q0, q0, r5",
        "vcvt.f32.s32 q1, q1",
        "vldrw.u32 q2, [r2], #16",
        "vmul.f32 q1, q1, r6",
        "vadd.f32 q0, q0, q1",
        "vadd.f32 q0, q0, q2",
        "vstrw.32 q0, [r3], #16",
        "letp lr, 1b",
        "2: vmrs r0, fpscr",
        "pop {{r4-r6, pc}}",
        flushed = const FLUSHED,
    )
}
