//! Float tensors to the int8 arrays of an image.

use candle_core::Tensor;
use rayon::prelude::*;

use tinybert_base::{Error, Result};
use tinybert_image::{EmbeddingsData, HeadData, LayerData, LayerNormData, LinearData, ScaledRowsData};
use tinybert_model::names::{self, LayerNames};
use tinybert_model::plan::{LayerPlan, WeightEncoding, quantize_channel, scaled_row};
use tinybert_model::{Checkpoint, PerLinear, Tensors};

/// The embeddings with a bf16 scale per row, of the first `positions` positions; types and LayerNorm stay f32.
pub fn embeddings(
    checkpoint: &Checkpoint,
    positions: usize,
    words: WeightEncoding,
) -> Result<EmbeddingsData> {
    let table = |name: &str| values(&checkpoint.tensors, name);
    let hidden = checkpoint.config.hidden_size;
    Ok(EmbeddingsData {
        word: scaled_rows(&table(names::WORD_EMBEDDINGS)?, hidden, words),
        position: scaled_rows(
            &table(names::POSITION_EMBEDDINGS)?[..positions * hidden],
            hidden,
            WeightEncoding::Int8,
        ),
        types: table(names::TYPE_EMBEDDINGS)?,
        norm: layer_norm(&checkpoint.tensors, names::EMBEDDING_NORM)?,
    })
}

/// One Transformer layer (from 0).
pub fn layer(checkpoint: &Checkpoint, index: usize, plan: &LayerPlan) -> Result<LayerData> {
    let tensors = &checkpoint.tensors;
    let names = LayerNames::new(index);
    let scales = plan.qkv_scales;
    let store = PerLinear::from_fn(|linear| Store {
        encoding: plan.encodings[linear],
        importance: plan.importance_of(linear),
    });
    let mut qkv = linear(tensors, &names.query, scales.query, store.qkv)?;
    for (name, scale) in [(&names.key, scales.key), (&names.value, scales.value)] {
        let part = linear(tensors, name, scale, store.qkv)?;
        qkv.weights.extend(part.weights);
        qkv.scale.extend(part.scale);
        qkv.bias.extend(part.bias);
    }
    let mut data = LayerData {
        config: plan.config(index, &checkpoint.config),
        qkv,
        attention_output: linear(tensors, &names.attention_output, 1.0, store.attention_output)?,
        attention_norm: layer_norm(tensors, &names.attention_norm)?,
        up: linear(tensors, &names.up, 1.0, store.up)?,
        down: linear(tensors, &names.down, 1.0, store.down)?,
        output_norm: layer_norm(tensors, &names.output_norm)?,
    };
    let linears = plan.encodings.zip(data.linears());
    data.config.encodings = linears.map(|(encoding, linear)| encoding.stored(&linear.weights));
    Ok(data)
}

/// The head's linears: the pooler, if the head reads it, and the last linear.
pub fn head(checkpoint: &Checkpoint) -> Result<HeadData> {
    let tensors = &checkpoint.tensors;
    Ok(HeadData {
        pooler: match checkpoint.head.needs_pooler() {
            true => Some(linear(tensors, names::POOLER, 1.0, Store::INT8)?),
            false => None,
        },
        output: match checkpoint.head.linear() {
            Some(name) => linear(tensors, name, 1.0, Store::INT8)?,
            None => identity(checkpoint.config.hidden_size),
        },
        thresholds: checkpoint.head.threshold_logits(),
    })
}

/// The identity as a linear, for a head without one.
fn identity(size: usize) -> LinearData {
    let weight = |at: usize| if at.is_multiple_of(size + 1) { 127 } else { 0 };
    LinearData {
        inputs: size,
        weights: (0..size * size).map(weight).collect(),
        scale: vec![1.0 / 127.0; size],
        bias: vec![0.0; size],
    }
}

/// How a linear's weights are to be stored.
#[derive(Clone, Copy)]
struct Store<'a> {
    encoding: WeightEncoding,
    /// Mean square of each input, by which errors are weighed.
    importance: Option<&'a [f32]>,
}

impl Store<'_> {
    const INT8: Self = Self { encoding: WeightEncoding::Int8, importance: None };
}

/// A linear with one scale per output channel, its scales and biases divided by the scale of the output (1
/// where the output stays f32).
fn linear(tensors: &Tensors, name: &str, output_scale: f32, store: Store) -> Result<LinearData> {
    let weight = tensor(tensors, &names::weight(name))?;
    let (outputs, inputs) = weight.dims2()?;
    let mut bias = values(tensors, &names::bias(name))?;
    let float = values(tensors, &names::weight(name))?;
    let mut weights = vec![0i8; outputs * inputs];
    let scale = weights
        .par_chunks_exact_mut(inputs)
        .zip(float.par_chunks_exact(inputs))
        .map(|(q, channel)| quantize_channel(channel, store.encoding, store.importance, q) / output_scale)
        .collect();
    bias.iter_mut().for_each(|b| *b /= output_scale);
    Ok(LinearData { inputs, weights, scale, bias })
}

/// A table of rows of `width` values, each with a scale of its own.
fn scaled_rows(float: &[f32], width: usize, encoding: WeightEncoding) -> ScaledRowsData {
    let mut rows = vec![0i8; float.len()];
    let scales = rows
        .par_chunks_exact_mut(width)
        .zip(float.par_chunks_exact(width))
        .map(|(q, row)| scaled_row(row, encoding, q))
        .collect();
    ScaledRowsData { rows, scales }
}

fn layer_norm(tensors: &Tensors, name: &str) -> Result<LayerNormData> {
    Ok(LayerNormData {
        gamma: values(tensors, &names::weight(name))?,
        beta: values(tensors, &names::bias(name))?,
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
