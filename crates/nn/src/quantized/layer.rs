//! One Transformer layer as the device computes it, and its gradient straight through every rounding.

use std::sync::Arc;

use candle_core::Tensor;
use candle_core::backprop::GradStore;
use rayon::prelude::*;

use super::attention::AttentionRounding;
use super::linear::{QuantizedWeights, WeightCache, refused};
use super::steps::ActivationSteps;
use crate::layer::Layer;
use crate::linear::{FloatLayerNorm, SubLayerEnd};
use crate::ops::attention::AttentionSettings;
use crate::ops::gelu::bias_gelu_backward;
use crate::ops::rows::{ROWS_PER_PIECE, accumulate_all, column_sums, tensor, with_slice};
use crate::tape::add_gradient;
use tinybert_base::{Result, vectorised};
use tinybert_image::{InputQuantization, LayerConfig};
use tinybert_kernels::{Kernels, LayerNorm, math};
use tinybert_model::PerLinear;
use tinybert_model::plan::LayerPlan;

/// A layer with its scales and its stored weights.
#[derive(Clone, Copy)]
pub struct QuantizedLayer<'a> {
    pub layer: &'a Layer,
    pub plan: &'a LayerPlan,
    /// The layer's part of an image by the plan.
    pub config: &'a LayerConfig,
    /// The weights that were stored last.
    pub caches: &'a PerLinear<WeightCache>,
}

/// The values that the backward pass needs, `[b * l, ...]` each.
pub struct QuantizedLayerActivations {
    stored: PerLinear<Arc<QuantizedWeights>>,
    /// Queries, keys and values, in steps of their scales.
    qkv: Tensor,
    /// The context; it is in steps of its scale if the output linear's input has a static scale.
    context: Tensor,
    attention_sum: Tensor,
    middle: Tensor,
    /// Input of GELU.
    wide: Tensor,
    output_sum: Tensor,
}

impl QuantizedLayer<'_> {
    /// Computes the next state, `[b * l, hidden]`, from the state `x`.
    pub fn forward(
        &self,
        x: &Tensor,
        attention: &AttentionSettings,
    ) -> Result<(Vec<f32>, QuantizedLayerActivations)> {
        let (layer, config) = (self.layer, self.config);
        let rows = x.dim(0)?;
        let stored = self.stored()?;
        let mut qkv_bias = Vec::new();
        for projection in layer.projections() {
            qkv_bias.extend(projection.bias.to_vec1::<f32>()?);
        }
        let scales = <[f32; 3]>::from(self.plan.qkv_scales);
        let qkv = with_slice(x, |x| Ok(stored.qkv.forward(x, config.qkv_input.into(), &qkv_bias, &scales)))??;
        let context = self.rounding().forward(&qkv, attention)?;
        let (attention_sum, middle) =
            end(&layer.attention_output, &stored.attention_output, &context, self.context_steps(), x)?;
        let middle = tensor(middle, x.shape())?;
        let up_bias = layer.up.bias.to_vec1::<f32>()?;
        let wide = with_slice(&middle, |middle| {
            Ok(stored.up.forward(middle, config.up_input.into(), &up_bias, &[1.0]))
        })??;
        let active = gelu(&wide);
        let (output_sum, state) = end(&layer.down, &stored.down, &active, config.down_input.into(), &middle)?;
        let [qkv, context, wide] = [qkv, context, wide].map(|values| {
            let columns = values.len() / rows;
            tensor(values, (rows, columns))
        });
        let record = QuantizedLayerActivations {
            stored,
            qkv: qkv?,
            context: context?,
            attention_sum,
            middle,
            wide: wide?,
            output_sum,
        };
        Ok((state, record))
    }

    /// The gradient of the input state `x`, from the gradient `d_state` of the output. Adds the gradients of
    /// the weights.
    pub fn backward(
        &self,
        record: &QuantizedLayerActivations,
        x: &Tensor,
        mut d_state: Vec<f32>,
        attention: &AttentionSettings,
        grads: &mut GradStore,
    ) -> Result<Vec<f32>> {
        let (layer, config) = (self.layer, self.config);
        let PerLinear { qkv, attention_output, up, down } = &record.stored;
        let shape = record.wide.shape();
        let active = tensor(with_slice(&record.wide, |wide| Ok(gelu(wide)))?, shape)?;
        let d_sum = layer.down.sum_backward(&record.output_sum, None, &mut d_state, grads)?;
        let mut d_wide =
            down.backward(&[&layer.down.linear], &active, config.down_input.into(), &d_sum, grads)?;
        let columns = record.wide.dim(1)?;
        let d_bias = with_slice(&record.wide, |wide| Ok(bias_gelu_backward(wide, &mut d_wide, columns)))?;
        add_gradient(grads, &layer.up.bias, d_bias)?;
        let d_wide = tensor(d_wide, shape)?;
        let mut d_middle =
            up.backward(&[&layer.up], &record.middle, config.up_input.into(), &d_wide, grads)?;
        accumulate_all(&mut d_middle, &d_state);

        let d_sum = layer.attention_output.sum_backward(&record.attention_sum, None, &mut d_middle, grads)?;
        let linear = &layer.attention_output.linear;
        let d_context =
            attention_output.backward(&[linear], &record.context, self.context_steps(), &d_sum, grads)?;
        let d_context = tensor(d_context, record.context.shape())?;
        let d_qkv = self.rounding().backward(&record.qkv, &d_context, attention)?;
        let width = record.context.dim(1)?;
        let d_bias = column_sums(&d_qkv, 3 * width);
        for (projection, d_bias) in layer.projections().into_iter().zip(d_bias.chunks_exact(width)) {
            add_gradient(grads, &projection.bias, d_bias.to_vec())?;
        }
        let d_qkv = tensor(d_qkv, record.qkv.shape())?;
        let projections = <[_; 3]>::from(layer.projections());
        let mut d_x = qkv.backward(&projections, x, config.qkv_input.into(), &d_qkv, grads)?;
        accumulate_all(&mut d_x, &d_middle);
        Ok(d_x)
    }

    fn stored(&self) -> Result<PerLinear<Arc<QuantizedWeights>>> {
        let weights = self.layer.linears();
        PerLinear::from_fn(|linear| {
            let (encoding, importance) = (self.plan.encodings[linear], self.plan.importance_of(linear));
            self.caches[linear].stored(&weights[linear], encoding, importance)
        })
        .transpose()
    }

    fn rounding(&self) -> AttentionRounding<'_> {
        AttentionRounding { config: self.config, scales: self.plan.qkv_scales }
    }

    /// How the context becomes int8: the kernel has divided it by its scale already.
    fn context_steps(&self) -> ActivationSteps {
        match self.config.attention_output_input {
            InputQuantization::Static { scale, .. } => ActivationSteps::of_scale(scale),
            InputQuantization::PerToken => ActivationSteps::PerToken,
        }
    }
}

/// `residual + x · weightᵀ + bias`, and the LayerNorm of that; both `[rows, hidden]`.
fn end(
    end: &SubLayerEnd,
    stored: &QuantizedWeights,
    x: &[f32],
    steps: ActivationSteps,
    residual: &Tensor,
) -> Result<(Tensor, Vec<f32>)> {
    let mut sum = stored.forward(x, steps, &end.linear.bias.to_vec1::<f32>()?, &[1.0])?;
    with_slice(residual, |residual| {
        accumulate_all(&mut sum, residual);
        Ok(())
    })?;
    let normal = layer_norm(&end.norm, &sum)?;
    Ok((tensor(sum, residual.shape())?, normal))
}

/// The device's LayerNorm of rows.
pub fn layer_norm(norm: &FloatLayerNorm, x: &[f32]) -> Result<Vec<f32>> {
    let (gamma, beta) = (norm.gamma.to_vec1::<f32>()?, norm.beta.to_vec1::<f32>()?);
    let (kernels, norm) = (Kernels::detect(), LayerNorm { gamma: &gamma, beta: &beta, eps: norm.eps as f32 });
    let mut y = x.to_vec();
    y.par_chunks_mut(gamma.len() * ROWS_PER_PIECE)
        .try_for_each(|y| kernels.layer_norm(y, &norm))
        .map_err(refused)?;
    Ok(y)
}

/// The device's GELU.
fn gelu(x: &[f32]) -> Vec<f32> {
    const PIECE: usize = 16 * 1024;
    let mut y = vec![0f32; x.len()];
    y.par_chunks_mut(PIECE).zip(x.par_chunks(PIECE)).for_each(|(y, x)| {
        vectorised(
            #[inline(always)]
            || y.iter_mut().zip(x).for_each(|(y, &x)| *y = math::gelu(x)),
        );
    });
    y
}
