//! Linear layer around a micro-kernel: panels of weights outside, blocks of rows inside, so that a panel stays in the
//! first-level cache; the epilogue takes each tile while it is in registers.

use core::ops::Range;

use super::math::{Quantizer, gelu};
use super::sink::{GeluActivations, RowsF32, RowsI8, Sink};
use super::{Columns, MR_MAX, MicroKernel, Rows, Tile, VECTORS_MAX, quantize};
use crate::linear::{Activations, ActivationsMut, Epilogue, Linear, Quantization, ROW_BLOCK, RowScale};

/// [`crate::scalar::linear`] for weights in the micro-kernel's own layout. Operands are checked.
#[inline(always)]
pub(crate) fn linear<S: MicroKernel>(s: S, a: &Activations, w: &Linear, epilogue: Epilogue) {
    let (all, n) = (0..a.m, w.n);
    match epilogue {
        Epilogue::F32 { out } => {
            let store = |y, place: &mut [f32]| s.store(y, place);
            tiles(s, a, w, all, &mut RowsF32 { out, n, store });
        }
        Epilogue::AddF32 { residual } => {
            let store = |y, place: &mut [f32]| s.store(s.add(s.load(place), y), place);
            tiles(s, a, w, all, &mut RowsF32 { out: residual, n, store });
        }
        Epilogue::I8 { out, stride } => {
            let quantizer = Quantizer::new(s, 1.0, 0);
            tiles(s, a, w, all, &mut RowsI8 { out, stride, quantizer });
        }
        Epilogue::Gelu { out, quantization: Quantization::Static { inv_scale, zero_point }, .. } => {
            let quantizer = Quantizer::new(s, inv_scale, zero_point);
            tiles(s, a, w, all, &mut GeluActivations { out, quantizer });
        }
        Epilogue::Gelu { out, quantization: Quantization::PerToken { scale }, scratch } => {
            let blocks =
                out.data.chunks_mut((ROW_BLOCK * out.stride).max(1)).zip(scale.chunks_mut(ROW_BLOCK));
            for (block, (data, scale)) in blocks.enumerate() {
                let first = block * ROW_BLOCK;
                let store = |y, place: &mut [f32]| s.store(gelu(s, y), place);
                let rows = first..first + scale.len();
                tiles(s, a, w, rows, &mut RowsF32 { out: &mut *scratch, n, store });
                let x = scratch.get(..scale.len() * n).unwrap_or(&[]);
                let out = ActivationsMut { data, stride: out.stride };
                quantize(s, x, n, Quantization::PerToken { scale }, out);
            }
        }
    }
}

/// What a tile's columns have in common.
struct Parameters<S: MicroKernel> {
    /// Weight scale, already times the activations' if that is one for the tensor.
    scale: [S::F; VECTORS_MAX],
    bias: [S::F; VECTORS_MAX],
    /// `−(zero point + bias of the layout) · row_sum`, where the sums begin.
    init: [S::I; VECTORS_MAX],
}

impl<S: MicroKernel> Parameters<S> {
    #[inline(always)]
    fn new(s: S, a: &Activations, w: &Linear, first: usize) -> Self {
        let (scale, bias) = (w.scale.get(first..).unwrap_or(&[]), w.bias.get(first..).unwrap_or(&[]));
        let row_sum = w.row_sum.get(first..).unwrap_or(&[]);
        let zero = i32::from(a.zero_point) + i32::from(S::LAYOUT.bias);
        let mut parameters = Parameters {
            scale: [s.splat(0.0); VECTORS_MAX],
            bias: [s.splat(0.0); VECTORS_MAX],
            init: [s.splat_i32(0); VECTORS_MAX],
        };
        let a_scale = match a.scale {
            RowScale::Uniform(scale) => s.splat(scale),
            RowScale::PerRow(_) => s.splat(1.0),
        };
        let places = parameters.scale.iter_mut().zip(&mut parameters.bias).zip(&mut parameters.init);
        for (vector, ((scale_place, bias_place), init)) in places.take(S::VECTORS).enumerate() {
            let first = vector * S::LANES;
            *scale_place = s.mul(a_scale, s.load(scale.get(first..).unwrap_or(&[])));
            *bias_place = s.load(bias.get(first..).unwrap_or(&[]));
            let mut zeros = [0_i32; 16];
            for (place, sum) in zeros.iter_mut().zip(row_sum.iter().skip(first)) {
                *place = sum.wrapping_mul(zero).wrapping_neg();
            }
            *init = s.load_i32(&zeros, 0);
        }
        parameters
    }
}

/// Computes the rows `rows` of `y` and hands them to `sink`, which counts from row `rows.start` on. That is a multiple of
/// [`ROW_BLOCK`].
#[inline(always)]
fn tiles<S: MicroKernel>(s: S, a: &Activations, w: &Linear, rows: Range<usize>, sink: &mut impl Sink<S>) {
    let (depth, stride) = (S::PANEL.depth(w.k), a.stride);
    let (nr, all) = (usize::from(S::PANEL.nr), S::PANEL.columns(w.n));
    let mut tile: Tile<S::I> = [[s.splat_i32(0); VECTORS_MAX]; MR_MAX];
    for panel in (0..all).step_by(nr) {
        let width = nr.min(all - panel);
        let weights = w.weights.get(panel * depth..(panel + width) * depth).unwrap_or(&[]);
        for first in (0..width).step_by(S::VECTORS * S::LANES) {
            let vectors = S::VECTORS.min((width - first).div_ceil(S::LANES));
            let columns = Columns { panel: weights, width, first, vectors };
            let column = panel + first;
            let parameters = Parameters::new(s, a, w, column);
            for block in rows.clone().step_by(S::MR) {
                let count = S::MR.min(rows.end - block);
                let row = block - rows.start;
                let data = a.data.get(block * stride..).unwrap_or(&[]);
                s.tile(Rows { data, stride, count }, columns, parameters.init, &mut tile);
                if count == S::MR && vectors == S::VECTORS && matches!(a.scale, RowScale::Uniform(_)) {
                    whole(s, &tile, &parameters, row, column, sink);
                } else {
                    let scale = |row| match a.scale {
                        RowScale::Uniform(_) => 1.0,
                        RowScale::PerRow(_) => a.row_scale(block + row),
                    };
                    edge(
                        s,
                        &tile,
                        &parameters,
                        count,
                        vectors.min((w.n - column).div_ceil(S::LANES)),
                        scale,
                        |r, v, y| {
                            sink.put(s, row + r, column + v * S::LANES, [y]);
                        },
                    );
                }
            }
        }
    }
}

/// `y = acc · scale + bias` of a whole tile.
#[inline(always)]
fn whole<S: MicroKernel>(
    s: S,
    tile: &Tile<S::I>,
    parameters: &Parameters<S>,
    row: usize,
    column: usize,
    sink: &mut impl Sink<S>,
) {
    for vector in 0..S::VECTORS {
        let (scale, bias) = (parameters.scale[vector], parameters.bias[vector]);
        let column = column + vector * S::LANES;
        for first in (0..S::MR).step_by(S::GROUP) {
            if S::GROUP == 4 {
                let mut y = [scale; 4];
                for (y, acc) in y.iter_mut().zip(&tile[first..]) {
                    *y = s.add(s.mul(s.to_f32(acc[vector]), scale), bias);
                }
                sink.put(s, row + first, column, y);
            } else {
                let y = s.add(s.mul(s.to_f32(tile[first][vector]), scale), bias);
                sink.put(s, row + first, column, [y]);
            }
        }
    }
}

/// The same of a tile with fewer rows or columns, or with a scale for each row.
#[inline(always)]
fn edge<S: MicroKernel>(
    s: S,
    tile: &Tile<S::I>,
    parameters: &Parameters<S>,
    rows: usize,
    vectors: usize,
    row_scale: impl Fn(usize) -> f32,
    mut put: impl FnMut(usize, usize, S::F),
) {
    for (row, acc) in tile.iter().enumerate().take(rows) {
        let row_scale = s.splat(row_scale(row));
        let columns = parameters.scale.iter().zip(&parameters.bias).zip(acc);
        for (vector, ((&scale, &bias), &acc)) in columns.enumerate().take(vectors) {
            put(row, vector, s.add(s.mul(s.to_f32(acc), s.mul(row_scale, scale)), bias));
        }
    }
}
