//! Layer normalisation of one row.

use crate::linear::LayerNorm;
use crate::math;

/// `(x_i − mean) · rsqrt(var + eps) · gamma_i + beta_i` in place.
pub(crate) fn layer_norm(x: &mut [f32], norm: &LayerNorm) {
    let count = x.len() as f32;
    let mean = math::sum(x.iter().copied()) / count;
    let variance = math::sum(x.iter().map(|x| (x - mean) * (x - mean))) / count;
    let factor = math::rsqrt(variance + norm.eps);
    for ((x, &gamma), &beta) in x.iter_mut().zip(norm.gamma).zip(norm.beta) {
        *x = ((*x - mean) * factor) * gamma + beta;
    }
}
