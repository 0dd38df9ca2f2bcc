//! Layer normalisation over the last dimension.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::float::Float;
use super::rows::{
    ROWS_PER_PIECE, add_in_order, by_dtype, by_element_type, dot, reduce, slice, tensor_like, vectorised,
    with_slice,
};

struct LayerNorm {
    eps: f64,
}

/// `(x − mean) / √(variance + eps) · gamma + beta` for x `[rows, hidden]`, gamma and beta `[hidden]`.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    if x.dim(candle_core::D::Minus1)? != gamma.elem_count() || gamma.elem_count() != beta.elem_count() {
        bail!("layer norm of {:?} with gamma {:?} and beta {:?}", x.shape(), gamma.shape(), beta.shape());
    }
    x.apply_op3(gamma, beta, LayerNorm { eps })
}

/// Mean and 1/√(variance + eps) of a row.
#[inline(always)]
fn moments<T: Float>(row: &[T], eps: T) -> (T, T) {
    let width = T::of(row.len() as f64);
    let mean = reduce(row, row, |x, _| x) / width;
    let variance = reduce(row, row, |x, _| (x - mean) * (x - mean)) / width;
    (mean, T::ONE / (variance + eps).root())
}

fn forward<T: Float>(x: &[T], gamma: &[T], beta: &[T], eps: f64) -> Vec<T> {
    let hidden = gamma.len();
    let mut y = vec![T::ZERO; x.len()];
    let piece = hidden * ROWS_PER_PIECE;
    y.par_chunks_mut(piece).zip(x.par_chunks(piece)).for_each(|(y, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(hidden).zip(x.chunks_exact(hidden)) {
                    let (mean, inverse) = moments(x, T::of(eps));
                    for (((y, &x), &gamma), &beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
                        *y = (x - mean) * inverse * gamma + beta;
                    }
                }
            },
        )
    });
    y
}

/// Gradients with respect to x, gamma and beta.
fn backward<T: Float>(x: &[T], gamma: &[T], grad: &[T], eps: f64) -> (Vec<T>, Vec<T>, Vec<T>) {
    let hidden = gamma.len();
    let width = T::of(hidden as f64);
    let piece = hidden * ROWS_PER_PIECE;
    let mut d_x = vec![T::ZERO; x.len()];
    let partial: Vec<(Vec<T>, Vec<T>)> = d_x
        .par_chunks_mut(piece)
        .zip(x.par_chunks(piece))
        .zip(grad.par_chunks(piece))
        .map(|((d_x, x), grad)| {
            vectorised(
                #[inline(always)]
                || {
                    let (mut d_gamma, mut d_beta) = (vec![T::ZERO; hidden], vec![T::ZERO; hidden]);
                    let (mut normal, mut scaled) = (vec![T::ZERO; hidden], vec![T::ZERO; hidden]);
                    let rows = d_x
                        .chunks_exact_mut(hidden)
                        .zip(x.chunks_exact(hidden))
                        .zip(grad.chunks_exact(hidden));
                    for ((d_x, x), grad) in rows {
                        let (mean, inverse) = moments(x, T::of(eps));
                        for (((n, s), (&x, &g)), (&gamma, (d_gamma, d_beta))) in normal
                            .iter_mut()
                            .zip(&mut scaled)
                            .zip(x.iter().zip(grad))
                            .zip(gamma.iter().zip(d_gamma.iter_mut().zip(&mut d_beta)))
                        {
                            *n = (x - mean) * inverse;
                            *s = g * gamma;
                            *d_gamma += g * *n;
                            *d_beta += g;
                        }
                        let mean_scaled = reduce(&scaled, &scaled, |s, _| s) / width;
                        let mean_projected = dot(&scaled, &normal) / width;
                        for ((d_x, &n), &s) in d_x.iter_mut().zip(&normal).zip(&scaled) {
                            *d_x = (s - mean_scaled - n * mean_projected) * inverse;
                        }
                    }
                    (d_gamma, d_beta)
                },
            )
        })
        .collect();
    let (d_gamma, d_beta) = partial.into_iter().unzip();
    (d_x, add_in_order(d_gamma, hidden), add_in_order(d_beta, hidden))
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let y = by_element_type!(x, T => {
            let (gamma, beta) = (slice(gamma, gamma_layout)?, slice(beta, beta_layout)?);
            T::storage(forward::<T>(slice(x, x_layout)?, gamma, beta, self.eps))
        });
        Ok((y, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        by_dtype!(x, T => with_slice::<T, _>(x, |values| with_slice::<T, _>(gamma, |weights| with_slice::<T, _>(grad, |g| {
            let (d_x, d_gamma, d_beta) = backward(values, weights, g, self.eps);
            let wanted = |of: &Tensor, values| of.track_op().then(|| tensor_like(values, of)).transpose();
            Ok((wanted(x, d_x)?, wanted(gamma, d_gamma)?, wanted(beta, d_beta)?))
        }))))
    }
}
