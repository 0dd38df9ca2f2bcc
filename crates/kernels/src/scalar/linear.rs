//! Linear layer of int8 activations and weights.

use core::ops::Range;

use tinybert_layout::{PackedMatrix, PanelWeights};

use super::quantize::quantize_row;
use crate::activation_layout::ActivationLayout;
use crate::linear::{Activations, Epilogue, Linear, Quantization, ROW_BLOCK};
use crate::math;

/// `acc[m,n] = Σ_k a[m,k]·w[n,k] − zero_point · row_sum[n]`, `y[m,n] = acc · (activation scale[m] · scale[n]) +
/// bias[n]`, then the epilogue. Weights may be in any panel. The input, and the output of an epilogue that quantizes,
/// lie in `layout`. Operands are checked.
#[inline]
pub(crate) fn linear(
    layout: ActivationLayout,
    a: &Activations,
    w: &Linear,
    epilogue: Epilogue,
    decoded: &mut [i8],
) {
    let (all, n) = (0..a.m, w.n);
    match epilogue {
        Epilogue::F32 { out, stride } => {
            each(layout, a, w, all, decoded, |m, n, y| put(out, m * stride + n, y));
        }
        Epilogue::AddF32 { residual, stride } => each(layout, a, w, all, decoded, |m, n, y| {
            if let Some(place) = residual.get_mut(m * stride + n) {
                *place += y;
            }
        }),
        Epilogue::I8 { out, stride } => {
            each(layout, a, w, all, decoded, |m, n, y| put(out, m * stride + n, math::quantize(y, 1.0, 0)));
        }
        Epilogue::Gelu { out, quantization: Quantization::Static { inv_scale, zero_point }, .. } => {
            each(layout, a, w, all, decoded, |m, n, y| {
                let q = math::quantize(math::gelu(y), inv_scale, zero_point) ^ layout.flip();
                put(out.data, layout.offset(m, n, out.stride), q);
            });
        }
        Epilogue::Gelu { mut out, quantization: Quantization::PerToken { scale }, scratch } => {
            for (block, scale) in scale.chunks_mut(ROW_BLOCK).enumerate() {
                let first = block * ROW_BLOCK;
                each(layout, a, w, first..first + scale.len(), decoded, |m, column, y| {
                    put(scratch, (m - first) * n + column, math::gelu(y));
                });
                let rows = scratch.chunks_exact(n.max(1));
                for ((m, scale), row) in (first..).zip(scale).zip(rows) {
                    *scale = quantize_row(layout, m, row, &mut out);
                }
            }
        }
    }
}

fn put<T>(out: &mut [T], at: usize, value: T) {
    if let Some(place) = out.get_mut(at) {
        *place = value;
    }
}

/// Calls `store(m, n, y[m, n])` for every output of the rows `rows`, panel by panel.
#[inline]
fn each(
    layout: ActivationLayout,
    a: &Activations,
    w: &Linear,
    rows: Range<usize>,
    decoded: &mut [i8],
    mut store: impl FnMut(usize, usize, f32),
) {
    let Some(matrix) = w.matrix() else { return };
    for (index, place) in matrix.panels().enumerate() {
        let weights: &[i8] = match w.panel_weights(matrix, index) {
            Some(PanelWeights::Int8(weights)) => weights,
            Some(stored) => {
                let Some(decoded) = decoded.get_mut(..place.weights()) else { return };
                stored.decode(w.panel, place.width, decoded);
                decoded
            }
            None => return,
        };
        let weights = DecodedPanel { matrix, weights };
        for m in rows.clone() {
            for n in place.first..w.n.min(place.first + place.width) {
                store(m, n, output(layout, a, w, weights, m, n));
            }
        }
    }
}

/// The int8 weights of one panel of a matrix.
#[derive(Clone, Copy)]
struct DecodedPanel<'a> {
    matrix: PackedMatrix,
    weights: &'a [i8],
}

/// Returns `y[m, n]`, with the weights of the panel that holds output `n`.
#[inline]
fn output(
    layout: ActivationLayout,
    a: &Activations,
    w: &Linear,
    weights: DecodedPanel,
    m: usize,
    n: usize,
) -> f32 {
    let (Some(&scale), Some(&bias), Some(&row_sum)) = (w.scale.get(n), w.bias.get(n), w.row_sum.get(n))
    else {
        return 0.0;
    };
    let zero = row_sum.wrapping_mul(i32::from(a.zero_point));
    let acc = dot(layout, a, m, w, weights, n).wrapping_sub(zero);
    acc as f32 * (a.row_scale(m) * scale) + bias
}

/// Returns `Σ_k a[m,k]·w[n,k]`, group by group of the panel that holds output `n`.
#[inline]
fn dot(
    layout: ActivationLayout,
    a: &Activations,
    m: usize,
    w: &Linear,
    panel: DecodedPanel,
    n: usize,
) -> i32 {
    let DecodedPanel { matrix, weights } = panel;
    let (lane, kr) = (matrix.lane(n), usize::from(w.panel.kr).max(1));
    let mut acc = 0;
    for first in (0..w.k).step_by(kr) {
        let count = kr.min(w.k - first);
        let start = matrix.offset_in_panel(lane, first);
        let weights = weights.get(start..start + count).unwrap_or(&[]);
        if layout.rows == 1 && layout.bias == 0 {
            let start = layout.offset(m, first, a.stride);
            let row = a.data.get(start..start + count).unwrap_or(&[]);
            acc += row.iter().zip(weights).map(|(&a, &w)| i32::from(a) * i32::from(w)).sum::<i32>();
        } else {
            for (k, &w) in (first..).zip(weights) {
                let a = a.data.get(layout.offset(m, k, a.stride)).copied().unwrap_or(0);
                acc += i32::from(a ^ layout.flip()) * i32::from(w);
            }
        }
    }
    acc
}
