//! [`crate::scalar::quantize`], a vector at a time.

use super::Simd;
use super::math::Quantizer;
use crate::math;

/// Quantizes a row of activations; what is left of `out` becomes zero.
#[inline(always)]
pub(crate) fn quantize<S: Simd>(s: S, x: &[f32], inv_scale: f32, zero_point: i8, out: &mut [i8]) {
    let quantizer = Quantizer::new(s, inv_scale, zero_point);
    let (row, padding) = out.split_at_mut(x.len().min(out.len()));
    for (x, q) in x.chunks(S::LANES).zip(row.chunks_mut(S::LANES)) {
        quantizer.store(s, s.load(x), q);
    }
    padding.fill(0);
}

/// Quantizes a row such that its largest magnitude becomes 127; returns the scale.
#[inline(always)]
pub(crate) fn quantize_row<S: Simd>(s: S, x: &[f32], out: &mut [i8]) -> f32 {
    let mut amax = s.splat(0.0);
    for x in x.chunks(S::LANES) {
        amax = s.max(s.abs(s.load(x)), amax);
    }
    let mut lanes = [0.0; math::LANES];
    s.store(amax, &mut lanes);
    let (scale, inv_scale) = math::row_scales(lanes.into_iter().fold(0.0, math::max));
    quantize(s, x, inv_scale, 0, out);
    scale
}
