//! Linear layers: a loop over the panels around the functions of [`tiles`](super::tiles).

use core::ops::Range;

use tinybert_layout::{PackedMatrix, PanelPlace, PanelWeights};

use super::decode::decode;
use super::rows::{gelu, quantize_row};
use super::tiles::{self, TileColumns, TileKernel, TileRows, Tiles};
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
            let output = Output { out: out.as_mut_ptr().cast(), stride: stride * F32, finish: Finish::F32 };
            // SAFETY: as this function requires, and the checks say that `out` has the rows.
            unsafe { panels(a, w, rows, decoded, &output) }
        }
        Epilogue::AddF32 { residual } => {
            let out = residual.as_mut_ptr().cast();
            // SAFETY: likewise.
            unsafe { panels(a, w, rows, decoded, &Output { out, stride: w.n * F32, finish: Finish::Add }) }
        }
        Epilogue::I8 { out, stride } => {
            let output = Output { out: out.as_mut_ptr().cast(), stride, finish: Finish::I8 };
            // SAFETY: likewise.
            unsafe { panels(a, w, rows, decoded, &output) }
        }
        Epilogue::Gelu { out, quantization: Quantization::Static { inv_scale, zero_point }, .. } => {
            let finish = Finish::Gelu { inv_scale, zero_point };
            let output = Output { out: out.data.as_mut_ptr().cast(), stride: out.stride, finish };
            // SAFETY: likewise.
            unsafe { panels(a, w, rows, decoded, &output) }
        }
        Epilogue::Gelu { mut out, quantization: Quantization::PerToken { scale }, scratch } => {
            for (block, scale) in scale.chunks_mut(ROW_BLOCK).enumerate() {
                let first = block * ROW_BLOCK;
                let Some(y) = scratch.get_mut(..scale.len() * w.n) else { return };
                let output = Output { out: y.as_mut_ptr().cast(), stride: w.n * F32, finish: Finish::F32 };
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

/// Bytes of an f32.
const F32: usize = size_of::<f32>();

/// Where results go, and what becomes of `y` before.
pub(super) struct Output {
    /// The place of column 0 of the first row.
    pub out: *mut u8,
    /// Bytes from row to row.
    pub stride: usize,
    pub finish: Finish,
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
    /// Returns the function for rows that share a scale, or for a scale per row.
    fn kernel(self, per_row: bool) -> TileKernel {
        match (self, per_row) {
            (Self::F32, false) => tiles::f32_uniform,
            (Self::F32, true) => tiles::f32_per_row,
            (Self::Add, false) => tiles::add_uniform,
            (Self::Add, true) => tiles::add_per_row,
            (Self::I8, false) => tiles::i8_uniform,
            (Self::I8, true) => tiles::i8_per_row,
            (Self::Gelu { .. }, false) => tiles::gelu_uniform,
            (Self::Gelu { .. }, true) => tiles::gelu_per_row,
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
    for (index, place) in matrix.panels().enumerate() {
        let weights: &[i8] = match w.panel_weights(matrix, index) {
            Some(PanelWeights::Int8(weights)) => weights,
            Some(stored) => {
                let Some(decoded) = decoded.get_mut(..place.weights()) else { return };
                // SAFETY: as this function requires.
                unsafe { decode(stored, decoded) };
                decoded
            }
            None => return,
        };
        let first = place.first;
        let (Some(scale), Some(bias), Some(row_sum)) =
            (w.scale.get(first..), w.bias.get(first..), w.row_sum.get(first..))
        else {
            return;
        };
        tiles.set_columns(TileColumns {
            weights: weights.as_ptr(),
            columns: w.n - first,
            scale: scale.as_ptr(),
            bias: bias.as_ptr(),
            column_sum: row_sum.as_ptr(),
        });
        let to = Output { out: output.out.wrapping_add(first * output.finish.bytes()), ..*output };
        let panel = Panel { matrix, place, weights };
        // SAFETY: the panel has `depth` inputs of four outputs, because `output_padding` of its shape is 4; a row of
        // activations has its inputs rounded up to 16. The parameters of the outputs from `first` on are there.
        unsafe {
            each_pair(&mut tiles, &operands, &to, |row| scalar_row(a, w, panel, rows.start + row, row, &to));
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
    mut scalar: impl FnMut(usize),
) {
    let &RowOperands { rows, stride, count, scales } = operands;
    let mut first = 0;
    while first < count {
        let pairs = (count - first) / 2;
        let one_row = pairs == 0;
        let uniform;
        let twice;
        let (per_row, scale) = match scales {
            RowScale::Uniform(scale) => {
                uniform = scale;
                (false, &raw const uniform)
            }
            RowScale::PerRow(scales) => match scales.get(first..) {
                Some(&[scale]) => {
                    twice = [scale; 2];
                    (true, twice.as_ptr())
                }
                Some(scales) => (true, scales.as_ptr()),
                None => return,
            },
        };
        let rows = TileRows {
            rows: rows.wrapping_add(first * stride),
            stride: if one_row { 0 } else { stride },
            pairs: pairs.max(1),
        };
        let out_stride = if one_row { 0 } else { output.stride };
        tiles.set_rows(rows, scale, output.out.wrapping_add(first * output.stride), out_stride);
        // SAFETY: as this function requires; the rows are among those that `operands` states.
        let finished = unsafe { tiles.run(output.finish.kernel(per_row)) };
        let Some(finished) = finished else {
            first += if one_row { 1 } else { 2 * pairs };
            continue;
        };
        first += 2 * finished;
        for _ in 0..if one_row { 1 } else { 2 } {
            scalar(first);
            first += 1;
        }
    }
}

/// The int8 weights of a panel.
#[derive(Clone, Copy)]
struct Panel<'a> {
    matrix: PackedMatrix,
    place: PanelPlace,
    weights: &'a [i8],
}

/// Computes the outputs of a panel for row `m` of `a`, which is row `row` of `output`, in scalar instructions.
///
/// # Safety
/// `output` must have room for the row.
#[cold]
unsafe fn scalar_row(a: &Activations, w: &Linear, panel: Panel, m: usize, row: usize, output: &Output) {
    let first = panel.place.first;
    for n in first..w.n.min(first + panel.place.width) {
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
