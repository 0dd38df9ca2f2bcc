//! Layer normalisation over the last dimension, and the end of a sub-layer: bias, dropout, residual, LayerNorm.

use rayon::prelude::*;

use super::dropout::RowDropout;
use super::float::Float;
use super::rows::{ROWS_PER_PIECE, accumulate, add_in_order, dot, reduce};
use tinybert_base::vectorised;

/// Scale and shift of a LayerNorm, `[hidden]` each, and its epsilon.
#[derive(Clone, Copy)]
pub struct Affine<'a, T> {
    /// Scale.
    pub gamma: &'a [T],
    /// Shift.
    pub beta: &'a [T],
    /// Added to the variance.
    pub eps: f64,
}

/// Mean and 1/√(variance + eps) of a row.
#[inline(always)]
fn moments<T: Float>(row: &[T], eps: f64) -> (T, T) {
    let width = T::nearest(row.len() as f64);
    let mean = reduce(row, row, |x, _| x) / width;
    let variance = reduce(row, row, |x, _| (x - mean) * (x - mean)) / width;
    (mean, T::ONE / (variance + T::nearest(eps)).root())
}

#[inline(always)]
fn normalise_row<T: Float>(x: &[T], y: &mut [T], affine: Affine<T>) {
    let (mean, inverse) = moments(x, affine.eps);
    for (((y, &x), &gamma), &beta) in y.iter_mut().zip(x).zip(affine.gamma).zip(affine.beta) {
        *y = (x - mean) * inverse * gamma + beta;
    }
}

/// `(x − mean) / √(variance + eps) · gamma + beta` by rows of `[rows, hidden]`.
pub fn layer_norm<T: Float>(x: &[T], affine: Affine<T>) -> Vec<T> {
    let hidden = affine.gamma.len();
    let piece = hidden * ROWS_PER_PIECE;
    let mut y = vec![T::ZERO; x.len()];
    y.par_chunks_mut(piece).zip(x.par_chunks(piece)).for_each(|(y, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden)) {
                    normalise_row(x, y, affine);
                }
            },
        )
    });
    y
}

/// The end of a sub-layer: `x` becomes `residual + dropout(x + bias)` in place; gives its LayerNorm.
pub fn add_norm<T: Float>(
    x: &mut [T],
    bias: &[T],
    residual: &[T],
    dropout: Option<&RowDropout>,
    affine: Affine<T>,
) -> Vec<T> {
    let hidden = bias.len();
    let piece = hidden * ROWS_PER_PIECE;
    let mut y = vec![T::ZERO; x.len()];
    let pieces = y.par_chunks_mut(piece).zip(x.par_chunks_mut(piece)).zip(residual.par_chunks(piece));
    pieces.enumerate().for_each(|(at, ((y, x), residual))| {
        vectorised(
            #[inline(always)]
            || {
                let rows = y
                    .chunks_exact_mut(hidden)
                    .zip(x.chunks_exact_mut(hidden))
                    .zip(residual.chunks_exact(hidden));
                for (row, ((y, x), residual)) in (at * ROWS_PER_PIECE..).zip(rows) {
                    accumulate(x, bias);
                    if let Some(dropout) = dropout {
                        dropout.apply(row, x);
                    }
                    accumulate(x, residual);
                    normalise_row(x, y, affine);
                }
            },
        )
    });
    y
}

/// Gradients of a LayerNorm's scale and shift.
pub struct AffineGradient<T> {
    /// Gradient of the scale.
    pub gamma: Vec<T>,
    /// Gradient of the shift.
    pub beta: Vec<T>,
}

/// Turns the gradient of a LayerNorm's output into that of its input `x`, in place. `then` sees every
/// finished row of it, by its number, with a sum of its piece (`[hidden]`, starting at zero) to add to; gives
/// those sums too.
fn backward_then<T: Float>(
    x: &[T],
    grad: &mut [T],
    gamma: &[T],
    eps: f64,
    then: impl Fn(usize, &mut [T], &mut [T]) + Sync,
) -> (AffineGradient<T>, Vec<T>) {
    let hidden = gamma.len();
    let width = T::nearest(hidden as f64);
    let piece = hidden * ROWS_PER_PIECE;
    let partial = grad.par_chunks_mut(piece).zip(x.par_chunks(piece)).enumerate().map(|(at, (grad, x))| {
        vectorised(
            #[inline(always)]
            || {
                let mut sums = [(); 3].map(|()| vec![T::ZERO; hidden]);
                let [d_gamma, d_beta, extra] = &mut sums;
                let mut normal = vec![T::ZERO; hidden];
                let rows = grad.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden));
                for (row, (grad, x)) in (at * ROWS_PER_PIECE..).zip(rows) {
                    let (mean, inverse) = moments(x, eps);
                    accumulate(d_beta, grad);
                    for ((((n, g), &x), &gamma), d_gamma) in
                        normal.iter_mut().zip(&mut *grad).zip(x).zip(gamma).zip(&mut *d_gamma)
                    {
                        *n = (x - mean) * inverse;
                        *d_gamma += *g * *n;
                        *g *= gamma;
                    }
                    let mean_grad = reduce(grad, grad, |g, _| g) / width;
                    let mean_projected = dot(grad, &normal) / width;
                    for (g, &n) in grad.iter_mut().zip(&normal) {
                        *g = (*g - mean_grad - n * mean_projected) * inverse;
                    }
                    then(row, grad, extra);
                }
                sums
            },
        )
    });
    let [mut gamma, mut beta, mut extra] = [(); 3].map(|()| Vec::new());
    for [d_gamma, d_beta, sum] in partial.collect::<Vec<_>>() {
        gamma.push(d_gamma);
        beta.push(d_beta);
        extra.push(sum);
    }
    let affine = AffineGradient { gamma: add_in_order(gamma, hidden), beta: add_in_order(beta, hidden) };
    (affine, add_in_order(extra, hidden))
}

/// Turns the gradient of [`layer_norm`]'s result into that of `x`, in place.
pub fn layer_norm_backward<T: Float>(x: &[T], grad: &mut [T], gamma: &[T], eps: f64) -> AffineGradient<T> {
    backward_then(x, grad, gamma, eps, |_, _, _| {}).0
}

/// Gradients of [`add_norm`]'s operands other than the residual.
pub struct AddNormGradient<T> {
    /// Gradient of `x`, if dropout makes it another one than the residual's.
    pub product: Option<Vec<T>>,
    /// Gradient of the bias.
    pub bias: Vec<T>,
    /// Gradients of the LayerNorm's scale and shift.
    pub affine: AffineGradient<T>,
}

/// Turns the gradient of [`add_norm`]'s result into that of the residual, in place, given the sum that it
/// normalised.
pub fn add_norm_backward<T: Float>(
    sum: &[T],
    grad: &mut [T],
    gamma: &[T],
    eps: f64,
    dropout: Option<&RowDropout>,
) -> AddNormGradient<T> {
    let hidden = gamma.len();
    let Some(dropout) = dropout else {
        let (affine, bias) = backward_then(
            sum,
            grad,
            gamma,
            eps,
            #[inline(always)]
            |_, grad, bias| accumulate(bias, grad),
        );
        return AddNormGradient { product: None, bias, affine };
    };
    let (affine, _) = backward_then(sum, grad, gamma, eps, |_, _, _| {});
    let (product, bias) = dropout.apply_all(grad, hidden);
    AddNormGradient { product: Some(product), bias, affine }
}
