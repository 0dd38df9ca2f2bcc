//! A head's keys and values as panels of the micro-kernel, `[panel][group of 16 inputs][4][16]`.
//!
//! Keys are the weights of Q·K^T: their outputs are tokens, their inputs the columns of the head. Values are the
//! weights of P·V: their outputs are columns, their inputs tokens. Inputs beyond the last one are zeros. Outputs
//! beyond the last one hold anything.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::cpu;

/// A head's keys or values in the rows of queries, keys and values, and where they are packed.
///
/// # Safety
/// The functions of this module rely on this: there are tokens and columns; `columns` bytes of each of `tokens` rows of
/// `stride` bytes can be read at `rows`; and `out` has room for the panels.
#[repr(C)]
pub(super) struct HeadRows {
    pub rows: *const i8,
    pub out: *mut i8,
    pub stride: usize,
    pub tokens: usize,
    /// Columns of the head.
    pub columns: usize,
    /// Bytes of a panel.
    pub panel: usize,
    /// Receives the sum of each column of the values.
    pub sums: *mut i32,
}

/// Packs keys.
///
/// # Safety
/// See [`HeadRows`].
#[unsafe(naked)]
pub(super) unsafe extern "C" fn keys(head: &HeadRows) {
    naked_asm!(
        cpu!(),
        "push {{r4-r8, lr}}",
        // r0: rows, r1: out, r2: stride, r3: tokens, r4: columns that are left, r5: bytes of a panel less a group.
        "ldm r0, {{r0, r1, r2, r3, r4, r5}}",
        "sub r5, r5, #64",
        // 16 columns of all tokens.
        "1:",
        "vctp.8 r4",
        "mov r6, r0",
        "mov r7, r1",
        "mov r8, #0",
        "dls lr, r3",
        "2:",
        "vpst",
        "vldrbt.u8 q0, [r6]",
        "add r6, r6, r2",
        "vstrb.8 q0, [r7], #16",
        "add r8, r8, #1",
        "tst r8, #3",
        "it eq",
        "addeq r7, r7, r5",
        "le lr, 2b",
        "add r0, r0, #16",
        "add r1, r1, #64",
        "subs r4, r4, #16",
        "bhi 1b",
        "pop {{r4-r8, pc}}",
    )
}

/// Gathers a column's bytes of eight tokens, or of r8 if these are fewer, and stores them. Lanes without a token are
/// not loaded but become zero.
macro_rules! eight_tokens {
    ($place:literal) => {
        concat!(
            "vctp.16 r8\n",
            "vpst\n",
            "vldrbt.u16 q0, [r10, q1]\n",
            concat!("vstrb.16 q0, ", $place, "\n"),
            "add r10, r10, r2, lsl #3\n",
            "subs r8, r8, #8\n",
            "it lo\n",
            "movlo r8, #0\n",
        )
    };
}

/// Packs values and sums each column.
///
/// # Safety
/// See [`HeadRows`]. Besides, 7 · stride is below 2^16, and `sums` has room for `columns` words, rounded up to 4.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn values(head: &HeadRows) {
    naked_asm!(
        cpu!(),
        "push {{r4-r11, lr}}",
        "ldr r11, [r0, #{sums}]",
        // r0: rows, r1: place of the column, r2: stride, r3: tokens, r4: columns, r12: bytes of a panel less three
        // columns.
        "ldm r0, {{r0, r1, r2, r3, r4, r7}}",
        "sub r12, r7, #48",
        "mov r6, #0",
        "vidup.u16 q1, r6, #1",
        "vmul.i16 q1, q1, r2",
        // r9: groups of 16 tokens.
        "add r9, r3, #15",
        "lsr r9, r9, #4",
        // r5: the column.
        "mov r5, #0",
        "1:",
        "mov r10, r0",
        "mov r7, r1",
        "mov r8, r3",
        "mov r6, #0",
        "dls lr, r9",
        "2:",
        eight_tokens!("[r7]"),
        eight_tokens!("[r7, #8]"),
        "vldrb.u8 q0, [r7], #64",
        "vaddva.s8 r6, q0",
        "le lr, 2b",
        "str r6, [r11], #4",
        // A panel's columns that do not exist are its last one.
        "add r5, r5, #1",
        "cmp r5, r4",
        "it lo",
        "addlo r0, r0, #1",
        "add r1, r1, #16",
        "ands r6, r5, #3",
        "bne 1b",
        "sub r1, r1, #16",
        "add r1, r1, r12",
        "cmp r5, r4",
        "blo 1b",
        "pop {{r4-r11, pc}}",
        sums = const offset_of!(HeadRows, sums),
    )
}
