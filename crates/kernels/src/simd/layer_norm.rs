//! [`crate::scalar::layer_norm`], a vector at a time.

use super::Simd;
use super::math::sum;
use crate::linear::LayerNorm;
use crate::math::rsqrt;

/// LayerNorm of one row in place.
#[inline(always)]
pub(crate) fn layer_norm<S: Simd>(s: S, x: &mut [f32], norm: &LayerNorm) {
    let count = x.len() as f32;
    let mean = s.splat(sum(s, x, |x| x) / count);
    for x in x.chunks_mut(S::LANES) {
        s.store(s.sub(s.load(x), mean), x);
    }
    let variance = sum(s, x, |d| s.mul(d, d)) / count;
    let factor = s.splat(rsqrt(variance + norm.eps));
    let parameters = norm.gamma.chunks(S::LANES).zip(norm.beta.chunks(S::LANES));
    for (x, (gamma, beta)) in x.chunks_mut(S::LANES).zip(parameters) {
        let normal = s.mul(s.load(x), factor);
        s.store(s.add(s.mul(normal, s.load(gamma)), s.load(beta)), x);
    }
}
