//! Dropout whose masks are computed, never stored: forward and backward draw the same bits.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::float::Float;
use super::rows::{ROWS_PER_PIECE, accumulate, add_in_order, by_dtype, slice, tensor, with_slice};
use tinybert_base::random::{derive, draw};
use tinybert_base::vectorised;

/// One dropout site in one step: which elements fall, as a function of (key, sample id, row in sample, column).
#[derive(Clone, Debug)]
pub struct Dropout {
    /// A number made of seed, step and site.
    pub key: u64,
    /// Probability of falling, in [0, 1).
    pub rate: f64,
    /// Global ids of the samples in the batch.
    pub samples: Arc<[u64]>,
}

impl Dropout {
    /// Sets the elements that fall to 0 and scales the others by 1/(1 − rate). Rows are numbered within their
    /// sample, so that padding and batch order do not matter.
    #[inline(always)]
    pub fn apply<T: Float>(&self, sample: usize, row: u64, x: &mut [T]) {
        let key = derive(derive(self.key, self.samples[sample]), row);
        let threshold = (self.rate * 4_294_967_296.0) as u32;
        let scale = T::nearest(1.0 / (1.0 - self.rate));
        for (i, x) in (0u32..).zip(x) {
            *x = if draw(key, i) >= threshold { *x * scale } else { T::ZERO };
        }
    }

    /// For `[samples * rows_per_sample, columns]`.
    pub fn by_rows(self, rows_per_sample: usize) -> RowDropout {
        RowDropout { dropout: self, rows_per_sample }
    }
}

/// Dropout on the rows of a flattened batch `[b * l, columns]`.
#[derive(Clone, Debug)]
pub struct RowDropout {
    dropout: Dropout,
    rows_per_sample: usize,
}

impl RowDropout {
    /// [`Dropout::apply`] on a row of the flattened batch.
    #[inline(always)]
    pub fn apply<T: Float>(&self, row: usize, x: &mut [T]) {
        self.dropout.apply(row / self.rows_per_sample, (row % self.rows_per_sample) as u64, x);
    }

    /// A copy of `x` with dropout, and the sum of its rows.
    pub fn apply_all<T: Float>(&self, x: &[T], columns: usize) -> (Vec<T>, Vec<T>) {
        let mut y = vec![T::ZERO; x.len()];
        let piece = columns * ROWS_PER_PIECE;
        let partial = y.par_chunks_mut(piece).zip(x.par_chunks(piece)).enumerate().map(|(at, (y, x))| {
            vectorised(
                #[inline(always)]
                || {
                    let mut sum = vec![T::ZERO; columns];
                    y.copy_from_slice(x);
                    for (row, y) in (at * ROWS_PER_PIECE..).zip(y.chunks_exact_mut(columns)) {
                        self.apply(row, y);
                        accumulate(&mut sum, y);
                    }
                    sum
                },
            )
        });
        let partial = partial.collect();
        (y, add_in_order(partial, columns))
    }

    /// In candle's graph, for `[b * l, columns]` on any device.
    pub fn on(&self, x: &Tensor) -> Result<Tensor> {
        match x.device() {
            Device::Cpu => x.apply_op1(self.clone()),
            _ => self.by_factors(x),
        }
    }

    /// [`RowDropout::on`] as a product with the mask, which is drawn on the CPU.
    pub fn by_factors(&self, x: &Tensor) -> Result<Tensor> {
        let (_, columns) = x.dims2()?;
        let factors = by_dtype!(x.dtype(), T => {
            tensor(self.apply_all::<T>(&vec![T::ONE; x.elem_count()], columns).0, x.shape())?
        });
        x * factors.to_device(x.device())?
    }
}

impl CustomOp1 for RowDropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, columns) = layout.shape().dims2()?;
        let y = by_dtype!(candle_core::backend::BackendStorage::dtype(x), T => {
            T::storage(self.apply_all::<T>(slice(x, layout)?, columns).0)
        });
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, columns) = x.dims2()?;
        by_dtype!(grad.dtype(), T => with_slice::<T, _>(grad, |g| tensor(self.apply_all(g, columns).0, x.shape()))).map(Some)
    }
}
