//! The head's linears as the device computes them: weights in int8, every row of the input with a scale of
//! its own.

use candle_core::Tensor;

use super::linear::WeightCache;
use super::steps::ActivationSteps;
use crate::linear::FloatLinear;
use crate::ops::rows::{tensor, with_slice};
use crate::ops::straight_through::straight_through;
use tinybert_base::Result;
use tinybert_kernels::math;
use tinybert_model::plan::WeightEncoding;

/// The stored weights of pooler and output linear.
#[derive(Default)]
pub struct HeadCaches {
    pub pooler: WeightCache,
    pub output: WeightCache,
}

impl WeightCache {
    /// `x · weightᵀ + bias` in candle's graph, for x `[rows, inputs]`: the device's values, and the gradient
    /// of the same product of rounded operands.
    pub fn head(&self, linear: &FloatLinear, x: &Tensor) -> Result<Tensor> {
        let stored = self.stored(&[linear], WeightEncoding::Int8, None)?;
        let (rows, inputs) = x.dims2()?;
        let bias = linear.bias.to_vec1::<f32>()?;
        let (seen, value) = with_slice(x, |x: &[f32]| {
            Ok((
                ActivationSteps::PerToken.seen(x, inputs),
                stored.forward(x, ActivationSteps::PerToken, &bias, &[1.0]),
            ))
        })?;
        let seen = straight_through(x, &tensor(seen, (rows, inputs))?)?;
        let weight = straight_through(&linear.weight, &stored.dequantized()?)?;
        let product = seen.matmul(&weight.t()?)?.broadcast_add(&linear.bias)?;
        Ok(straight_through(&product, &tensor(value?, product.shape())?)?)
    }
}

/// The device's tanh, with the gradient of the exact one.
pub fn tanh(x: &Tensor) -> Result<Tensor> {
    let value: Vec<f32> = with_slice(x, |x: &[f32]| Ok(x.iter().map(|&x| math::tanh(x)).collect()))?;
    Ok(straight_through(&x.tanh()?, &tensor(value, x.shape())?)?)
}
