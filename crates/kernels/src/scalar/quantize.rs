//! Quantization of f32 to int8, with a static scale or with the row's own scale.

use crate::activation_layout::ActivationLayout;
use crate::linear::{ActivationsMut, Quantization};
use crate::math;

/// Quantizes `x` as row `m` of an activation matrix of `x.len()` columns.
#[inline]
pub(crate) fn write_row(
    layout: ActivationLayout,
    m: usize,
    x: &[f32],
    inv_scale: f32,
    zero_point: i8,
    out: &mut ActivationsMut,
) {
    for (column, &value) in x.iter().enumerate() {
        if let Some(place) = out.data.get_mut(layout.offset(m, column, out.stride)) {
            *place = math::quantize(value, inv_scale, zero_point) ^ layout.flip();
        }
    }
}

/// Returns the largest magnitude of a row without its NaNs.
#[inline]
pub(crate) fn largest_magnitude(x: &[f32]) -> f32 {
    x.iter().fold(0.0, |largest, &x| math::max(math::scalar(x).abs(), largest))
}

/// Quantizes a row such that its largest magnitude becomes 127; returns the scale.
#[inline]
pub(crate) fn quantize_row(layout: ActivationLayout, m: usize, x: &[f32], out: &mut ActivationsMut) -> f32 {
    let (scale, inv_scale) = math::row_scales(largest_magnitude(x));
    write_row(layout, m, x, inv_scale, 0, out);
    scale
}

/// Quantizes `x` `[m, k]`.
pub(crate) fn quantize(x: &[f32], k: usize, quantization: Quantization, mut out: ActivationsMut) {
    let rows = x.chunks_exact(k.max(1)).enumerate();
    match quantization {
        Quantization::Static { inv_scale, zero_point } => {
            for (m, x) in rows {
                write_row(ActivationLayout::ROW_MAJOR, m, x, inv_scale, zero_point, &mut out);
            }
        }
        Quantization::PerToken { scale } => {
            for ((m, x), scale) in rows.zip(scale) {
                *scale = quantize_row(ActivationLayout::ROW_MAJOR, m, x, &mut out);
            }
        }
    }
}
