//! The masked-LM head.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::bert::Bert;
use super::linear::{FloatLayerNorm, FloatLinear, TensorLookup};
use super::mode::Mode;
use super::ops::tied_cross_entropy::TiedCrossEntropy;
use super::output::BertOutput;
use super::parameters::Parameters;
use tinybert_base::{Error, Result};
use tinybert_data::{Batch, Targets};
use tinybert_model::{BertConfig, PieceRows, Tensors, WORD_EMBEDDINGS, lookup, names};

/// An encoder with BERT's masked-LM head: dense, GELU, LayerNorm, and a decoder that is the word embedding
/// matrix.
#[derive(Clone)]
pub struct MaskedLm {
    bert: Bert,
    dense: FloatLinear,
    norm: FloatLayerNorm,
    /// The word embeddings, `[rows, e]` for embedding tables of width e.
    decoder: Tensor,
    /// `[rows]`.
    bias: Tensor,
    /// Whether a gradient leads to the decoder.
    decoder_learns: bool,
    /// Rows of the pieces in the decoder, where a piece's id is not its row.
    piece_rows: Option<PieceRows>,
}

impl MaskedLm {
    /// A model over plain tensors, without a graph.
    ///
    /// # Errors
    /// A tensor is missing.
    pub fn frozen(config: &BertConfig, tensors: &Tensors) -> Result<Self> {
        Self::new(Bert::frozen(config, tensors)?, false, &|name| Ok(lookup(tensors, name)?.detach()))
    }

    /// A model whose head and encoder are trainable.
    ///
    /// # Errors
    /// A tensor is missing.
    pub fn trainable(config: &BertConfig, parameters: &Parameters) -> Result<Self> {
        Self::new(Bert::trainable(config, parameters)?, true, &|name| parameters.tensor(name))
    }

    /// A trainable head on a frozen encoder, whose word embeddings stay as they are: no graph leads to them.
    ///
    /// # Errors
    /// A tensor is missing.
    pub fn head_only(config: &BertConfig, parameters: &Parameters) -> Result<Self> {
        let encoder = parameters.detached();
        Self::new(Bert::frozen(config, &encoder)?, false, &|name| match name {
            WORD_EMBEDDINGS => Ok(lookup(&encoder, name)?.clone()),
            _ => parameters.tensor(name),
        })
    }

    fn new(bert: Bert, decoder_learns: bool, get: TensorLookup) -> Result<Self> {
        let config = bert.config();
        let piece_rows = config.piece_rows();
        let eps = config.layer_norm_eps;
        Ok(Self {
            dense: FloatLinear::new(names::MASKED_LM_DENSE, get)?,
            norm: FloatLayerNorm::new(names::MASKED_LM_NORM, eps, get)?,
            decoder: get(WORD_EMBEDDINGS)?,
            bias: get(names::MASKED_LM_BIAS)?,
            bert,
            decoder_learns,
            piece_rows,
        })
    }

    /// Mean cross-entropy of the pieces at the targets' positions.
    ///
    /// # Errors
    /// [`Error::Input`] without any target; the errors of the forward pass.
    pub fn loss(&self, batch: &Batch, targets: &Targets, mode: Mode) -> Result<(BertOutput, Tensor)> {
        if targets.positions.is_empty() {
            return Err(Error::Input(
                "a batch has no word to mask: is this text in the model's language?".into(),
            ));
        }
        let output = self.bert.forward(batch, mode)?;
        let features = self.features(&output, &targets.positions)?;
        let labels = targets.pieces.iter().map(|&piece| self.row(piece)).collect();
        let op = TiedCrossEntropy::new(labels, self.decoder_learns);
        let loss = features.apply_op3(&self.decoder, &self.bias, op)?;
        Ok((output, loss))
    }

    /// Logits of BERT's pieces `[positions, vocab]` at these positions (row · l + column) of a batch, without
    /// dropout.
    ///
    /// # Errors
    /// Returns the errors of the forward pass.
    pub fn logits(&self, batch: &Batch, positions: &[u32]) -> Result<Tensor> {
        let output = self.bert.forward(batch, Mode::Eval)?;
        let logits =
            self.features(&output, positions)?.matmul(&self.decoder.t()?)?.broadcast_add(&self.bias)?;
        match &self.piece_rows {
            None => Ok(logits),
            Some(rows) => {
                let rows = Tensor::new(rows.rows(), &Device::Cpu)?;
                Ok(logits.index_select(&rows, 1)?)
            }
        }
    }

    /// The decoder's input, `[positions, e]`.
    fn features(&self, output: &BertOutput, positions: &[u32]) -> Result<Tensor> {
        let last = &output.states[output.states.len() - 1];
        let (b, l, hidden) = last.dims3()?;
        let picked =
            last.reshape((b * l, hidden))?.index_select(&Tensor::new(positions, &Device::Cpu)?, 0)?;
        self.norm.composed(&self.dense.forward(&picked)?.gelu_erf()?)
    }

    /// The decoder's row of a piece.
    fn row(&self, piece: u32) -> u32 {
        match &self.piece_rows {
            None => piece,
            // Pieces of a batch have been looked up on the way in.
            Some(rows) => rows.rows().get(piece as usize).copied().unwrap_or(piece),
        }
    }
}

/// A decoder bias `[rows]` that gives every piece the probability of its share of `counts`, each count plus
/// one. A fresh head that starts from it need not learn how frequent words are.
pub fn unigram_bias(config: &BertConfig, counts: &BTreeMap<u32, u64>) -> Result<Tensor> {
    let rows = config.piece_rows();
    let total = (counts.values().sum::<u64>() + config.vocab_size as u64) as f64;
    let mut bias = vec![(1.0 / total).ln() as f32; config.word_rows()];
    for (&piece, &count) in counts {
        let row = rows.as_ref().map_or(Some(piece), |rows| rows.rows().get(piece as usize).copied());
        if let Some(entry) = row.and_then(|row| bias.get_mut(row as usize)) {
            *entry = ((count + 1) as f64 / total).ln() as f32;
        }
    }
    Ok(Tensor::from_vec(bias, config.word_rows(), &Device::Cpu)?)
}
