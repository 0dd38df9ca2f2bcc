//! The parts that layers are made of: linears and LayerNorms with their backward passes, fused and in
//! candle's graph.

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::ops::dropout::RowDropout;
use super::ops::float::Float;
use super::ops::layer_norm::{AddNormGradient, Affine, AffineGradient, add_norm, add_norm_backward};
use super::ops::rows::{product, tensor, with_slice};
use super::tape::add_gradient;
use tinybert_base::Result;
use tinybert_model::names;

/// Finds a tensor by its canonical name.
pub(super) type TensorLookup<'a> = &'a dyn Fn(&str) -> Result<Tensor>;

/// A linear layer in f32 or f64: weight `[outputs, inputs]` and bias `[outputs]`. They are candle variables
/// where they are trained.
#[derive(Clone)]
pub(super) struct FloatLinear {
    pub weight: Tensor,
    pub bias: Tensor,
}

impl FloatLinear {
    pub fn new(name: &str, get: TensorLookup) -> Result<Self> {
        Ok(Self { weight: get(&names::weight(name))?, bias: get(&names::bias(name))? })
    }

    /// `x · weightᵀ + bias` in candle's graph; the product in the number format of the weight, the result in
    /// that of x.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let product = x.to_dtype(self.weight.dtype())?.matmul(&self.weight.t()?)?;
        Ok(product.to_dtype(x.dtype())?.broadcast_add(&self.bias)?)
    }

    /// `x · weightᵀ` without bias for x `[rows, inputs]`; the weight is transposed by its strides.
    pub fn product<T: Float>(&self, x: &Tensor) -> Result<Vec<T>> {
        Ok(product(x, &self.weight.detach().t()?)?)
    }

    /// Adds the weight's gradient, from the input `x` and the gradient `grad` of the output; returns the
    /// gradient of the input.
    pub fn backward<T: Float>(&self, x: &Tensor, grad: &Tensor, grads: &mut GradStore) -> Result<Vec<T>> {
        add_gradient::<T>(grads, &self.weight, product(&grad.t()?, x)?)?;
        Ok(product(grad, &self.weight.detach())?)
    }
}

/// A LayerNorm: gamma and beta `[hidden]`.
#[derive(Clone)]
pub(super) struct FloatLayerNorm {
    pub gamma: Tensor,
    pub beta: Tensor,
    pub eps: f64,
}

impl FloatLayerNorm {
    pub fn new(name: &str, eps: f64, get: TensorLookup) -> Result<Self> {
        Ok(Self { gamma: get(&names::weight(name))?, beta: get(&names::bias(name))?, eps })
    }

    pub fn with_affine<T: Float, R>(
        &self,
        body: impl FnOnce(Affine<T>) -> candle_core::Result<R>,
    ) -> candle_core::Result<R> {
        with_slice(&self.gamma, |gamma| {
            with_slice(&self.beta, |beta| body(Affine { gamma, beta, eps: self.eps }))
        })
    }

    /// The LayerNorm of rows `x` in candle's graph; candle's fused LayerNorm has no backward pass.
    pub fn composed(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(1)?)?;
        let variance = centred.sqr()?.mean_keepdim(1)?;
        let normal = centred.broadcast_div(&(variance + self.eps)?.sqrt()?)?;
        Ok(normal.broadcast_mul(&self.gamma)?.broadcast_add(&self.beta)?)
    }

    pub fn add_gradients<T: Float>(&self, gradient: AffineGradient<T>, grads: &mut GradStore) -> Result<()> {
        add_gradient(grads, &self.gamma, gradient.gamma)?;
        add_gradient(grads, &self.beta, gradient.beta)
    }
}

/// A linear that ends a sub-layer: `LayerNorm(residual + dropout(x · weightᵀ + bias))`.
#[derive(Clone)]
pub(super) struct SubLayerEnd {
    pub linear: FloatLinear,
    pub norm: FloatLayerNorm,
}

impl SubLayerEnd {
    pub fn new(linear: &str, norm: &str, eps: f64, get: TensorLookup) -> Result<Self> {
        Ok(Self { linear: FloatLinear::new(linear, get)?, norm: FloatLayerNorm::new(norm, eps, get)? })
    }

    /// The sum that is normalised, and the result; both `[rows, hidden]`.
    pub fn forward<T: Float>(
        &self,
        x: &Tensor,
        residual: &Tensor,
        dropout: Option<&RowDropout>,
    ) -> Result<(Tensor, Vec<T>)> {
        let mut sum = self.linear.product::<T>(x)?;
        let result = with_slice(&self.linear.bias, |bias| {
            with_slice(residual, |residual| {
                self.norm.with_affine(|affine| Ok(add_norm(&mut sum, bias, residual, dropout, affine)))
            })
        })?;
        Ok((tensor(sum, residual.shape())?, result))
    }

    /// The result in candle's graph.
    pub fn composed(&self, x: &Tensor, residual: &Tensor, dropout: Option<&RowDropout>) -> Result<Tensor> {
        let product = self.linear.forward(x)?;
        let product = match dropout {
            Some(dropout) => dropout.by_factors(&product)?,
            None => product,
        };
        self.norm.composed(&(residual + product)?)
    }

    /// Turns the gradient of the result into the gradient of the residual, in place; returns the gradient of
    /// `x`.
    pub fn backward<T: Float>(
        &self,
        x: &Tensor,
        sum: &Tensor,
        dropout: Option<&RowDropout>,
        grad: &mut [T],
        grads: &mut GradStore,
    ) -> Result<Vec<T>> {
        let product = self.sum_backward(sum, dropout, grad, grads)?;
        self.linear.backward(x, &product, grads)
    }

    /// Does the same as [`backward`](Self::backward), but returns the gradient of the product `x · weightᵀ`, `[rows,
    /// hidden]`.
    pub fn sum_backward<T: Float>(
        &self,
        sum: &Tensor,
        dropout: Option<&RowDropout>,
        grad: &mut [T],
        grads: &mut GradStore,
    ) -> Result<Tensor> {
        let AddNormGradient { product, bias, affine } = with_slice(sum, |values| {
            with_slice(&self.norm.gamma, |gamma| {
                Ok(add_norm_backward(values, grad, gamma, self.norm.eps, dropout))
            })
        })?;
        self.norm.add_gradients(affine, grads)?;
        add_gradient(grads, &self.linear.bias, bias)?;
        Ok(tensor(product.unwrap_or_else(|| grad.to_vec()), sum.shape())?)
    }
}
