//! Decoding of a panel of four outputs by 16 inputs: [`PanelWeights::decode`] in vectors.

use core::arch::naked_asm;

use tinybert_layout::{INPUTS_PER_MULTIPLIER, PanelWeights, expand_sparse};

use super::cpu;
use crate::Panel;

/// Outputs of a panel.
const OUTPUTS: usize = Panel::CORTEX_M.nr as usize;
/// Weights of a whole group in four bits.
const GROUP: usize = INPUTS_PER_MULTIPLIER * OUTPUTS;
/// Bytes of a whole group in four bits: the multipliers, and two codes in each byte.
const GROUP_BYTES: usize = OUTPUTS + GROUP / 2;

/// Decodes a panel.
///
/// # Safety
/// The CPU must have MVE.
pub(super) unsafe fn decode(stored: PanelWeights, out: &mut [i8]) {
    match stored {
        PanelWeights::Int4(stored) => {
            let groups = (out.len() / GROUP).min(stored.len() / GROUP_BYTES);
            let (Some((whole, part)), Some((codes, rest))) =
                (out.split_at_mut_checked(groups * GROUP), stored.split_at_checked(groups * GROUP_BYTES))
            else {
                return;
            };
            // SAFETY: both slices have this number of groups.
            unsafe { four_bits(codes.as_ptr(), whole.as_mut_ptr(), groups) };
            PanelWeights::Int4(rest).decode(Panel::CORTEX_M, OUTPUTS, part);
        }
        PanelWeights::Sparse { mask, values } => {
            let parts = (out.len() / 16).min(mask.len() / 2);
            // SAFETY: `out` and `mask` have this number of parts; the function stays inside the values.
            let left =
                unsafe { sparse(mask.as_ptr(), values.as_ptr(), out.as_mut_ptr(), parts, values.len()) };
            // Where values are missing, they are zeros.
            let [parts_left, values_left] = [left & 0xffff_ffff, left >> 32].map(|left| left as usize);
            let (Some(mask), Some(values), Some(out)) = (
                mask.get(2 * (parts - parts_left)..),
                values.get(values.len() - values_left..),
                out.get_mut(16 * (parts - parts_left)..),
            ) else {
                return;
            };
            expand_sparse(mask, values, out);
        }
        PanelWeights::Int8(_) => stored.decode(Panel::CORTEX_M, OUTPUTS, out),
    }
}

/// The codes of one output: 16 in the lower halves of bytes, 16 in the upper halves.
macro_rules! output {
    ($codes:literal, $multiplier:literal, $low:literal, $high:literal) => {
        concat!(
            concat!("vldrb.u8 q0, [r0, #", $codes, "]\n"),
            "vshl.i8 q1, q0, #4\n",
            "vshr.s8 q0, q0, #4\n",
            "vshr.s8 q1, q1, #4\n",
            concat!("vmul.i8 q1, q1, ", $multiplier, "\n"),
            concat!("vmul.i8 q0, q0, ", $multiplier, "\n"),
            concat!("vstrb.8 q1, [r1, #", $low, "]\n"),
            concat!("vstrb.8 q0, [r1, #", $high, "]\n"),
        )
    };
}

/// Decodes whole groups in four bits.
///
/// # Safety
/// `groups` times [`GROUP_BYTES`] must be valid for reads at `stored`, and [`GROUP`] for writes at `out`.
#[unsafe(naked)]
unsafe extern "C" fn four_bits(stored: *const u8, out: *mut i8, groups: usize) {
    naked_asm!(
        cpu!(),
        "push {{r4-r6, lr}}",
        "wls lr, r2, 2f",
        "1:",
        "ldrb r3, [r0]",
        "ldrb r4, [r0, #1]",
        "ldrb r5, [r0, #2]",
        "ldrb r6, [r0, #3]",
        output!("4", "r3", "0", "64"),
        output!("20", "r4", "16", "80"),
        output!("36", "r5", "32", "96"),
        output!("52", "r6", "48", "112"),
        "add r0, r0, #{group_bytes}",
        "add r1, r1, #{group}",
        "le lr, 1b",
        "2: pop {{r4-r6, pc}}",
        group_bytes = const GROUP_BYTES,
        group = const GROUP,
    )
}

/// Expands sparse weights, 16 at a time, as long as there are values for them. Returns the parts that are left, and in
/// the upper half the values that are left.
///
/// The mask is the predicate of the load that gathers the values. The place of each value is the number of bits before
/// it: within a word by a multiplication that adds bytes, and from word to word by additions.
///
/// # Safety
/// `2 · parts` bytes must be valid for reads at `mask` and `left` bytes at `values`, and `16 · parts` bytes for writes
/// at `out`.
#[unsafe(naked)]
unsafe extern "C" fn sparse(
    mask: *const u8,
    values: *const i8,
    out: *mut i8,
    parts: usize,
    left: usize,
) -> u64 {
    naked_asm!(
        cpu!(),
        "push {{r4-r11, lr}}",
        "ldr r12, [sp, #36]",
        "mov r4, #0x01010101",
        "lsl r5, r4, #8",
        "vmov.i8 q2, #1",
        "vmov.i8 q3, #0",
        "mov lr, r3",
        "wls lr, r3, 2f",
        "1:",
        "ldrh r6, [r0]",
        "vmsr p0, r6",
        "vpsel q0, q2, q3",
        "vmul.i32 q1, q0, r4",
        "vshr.u32 q1, q1, #24",
        // r6, r7, r8, r9: set bits of each word, then of the words before it; r10: of all.
        "vmov r6, r8, q1[2], q1[0]",
        "vmov r7, r9, q1[3], q1[1]",
        "add r7, r6, r7",
        "add r8, r7, r8",
        "add r10, r8, r9",
        "cmp r10, r12",
        "bhi 2f",
        "sub r12, r12, r10",
        "mov r9, #0",
        "vmov q1[2], q1[0], r9, r7",
        "vmov q1[3], q1[1], r6, r8",
        "vmul.i32 q1, q1, r4",
        "vmul.i32 q0, q0, r5",
        "vadd.i32 q1, q1, q0",
        "vpst",
        "vldrbt.u8 q0, [r1, q1]",
        "add r1, r1, r10",
        "add r0, r0, #2",
        "vstrb.8 q0, [r2], #16",
        "le lr, 1b",
        "mov lr, #0",
        "2:",
        "mov r0, lr",
        "mov r1, r12",
        "pop {{r4-r11, pc}}",
    )
}
