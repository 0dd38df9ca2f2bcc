//! Layer normalisation of rows, alone and with quantization for the next linear layer.

use super::quantize;
use crate::linear::{ActivationsMut, LayerNorm, Quantization};
use crate::math;

/// `(x_i − mean) · rsqrt(var + eps) · gamma_i + beta_i` in every row of `x` `[m, hidden]`, in place.
pub(crate) fn layer_norm(x: &mut [f32], norm: &LayerNorm) {
    for row in x.chunks_exact_mut(norm.gamma.len().max(1)) {
        let count = row.len() as f32;
        let mean = math::sum(row.iter().copied()) / count;
        let variance = math::sum(row.iter().map(|x| (x - mean) * (x - mean))) / count;
        let factor = math::rsqrt(variance + norm.eps);
        for ((x, &gamma), &beta) in row.iter_mut().zip(norm.gamma).zip(norm.beta) {
            *x = (math::scalar(*x - mean) * factor) * gamma + beta;
        }
    }
}

/// Computes [`layer_norm`], then [`quantize`] of the result.
pub(crate) fn layer_norm_quantize(
    x: &mut [f32],
    norm: &LayerNorm,
    quantization: Quantization,
    out: ActivationsMut,
) {
    layer_norm(x, norm);
    quantize(x, norm.gamma.len(), quantization, out);
}
