//! Quantization of rows, also behind LayerNorm.

use super::LAYOUT;
use super::math::Quantizer;
use crate::linear::{ActivationsMut, LayerNorm, Quantization};
use crate::math::row_scales;
use crate::scalar;

/// Computes [`scalar::layer_norm_quantize`].
pub(crate) fn layer_norm_quantize(
    x: &mut [f32],
    norm: &LayerNorm,
    quantization: Quantization,
    out: ActivationsMut,
) {
    scalar::layer_norm(x, norm);
    quantize(x, norm.gamma.len(), quantization, out);
}

/// Computes [`scalar::quantize`].
pub(crate) fn quantize(x: &[f32], k: usize, quantization: Quantization, mut out: ActivationsMut) {
    let rows = x.chunks_exact(k.max(1)).enumerate();
    match quantization {
        Quantization::Static { inv_scale, zero_point } => {
            let quantizer = Quantizer::new(inv_scale, zero_point);
            rows.for_each(|(row, x)| write_row(row, x, &quantizer, &mut out));
        }
        Quantization::PerToken { scale } => {
            for ((row, x), scale) in rows.zip(scale) {
                *scale = quantize_row(row, x, &mut out);
            }
        }
    }
}

/// Quantizes a row such that its largest magnitude becomes 127; returns the scale.
pub(super) fn quantize_row(row: usize, x: &[f32], out: &mut ActivationsMut) -> f32 {
    let (scale, inv_scale) = row_scales(scalar::largest_magnitude(x));
    write_row(row, x, &Quantizer::new(inv_scale, 0), out);
    scale
}

/// Quantizes a row of an activation matrix.
fn write_row(row: usize, x: &[f32], quantizer: &Quantizer, out: &mut ActivationsMut) {
    let begin = LAYOUT.offset(row, 0, out.stride);
    // Four bytes of each of the rows of a block follow each other.
    let words = out.data.get_mut(begin..).unwrap_or(&mut []).chunks_mut(LAYOUT.rows * LAYOUT.depth);
    let (fours, rest) = x.as_chunks::<4>();
    let last = rest.iter().copied().chain([0.0; 4]);
    let mut tail = [0.0; 4];
    tail.iter_mut().zip(last).for_each(|(place, x)| *place = x);
    let tail = if rest.is_empty() { None } else { Some(&tail) };
    for (place, x) in words.zip(fours.iter().chain(tail)) {
        if let Some(place) = place.first_chunk_mut() {
            *place = quantizer.apply(*x);
        }
    }
}
