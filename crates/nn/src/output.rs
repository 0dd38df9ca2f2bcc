//! The results of a forward pass of the encoder.

use candle_core::{Device, Tensor};

use super::dropout_sites::DropoutSites;
use super::tape::Tape;
use tinybert_base::Result;
use tinybert_data::Batch;

/// The results of a forward pass of the encoder.
pub struct BertOutput {
    /// N + 1 hidden states `[b, l, hidden]`: 0 is the embedding output after LayerNorm, dropout and
    /// projection, m the output of layer m. A quantized encoder gives the last one alone.
    pub states: Vec<Tensor>,
    /// Raw attention scores of the N layers before mask and softmax, `[b, heads, l, l]`: `QKᵀ/√head_dim`,
    /// with the position bias of a model that has one. A pruned layer gives those of the heads that are left,
    /// a quantized encoder gives none.
    pub scores: Vec<Tensor>,
    /// 1 for real tokens and 0 for padding, `[b, l]`; never has a gradient.
    pub mask: Tensor,
    /// Number of real tokens of each sample. Nothing is padded where all are equal to l.
    pub lengths: Vec<usize>,
    /// Leads from a loss on states and scores back to the weights: `output.tape.backward(&loss)`. On the CPU
    /// states and scores are leaves of candle's graph, so that `loss.backward()` alone does not reach the
    /// encoder.
    pub tape: Tape,
    pub(super) dropout: DropoutSites,
}

/// 1 for real tokens, 0 for padding, `[b, l]`.
pub(super) fn padding_mask(batch: &Batch, device: &Device) -> Result<Tensor> {
    let l = batch.tokens;
    let values =
        batch.lengths.iter().flat_map(|&n| (0..l).map(move |t| if t < n { 1f32 } else { 0.0 })).collect();
    Ok(Tensor::from_vec(values, (batch.lengths.len(), l), device)?)
}
