//! The linear layer's inner part: a panel's four outputs of any number of rows, with the operation that follows.
//!
//! A function here computes tiles of two rows by four outputs from the top down. The micro-kernel is code that it jumps
//! to; the eight sums come back in registers, go to two vectors, and become f32 and then the result.
//!
//! f32 vectors flush subnormal numbers to zero. Whenever they do, a flag in FPSCR says so (`FLUSHED`). Each tile looks at
//! the flag before it is stored, and the function returns early if it is set. Then Rust computes the tile in scalar
//! instructions.

use core::arch::naked_asm;
use core::mem::offset_of;

use super::i8_2x4_vmladava::Steps;
use super::{FLUSHED, clear_flags, cpu};
use crate::math::{GELU, GELU_CLAMP};

/// The operands of a function of this module, in the order in which it loads them.
///
/// # Safety
/// A function that takes them relies on this:
/// * `weights` is a panel of four outputs by `depth` inputs in the order of `Panel::CORTEX_M`;
/// * at `rows`, `pairs` pairs of rows of `stride` bytes can be read, each up to `depth`;
/// * `columns` is at least 1, and as many elements of `scale`, `bias` and `column_sum` can be read, or 4 if there are
///   more;
/// * `row_scale` has one scale or, for a function that takes a scale per row, one for each row;
/// * at `out`, as many rows of `out_stride` bytes can be written, and `columns` elements of each, but at most 4.
#[repr(C)]
pub(super) struct Tiles {
    /// The values with which the sums of both rows begin; the function sets them.
    init: [i32; 8],
    weights: *const i8,
    passes: usize,
    entry: usize,
    half_step: usize,
    /// Where the micro-kernel goes after the whole steps and at its end; the function sets them.
    pub(super) after_whole_steps: usize,
    pub(super) resume: usize,
    /// Bytes from the end of what was read of a row to the beginning of the next row, and from row to row.
    gap: isize,
    stride: usize,
    rows: *const i8,
    /// Where the first row after the last pair would be.
    rows_end: *const i8,
    columns: usize,
    /// What `column_sum` is multiplied by before it is added to the sums.
    sum_factor: i32,
    scale: *const f32,
    bias: *const f32,
    column_sum: *const i32,
    row_scale: *const f32,
    out: *mut u8,
    out_stride: usize,
    /// Not 0 if the function returned early.
    flags: u32,
    /// Coefficients of GELU from the highest degree to the lowest, 1/2, 1/scale and zero point of its quantization.
    gelu: [f32; 9],
    clamp: [[f32; 4]; 2],
    int8: [[f32; 4]; 2],
}

/// The rows that tiles are computed of.
#[derive(Clone, Copy)]
pub(super) struct TileRows {
    pub rows: *const i8,
    /// Bytes from one row to the next; 0 for a pair that is the same row twice.
    pub stride: usize,
    pub pairs: usize,
}

/// What the four outputs of a panel are computed from.
#[derive(Clone, Copy)]
pub(super) struct TileColumns {
    pub weights: *const i8,
    /// Outputs from the first one of the panel on, at least 1; may be more than 4.
    pub columns: usize,
    pub scale: *const f32,
    pub bias: *const f32,
    pub column_sum: *const i32,
}

impl TileColumns {
    /// No parameters, for sums without scales.
    pub const NONE: Self = Self {
        weights: core::ptr::null(),
        columns: 0,
        scale: core::ptr::null(),
        bias: core::ptr::null(),
        column_sum: core::ptr::null(),
    };
}

impl Tiles {
    /// Returns operands of panels of `depth` inputs, without rows and columns. `gelu` is 1/scale and zero point of
    /// GELU's result.
    pub fn new(depth: usize, sum_factor: i32, gelu: [f32; 2]) -> Self {
        let Steps { passes, entry, half_step } = Steps::new(depth);
        let [c0, c1, c2, c3, c4, c5] = GELU;
        Self {
            init: [0; 8],
            weights: core::ptr::null(),
            passes,
            entry,
            half_step,
            after_whole_steps: 0,
            resume: 0,
            gap: -(depth as isize),
            stride: 0,
            rows: core::ptr::null(),
            rows_end: core::ptr::null(),
            columns: 0,
            sum_factor,
            scale: core::ptr::null(),
            bias: core::ptr::null(),
            column_sum: core::ptr::null(),
            row_scale: core::ptr::null(),
            out: core::ptr::null_mut(),
            out_stride: 0,
            flags: 0,
            gelu: [c5, c4, c3, c2, c1, c0, 0.5, gelu[0], gelu[1]],
            clamp: [[-GELU_CLAMP; 4], [GELU_CLAMP; 4]],
            int8: [[-127.0; 4], [127.0; 4]],
        }
    }

    /// Sets the panel.
    pub fn set_columns(&mut self, columns: TileColumns) {
        let TileColumns { weights, columns, scale, bias, column_sum } = columns;
        (self.weights, self.columns) = (weights, columns);
        (self.scale, self.bias, self.column_sum) = (scale, bias, column_sum);
    }

    /// Sets the rows, their scales and the place of their results.
    pub fn set_rows(&mut self, rows: TileRows, row_scale: *const f32, out: *mut u8, out_stride: usize) {
        let depth = self.stride as isize - self.gap;
        self.gap = rows.stride as isize - depth;
        self.stride = rows.stride;
        self.rows = rows.rows;
        self.rows_end = rows.rows.wrapping_add(rows.pairs * 2 * rows.stride);
        self.row_scale = row_scale;
        (self.out, self.out_stride) = (out, out_stride);
    }

    /// Computes all rows and returns `None`, or returns how many pairs it has finished before one whose f32 arithmetic
    /// flushed a subnormal number.
    ///
    /// # Safety
    /// The operands must be as [`Tiles`] says, and the CPU must have the instruction set.
    pub unsafe fn run(&mut self, kernel: TileKernel) -> Option<usize> {
        let begin = self.out as usize;
        self.flags = 0;
        // SAFETY: as this function requires.
        unsafe { kernel(self) };
        (self.flags != 0)
            .then(|| (self.out as usize - begin).checked_div(2 * self.out_stride).unwrap_or_default())
    }
}

/// A function that computes [`Tiles`].
pub(super) type TileKernel = unsafe extern "C" fn(&mut Tiles);

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
