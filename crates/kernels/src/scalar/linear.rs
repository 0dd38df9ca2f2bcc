//! Linear layer of int8 activations and weights.

use super::quantize_row;
use crate::linear::{Activations, Epilogue, Linear, Quantization, clear_padding, row_stride};
use crate::math;

/// `acc[m,n] = Σ_k a[m,k]·w[n,k] − zero_point · row_sum[n]`,
/// `y[m,n] = acc · (activation scale[m] · scale[n]) + bias[n]`, then the epilogue. Operands are checked.
pub(crate) fn linear(a: &Activations, w: &Linear, epilogue: Epilogue) {
    match epilogue {
        Epilogue::F32 { out } => {
            for (m, row) in out.chunks_exact_mut(w.n.max(1)).enumerate() {
                each(a, w, m, row, |y, out| *out = y);
            }
        }
        Epilogue::AddF32 { residual } => {
            for (m, row) in residual.chunks_exact_mut(w.n.max(1)).enumerate() {
                each(a, w, m, row, |y, out| *out += y);
            }
        }
        Epilogue::I8 { out, stride } => {
            for (m, row) in out.chunks_mut(stride.max(1)).take(a.m).enumerate() {
                each(a, w, m, row, |y, out| *out = math::quantize(y, 1.0, 0));
            }
        }
        Epilogue::Gelu { out, quantization: Quantization::Static { inv_scale, zero_point }, .. } => {
            clear_padding(out, a.m, w.n);
            for (m, row) in out.chunks_exact_mut(row_stride(w.n).max(1)).take(a.m).enumerate() {
                each(a, w, m, row, |y, out| *out = math::quantize(math::gelu(y), inv_scale, zero_point));
            }
        }
        Epilogue::Gelu { out, quantization: Quantization::PerToken { scale }, scratch } => {
            let Some(scratch) = scratch.get_mut(..w.n) else { return };
            let rows = out.chunks_exact_mut(row_stride(w.n).max(1)).zip(scale);
            for (m, (row, scale)) in rows.enumerate() {
                each(a, w, m, scratch, |y, out| *out = math::gelu(y));
                *scale = quantize_row(scratch, row);
            }
        }
    }
}

/// Calls `store(y[m, n], &mut row[n])` for every output `n`.
fn each<T>(a: &Activations, w: &Linear, m: usize, row: &mut [T], store: impl Fn(f32, &mut T)) {
    let stride = row_stride(a.k);
    let activations = a.data.get(m * stride..m * stride + a.k).unwrap_or(&[]);
    let parameters = w.scale.iter().zip(w.bias).zip(w.row_sum);
    for ((n, out), ((&scale, &bias), &row_sum)) in row.iter_mut().enumerate().zip(parameters) {
        let zero = row_sum.wrapping_mul(i32::from(a.zero_point));
        let acc = dot(activations, w, n).wrapping_sub(zero);
        store(acc as f32 * (a.row_scale(m) * scale) + bias, out);
    }
}

/// `Σ_k a[k]·w[n,k]`, group by group of the panel that holds output `n`.
fn dot(a: &[i8], w: &Linear, n: usize) -> i32 {
    let (nr, kr) = (usize::from(w.panel.nr).max(1), usize::from(w.panel.kr).max(1));
    let panel_len = w.panel.panel_len(w.k).unwrap_or(0);
    let panel = w.weights.get(n / nr * panel_len..).unwrap_or(&[]);
    let mut acc = 0;
    for (group, a) in panel.chunks_exact((nr * kr).max(1)).zip(a.chunks(kr)) {
        let weights = group.get(n % nr * kr..).unwrap_or(&[]);
        acc += a.iter().zip(weights).map(|(&a, &w)| i32::from(a) * i32::from(w)).sum::<i32>();
    }
    acc
}
