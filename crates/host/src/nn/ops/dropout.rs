//! Dropout whose masks are computed, never stored: forward and backward draw the same bits.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::float::Float;
use super::rows::{by_dtype, by_element_type, slice, tensor_like, vectorised, with_slice};
use crate::nn::random::{derive, draw};

/// One dropout site in one step: which elements fall, as a function of (key, sample id, row in sample, column).
#[derive(Clone, Debug)]
pub struct Dropout {
    /// From seed, step and site.
    pub key: u64,
    /// Probability of falling, in [0, 1).
    pub rate: f64,
    /// Global ids of the samples in the batch.
    pub samples: Arc<[u64]>,
}

impl Dropout {
    /// The key of a row. Rows are numbered within their sample, so that padding and batch order do not matter.
    #[inline(always)]
    pub fn row_key(&self, sample: usize, row: u64) -> u64 {
        derive(derive(self.key, self.samples[sample]), row)
    }

    /// `to += x` for the elements that stand, scaled by 1/(1 − rate).
    #[inline(always)]
    pub fn add_kept<T: Float>(&self, row_key: u64, x: &[T], to: &mut [T]) {
        let (threshold, scale) = self.constants::<T>();
        for ((i, to), &x) in (0u32..).zip(to).zip(x) {
            *to += if draw(row_key, i) >= threshold { x * scale } else { T::ZERO };
        }
    }

    /// `to = x` for the elements that stand, scaled by 1/(1 − rate); 0 for the others.
    #[inline(always)]
    pub fn keep<T: Float>(&self, row_key: u64, x: &[T], to: &mut [T]) {
        let (threshold, scale) = self.constants::<T>();
        for ((i, to), &x) in (0u32..).zip(to).zip(x) {
            *to = if draw(row_key, i) >= threshold { x * scale } else { T::ZERO };
        }
    }

    /// Draws below the threshold fall; those that stand are scaled by 1/(1 − rate).
    #[inline(always)]
    fn constants<T: Float>(&self) -> (u32, T) {
        ((self.rate * 4_294_967_296.0) as u32, T::of(1.0 / (1.0 - self.rate)))
    }

    /// Applies the mask to `[samples * rows, columns]`.
    fn apply<T: Float>(&self, x: &[T], columns: usize) -> Vec<T> {
        let per_sample = x.len() / self.samples.len();
        let mut y = vec![T::ZERO; x.len()];
        y.par_chunks_mut(per_sample).zip(x.par_chunks(per_sample)).enumerate().for_each(
            |(sample, (y, x))| {
                vectorised(
                    #[inline(always)]
                    || {
                        for (row, (y, x)) in
                            y.chunks_exact_mut(columns).zip(x.chunks_exact(columns)).enumerate()
                        {
                            self.keep(self.row_key(sample, row as u64), x, y);
                        }
                    },
                )
            },
        );
        y
    }

    /// Drops elements of x `[samples * rows, columns]`.
    pub fn on(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1(self.clone())
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, columns) = layout.shape().dims2()?;
        let y = by_element_type!(x, T => T::storage(self.apply::<T>(slice(x, layout)?, columns)));
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, columns) = x.dims2()?;
        by_dtype!(grad, T => with_slice::<T, _>(grad, |g| tensor_like(self.apply(g, columns), x))).map(Some)
    }
}

/// `residual + dropout(x)`.
struct DropoutAdd(Option<Dropout>);

/// `residual + dropout(x)` in one pass, for x and residual `[samples * rows, columns]`; without dropout a plain sum.
pub fn dropout_add(x: &Tensor, residual: &Tensor, dropout: Option<Dropout>) -> Result<Tensor> {
    x.apply_op2(residual, DropoutAdd(dropout))
}

impl DropoutAdd {
    fn forward<T: Float>(&self, x: &[T], residual: &[T], columns: usize) -> Vec<T> {
        const PIECE: usize = 16 * 1024;
        let mut y = residual.to_vec();
        match &self.0 {
            None => y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(y, x)| {
                vectorised(
                    #[inline(always)]
                    || super::rows::accumulate(y, x),
                )
            }),
            Some(dropout) => {
                let per_sample = x.len() / dropout.samples.len();
                y.par_chunks_mut(per_sample).zip(x.par_chunks(per_sample)).enumerate().for_each(
                    |(sample, (y, x))| {
                        vectorised(
                            #[inline(always)]
                            || {
                                for (row, (y, x)) in
                                    y.chunks_exact_mut(columns).zip(x.chunks_exact(columns)).enumerate()
                                {
                                    dropout.add_kept(dropout.row_key(sample, row as u64), x, y);
                                }
                            },
                        )
                    },
                )
            }
        }
        y
    }
}

impl CustomOp2 for DropoutAdd {
    fn name(&self) -> &'static str {
        "dropout-add"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        residual: &CpuStorage,
        residual_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, columns) = x_layout.shape().dims2()?;
        let y = by_element_type!(x, T => {
            T::storage(self.forward::<T>(slice(x, x_layout)?, slice(residual, residual_layout)?, columns))
        });
        Ok((y, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        _r: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let d_x = match &self.0 {
            None => grad.clone(),
            Some(dropout) => {
                let (_, columns) = x.dims2()?;
                by_dtype!(grad, T => with_slice::<T, _>(grad, |g| tensor_like(dropout.apply(g, columns), x)))?
            }
        };
        Ok((Some(d_x), Some(grad.clone())))
    }
}
