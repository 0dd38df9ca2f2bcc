//! The weights of an encoder, and its embeddings forward and backward.

use std::borrow::Cow;

use candle_core::Tensor;
use candle_core::backprop::GradStore;

use super::layer::Layer;
use super::linear::{FloatLayerNorm, FloatLinear, TensorLookup};
use super::ops::dropout::RowDropout;
use super::ops::embedding::{Ids, Tables, embed, embed_backward};
use super::ops::float::Float;
use super::ops::layer_norm::{layer_norm, layer_norm_backward};
use super::ops::relative;
use super::ops::rows::{add_bias, column_sums, tensor, with_slice};
use super::tape::add_gradient;
use tinybert_base::{Error, Result};
use tinybert_data::Batch;
use tinybert_model::{BertConfig, PieceRows, names};

/// The weights of an encoder.
pub(super) struct EncoderWeights {
    pub config: BertConfig,
    pub tables: Tables<Tensor>,
    /// Rows of the pieces in the word table, where a piece's id is not its row.
    piece_rows: Option<PieceRows>,
    /// Bias of the scores by bucket of relative position, `[buckets, heads]`, where the model has one.
    pub relative_bias: Option<Tensor>,
    pub norm: FloatLayerNorm,
    /// From the embeddings to the residual stream, where their widths differ.
    pub projection: Option<FloatLinear>,
    pub layers: Vec<Layer>,
}

/// The intermediate values of the embeddings of a batch, whose tables have the width e.
pub(super) struct EmbeddingActivations {
    /// Word + position + type, `[b * l, e]`.
    pub sum: Tensor,
    /// Dropout after the LayerNorm.
    dropout: Option<RowDropout>,
    /// Input of the projection, `[b * l, e]`, where there is one.
    projected: Option<Tensor>,
}

impl EncoderWeights {
    pub fn new(config: &BertConfig, get: TensorLookup) -> Result<Self> {
        let eps = config.layer_norm_eps;
        Ok(Self {
            config: config.clone(),
            tables: Tables {
                words: get(names::WORD_EMBEDDINGS)?,
                positions: get(names::POSITION_EMBEDDINGS)?,
                types: config.has_segment_types().then(|| get(names::TYPE_EMBEDDINGS)).transpose()?,
            },
            piece_rows: config.piece_rows(),
            relative_bias: config.position_buckets().map(|_| get(names::POSITION_BIAS)).transpose()?,
            norm: FloatLayerNorm::new(names::EMBEDDING_NORM, eps, get)?,
            projection: config
                .embedding_size
                .map(|_| FloatLinear::new(names::EMBEDDING_PROJECTION, get))
                .transpose()?,
            layers: (0..config.num_hidden_layers)
                .map(|layer| Layer::new(layer, eps, get))
                .collect::<Result<_>>()?,
        })
    }

    /// How many rows each embedding table has.
    pub(super) fn table_rows(&self) -> Result<Tables<usize>> {
        let Tables { words, positions, types } = &self.tables;
        let types = types.as_ref().map(|types| types.dim(0)).transpose()?;
        Ok(Tables { words: words.dim(0)?, positions: positions.dim(0)?, types })
    }

    /// The rows of the word table that a batch takes.
    pub(super) fn word_rows<'a>(&self, batch: &'a Batch) -> Result<Cow<'a, [u32]>> {
        let Some(rows) = &self.piece_rows else { return Ok(Cow::Borrowed(&batch.ids)) };
        let row = |&id: &u32| {
            rows.rows().get(id as usize).copied().ok_or_else(|| {
                Error::Input(format!("token id {id} with a vocabulary of {} pieces", rows.rows().len()))
            })
        };
        Ok(Cow::Owned(batch.ids.iter().map(row).collect::<Result<_>>()?))
    }

    /// The rows of all tables that a batch takes; `words` are those of the word table.
    pub(super) fn ids<'a>(&self, batch: &'a Batch, words: &'a [u32]) -> Ids<'a> {
        let first_position = self.config.first_position();
        Ids { words, types: &batch.type_ids, tokens: batch.tokens, first_position }
    }

    /// The position bias in sequences of `tokens` tokens by distance, `[heads, 2 * tokens - 1]`, if the model
    /// has one.
    pub fn bias_by_distance<T: Float>(&self, tokens: usize) -> Result<Option<Tensor>> {
        let Some(table) = &self.relative_bias else { return Ok(None) };
        let heads = self.config.num_attention_heads;
        let bias = with_slice::<T, _>(table, |table| Ok(relative::by_distance(table, heads, tokens)))?;
        Ok(Some(tensor(bias, (heads, relative::distances(tokens)))?))
    }

    /// State 0, `[b * l, hidden]`: the sum of the embeddings after LayerNorm, dropout and projection.
    pub fn embed<T: Float>(
        &self,
        batch: &Batch,
        dropout: Option<RowDropout>,
    ) -> Result<(EmbeddingActivations, Vec<T>)> {
        let (words, width) = (self.word_rows(batch)?, self.config.embedding_width());
        let ids = self.ids(batch, &words);
        ids.check(self.table_rows()?)?;
        let Tables { words, positions, types } = &self.tables;
        let sum = with_slice(words, |words| {
            with_slice(positions, |positions| match types {
                Some(types) => with_slice(types, |types| {
                    Ok(embed::<T>(Tables { words, positions, types: Some(types) }, ids, width))
                }),
                None => Ok(embed::<T>(Tables { words, positions, types: None }, ids, width)),
            })
        })?;
        let mut state = self.norm.with_affine(|affine| Ok(layer_norm(&sum, affine)))?;
        if let Some(dropout) = &dropout {
            state = dropout.apply_all(&state, width).0;
        }
        let shape = (batch.ids.len(), width);
        let projected = match &self.projection {
            None => None,
            Some(projection) => {
                let input = tensor(state, shape)?;
                state = projection.product::<T>(&input)?;
                with_slice(&projection.bias, |bias| {
                    add_bias(&mut state, bias);
                    Ok(())
                })?;
                Some(input)
            }
        };
        Ok((EmbeddingActivations { sum: tensor(sum, shape)?, dropout, projected }, state))
    }

    /// Adds the gradients of all weights of the embeddings. `grad` is the gradient of state 0, `[b * l, hidden]`.
    pub(super) fn embed_backward<T: Float>(
        &self,
        batch: &Batch,
        record: &EmbeddingActivations,
        mut grad: Vec<T>,
        grads: &mut GradStore,
    ) -> Result<()> {
        if let (Some(projection), Some(input)) = (&self.projection, &record.projected) {
            let hidden = self.config.hidden_size;
            add_gradient(grads, &projection.bias, column_sums(&grad, hidden))?;
            grad = projection.backward(input, &tensor(grad, (batch.ids.len(), hidden))?, grads)?;
        }
        if let Some(dropout) = &record.dropout {
            grad = dropout.apply_all(&grad, self.config.embedding_width()).0;
        }
        with_slice(&record.sum, |sum| Ok(self.embeddings_backward(batch, sum, grad, grads)))?
    }

    /// Adds the gradients of the tables and their LayerNorm. `grad` is the gradient of the LayerNorm's result
    /// and `sum` what was normalised; `[b * l, e]` both, where e is the tables' width.
    pub(super) fn embeddings_backward<T: Float>(
        &self,
        batch: &Batch,
        sum: &[T],
        mut grad: Vec<T>,
        grads: &mut GradStore,
    ) -> Result<()> {
        let norm = &self.norm;
        let affine =
            with_slice(&norm.gamma, |gamma| Ok(layer_norm_backward(sum, &mut grad, gamma, norm.eps)))?;
        norm.add_gradients(affine, grads)?;
        let words = self.word_rows(batch)?;
        let ids = self.ids(batch, &words);
        let gradients = embed_backward(&grad, ids, self.table_rows()?, self.config.embedding_width());
        let Tables { words, positions, types } = &self.tables;
        add_gradient(grads, words, gradients.words)?;
        add_gradient(grads, positions, gradients.positions)?;
        if let (Some(types), Some(gradient)) = (types, gradients.types) {
            add_gradient(grads, types, gradient)?;
        }
        Ok(())
    }
}
