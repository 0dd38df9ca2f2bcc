//! Float tensors to the int8 arrays of an image.

use candle_core::Tensor;
use rayon::prelude::*;
use tinybert_image::{Bf16, EmbeddingsData, HeadData, LayerData, LayerNormData, LinearData, ScaledRowsData};

use super::plan::LayerPlan;
use super::search::weight_channel;
use crate::checkpoint::{Checkpoint, Tensors};
use crate::{Error, Result};

/// The embeddings in int8 with a bf16 scale per row, of the first `positions` positions; types and LayerNorm stay f32.
pub fn embeddings(checkpoint: &Checkpoint, positions: usize) -> Result<EmbeddingsData> {
    let part = |name: &str| values(&checkpoint.tensors, &format!("bert.embeddings.{name}"));
    let hidden = checkpoint.config.hidden_size;
    Ok(EmbeddingsData {
        word: scaled_rows(&part("word_embeddings.weight")?, hidden),
        position: scaled_rows(&part("position_embeddings.weight")?[..positions * hidden], hidden),
        types: part("token_type_embeddings.weight")?,
        norm: layer_norm(&checkpoint.tensors, "bert.embeddings.LayerNorm")?,
    })
}

/// One Transformer layer (from 0).
pub fn layer(checkpoint: &Checkpoint, index: usize, plan: &LayerPlan) -> Result<LayerData> {
    let tensors = &checkpoint.tensors;
    let prefix = format!("bert.encoder.layer.{index}");
    let [q, k, v] = ["query", "key", "value"].map(|part| format!("{prefix}.attention.self.{part}"));
    let [scale_q, scale_k, scale_v] = plan.qkv_scales;
    let mut qkv = linear(tensors, &q, scale_q)?;
    for (name, scale) in [(k, scale_k), (v, scale_v)] {
        let part = linear(tensors, &name, scale)?;
        qkv.weights.extend(part.weights);
        qkv.scale.extend(part.scale);
        qkv.bias.extend(part.bias);
    }
    Ok(LayerData {
        config: plan.config,
        qkv,
        attention_output: linear(tensors, &format!("{prefix}.attention.output.dense"), 1.0)?,
        attention_norm: layer_norm(tensors, &format!("{prefix}.attention.output.LayerNorm"))?,
        up: linear(tensors, &format!("{prefix}.intermediate.dense"), 1.0)?,
        down: linear(tensors, &format!("{prefix}.output.dense"), 1.0)?,
        output_norm: layer_norm(tensors, &format!("{prefix}.output.LayerNorm"))?,
    })
}

/// Pooler, if the head reads it, and classifier.
pub fn head(checkpoint: &Checkpoint) -> Result<HeadData> {
    let tensors = &checkpoint.tensors;
    Ok(HeadData {
        pooler: match checkpoint.head.needs_pooler() {
            true => Some(linear(tensors, "bert.pooler.dense", 1.0)?),
            false => None,
        },
        output: match checkpoint.head.linear() {
            Some(name) => linear(tensors, name, 1.0)?,
            None => identity(checkpoint.config.hidden_size),
        },
    })
}

/// The linear that gives what it gets.
fn identity(size: usize) -> LinearData {
    let weight = |at: usize| if at.is_multiple_of(size + 1) { 127 } else { 0 };
    LinearData {
        inputs: size,
        weights: (0..size * size).map(weight).collect(),
        scale: vec![1.0 / 127.0; size],
        bias: vec![0.0; size],
    }
}

/// A linear with one scale per output channel, its scales and biases divided by the scale of the output (1 where the
/// output stays f32).
fn linear(tensors: &Tensors, name: &str, output_scale: f32) -> Result<LinearData> {
    let weight = tensor(tensors, &format!("{name}.weight"))?;
    let (outputs, inputs) = weight.dims2()?;
    let mut bias = values(tensors, &format!("{name}.bias"))?;
    let float = values(tensors, &format!("{name}.weight"))?;
    let mut weights = vec![0i8; outputs * inputs];
    let scale = weights
        .par_chunks_exact_mut(inputs)
        .zip(float.par_chunks_exact(inputs))
        .map(|(q, channel)| weight_channel(channel, q) / output_scale)
        .collect();
    bias.iter_mut().for_each(|b| *b /= output_scale);
    Ok(LinearData { inputs, weights, scale, bias })
}

/// Rows of `width` in int8. The scale is rounded to bf16 first, so that rounding it costs nothing.
fn scaled_rows(float: &[f32], width: usize) -> ScaledRowsData {
    let mut rows = vec![0i8; float.len()];
    let scales = rows
        .par_chunks_exact_mut(width)
        .zip(float.par_chunks_exact(width))
        .map(|(q, row)| {
            let scale = Bf16::from_f32(weight_channel(row, q));
            if scale.to_f32() > 0.0 {
                for (q, &x) in q.iter_mut().zip(row) {
                    *q = (x / scale.to_f32()).round_ties_even().clamp(-127.0, 127.0) as i8;
                }
            }
            scale
        })
        .collect();
    ScaledRowsData { rows, scales }
}

fn layer_norm(tensors: &Tensors, name: &str) -> Result<LayerNormData> {
    Ok(LayerNormData {
        gamma: values(tensors, &format!("{name}.weight"))?,
        beta: values(tensors, &format!("{name}.bias"))?,
    })
}

fn tensor<'a>(tensors: &'a Tensors, name: &str) -> Result<&'a Tensor> {
    tensors.get(name).ok_or_else(|| Error::Input(format!("the model has no tensor {name}")))
}

/// The values of a tensor in row-major order; refused where one is not finite.
fn values(tensors: &Tensors, name: &str) -> Result<Vec<f32>> {
    let values = tensor(tensors, name)?.flatten_all()?.to_vec1::<f32>()?;
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(values),
        Some(at) => Err(Error::Input(format!(
            "tensor {name}: value {at} is {}, expected finite numbers; the training that made it diverged",
            values[at]
        ))),
    }
}
