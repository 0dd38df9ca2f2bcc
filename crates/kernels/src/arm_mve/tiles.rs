//! The operands of the functions in [`tile_kernels`](super::tile_kernels).

use super::i8_2x4_vmladava::Steps;
use crate::math::{GELU, GELU_CLAMP};

/// The operands of a function, in the order in which it loads them.
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
    pub(super) init: [i32; 8],
    pub(super) weights: *const i8,
    pub(super) passes: usize,
    pub(super) entry: usize,
    pub(super) half_step: usize,
    /// Where the micro-kernel goes after the whole steps and at its end; the function sets them.
    pub(super) after_whole_steps: usize,
    pub(super) resume: usize,
    /// Bytes from the end of what was read of a row to the beginning of the next row, and from row to row.
    pub(super) gap: isize,
    pub(super) stride: usize,
    pub(super) rows: *const i8,
    /// Where the first row after the last pair would be.
    pub(super) rows_end: *const i8,
    pub(super) columns: usize,
    /// What `column_sum` is multiplied by before it is added to the sums.
    pub(super) sum_factor: i32,
    pub(super) scale: *const f32,
    pub(super) bias: *const f32,
    pub(super) column_sum: *const i32,
    pub(super) row_scale: *const f32,
    pub(super) out: *mut u8,
    pub(super) out_stride: usize,
    /// Not 0 if the function returned early.
    pub(super) flags: u32,
    /// Coefficients of GELU from the highest degree to the lowest, 1/2, 1/scale and zero point of its quantization.
    pub(super) gelu: [f32; 9],
    pub(super) clamp: [[f32; 4]; 2],
    pub(super) int8: [[f32; 4]; 2],
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
