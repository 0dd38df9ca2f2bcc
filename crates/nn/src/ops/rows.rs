//! Functions that the ops share: buffers in and out of candle tensors, matrix products, vectorised loops,
//! fixed-order sums.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, Device, Layout, Result, Shape, Storage, Tensor, bail};
use rayon::prelude::*;

use super::float::Float;
use tinybert_base::vectorised;

/// Rows per piece of work; fixed, so that sums over pieces have the same order for any number of threads.
pub(crate) const ROWS_PER_PIECE: usize = 32;

/// Runs `body` on the CPU storage of a tensor.
pub(crate) fn with_cpu<R>(
    tensor: &Tensor,
    body: impl FnOnce(&CpuStorage, &Layout) -> Result<R>,
) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => body(cpu, layout),
        _ => bail!("the training ops run on the CPU"),
    }
}

/// The elements of a contiguous operand.
pub fn slice<'a, T: Float>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<T>()?[from..to]),
        None => bail!("operand of shape {:?} must be contiguous", layout.shape()),
    }
}

/// Runs `body` on the elements of a tensor, row-major; copied only when strided or on another device.
pub fn with_slice<T: Float, R>(tensor: &Tensor, body: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    with_cpu(&tensor.to_device(&Device::Cpu)?.contiguous()?, |storage, layout| body(slice(storage, layout)?))
}

/// A tensor out of a buffer, which it takes over.
pub(crate) fn tensor<T: Float>(values: Vec<T>, shape: impl Into<Shape>) -> Result<Tensor> {
    Tensor::from_vec(values, shape.into(), &Device::Cpu)
}

/// `[m, k] x [k, n]` as a buffer; both may be transposed by their strides, nothing is copied.
pub(crate) fn product<T: Float>(a: &Tensor, b: &Tensor) -> Result<Vec<T>> {
    with_cpu(a, |a, a_layout| with_cpu(b, |b, b_layout| storage_product(a, a_layout, b, b_layout)))
}

/// Computes [`product`] of views of storage.
pub(crate) fn storage_product<T: Float>(
    a: &CpuStorage,
    a_layout: &Layout,
    b: &CpuStorage,
    b_layout: &Layout,
) -> Result<Vec<T>> {
    let ((m, k), (inner, n)) = (a_layout.shape().dims2()?, b_layout.shape().dims2()?);
    if k != inner {
        bail!("product of [{m}, {k}] and [{inner}, {n}]");
    }
    T::values(a.matmul(b, (1, m, n, k), a_layout, b_layout)?)
}

/// Dot product with 16 partial sums, in a fixed order that every vector width can follow.
#[inline(always)]
pub(crate) fn dot<T: Float>(a: &[T], b: &[T]) -> T {
    reduce(a, b, |x, y| x * y)
}

/// Sum over `f(a_i, b_i)` with 16 partial sums in fixed order.
#[inline(always)]
pub(crate) fn reduce<T: Float>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::ZERO; 16];
    let (a_blocks, a_tail) = a.as_chunks::<16>();
    let (b_blocks, b_tail) = b.as_chunks::<16>();
    for (x, y) in a_blocks.iter().zip(b_blocks) {
        for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
            *lane += f(x, y);
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(a_tail).zip(b_tail) {
        *lane += f(x, y);
    }
    let mut half = 8;
    while half > 0 {
        for j in 0..half {
            let upper = lanes[j + half];
            lanes[j] += upper;
        }
        half /= 2;
    }
    lanes[0]
}

/// `a += b`.
#[inline(always)]
pub(crate) fn accumulate<T: Float>(a: &mut [T], b: &[T]) {
    for (a, &b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

/// Sums `[rows, columns]` over its rows: pieces of [`ROWS_PER_PIECE`] rows in parallel, then piece by piece
/// in order.
pub(crate) fn column_sums<T: Float>(values: &[T], columns: usize) -> Vec<T> {
    let partial: Vec<Vec<T>> = values
        .par_chunks(columns * ROWS_PER_PIECE)
        .map(|piece| {
            vectorised(
                #[inline(always)]
                || {
                    let mut sum = vec![T::ZERO; columns];
                    for row in piece.chunks_exact(columns) {
                        accumulate(&mut sum, row);
                    }
                    sum
                },
            )
        })
        .collect();
    add_in_order(partial, columns)
}

/// Adds partial sums in their order.
pub(crate) fn add_in_order<T: Float>(partial: Vec<Vec<T>>, columns: usize) -> Vec<T> {
    let mut total = vec![T::ZERO; columns];
    for sum in &partial {
        accumulate(&mut total, sum);
    }
    total
}

/// Adds `bias` to every row of `[rows, columns]`.
pub(crate) fn add_bias<T: Float>(values: &mut [T], bias: &[T]) {
    values.par_chunks_mut(bias.len() * ROWS_PER_PIECE).for_each(|piece| {
        vectorised(
            #[inline(always)]
            || piece.chunks_exact_mut(bias.len()).for_each(|row| accumulate(row, bias)),
        )
    });
}

/// `a += b` in parallel.
pub(crate) fn accumulate_all<T: Float>(a: &mut [T], b: &[T]) {
    const PIECE: usize = 16 * 1024;
    a.par_chunks_mut(PIECE).zip(b.par_chunks(PIECE)).for_each(|(a, b)| {
        vectorised(
            #[inline(always)]
            || accumulate(a, b),
        )
    });
}

/// Runs a block with `$T` as the element type of a tensor.
macro_rules! by_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => candle_core::bail!("the training ops take f32 or f64, got {other:?}"),
        }
    };
}
pub(crate) use by_dtype;
