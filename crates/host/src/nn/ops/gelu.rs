//! The erf form of GELU: `x · Φ(x)`.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::float::Float;
use super::rows::{by_dtype, by_element_type, slice, tensor_like, vectorised, with_slice};

struct Gelu;

/// Elements per piece of work.
const PIECE: usize = 16 * 1024;

/// `x (1 + erf(x / √2)) / 2`, elementwise.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    x.apply_op1(Gelu)
}

/// Φ(x), the standard normal distribution function.
#[inline(always)]
fn normal_cdf<T: Float>(x: T) -> T {
    T::of(0.5) * (T::ONE + (x * T::of(std::f64::consts::FRAC_1_SQRT_2)).error_function())
}

fn forward<T: Float>(x: &[T]) -> Vec<T> {
    let mut y = vec![T::ZERO; x.len()];
    y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(y, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = x * normal_cdf(x);
                }
            },
        )
    });
    y
}

fn backward<T: Float>(x: &[T], grad: &[T]) -> Vec<T> {
    let mut d_x = vec![T::ZERO; x.len()];
    // 1/√(2π), so that `density` is φ(x).
    let norm = T::of(0.398_942_280_401_432_7);
    d_x.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).zip(grad.par_chunks(PIECE)).for_each(
        |((d_x, x), grad)| {
            vectorised(
                #[inline(always)]
                || {
                    for ((d_x, &x), &grad) in d_x.iter_mut().zip(x).zip(grad) {
                        let density = norm * (T::of(-0.5) * x * x).exponential();
                        *d_x = grad * (normal_cdf(x) + x * density);
                    }
                },
            )
        },
    );
    d_x
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu-erf"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let y = by_element_type!(x, T => T::storage(forward::<T>(slice(x, layout)?)));
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let d_x = by_dtype!(x, T => with_slice::<T, _>(x, |v| {
            with_slice::<T, _>(grad, |grad| tensor_like(backward(v, grad), x))
        }))?;
        Ok(Some(d_x))
    }
}
