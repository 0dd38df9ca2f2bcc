//! The non-linear functions of [`crate::math`], a vector at a time.

use super::{Simd, partial};
use crate::math::{EXP2, EXP2_LIMIT, GELU, GELU_CLAMP, LANES, fold_lanes};

/// Evaluates a polynomial by Horner's rule, multiply then add; `coefficients` lowest degree first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::F, coefficients: &[f32; N]) -> S::F {
    let mut value = s.splat(0.0);
    for (i, &coefficient) in coefficients.iter().rev().enumerate() {
        let coefficient = s.splat(coefficient);
        value = if i == 0 { coefficient } else { s.add(s.mul(value, x), coefficient) };
    }
    value
}

/// Returns [`crate::math::gelu`] of each lane.
#[inline(always)]
pub(super) fn gelu<S: Simd>(s: S, x: S::F) -> S::F {
    let t = s.min(s.max(x, s.splat(-GELU_CLAMP)), s.splat(GELU_CLAMP));
    let p = s.mul(polynomial(s, s.mul(t, t), &GELU), t);
    s.mul(x, s.add(s.splat(0.5), p))
}

/// Returns [`crate::math::exp2`] of each lane.
#[inline(always)]
pub(super) fn exp2<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.min(s.max(x, s.splat(-EXP2_LIMIT)), s.splat(EXP2_LIMIT));
    let n = s.round(x);
    s.add_exponent(polynomial(s, s.sub(x, s.to_f32(n)), &EXP2), n)
}

/// Scale and zero point of a quantization, in every lane.
#[derive(Clone, Copy)]
pub(super) struct Quantizer<S: Simd> {
    inv_scale: S::F,
    zero_point: S::F,
}

impl<S: Simd> Quantizer<S> {
    #[inline(always)]
    pub(super) fn new(s: S, inv_scale: f32, zero_point: i8) -> Self {
        Quantizer { inv_scale: s.splat(inv_scale), zero_point: s.splat(f32::from(zero_point)) }
    }

    /// Returns the values of [`crate::math::quantize`], which [`Simd::store_i8`] narrows.
    #[inline(always)]
    pub(super) fn apply<const R: usize>(&self, s: S, x: [S::F; R]) -> [S::I; R] {
        let mut q = [s.splat_i32(0); R];
        for (q, &x) in q.iter_mut().zip(&x) {
            *q = s.round_i8(s.add(s.mul(x, self.inv_scale), self.zero_point));
        }
        q
    }
}

/// Returns `Σ x_i` in the order of [`crate::math::sum`].
#[inline(always)]
pub(super) fn sum<S: Simd>(s: S, row: &[f32]) -> f32 {
    terms::<S, false>(s, row, 0.0)
}

/// Returns `Σ (x_i − mean)²` in the same order.
#[inline(always)]
pub(super) fn sum_of_squares<S: Simd>(s: S, row: &[f32], mean: f32) -> f32 {
    terms::<S, true>(s, row, mean)
}

/// Returns [`sum`], or [`sum_of_squares`] of distances from `mean`. The last 16 elements are filled up with 0, or with
/// `mean`, whose distance is 0.
#[inline(always)]
fn terms<S: Simd, const SQUARES: bool>(s: S, row: &[f32], mean: f32) -> f32 {
    let means = s.splat(mean);
    // These vectors have 16 lanes together.
    let mut steps = [s.splat(0.0); MOST_STEPS];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        add_terms::<S, SQUARES>(s, &mut steps, block, means);
    }
    if !rest.is_empty() {
        let mut block = [mean; LANES];
        partial::copy(rest, &mut block);
        add_terms::<S, SQUARES>(s, &mut steps, &block, means);
    }
    let mut lanes = [0.0; LANES];
    for (step, lanes) in steps.iter().zip(lanes.chunks_exact_mut(S::LANES)) {
        s.store(*step, lanes);
    }
    fold_lanes(lanes)
}

/// Largest number of vectors that 16 lanes take: that of the narrowest vectors.
const MOST_STEPS: usize = 4;

#[inline(always)]
fn add_terms<S: Simd, const SQUARES: bool>(
    s: S,
    steps: &mut [S::F; MOST_STEPS],
    block: &[f32; LANES],
    mean: S::F,
) {
    for step in 0..LANES / S::LANES {
        let x = s.load(&block[step * S::LANES..(step + 1) * S::LANES]);
        steps[step] = s.add(steps[step], term::<S, SQUARES>(s, x, mean));
    }
}

#[inline(always)]
fn term<S: Simd, const SQUARES: bool>(s: S, x: S::F, mean: S::F) -> S::F {
    if SQUARES {
        let distance = s.sub(x, mean);
        s.mul(distance, distance)
    } else {
        x
    }
}

/// Returns the largest lane.
#[inline(always)]
pub(super) fn largest_i32<S: Simd>(s: S, x: S::I) -> i32 {
    let mut lanes = [i32::MIN; LANES];
    s.store_i32(x, &mut lanes);
    lanes.into_iter().fold(i32::MIN, i32::max)
}

/// Returns the largest lane that is not NaN.
#[inline(always)]
pub(super) fn largest<S: Simd>(s: S, x: S::F) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    s.store(x, &mut lanes);
    lanes.into_iter().fold(f32::NEG_INFINITY, crate::math::max)
}
