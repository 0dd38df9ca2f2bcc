//! The erf form of GELU, `x · Φ(x)`, with the bias of the linear before it.

use rayon::prelude::*;

use super::float::Float;
use super::rows::{ROWS_PER_PIECE, accumulate, add_in_order};
use tinybert_base::vectorised;

/// Φ(x), the standard normal distribution function.
#[inline(always)]
fn normal_cdf<T: Float>(x: T) -> T {
    T::nearest(0.5) * (T::ONE + (x * T::nearest(std::f64::consts::FRAC_1_SQRT_2)).error_function())
}

/// Adds `bias` to every row of `x` in place and gives `x (1 + erf(x / √2)) / 2` of the sum.
pub fn bias_gelu<T: Float>(x: &mut [T], bias: &[T]) -> Vec<T> {
    let piece = bias.len() * ROWS_PER_PIECE;
    let mut y = vec![T::ZERO; x.len()];
    y.par_chunks_mut(piece).zip(x.par_chunks_mut(piece)).for_each(|(y, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(bias.len()).zip(x.chunks_exact_mut(bias.len())) {
                    accumulate(x, bias);
                    for (y, &x) in y.iter_mut().zip(&*x) {
                        *y = x * normal_cdf(x);
                    }
                }
            },
        )
    });
    y
}

/// Turns the gradient of the result into that of `x` (the sum with the bias) in place; gives the gradient of
/// the bias.
pub fn bias_gelu_backward<T: Float>(x: &[T], grad: &mut [T], columns: usize) -> Vec<T> {
    // 1/√(2π), so that `density` is φ(x).
    let norm = T::nearest(0.398_942_280_401_432_7);
    let piece = columns * ROWS_PER_PIECE;
    let partial = grad.par_chunks_mut(piece).zip(x.par_chunks(piece)).map(|(grad, x)| {
        vectorised(
            #[inline(always)]
            || {
                let mut d_bias = vec![T::ZERO; columns];
                for (grad, x) in grad.chunks_exact_mut(columns).zip(x.chunks_exact(columns)) {
                    for (grad, &x) in grad.iter_mut().zip(x) {
                        let density = norm * (T::nearest(-0.5) * x * x).exponential();
                        *grad *= normal_cdf(x) + x * density;
                    }
                    accumulate(&mut d_bias, grad);
                }
                d_bias
            },
        )
    });
    add_in_order(partial.collect(), columns)
}
