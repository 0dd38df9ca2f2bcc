//! `y = x · weightᵀ + bias`.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::float::Float;
use super::rows::{
    ROWS_PER_PIECE, accumulate, by_dtype, by_element_type, column_sums, slice, vectorised, with_slice,
};

struct Linear;

/// `x · weightᵀ + bias` for x `[rows, inputs]`, weight `[outputs, inputs]`, bias `[outputs]`; gives `[rows, outputs]`.
/// The weight is transposed by its strides, never copied.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    x.apply_op3(weight, bias, Linear)
}

fn add_bias<T: Float>(mut product: Vec<T>, bias: &[T]) -> Vec<T> {
    product.par_chunks_mut(bias.len() * ROWS_PER_PIECE).for_each(|piece| {
        vectorised(
            #[inline(always)]
            || piece.chunks_exact_mut(bias.len()).for_each(|row| accumulate(row, bias)),
        )
    });
    product
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inputs) = x_layout.shape().dims2()?;
        let (outputs, _) = weight_layout.shape().dims2()?;
        let product =
            x.matmul(weight, (1, rows, outputs, inputs), x_layout, &weight_layout.transpose(0, 1)?)?;
        let sum = by_element_type!(x, T => {
            T::storage(add_bias(T::values(product)?, slice::<T>(bias, bias_layout)?))
        });
        Ok((sum, Shape::from((rows, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let d_x = if x.track_op() { Some(grad.matmul(weight)?) } else { None };
        let d_weight = if weight.track_op() { Some(grad.t()?.matmul(x)?) } else { None };
        let d_bias = if bias.track_op() {
            let sums = by_dtype!(grad, T => with_slice::<T, _>(grad, |grad| {
                Tensor::from_vec(column_sums(grad, bias.elem_count()), bias.shape(), bias.device())
            }))?;
            Some(sums)
        } else {
            None
        };
        Ok((d_x, d_weight, d_bias))
    }
}
