//! The linear layer's inner part: a panel's four outputs of any number of rows, with the operation that follows.
//!
//! A function here computes tiles of two rows by four outputs from the top down. The micro-kernel is code that it jumps
//! to; the eight sums come back in registers, go to two vectors, and become f32 and then the result.
//!
//! f32 vectors flush subnormal numbers to zero. Whenever they do, a flag of FPSCR is set (`FLUSHED`). Each tile looks
//! at the flags before it is stored, and the function returns early if one is set. Then Rust computes the tile in
//! scalar instructions. The flags also tell where a flushed number would have made no difference: that costs time, no
//! bits.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::tiles::Tiles;
use super::{FLUSHED, clear_flags, cpu};

/// Saves registers, loads scales (q4) and biases (q5), and computes the initial sums. VPR.P0 gets a bit for each column
/// that there is.
macro_rules! begin {
    () => {
        concat!(
            "push {{r4-r11, lr}}\n",
            "vpush {{d8-d15}}\n",
            "mov r9, r0\n",
            clear_flags!(),
            "adr.w r0, 3f\n",
            "orr r0, r0, #1\n",
            "ldr r1, [r9, #{half_step}]\n",
            "cmp r1, #0\n",
            "it eq\n",
            "moveq r1, r0\n",
            "strd r1, r0, [r9, #{after}]\n",
            "ldrd r0, r1, [r9, #{columns}]\n",
            "ldrd r2, r3, [r9, #{scale}]\n",
            "ldr r4, [r9, #{column_sum}]\n",
            "vctp.32 r0\n",
            "vpsttt\n",
            "vldrwt.u32 q4, [r2]\n",
            "vldrwt.u32 q5, [r3]\n",
            "vldrwt.u32 q0, [r4]\n",
            "vmul.i32 q0, q0, r1\n",
            "vstrw.32 q0, [r9]\n",
            "vstrw.32 q0, [r9, #16]\n",
        )
    };
}

/// Begins the loop over the pairs of rows: computes the sums of a tile in q0 and q1 as f32.
macro_rules! sums {
    () => {
        concat!(
            "ldrd r3, r11, [r9, #{rows}]\n",
            "ldr r0, [r9, #{stride}]\n",
            "add r5, r3, r0\n",
            "2:\n",
            "ldrd r1, r7, [r9, #{weights}]\n",
            "ldm r9, {{r0, r2, r4, r6, r8, r10, r12, lr}}\n",
            "ldr pc, [r9, #{entry}]\n",
            "3:\n",
            "vmov q0[2], q0[0], r0, r4\n",
            "vmov q0[3], q0[1], r2, r6\n",
            "vmov q1[2], q1[0], r8, r12\n",
            "vmov q1[3], q1[1], r10, lr\n",
            "vcvt.f32.s32 q0, q0\n",
            "vcvt.f32.s32 q1, q1\n",
        )
    };
}

/// Everything up to `y` in q0 and q1, with one scale for all rows or a scale for each.
macro_rules! linear {
    (uniform) => {
        concat!(
            begin!(),
            "ldr r0, [r9, #{row_scale}]\n",
            "ldr r0, [r0]\n",
            "vmul.f32 q4, q4, r0\n",
            sums!(),
            "vmul.f32 q0, q0, q4\n",
            "vmul.f32 q1, q1, q4\n",
            "vadd.f32 q0, q0, q5\n",
            "vadd.f32 q1, q1, q5\n",
        )
    };
    (per_row) => {
        concat!(
            begin!(),
            sums!(),
            "ldr r0, [r9, #{row_scale}]\n",
            "ldr r2, [r0], #4\n",
            "ldr r4, [r0], #4\n",
            "str r0, [r9, #{row_scale}]\n",
            "vmul.f32 q2, q4, r2\n",
            "vmul.f32 q3, q4, r4\n",
            "vmul.f32 q0, q0, q2\n",
            "vmul.f32 q1, q1, q3\n",
            "vadd.f32 q0, q0, q5\n",
            "vadd.f32 q1, q1, q5\n",
        )
    };
}

/// Loads the places of the two rows' results into r0 and r4, and their distance into r2.
macro_rules! places {
    () => {
        "ldrd r0, r2, [r9, #{out}]\nadd r4, r0, r2\n"
    };
}

/// Returns early if a subnormal number was flushed.
macro_rules! check {
    () => {
        "vmrs r6, fpscr\ntst r6, #{flushed}\nbne 8f\n"
    };
}

/// Goes to the next pair of rows, or returns.
macro_rules! end {
    () => {
        concat!(
            "add r4, r4, r2\n",
            "str r4, [r9, #{out}]\n",
            "ldrd r0, r2, [r9, #{gap}]\n",
            "add r3, r5, r0\n",
            "add r5, r3, r2\n",
            "cmp r3, r11\n",
            "bne 2b\n",
            "b 9f\n",
            "8: str r6, [r9, #{flags}]\n",
            "9: vpop {{d8-d15}}\n",
            "pop {{r4-r11, pc}}\n",
        )
    };
}

/// Rounds q0 and q1 to int8 and stores them. NaN becomes −127, because VMAXNM returns its other operand then.
macro_rules! store_i8 {
    () => {
        concat!(
            "vldrw.u32 q6, [r9, #{lowest}]\n",
            "vldrw.u32 q7, [r9, #{highest}]\n",
            "vmaxnm.f32 q0, q0, q6\n",
            "vmaxnm.f32 q1, q1, q6\n",
            "vminnm.f32 q0, q0, q7\n",
            "vminnm.f32 q1, q1, q7\n",
            "vcvtn.s32.f32 q0, q0\n",
            "vcvtn.s32.f32 q1, q1\n",
            places!(),
            check!(),
            "vpstt\n",
            "vstrbt.32 q0, [r0]\n",
            "vstrbt.32 q1, [r4]\n",
        )
    };
}

/// Stores q0 and q1 in as many columns as there are.
macro_rules! store_f32 {
    () => {
        concat!(check!(), "vpstt\n", "vstrwt.32 q0, [r0]\n", "vstrwt.32 q1, [r4]\n")
    };
}

/// Makes two functions, one for rows that share a scale and one for a scale per row. Both finish `y` by `$finish`.
macro_rules! tile_kernels {
    (
        $(#[$doc:meta])* $uniform:ident, $per_row:ident,
        $finish:ident $(, $operand:ident = $offset:expr)*
    ) => {
        tile_kernels!(uniform $(#[$doc])* $uniform, $finish $(, $operand = $offset)*);
        tile_kernels!(per_row $(#[$doc])* $per_row, $finish $(, $operand = $offset)*);
    };
    ($scale:ident $(#[$doc:meta])* $name:ident, $finish:ident $(, $operand:ident = $offset:expr)*) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// See [`Tiles`].
        #[unsafe(naked)]
        pub(super) unsafe extern "C" fn $name(tiles: &mut Tiles) {
            naked_asm!(
                cpu!(),
                linear!($scale),
                $finish!(),
                end!(),
                half_step = const offset_of!(Tiles, half_step),
                after = const offset_of!(Tiles, after_whole_steps),
                columns = const offset_of!(Tiles, columns),
                scale = const offset_of!(Tiles, scale),
                column_sum = const offset_of!(Tiles, column_sum),
                rows = const offset_of!(Tiles, rows),
                stride = const offset_of!(Tiles, stride),
                weights = const offset_of!(Tiles, weights),
                entry = const offset_of!(Tiles, entry),
                row_scale = const offset_of!(Tiles, row_scale),
                out = const offset_of!(Tiles, out),
                flushed = const FLUSHED,
                gap = const offset_of!(Tiles, gap),
                flags = const offset_of!(Tiles, flags),
                $($operand = const $offset,)*
            )
        }
    };
}

macro_rules! finish_f32 {
    () => {
        concat!(places!(), store_f32!())
    };
}

tile_kernels!(
    /// Stores `y` as f32.
    f32_uniform, f32_per_row, finish_f32
);

/// Loads both rows' residuals before it stores either, because a pair may be one row twice.
macro_rules! finish_add {
    () => {
        concat!(
            places!(),
            "vpstt\n",
            "vldrwt.u32 q2, [r0]\n",
            "vldrwt.u32 q3, [r4]\n",
            "vadd.f32 q0, q0, q2\n",
            "vadd.f32 q1, q1, q3\n",
            store_f32!(),
        )
    };
}

tile_kernels!(
    /// Adds `y` to the f32 at its place.
    add_uniform, add_per_row, finish_add
);

tile_kernels!(
    /// Rounds `y` to int8.
    i8_uniform, i8_per_row, store_i8,
    lowest = offset_of!(Tiles, int8),
    highest = offset_of!(Tiles, int8) + 16
);

/// GELU of the vector `$y`, whose limited form is `$t`, with the constants in registers. Destroys q6 and q7.
macro_rules! gelu {
    ($y:literal, $t:literal) => {
        concat!(
            concat!("vmul.f32 q6, ", $t, ", ", $t, "\n"),
            "vmul.f32 q7, q6, r0\n",
            "vadd.f32 q7, q7, r1\n",
            "vmul.f32 q7, q7, q6\n",
            "vadd.f32 q7, q7, r2\n",
            "vmul.f32 q7, q7, q6\n",
            "vadd.f32 q7, q7, r4\n",
            "vmul.f32 q7, q7, q6\n",
            "vadd.f32 q7, q7, r6\n",
            "vmul.f32 q7, q7, q6\n",
            "vadd.f32 q7, q7, r7\n",
            concat!("vmul.f32 q7, q7, ", $t, "\n"),
            "vadd.f32 q7, q7, r8\n",
            concat!("vmul.f32 ", $y, ", ", $y, ", q7\n"),
        )
    };
}

macro_rules! finish_gelu {
    () => {
        concat!(
            "add r0, r9, #{gelu}\n",
            "ldm r0, {{r0, r1, r2, r4, r6, r7, r8, r10, r12}}\n",
            "vldrw.u32 q6, [r9, #{least}]\n",
            "vldrw.u32 q7, [r9, #{most}]\n",
            "vmaxnm.f32 q2, q0, q6\n",
            "vmaxnm.f32 q3, q1, q6\n",
            "vminnm.f32 q2, q2, q7\n",
            "vminnm.f32 q3, q3, q7\n",
            gelu!("q0", "q2"),
            gelu!("q1", "q3"),
            "vmul.f32 q0, q0, r10\n",
            "vmul.f32 q1, q1, r10\n",
            "vadd.f32 q0, q0, r12\n",
            "vadd.f32 q1, q1, r12\n",
            store_i8!(),
        )
    };
}

tile_kernels!(
    /// Quantizes GELU of `y`.
    gelu_uniform, gelu_per_row, finish_gelu,
    lowest = offset_of!(Tiles, int8),
    highest = offset_of!(Tiles, int8) + 16,
    gelu = offset_of!(Tiles, gelu),
    least = offset_of!(Tiles, clamp),
    most = offset_of!(Tiles, clamp) + 16
);

/// Stores the sums as i32 words, without scales: the scores of attention. The bits in f32 registers are integers here.
///
/// # Safety
/// See [`Tiles`]; `out` takes four words of each row.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn sums(tiles: &mut Tiles) {
    naked_asm!(
        cpu!(),
        "push {{r4-r11, lr}}",
        "mov r9, r0",
        "adr.w r0, 3f",
        "orr r0, r0, #1",
        "ldr r1, [r9, #{half_step}]",
        "cmp r1, #0",
        "it eq",
        "moveq r1, r0",
        "strd r1, r0, [r9, #{after}]",
        "ldrd r3, r11, [r9, #{rows}]",
        "ldr r0, [r9, #{stride}]",
        "add r5, r3, r0",
        "2:",
        "ldrd r1, r7, [r9, #{weights}]",
        "ldm r9, {{r0, r2, r4, r6, r8, r10, r12, lr}}",
        "ldr pc, [r9, #{entry}]",
        "3:",
        "ldrd r1, r7, [r9, #{out}]",
        "stm r1, {{r0, r2, r4, r6}}",
        "add r1, r1, r7",
        "stm r1, {{r8, r10, r12, lr}}",
        "add r1, r1, r7",
        "str r1, [r9, #{out}]",
        "ldrd r0, r2, [r9, #{gap}]",
        "add r3, r5, r0",
        "add r5, r3, r2",
        "cmp r3, r11",
        "bne 2b",
        "pop {{r4-r11, pc}}",
        half_step = const offset_of!(Tiles, half_step),
        after = const offset_of!(Tiles, after_whole_steps),
        rows = const offset_of!(Tiles, rows),
        stride = const offset_of!(Tiles, stride),
        weights = const offset_of!(Tiles, weights),
        entry = const offset_of!(Tiles, entry),
        out = const offset_of!(Tiles, out),
        gap = const offset_of!(Tiles, gap),
    )
}
