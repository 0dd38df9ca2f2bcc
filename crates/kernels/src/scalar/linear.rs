//! Linear layer of int8 activations and weights.

use core::ops::Range;

use tinybert_layout::{Lane, PackedMatrix, PanelWeights};

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
                *place += math::scalar(y);
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
    let dot = dot(layout, matrix.kr());
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
        let outputs = w.scale.iter().zip(w.bias).zip(w.row_sum).enumerate().skip(place.first);
        for (index, (n, ((&scale, &bias), row_sum))) in outputs.take(place.width).enumerate() {
            let output = OutputWeights { matrix, weights, lane: Lane { panel: place, index } };
            let zero = row_sum.wrapping_mul(i32::from(a.zero_point));
            let mut finish = |m, sum: i32| {
                let acc = sum.wrapping_sub(zero);
                store(m, n, math::scalar(acc as f32 * (a.row_scale(m) * scale)) + bias);
            };
            let rows = rows.clone();
            #[cfg(arm_thumb1)]
            let rows = match place.width {
                1 if layout.is_row_major() => super::thumb1::each_sum(a, rows, weights, &mut finish),
                _ => rows,
            };
            rows.for_each(|m| finish(m, dot(&output, layout, a, m)));
        }
    }
}

/// A function that returns `Σ_k a[m,k]·w[k]` of row `m`.
type Dot = fn(&OutputWeights, ActivationLayout, &Activations, usize) -> i32;

/// Returns the function for a layout of activations and panels in which `kr` inputs stand together.
fn dot(layout: ActivationLayout, kr: usize) -> Dot {
    match kr {
        16 if layout.is_row_major() => |w, _, a, m| w.dot_of_runs::<16>(a, m),
        8 if layout.is_row_major() => |w, _, a, m| w.dot_of_runs::<8>(a, m),
        4 if layout.is_row_major() => |w, _, a, m| w.dot_of_runs::<4>(a, m),
        _ => |w, layout, a, m| w.dot_of_elements(layout, a, m),
    }
}

/// The int8 weights of one output.
#[derive(Clone, Copy)]
struct OutputWeights<'a> {
    matrix: PackedMatrix,
    /// Those of the whole panel.
    weights: &'a [i8],
    lane: Lane,
}

impl OutputWeights<'_> {
    /// Returns the sum where rows are row-major and `KR` inputs stand together.
    fn dot_of_runs<const KR: usize>(&self, a: &Activations, m: usize) -> i32 {
        let row = a.data.get(m * a.stride..).and_then(|rows| rows.get(..a.k));
        let Some((groups, rest)) = row.map(|row| row.as_chunks::<KR>()) else { return 0 };
        let (runs, _) = self.weights.as_chunks::<KR>();
        let width = self.lane.panel.width;
        let mut sum = 0;
        if width == 1 {
            // The loop below, without steps.
            sum = groups.iter().zip(runs).map(|(a, w)| products(a, w)).sum();
        } else {
            let mut run = self.lane.index;
            for a in groups {
                let Some(w) = runs.get(run) else { break };
                sum += products(a, w);
                // The runs of the panel's other outputs come before the next one of this output.
                run += width;
            }
        }
        if !rest.is_empty() {
            // The last run may be shorter.
            let start = self.matrix.offset_in_panel(self.lane, groups.len() * KR);
            sum += products(rest, self.weights.get(start..).unwrap_or(&[]));
        }
        sum
    }

    /// Returns the sum for any layout and panel.
    fn dot_of_elements(&self, layout: ActivationLayout, a: &Activations, m: usize) -> i32 {
        let element = |k| {
            let w = self.weights.get(self.matrix.offset_in_panel(self.lane, k)).copied().unwrap_or(0);
            let a = a.data.get(layout.offset(m, k, a.stride)).copied().unwrap_or(0);
            i32::from(a ^ layout.flip()) * i32::from(w)
        };
        (0..a.k).map(element).sum()
    }
}

/// Returns `Σ_k a[k]·w[k]`.
#[inline(always)]
fn products(a: &[i8], w: &[i8]) -> i32 {
    a.iter().zip(w).map(|(&a, &w)| i32::from(a) * i32::from(w)).sum()
}
