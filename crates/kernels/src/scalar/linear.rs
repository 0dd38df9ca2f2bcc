//! Linear layer of int8 activations and weights.

use super::quantize::quantize_row;
use crate::layout::Layout;
use crate::linear::{Activations, Epilogue, Linear, Quantization};
use crate::math;

/// `acc[m,n] = Σ_k a[m,k]·w[n,k] − zero_point · row_sum[n]`,
/// `y[m,n] = acc · (activation scale[m] · scale[n]) + bias[n]`, then the epilogue. Weights may be in any panel; the
/// input and what the epilogue quantizes lie in `layout`. Operands are checked.
#[inline]
pub(crate) fn linear(layout: Layout, a: &Activations, w: &Linear, epilogue: Epilogue) {
    match epilogue {
        Epilogue::F32 { out, stride } => {
            for (m, row) in out.chunks_mut(stride.max(1)).take(a.m).enumerate() {
                each(layout, a, w, m, row, |y, out| *out = y);
            }
        }
        Epilogue::AddF32 { residual } => {
            for (m, row) in residual.chunks_exact_mut(w.n.max(1)).enumerate() {
                each(layout, a, w, m, row, |y, out| *out += y);
            }
        }
        Epilogue::I8 { out, stride } => {
            for (m, row) in out.chunks_mut(stride.max(1)).take(a.m).enumerate() {
                each(layout, a, w, m, row, |y, out| *out = math::quantize(y, 1.0, 0));
            }
        }
        Epilogue::Gelu { out, quantization: Quantization::Static { inv_scale, zero_point }, .. } => {
            for m in 0..a.m {
                for n in 0..w.n {
                    if let Some(place) = out.data.get_mut(layout.offset(m, n, out.stride)) {
                        let y = math::gelu(output(layout, a, w, m, n));
                        *place = math::quantize(y, inv_scale, zero_point) ^ layout.flip();
                    }
                }
            }
        }
        Epilogue::Gelu { mut out, quantization: Quantization::PerToken { scale }, scratch } => {
            let Some(row) = scratch.get_mut(..w.n) else { return };
            for (m, scale) in scale.iter_mut().enumerate() {
                each(layout, a, w, m, row, |y, out| *out = math::gelu(y));
                *scale = quantize_row(layout, m, row, &mut out);
            }
        }
    }
}

/// Calls `store(y[m, n], &mut row[n])` for every output `n`.
#[inline]
fn each<T>(
    layout: Layout,
    a: &Activations,
    w: &Linear,
    m: usize,
    row: &mut [T],
    store: impl Fn(f32, &mut T),
) {
    for (n, out) in row.iter_mut().enumerate().take(w.n) {
        store(output(layout, a, w, m, n), out);
    }
}

/// `y[m, n]`.
#[inline]
fn output(layout: Layout, a: &Activations, w: &Linear, m: usize, n: usize) -> f32 {
    let (Some(&scale), Some(&bias), Some(&row_sum)) = (w.scale.get(n), w.bias.get(n), w.row_sum.get(n))
    else {
        return 0.0;
    };
    let zero = row_sum.wrapping_mul(i32::from(a.zero_point));
    let acc = dot(layout, a, m, w, n).wrapping_sub(zero);
    acc as f32 * (a.row_scale(m) * scale) + bias
}

/// `Σ_k a[m,k]·w[n,k]`, group by group of the panel that holds output `n`.
#[inline]
fn dot(layout: Layout, a: &Activations, m: usize, w: &Linear, n: usize) -> i32 {
    let kr = usize::from(w.panel.kr).max(1);
    let mut acc = 0;
    for first in (0..w.k).step_by(kr) {
        let count = kr.min(w.k - first);
        let start = w.panel.offset(n, first, w.n, w.k);
        let weights = w.weights.get(start..start + count).unwrap_or(&[]);
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
