//! Linear layer around a micro-kernel: panels of weights outside, blocks of rows inside, so that a panel stays in the
//! first-level cache; the epilogue takes each tile while it is there too.

use core::ops::Range;

use super::math::{Quantizer, gelu};
use super::{MR_MAX, MicroKernel, NR_MAX, Rows, RowsMut, Simd, quantize_row};
use crate::linear::{Activations, Epilogue, Linear, Quantization, ROW_BLOCK, clear_padding, row_stride};

/// [`crate::scalar::linear`] for weights in the micro-kernel's own layout. Operands are checked.
#[inline(always)]
pub(crate) fn linear<S: MicroKernel>(s: S, a: &Activations, w: &Linear, epilogue: Epilogue) {
    let n = w.n;
    match epilogue {
        Epilogue::F32 { out } => {
            tiles(s, a, w, 0..a.m, RowsMut { data: out, stride: n }, |y, out| s.store(y, out));
        }
        Epilogue::AddF32 { residual } => {
            let out = RowsMut { data: residual, stride: n };
            tiles(s, a, w, 0..a.m, out, |y, out| s.store(s.add(s.load(out), y), out));
        }
        Epilogue::I8 { out, stride } => {
            let quantizer = Quantizer::new(s, 1.0, 0);
            tiles(s, a, w, 0..a.m, RowsMut { data: out, stride }, |y, out| quantizer.store(s, y, out));
        }
        Epilogue::Gelu { out, quantization: Quantization::Static { inv_scale, zero_point }, .. } => {
            clear_padding(out, a.m, n);
            let quantizer = Quantizer::new(s, inv_scale, zero_point);
            let out = RowsMut { data: out, stride: row_stride(n) };
            tiles(s, a, w, 0..a.m, out, |y, out| quantizer.store(s, gelu(s, y), out));
        }
        Epilogue::Gelu { out, quantization: Quantization::PerToken { scale }, scratch } => {
            let blocks = out.chunks_mut((ROW_BLOCK * row_stride(n)).max(1)).zip(scale.chunks_mut(ROW_BLOCK));
            for (block, (out, scale)) in blocks.enumerate() {
                let first = block * ROW_BLOCK;
                let rows = RowsMut { data: scratch, stride: n };
                tiles(s, a, w, first..first + scale.len(), rows, |y, out| s.store(gelu(s, y), out));
                let rows = scratch.chunks_exact(n.max(1)).zip(out.chunks_mut(row_stride(n).max(1)));
                for ((x, out), scale) in rows.zip(scale) {
                    *scale = quantize_row(s, x, out);
                }
            }
        }
    }
}

/// Per-output parameters of one panel; columns beyond `n` are 0.
struct Columns {
    scale: [f32; NR_MAX],
    bias: [f32; NR_MAX],
    /// `zero_point · row_sum`.
    zero: [i32; NR_MAX],
}

impl Columns {
    #[inline(always)]
    fn new(w: &Linear, first: usize, zero_point: i8) -> Self {
        let mut columns = Columns { scale: [0.0; NR_MAX], bias: [0.0; NR_MAX], zero: [0; NR_MAX] };
        let parameters = w.scale.iter().zip(w.bias).zip(w.row_sum).skip(first);
        let places = columns.scale.iter_mut().zip(&mut columns.bias).zip(&mut columns.zero);
        for (((scale, bias), zero), ((&s, &b), &row_sum)) in places.zip(parameters) {
            (*scale, *bias, *zero) = (s, b, row_sum.wrapping_mul(i32::from(zero_point)));
        }
        columns
    }
}

/// Computes the rows `rows` of `y` and hands every vector of them to `store`, with its place in `out`, whose first row
/// is row `rows.start`.
#[inline(always)]
fn tiles<S: MicroKernel, T>(
    s: S,
    a: &Activations,
    w: &Linear,
    rows: Range<usize>,
    mut out: RowsMut<T>,
    store: impl Fn(S::F, &mut [T]),
) {
    let panel_len = S::PANEL.panel_len(w.k).unwrap_or(0).max(1);
    let stride = row_stride(a.k);
    let mut tile = [[0; NR_MAX]; MR_MAX];
    for (index, panel) in w.weights.chunks_exact(panel_len).enumerate() {
        let first = index * S::NR;
        let width = S::NR.min(w.n - first);
        let columns = Columns::new(w, first, a.zero_point);
        for block in rows.clone().step_by(S::MR) {
            let count = S::MR.min(rows.end - block);
            let data = a.data.get(block * stride..).unwrap_or(&[]);
            s.tile(Rows { data, stride, count }, panel, &mut tile);
            for (row, acc) in (block..block + count).zip(&tile) {
                let scale = s.splat(a.row_scale(row));
                finish(s, acc, scale, &columns, out.part(row - rows.start, first, width), &store);
            }
        }
    }
}

/// `y = (acc − zero) · (activation scale · scale) + bias` for one row of a tile.
#[inline(always)]
fn finish<S: Simd, T>(
    s: S,
    acc: &[i32; NR_MAX],
    activation_scale: S::F,
    columns: &Columns,
    out: &mut [T],
    store: &impl Fn(S::F, &mut [T]),
) {
    let parameters = columns.scale.chunks(S::LANES).zip(columns.bias.chunks(S::LANES));
    let sums = acc.chunks(S::LANES).zip(columns.zero.chunks(S::LANES));
    for (out, ((acc, zero), (scale, bias))) in out.chunks_mut(S::LANES).zip(sums.zip(parameters)) {
        let acc = s.to_f32(s.sub_i32(s.load_i32(acc, 0), s.load_i32(zero, 0)));
        let scale = s.mul(activation_scale, s.load(scale));
        store(s.add(s.mul(acc, scale), s.load(bias)), out);
    }
}
