//! [`crate::scalar::quantize`], a vector at a time.

use super::Simd;
use super::math::Quantizer;
use crate::activation_layout::ActivationLayout;
use crate::linear::{ActivationsMut, Quantization};
use crate::math;

/// Quantizes `x` `[m, k]` as the input of a linear layer, which lies in `layout`.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
pub(crate) fn quantize<S: Simd>(
    s: S,
    layout: ActivationLayout,
    x: &[f32],
    k: usize,
    quantization: Quantization,
    mut out: ActivationsMut,
) {
    match quantization {
        Quantization::Static { inv_scale, zero_point } => {
            let quantizer = Quantizer::new(s, inv_scale, zero_point);
            for (row, x) in x.chunks_exact(k.max(1)).enumerate() {
                write(s, layout, x, row, quantizer, &mut out);
            }
        }
        Quantization::PerToken { scale } => {
            for (row, (x, scale)) in x.chunks_exact(k.max(1)).zip(scale).enumerate() {
                let (row_scale, inv_scale) = math::row_scales(amax(s, x));
                *scale = row_scale;
                write(s, layout, x, row, Quantizer::new(s, inv_scale, 0), &mut out);
            }
        }
    }
}

/// Quantizes the row `row` of the matrix.
#[inline(always)]
fn write<S: Simd>(
    s: S,
    layout: ActivationLayout,
    x: &[f32],
    row: usize,
    quantizer: Quantizer<S>,
    out: &mut ActivationsMut,
) {
    let mut vectors = x.chunks_exact(S::LANES);
    let mut column = 0;
    for x in &mut vectors {
        put(s, layout, quantizer.apply(s, [s.load(x)]), row, column, out);
        column += S::LANES;
    }
    if !vectors.remainder().is_empty() {
        put(s, layout, quantizer.apply(s, [s.load(vectors.remainder())]), row, column, out);
    }
}

/// Writes quantized vectors of `R` rows into an activation matrix.
#[inline(always)]
pub(super) fn put<S: Simd, const R: usize>(
    s: S,
    layout: ActivationLayout,
    q: [S::I; R],
    row: usize,
    column: usize,
    out: &mut ActivationsMut,
) {
    let (at, step) = (layout.offset(row, column, out.stride), layout.step(out.stride));
    s.store_i8(q, layout.flip(), out.data, at, step);
}

/// Largest magnitude.
#[inline(always)]
fn amax<S: Simd>(s: S, x: &[f32]) -> f32 {
    let mut amax = s.splat(0.0);
    for x in x.chunks(S::LANES) {
        amax = s.max(s.abs(s.load(x)), amax);
    }
    let mut lanes = [0.0; math::LANES];
    s.store(amax, &mut lanes);
    lanes.into_iter().fold(0.0, math::max)
}
