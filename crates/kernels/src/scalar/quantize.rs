//! From f32 to int8, with a given scale or with the row's own.

use crate::math;

/// Quantizes a row of activations; what is left of `out` becomes zero.
pub(crate) fn quantize(x: &[f32], inv_scale: f32, zero_point: i8, out: &mut [i8]) {
    let (row, padding) = out.split_at_mut(x.len().min(out.len()));
    for (q, &x) in row.iter_mut().zip(x) {
        *q = math::quantize(x, inv_scale, zero_point);
    }
    padding.fill(0);
}

/// Quantizes a row such that its largest magnitude becomes 127; returns the scale. What is left of `out` becomes zero.
pub(crate) fn quantize_row(x: &[f32], out: &mut [i8]) -> f32 {
    let amax = x.iter().fold(0.0, |amax, &x| math::max(x.abs(), amax));
    let (scale, inv_scale) = math::row_scales(amax);
    quantize(x, inv_scale, 0, out);
    scale
}
