//! The encoder by candle's own operations, for devices that the fused [`super::ops`] do not run on: GPUs.
//!
//! The layers, the weights and the dropout masks are the same. candle's graph leads back from every state and
//! score to the weights, so that a [`super::Tape`] has nothing to add.

use candle_core::{D, Device, Tensor};
use candle_nn::ops::softmax;

use super::dropout_sites::{DropoutSite, DropoutSites};
use super::encoder_weights::EncoderWeights;
use super::layer::{Layer, LayerSettings};
use super::ops::relative;
use tinybert_base::Result;
use tinybert_data::Batch;
use tinybert_model::PerProjection;

/// Added to the scores of padded keys: their probability is exactly 0.
const MASKED: f32 = -1e9;

/// States 0 to N `[b, l, hidden]` and raw scores of the N layers `[b, heads, l, l]`.
pub(super) fn forward(
    weights: &EncoderWeights,
    batch: &Batch,
    dropout: &DropoutSites,
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let config = &weights.config;
    let (b, l, hidden) = (batch.len(), batch.tokens, config.hidden_size);
    let device = weights.tables.words.device();
    let dtype = weights.tables.words.dtype();
    let mask = key_mask(batch, device)?.to_dtype(dtype)?;
    let bias = weights.relative_bias.as_ref().map(|table| relative_bias(table, l)).transpose()?;

    let normal = weights.norm.composed(&embedding_sum(weights, batch, device)?)?;
    let mut x = match dropout.at(DropoutSite::Embeddings, config.hidden_dropout_prob) {
        Some(dropout) => dropout.by_rows(l).by_factors(&normal)?,
        None => normal,
    };
    if let Some(projection) = &weights.projection {
        x = projection.forward(&x)?;
    }
    let mut states = vec![x.reshape((b, l, hidden))?];
    let mut scores = Vec::new();
    for (i, layer) in weights.layers.iter().enumerate() {
        let settings = LayerSettings::new(config, batch, dropout, i);
        let raw;
        (x, raw) = layer.composed(&x, &settings, &mask, bias.as_ref())?;
        states.push(x.reshape((b, l, hidden))?);
        scores.push(raw);
    }
    Ok((states, scores))
}

/// 0 for real keys and [`MASKED`] for padding, `[b, 1, 1, l]`.
fn key_mask(batch: &Batch, device: &Device) -> Result<Tensor> {
    let l = batch.tokens;
    let row = |&length: &usize| (0..l).map(move |key| if key < length { 0.0 } else { MASKED });
    let values: Vec<f32> = batch.lengths.iter().flat_map(row).collect();
    Ok(Tensor::from_vec(values, (batch.len(), 1, 1, l), device)?)
}

/// Word + type + position, `[b * l, e]` for tables of width e.
fn embedding_sum(weights: &EncoderWeights, batch: &Batch, device: &Device) -> Result<Tensor> {
    let words = weights.word_rows(batch)?;
    weights.ids(batch, &words).check(weights.table_rows()?)?;
    let (b, l, width) = (batch.len(), batch.tokens, weights.config.embedding_width());
    let rows = |table: &Tensor, ids: &[u32]| table.index_select(&Tensor::new(ids, device)?, 0);
    let mut sum = rows(&weights.tables.words, &words)?;
    if let Some(types) = &weights.tables.types {
        sum = (sum + rows(types, &batch.type_ids)?)?;
    }
    let positions = weights.tables.positions.narrow(0, weights.config.first_position(), l)?;
    Ok(sum.reshape((b, l, width))?.broadcast_add(&positions)?.reshape((b * l, width))?)
}

/// The bias of every (query, key), `[heads, l, l]`, from the table `[buckets, heads]`.
fn relative_bias(table: &Tensor, tokens: usize) -> Result<Tensor> {
    let buckets = Tensor::new(relative::bucket_of_pairs(tokens), table.device())?;
    let heads = table.dim(1)?;
    Ok(table.index_select(&buckets, 0)?.reshape((tokens, tokens, heads))?.permute((2, 0, 1))?.contiguous()?)
}

/// x · Φ(x); candle's own has a gradient of six digits.
fn gelu(x: &Tensor) -> Result<Tensor> {
    let distribution = ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)?;
    Ok(((x * distribution)? * 0.5)?)
}

impl Layer {
    /// Computes the next state from the state `x`, `[b * l, hidden]`, and the raw scores.
    fn composed(
        &self,
        x: &Tensor,
        settings: &LayerSettings,
        mask: &Tensor,
        bias: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let attention = &settings.attention;
        let (b, l, h, d) = (attention.lengths.len(), attention.tokens, attention.heads, attention.head_dim);
        let PerProjection { query, key, value } = self.projections();
        let by_head = |x: Tensor| x.reshape((b, l, h, d))?.transpose(1, 2)?.contiguous();
        let [query, key, value] =
            [by_head(query.forward(x)?)?, by_head(key.forward(x)?)?, by_head(value.forward(x)?)?];
        let mut scores = (query.matmul(&key.t()?)? * (1.0 / (d as f64).sqrt()))?;
        if let Some(bias) = bias {
            scores = scores.broadcast_add(bias)?;
        }
        let mut probabilities = softmax(&scores.broadcast_add(mask)?, D::Minus1)?;
        if let Some(factors) = attention.dropout_factors(&probabilities)? {
            probabilities = (probabilities * factors)?;
        }
        let context = probabilities.matmul(&value)?.transpose(1, 2)?.reshape((b * l, h * d))?;
        let middle = self.attention_output.composed(&context, x, settings.attention_dropout.as_ref())?;
        let active = gelu(&self.up.forward(&middle)?)?;
        Ok((self.down.composed(&active, &middle, settings.output_dropout.as_ref())?, scores))
    }
}

#[cfg(test)]
mod tests;
