//! The integer micro-kernel: two rows of activations times the four outputs of a panel, 16 inputs at a time.
//!
//! VMLADAVA multiplies 16 pairs of bytes and adds all products to one general-purpose register, which must have an even
//! number. There are eight of these, so that a tile has eight sums. A step of 16 inputs is six loads and eight
//! multiplications: 14 instructions for 128 multiply-adds. The weights are panels of [`Panel::CORTEX_M`].
//!
//! [`Panel::CORTEX_M`]: crate::Panel::CORTEX_M

use core::arch::naked_asm;
use core::mem::offset_of;

use super::cpu;
use super::tiles::Tiles;

/// Steps of one pass through the loop.
const STEPS: usize = 8;
/// Bytes of a step: 14 instructions of four bytes.
const STEP_BYTES: usize = 56;

/// The multiplications of a step. The loads have the name `$load` and take `$bytes` bytes each.
macro_rules! step {
    ($load:literal, $bytes:literal, $multiply:literal) => {
        concat!(
            concat!($load, " q0, [r3], #", $bytes, "\n"),
            concat!($load, " q2, [r1], #", $bytes, "\n"),
            concat!($multiply, " r0, q0, q2\n"),
            concat!($load, " q1, [r5], #", $bytes, "\n"),
            concat!($multiply, " r8, q1, q2\n"),
            concat!($load, " q3, [r1], #", $bytes, "\n"),
            concat!($multiply, " r2, q0, q3\n"),
            concat!($multiply, " r10, q1, q3\n"),
            concat!($load, " q2, [r1], #", $bytes, "\n"),
            concat!($multiply, " r4, q0, q2\n"),
            concat!($multiply, " r12, q1, q2\n"),
            concat!($load, " q3, [r1], #", $bytes, "\n"),
            concat!($multiply, " r6, q0, q3\n"),
            concat!($multiply, " lr, q1, q3\n"),
        )
    };
}

/// Adds the products of a tile to its sums. Code jumps to it, and it jumps to where [`Tiles`] says; it is no function
/// that can be called.
///
/// | register | on entry |
/// | --- | --- |
/// | r0, r2, r4, r6; r8, r10, r12, lr | sums of the first row; of the second row |
/// | r1 | weights of the panel |
/// | r3, r5 | first and second row |
/// | r7 | passes through the loop |
/// | r9 | [`Tiles`] |
///
/// It enters the loop in the middle, so that the number of steps need not be a multiple of [`STEPS`]. It moves r1, r3
/// and r5 behind what it has read, and destroys r7 and q0 to q3.
///
/// # Safety
/// See [`Tiles`].
#[unsafe(naked)]
unsafe extern "C" fn whole_steps() {
    naked_asm!(
        cpu!(),
        "2:",
        ".rept {steps}",
        step!("vldrb.u8", "16", "vmladava.s8"),
        ".endr",
        "subs r7, #1",
        "bne 2b",
        "ldr pc, [r9, #{after}]",
        steps = const STEPS,
        after = const offset_of!(Tiles, after_whole_steps),
    )
}

/// Does the same as [`whole_steps`] with eight inputs, which a panel has at its end if its depth is no multiple of 16.
/// The bytes are widened to 16 bits when they are loaded.
///
/// # Safety
/// See [`Tiles`].
#[unsafe(naked)]
unsafe extern "C" fn half_step() {
    naked_asm!(
        cpu!(),
        step!("vldrb.s16", "8", "vmladava.s16"),
        "ldr pc, [r9, #{resume}]",
        resume = const offset_of!(Tiles, resume),
    )
}

/// How the micro-kernel computes sums over a number of inputs.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    /// Passes through the loop of [`whole_steps`].
    pub passes: usize,
    /// Address at which a tile begins.
    pub entry: usize,
    /// Address of [`half_step`], or 0 if there is none.
    pub half_step: usize,
}

impl Steps {
    /// Returns the steps over `depth` inputs, a multiple of 8 and at least 8.
    pub fn new(depth: usize) -> Self {
        let whole = depth / 16;
        let (passes, skipped) = (whole.div_ceil(STEPS), whole.next_multiple_of(STEPS) - whole);
        // The addresses are those of functions, whose lowest bit stands for Thumb code.
        let half = half_step as *const () as usize;
        let entry = if whole == 0 { half } else { whole_steps as *const () as usize + skipped * STEP_BYTES };
        Self { passes, entry, half_step: if depth % 16 == 8 { half } else { 0 } }
    }
}
