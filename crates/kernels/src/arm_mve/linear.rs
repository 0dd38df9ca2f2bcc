//! Linear layers: a loop over the panels around the functions of [`tiles`](super::tiles).

use core::ops::Range;

use tinybert_layout::{PackedMatrix, PackedWeights};

use super::decode::decode;
use super::gelu::gelu;
use super::quantize::quantize_row;
use super::tile_kernels;
use super::tiles::{TileColumns, TileKernel, TileRows, Tiles};
use crate::activation_layout::ActivationLayout;
use crate::linear::{Activations, Epilogue, Linear, Quantization, ROW_BLOCK, RowScale};
use crate::math;

/// Computes [`crate::scalar::linear`] in panels of [`Panel::CORTEX_M`](crate::Panel::CORTEX_M).
///
/// # Safety
/// The CPU must have MVE with f32, and the operands must be checked.
pub(crate) unsafe fn linear(a: &Activations, w: &Linear, epilogue: Epilogue, decoded: &mut [i8]) {
    let rows = 0..a.m;
    match epilogue {
        Epilogue::F32 { out, stride } => {
            let output = Output::new(out.as_mut_ptr(), stride * F32, Finish::F32);
            // SAFETY: as this function requires, and the checks say that `out` has the rows.
            unsafe { panels(a, w, rows, decoded, &output) }
        }
        Epilogue::AddF32 { residual, stride } => {
            let output = Output::new(residual.as_mut_ptr(), stride * F32, Finish::Add);
            // SAFETY: likewise.
            unsafe { panels(a, w, rows, decoded, &output) }
        }
        Epilogue::I8 { out, stride } => {
            let output = Output::new(out.as_mut_ptr(), stride, Finish::I8);
            // SAFETY: likewise.
            unsafe { panels(a, w, rows, decoded, &output) }
        }
        Epilogue::Gelu { out, quantization: Quantization::Static { inv_scale, zero_point }, .. } => {
            let finish = Finish::Gelu { inv_scale, zero_point };
            let output = Output::new(out.data.as_mut_ptr(), out.stride, finish);
            // SAFETY: likewise.
            unsafe { panels(a, w, rows, decoded, &output) }
        }
        Epilogue::Gelu { mut out, quantization: Quantization::PerToken { scale }, scratch } => {
            for (block, scale) in scale.chunks_mut(ROW_BLOCK).enumerate() {
                let first = block * ROW_BLOCK;
                let Some(y) = scratch.get_mut(..scale.len() * w.n) else { return };
                let output = Output::new(y.as_mut_ptr(), w.n * F32, Finish::F32);
                // SAFETY: likewise; `y` has these rows.
                unsafe {
                    panels(a, w, first..first + scale.len(), decoded, &output);
                    gelu(y);
                }
                for ((m, scale), row) in (first..).zip(scale).zip(y.chunks_exact(w.n.max(1))) {
                    // SAFETY: likewise.
                    *scale = unsafe { quantize_row(m, row, &mut out) };
                }
            }
        }
    }
}

/// Outputs of a panel.
const OUTPUTS: usize = crate::Panel::CORTEX_M.nr as usize;
/// Bytes of an f32.
const F32: usize = size_of::<f32>();

/// Where results go, and what becomes of `y` before.
pub(super) struct Output {
    /// The place of column 0 of the first row.
    pub out: *mut u8,
    /// Bytes from row to row.
    pub stride: usize,
    pub finish: Finish,
    /// [`Finish::kernels`].
    kernels: [TileKernel; 2],
}

impl Output {
    /// Returns the place of `y`, which is finished so.
    pub fn new<T>(out: *mut T, stride: usize, finish: Finish) -> Self {
        Self { out: out.cast(), stride, finish, kernels: finish.kernels() }
    }

    /// Returns the place that is this number of bytes further on.
    pub fn moved(&self, bytes: usize) -> Self {
        Self { out: self.out.wrapping_add(bytes), ..*self }
    }
}

/// What becomes of `y`.
#[derive(Clone, Copy)]
pub(super) enum Finish {
    F32,
    Add,
    I8,
    Gelu { inv_scale: f32, zero_point: i8 },
}

impl Finish {
    /// Returns the functions for rows that share a scale, and for a scale per row.
    pub fn kernels(self) -> [TileKernel; 2] {
        match self {
            Self::F32 => [tile_kernels::f32_uniform, tile_kernels::f32_per_row],
            Self::Add => [tile_kernels::add_uniform, tile_kernels::add_per_row],
            Self::I8 => [tile_kernels::i8_uniform, tile_kernels::i8_per_row],
            Self::Gelu { .. } => [tile_kernels::gelu_uniform, tile_kernels::gelu_per_row],
        }
    }

    /// Returns the bytes of a result.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::Add => F32,
            Self::I8 | Self::Gelu { .. } => 1,
        }
    }

    /// Stores a result in scalar instructions.
    ///
    /// # Safety
    /// At `out` must be a place for it.
    pub unsafe fn store(self, y: f32, out: *mut u8) {
        // SAFETY: as this function requires. Memory of f32 is aligned.
        unsafe {
            match self {
                Self::F32 => out.cast::<f32>().write(y),
                Self::Add => out.cast::<f32>().write(math::scalar(*out.cast::<f32>() + y)),
                Self::I8 => out.cast::<i8>().write(math::quantize(y, 1.0, 0)),
                Self::Gelu { inv_scale, zero_point } => {
                    out.cast::<i8>().write(math::quantize(math::gelu(y), inv_scale, zero_point));
                }
            }
        }
    }
}

/// Computes the rows `rows`. The first of them goes to the first row of `output`.
///
/// # Safety
/// As of [`linear`], and `output` must have room for the rows.
unsafe fn panels(a: &Activations, w: &Linear, rows: Range<usize>, decoded: &mut [i8], output: &Output) {
    let Some(matrix) = w.matrix() else { return };
    let gelu = match output.finish {
        Finish::Gelu { inv_scale, zero_point } => [inv_scale, f32::from(zero_point)],
        _ => [0.0; 2],
    };
    let mut tiles = Tiles::new(matrix.depth(), -i32::from(a.zero_point), gelu);
    let Some(data) = a.data.get(rows.start * a.stride..) else { return };
    let scales = match a.scale {
        RowScale::Uniform(_) => a.scale,
        RowScale::PerRow(scales) => RowScale::PerRow(scales.get(rows.clone()).unwrap_or_default()),
    };
    let operands = RowOperands { rows: data.as_ptr(), stride: a.stride, count: rows.len(), scales };
    let mut int8 = match w.weights {
        PackedWeights::Int8(weights) => weights.chunks_exact((OUTPUTS * matrix.depth()).max(1)),
        _ => [].chunks_exact(1),
    };
    for first in (0..w.n).step_by(OUTPUTS) {
        let weights: &[i8] = match int8.next() {
            Some(weights) => weights,
            None => {
                let Some(stored) = w.panel_weights(matrix, first / OUTPUTS) else { return };
                let Some(decoded) = decoded.get_mut(..OUTPUTS * matrix.depth()) else { return };
                // SAFETY: as this function requires.
                unsafe { decode(stored, decoded) };
                decoded
            }
        };
        tiles.set_columns(TileColumns {
            weights: weights.as_ptr(),
            columns: w.n - first,
            scale: w.scale.as_ptr().wrapping_add(first),
            bias: w.bias.as_ptr().wrapping_add(first),
            column_sum: w.row_sum.as_ptr().wrapping_add(first),
        });
        let to = output.moved(first * output.finish.bytes());
        let panel = Panel { matrix, first, weights };
        // SAFETY: the panel has `depth` inputs of four outputs, because the outputs are padded to a multiple of 4; a
        // row of activations has its inputs rounded up to 16. The checks say that there are parameters of all `n`
        // outputs.
        unsafe {
            each_pair(&mut tiles, &operands, &to, &mut |row| {
                scalar_row(a, w, panel, rows.start + row, row, &to);
            });
        }
    }
}

/// Rows of int8 and their scales.
pub(super) struct RowOperands<'a> {
    pub rows: *const i8,
    pub stride: usize,
    pub count: usize,
    pub scales: RowScale<'a>,
}

/// Computes all rows of a panel, in pairs. A last row without another one is computed as both rows of a pair. Calls
/// `scalar` for each row whose f32 arithmetic flushed a subnormal number.
///
/// # Safety
/// The operands must be as [`Tiles`] says: for as many rows as `operands` states, the columns of `tiles`, and `output`.
#[inline(always)]
pub(super) unsafe fn each_pair(
    tiles: &mut Tiles,
    operands: &RowOperands,
    output: &Output,
    scalar: &mut dyn FnMut(usize),
) {
    let (pairs, mut finished) = (operands.count / 2, 0);
    if pairs > 0 {
        // SAFETY: as this function requires.
        finished = unsafe { run(tiles, operands, output, 0, pairs) };
    }
    if 2 * finished < operands.count {
        // SAFETY: likewise.
        unsafe { remaining(tiles, operands, output, 2 * finished, scalar) }
    }
}

/// Computes pairs from row `first` on and returns how many were finished.
///
/// # Safety
/// As of [`each_pair`]; there are these rows.
#[inline(always)]
unsafe fn run(
    tiles: &mut Tiles,
    operands: &RowOperands,
    output: &Output,
    first: usize,
    pairs: usize,
) -> usize {
    let &RowOperands { rows, stride, scales, .. } = operands;
    let [uniform, per_row] = output.kernels;
    let (kernel, scale) = match &scales {
        RowScale::Uniform(scale) => (uniform, &raw const *scale),
        RowScale::PerRow(scales) => (per_row, scales.as_ptr().wrapping_add(first)),
    };
    let rows = TileRows { rows: rows.wrapping_add(first * stride), stride, pairs };
    tiles.set_rows(rows, scale, output.out.wrapping_add(first * output.stride), output.stride);
    // SAFETY: as this function requires.
    unsafe { tiles.run(kernel) }.unwrap_or(pairs)
}

/// Computes the rows from `first` on, of which the first two may have to be scalar.
///
/// # Safety
/// As of [`each_pair`].
#[inline(never)]
unsafe fn remaining(
    tiles: &mut Tiles,
    operands: &RowOperands,
    output: &Output,
    mut first: usize,
    scalar: &mut dyn FnMut(usize),
) {
    while let Some(left @ 1..) = operands.count.checked_sub(first) {
        let pairs = left / 2;
        // SAFETY: as this function requires.
        let finished = if pairs > 0 {
            unsafe { run(tiles, operands, output, first, pairs) }
        } else {
            let scale = match operands.scales {
                RowScale::Uniform(scale) => scale,
                RowScale::PerRow(scales) => scales.get(first).copied().unwrap_or(0.0),
            };
            let rows = operands.rows.wrapping_add(first * operands.stride);
            let twice = RowOperands { rows, stride: 0, count: 2, scales: RowScale::PerRow(&[scale; 2]) };
            let output = Output { stride: 0, ..output.moved(first * output.stride) };
            // SAFETY: likewise; both rows of the pair are the last row.
            unsafe { run(tiles, &twice, &output, 0, 1) }
        };
        first += 2 * finished;
        if finished < pairs.max(1) {
            (first..operands.count.min(first + 2)).for_each(&mut *scalar);
            first += 2;
        }
    }
}

/// The int8 weights of a panel.
#[derive(Clone, Copy)]
struct Panel<'a> {
    matrix: PackedMatrix,
    /// The first output.
    first: usize,
    weights: &'a [i8],
}

/// Computes the outputs of a panel for row `m` of `a`, which is row `row` of `output`, in scalar instructions.
///
/// # Safety
/// `output` must have room for the row.
#[cold]
unsafe fn scalar_row(a: &Activations, w: &Linear, panel: Panel, m: usize, row: usize, output: &Output) {
    let first = panel.first;
    for n in first..w.n.min(first + OUTPUTS) {
        let (lane, mut acc) = (panel.matrix.lane(n), 0_i32);
        for k in 0..w.k {
            let x = a.data.get(ActivationLayout::ROW_MAJOR.offset(m, k, a.stride)).copied().unwrap_or(0);
            let weight = panel.weights.get(panel.matrix.offset_in_panel(lane, k)).copied().unwrap_or(0);
            acc += i32::from(x) * i32::from(weight);
        }
        let [Some(&scale), Some(&bias)] = [w.scale.get(n), w.bias.get(n)] else { return };
        let Some(&row_sum) = w.row_sum.get(n) else { return };
        let acc = acc.wrapping_sub(row_sum.wrapping_mul(i32::from(a.zero_point)));
        let y = math::scalar(math::scalar(acc as f32 * math::scalar(a.row_scale(m) * scale)) + bias);
        let at = row * output.stride + (n - first) * output.finish.bytes();
        // SAFETY: as this function requires.
        unsafe { output.finish.store(y, output.out.add(at)) };
    }
}
