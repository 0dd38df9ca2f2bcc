//! [`crate::scalar::layer_norm`], a vector at a time, and with the next linear layer's quantization in the same pass.

use super::math::{Quantizer, sum, sum_of_squares};
use super::quantize::put;
use super::{Simd, quantize};
use crate::activation_layout::ActivationLayout;
use crate::linear::{ActivationsMut, LayerNorm, Quantization};
use crate::math::rsqrt;

/// Normalises the rows of `x` `[m, hidden]`.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
pub(crate) fn layer_norm<S: Simd>(s: S, x: &mut [f32], norm: &LayerNorm) {
    for x in x.chunks_exact_mut(norm.gamma.len().max(1)) {
        normalise::<S, 1>(s, x, norm, 0, None);
    }
}

/// Normalises the rows of `x` and quantizes them into `out`, which lies in `layout`.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
pub(crate) fn layer_norm_quantize<S: Simd>(
    s: S,
    layout: ActivationLayout,
    x: &mut [f32],
    norm: &LayerNorm,
    quantization: Quantization,
    mut out: ActivationsMut,
) {
    let hidden = norm.gamma.len();
    let Quantization::Static { inv_scale, zero_point } = quantization else {
        layer_norm(s, x, norm);
        return quantize(s, layout, x, hidden, quantization, out);
    };
    let quantizer = Quantizer::new(s, inv_scale, zero_point);
    let mut groups = x.chunks_exact_mut((S::GROUP * hidden).max(1));
    let mut row = 0;
    for x in &mut groups {
        if S::GROUP == 4 {
            normalise::<S, 4>(s, x, norm, row, Some((quantizer, layout, &mut out)));
        } else {
            normalise::<S, 1>(s, x, norm, row, Some((quantizer, layout, &mut out)));
        }
        row += S::GROUP;
    }
    for (row, x) in (row..).zip(groups.into_remainder().chunks_exact_mut(hidden.max(1))) {
        normalise::<S, 1>(s, x, norm, row, Some((quantizer, layout, &mut out)));
    }
}

/// Computes `((x − mean) · factor) · gamma + beta` in each of the `R` rows of `x`, and quantizes them as the rows from
/// `row` on.
#[inline(always)]
fn normalise<S: Simd, const R: usize>(
    s: S,
    x: &mut [f32],
    norm: &LayerNorm,
    row: usize,
    mut quantized: Option<(Quantizer<S>, ActivationLayout, &mut ActivationsMut)>,
) {
    let hidden = norm.gamma.len();
    if x.len() != R * hidden || norm.beta.len() != hidden {
        return;
    }
    let (mut means, mut factors) = ([s.splat(0.0); R], [s.splat(0.0); R]);
    for ((x, mean), factor) in x.chunks_exact(hidden.max(1)).zip(&mut means).zip(&mut factors) {
        let count = x.len() as f32;
        let row_mean = sum(s, x) / count;
        let variance = sum_of_squares(s, x, row_mean) / count;
        (*mean, *factor) = (s.splat(row_mean), s.splat(rsqrt(variance + norm.eps)));
    }
    let (vectors, last_lanes) = (hidden / S::LANES, hidden % S::LANES);
    for vector in 0..vectors {
        let place = VectorPlace { row, column: vector * S::LANES, lanes: S::LANES };
        // SAFETY: these vectors end at `hidden` or before; `x` has R·hidden elements, both parameters `hidden`.
        unsafe { step::<S, R>(s, x, norm, (&means, &factors), place, &mut quantized) };
    }
    if last_lanes > 0 {
        let place = VectorPlace { row, column: vectors * S::LANES, lanes: last_lanes };
        // SAFETY: as above; the last elements of every row end at `hidden`.
        unsafe { step::<S, R>(s, x, norm, (&means, &factors), place, &mut quantized) };
    }
}

/// A place in the rows for a vector of each.
struct VectorPlace {
    /// The first row among those that are quantized.
    row: usize,
    /// Column of the first lane.
    column: usize,
    /// Elements of the vector.
    lanes: usize,
}

/// Normalises and quantizes the vector at `place` of every row.
///
/// # Safety
/// `x` must have R·hidden elements, the parameters `hidden`, and `column + lanes` must be at most `hidden`.
#[inline(always)]
unsafe fn step<S: Simd, const R: usize>(
    s: S,
    x: &mut [f32],
    norm: &LayerNorm,
    (means, factors): (&[S::F; R], &[S::F; R]),
    place: VectorPlace,
    quantized: &mut Option<(Quantizer<S>, ActivationLayout, &mut ActivationsMut)>,
) {
    let VectorPlace { row, column, lanes } = place;
    let hidden = norm.gamma.len();
    let columns = column..column + lanes;
    // SAFETY: as this function requires.
    let (gamma, beta) =
        unsafe { (norm.gamma.get_unchecked(columns.clone()), norm.beta.get_unchecked(columns)) };
    let (gamma, beta) = (s.load(gamma), s.load(beta));
    let mut y = [gamma; R];
    for (r, y) in y.iter_mut().enumerate() {
        let start = r * hidden + column;
        // SAFETY: as this function requires, for row r < R.
        let place = unsafe { x.get_unchecked_mut(start..start + lanes) };
        let normal = s.mul(s.sub(s.load(place), means[r]), factors[r]);
        *y = s.add(s.mul(normal, gamma), beta);
        s.store(*y, place);
    }
    if let Some((quantizer, layout, out)) = quantized {
        put(s, *layout, quantizer.apply(s, y), row, column, out);
    }
}
