//! The encoder.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};

use super::composed;
use super::dropout_sites::{DropoutSite, DropoutSites};
use super::layer::{Layer, LayerRecord, LayerSettings};
use super::linear::{Norm, TensorLookup};
use super::observe::Observe;
use super::ops::dropout::RowDropout;
use super::ops::embedding::{Ids, Tables, embed, embed_backward};
use super::ops::float::Float;
use super::ops::layer_norm::{layer_norm, layer_norm_backward};
use super::ops::relative;
use super::ops::rows::{accumulate, accumulate_all, tensor, with_slice};
use super::parameters::Parameters;
use super::quantized::QuantizedEncoder;
use super::tape::{Backward, Tape, add_gradient};
use tinybert_base::{Error, Result};
use tinybert_data::Batch;
use tinybert_model::plan::ModelPlan;
use tinybert_model::{BertConfig, PieceRows, Tensors, lookup, names};

/// Whether dropout is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No dropout.
    Eval,
    /// Dropout with masks that depend on seed, step, global sample id and place in the network only.
    Train {
        /// Seed of the run.
        seed: u64,
        /// Step of the run: every step draws other masks.
        step: u64,
    },
}

/// What a forward pass gives.
pub struct BertOutput {
    /// N + 1 hidden states `[b, l, hidden]`: 0 is the embedding output after LayerNorm (and dropout), m the output
    /// of layer m. Of a quantized encoder the last alone.
    pub states: Vec<Tensor>,
    /// Raw attention scores of the N layers, `QKᵀ/√head_dim` (with the position bias of a model that has one) before mask and softmax,
    /// `[b, heads, l, l]`; of a pruned layer those of the heads that are left. None of a quantized encoder.
    pub scores: Vec<Tensor>,
    /// 1 for real tokens and 0 for padding, `[b, l]`; never has a gradient.
    pub mask: Tensor,
    /// Real tokens of each sample: the mask in short. All equal to l means that nothing is padded.
    pub lengths: Vec<usize>,
    /// Leads from a loss on states and scores back to the weights: `output.tape.backward(&loss)`. They are leaves of
    /// candle's graph on the CPU, so that `loss.backward()` alone does not reach the encoder.
    pub tape: Tape,
    pub(super) dropout: DropoutSites,
}

/// An encoder of any family, frozen or trainable. Batches have BERT's token ids for all of them.
#[derive(Clone)]
pub struct Bert {
    weights: Arc<EncoderWeights>,
    trainable: bool,
    quantized: Option<Arc<QuantizedEncoder>>,
}

pub(super) struct EncoderWeights {
    pub config: BertConfig,
    pub tables: Tables<Tensor>,
    /// Rows of the pieces in the word table, where a piece's id is not its row.
    piece_rows: Option<PieceRows>,
    /// Bias of the scores by bucket of relative position, `[buckets, heads]`, where the model has one.
    pub relative_bias: Option<Tensor>,
    pub norm: Norm,
    pub layers: Vec<Layer>,
}

/// What the backward pass of a batch needs.
struct EncoderRecord {
    weights: Arc<EncoderWeights>,
    batch: Batch,
    dropout: Option<RowDropout>,
    /// Word + position + type, `[b * l, hidden]`.
    embedding_sum: Tensor,
    layers: Vec<LayerRecord>,
    /// Leaves of the losses' graph.
    states: Vec<Tensor>,
    scores: Vec<Tensor>,
}

impl Bert {
    /// Over plain tensors: forward passes build no graph and keep nothing. The tensors are shared, not copied.
    ///
    /// # Errors
    /// A tensor is missing.
    pub fn frozen(config: &BertConfig, tensors: &Tensors) -> Result<Self> {
        let weights = EncoderWeights::new(config, &|name| Ok(lookup(tensors, name)?.detach()))?;
        Ok(Self { weights: Arc::new(weights), trainable: false, quantized: None })
    }

    /// Over trainable tensors: follows every update of the parameters.
    ///
    /// # Errors
    /// A tensor is missing.
    pub fn trainable(config: &BertConfig, parameters: &Parameters) -> Result<Self> {
        let weights = EncoderWeights::new(config, &|name| parameters.tensor(name))?;
        Ok(Self { weights: Arc::new(weights), trainable: true, quantized: None })
    }

    /// The same weights, computing from now on as an image of them does; on the CPU, in f32, without dropout.
    #[must_use]
    pub fn quantized(self, plan: Arc<ModelPlan>) -> Self {
        let quantized = QuantizedEncoder::new(plan, self.config());
        Self { quantized: Some(Arc::new(quantized)), ..self }
    }

    /// How the head is quantized, if the encoder is.
    pub(super) fn quantized_head(&self) -> Option<&super::quantized::HeadCaches> {
        self.quantized.as_ref().map(|quantized| quantized.head())
    }

    /// Sizes of the model.
    pub fn config(&self) -> &BertConfig {
        &self.weights.config
    }

    /// All states and scores of a batch, on the device of the weights.
    ///
    /// # Errors
    /// An id outside the vocabulary, or sequences longer than the position table.
    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<BertOutput> {
        if let Some(quantized) = &self.quantized {
            return quantized.forward(&self.weights, batch, self.trainable);
        }
        match self.weights.tables.words.device() {
            Device::Cpu => self.run(batch, mode, None),
            _ => self.composed(batch, mode),
        }
    }

    /// The forward pass by candle's own operations, on any device.
    pub(super) fn composed(&self, batch: &Batch, mode: Mode) -> Result<BertOutput> {
        let dropout = DropoutSites::new(mode, batch);
        let (states, scores) = composed::forward(&self.weights, batch, &dropout)?;
        let mask = padding_mask(batch, self.weights.tables.words.device())?;
        let lengths = batch.lengths.clone();
        Ok(BertOutput { states, scores, mask, lengths, tape: Tape::default(), dropout })
    }

    /// On the CPU, the same without dropout, showing the activations on the way to an observer.
    ///
    /// # Errors
    /// As for [`Bert::forward`], and those of the observer.
    pub fn forward_observed(&self, batch: &Batch, observer: &mut dyn Observe) -> Result<BertOutput> {
        self.run(batch, Mode::Eval, Some(observer))
    }

    fn run(&self, batch: &Batch, mode: Mode, observer: Option<&mut dyn Observe>) -> Result<BertOutput> {
        match self.weights.tables.words.dtype() {
            DType::F64 => self.run_as::<f64>(batch, mode, observer),
            _ => self.run_as::<f32>(batch, mode, observer),
        }
    }

    fn run_as<T: Float>(
        &self,
        batch: &Batch,
        mode: Mode,
        mut observer: Option<&mut dyn Observe>,
    ) -> Result<BertOutput> {
        let weights = &*self.weights;
        let config = &weights.config;
        let (b, l, hidden) = (batch.lengths.len(), batch.tokens, config.hidden_size);
        let dropout = DropoutSites::new(mode, batch);
        // Leaves of the losses' graph where there is something to train.
        let leaf = |values: Vec<T>, shape: &[usize]| match self.trainable {
            true => Ok(Var::from_vec(values, shape, &Device::Cpu)?.into_inner()),
            false => tensor(values, shape),
        };

        let (embedding_sum, normal) = weights.embed::<T>(batch)?;
        let relative_bias = weights.bias_by_distance::<T>(l)?;
        let embedding_dropout =
            dropout.at(DropoutSite::Embeddings, config.hidden_dropout_prob).map(|dropout| dropout.by_rows(l));
        let state = match &embedding_dropout {
            Some(dropout) => dropout.apply_all(&normal, hidden).0,
            None => normal,
        };
        let mut states = vec![leaf(state, &[b, l, hidden])?];
        let (mut scores, mut layers) = (Vec::new(), Vec::new());
        for (i, layer) in weights.layers.iter().enumerate() {
            let x = states[i].detach().reshape((b * l, hidden))?;
            let mut settings = LayerSettings::new(config, batch, &dropout, i);
            settings.heads.relative_bias.clone_from(&relative_bias);
            let mut wrap = |raw: Vec<T>| {
                let raw = leaf(raw, &[b, config.heads(i), l, l])?;
                scores.push(raw.clone());
                Ok(raw.detach())
            };
            let output = layer.forward::<T>(&x, settings, &mut wrap, &mut observer)?;
            states.push(leaf(output.state, &[b, l, hidden])?);
            if self.trainable {
                layers.push(output.record);
            }
        }
        let record = self.trainable.then(|| EncoderRecord {
            weights: self.weights.clone(),
            batch: batch.clone(),
            dropout: embedding_dropout,
            embedding_sum,
            layers,
            states: states.clone(),
            scores: scores.clone(),
        });
        let tape = Tape(record.map(|record| Arc::new(record) as _));
        Ok(BertOutput {
            states,
            scores,
            mask: padding_mask(batch, &Device::Cpu)?,
            lengths: batch.lengths.clone(),
            tape,
            dropout,
        })
    }
}

/// 1 for real tokens, 0 for padding, `[b, l]`.
pub(super) fn padding_mask(batch: &Batch, device: &Device) -> Result<Tensor> {
    let l = batch.tokens;
    let values =
        batch.lengths.iter().flat_map(|&n| (0..l).map(move |t| if t < n { 1f32 } else { 0.0 })).collect();
    Ok(Tensor::from_vec(values, (batch.lengths.len(), l), device)?)
}

impl EncoderWeights {
    fn new(config: &BertConfig, get: TensorLookup) -> Result<Self> {
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
            norm: Norm::new(names::EMBEDDING_NORM, eps, get)?,
            layers: (0..config.num_hidden_layers)
                .map(|layer| Layer::new(layer, eps, get))
                .collect::<Result<_>>()?,
        })
    }

    /// Rows of the embedding tables.
    pub(super) fn table_rows(&self) -> Result<Tables<usize>> {
        let Tables { words, positions, types } = &self.tables;
        let types = types.as_ref().map(|types| types.dim(0)).transpose()?;
        Ok(Tables { words: words.dim(0)?, positions: positions.dim(0)?, types })
    }

    /// The table rows of a batch's words.
    pub(super) fn word_rows<'a>(&self, batch: &'a Batch) -> Result<Cow<'a, [u32]>> {
        let Some(rows) = &self.piece_rows else { return Ok(Cow::Borrowed(&batch.ids)) };
        let row = |&id: &u32| {
            rows.rows().get(id as usize).copied().ok_or_else(|| {
                Error::Input(format!("token id {id} with a vocabulary of {} pieces", rows.rows().len()))
            })
        };
        Ok(Cow::Owned(batch.ids.iter().map(row).collect::<Result<_>>()?))
    }

    /// Which rows of the tables a batch takes, given those of its words.
    pub(super) fn ids<'a>(&self, batch: &'a Batch, words: &'a [u32]) -> Ids<'a> {
        let first_position = self.config.first_position();
        Ids { words, types: &batch.type_ids, tokens: batch.tokens, first_position }
    }

    /// The relative bias of sequences of `tokens` tokens, `[heads, 2 * tokens - 1]`, if the model has one.
    fn bias_by_distance<T: Float>(&self, tokens: usize) -> Result<Option<Tensor>> {
        let Some(table) = &self.relative_bias else { return Ok(None) };
        let heads = self.config.num_attention_heads;
        let bias = with_slice::<T, _>(table, |table| Ok(relative::by_distance(table, heads, tokens)))?;
        Ok(Some(tensor(bias, (heads, relative::distances(tokens)))?))
    }

    /// Sum of the embeddings, and its LayerNorm; `[b * l, hidden]` both.
    fn embed<T: Float>(&self, batch: &Batch) -> Result<(Tensor, Vec<T>)> {
        let (words, hidden) = (self.word_rows(batch)?, self.config.hidden_size);
        let ids = self.ids(batch, &words);
        ids.check(self.table_rows()?)?;
        let Tables { words, positions, types } = &self.tables;
        let sum = with_slice(words, |words| {
            with_slice(positions, |positions| match types {
                Some(types) => with_slice(types, |types| {
                    Ok(embed::<T>(Tables { words, positions, types: Some(types) }, ids, hidden))
                }),
                None => Ok(embed::<T>(Tables { words, positions, types: None }, ids, hidden)),
            })
        })?;
        let normal = self.norm.with_affine(|affine| Ok(layer_norm(&sum, affine)))?;
        Ok((tensor(sum, (batch.ids.len(), hidden))?, normal))
    }

    /// Adds the gradients of the tables and their LayerNorm, from `grad`, that of the norm's result, and the `sum` that was
    /// normalised; `[b * l, hidden]` both.
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
        let gradients = embed_backward(&grad, ids, self.table_rows()?, self.config.hidden_size);
        let Tables { words, positions, types } = &self.tables;
        add_gradient(grads, words, gradients.words)?;
        add_gradient(grads, positions, gradients.positions)?;
        if let (Some(types), Some(gradient)) = (types, gradients.types) {
            add_gradient(grads, types, gradient)?;
        }
        Ok(())
    }
}

impl Backward for EncoderRecord {
    fn backward(&self, grads: &mut GradStore) -> Result<()> {
        match self.embedding_sum.dtype() {
            DType::F64 => self.backward_as::<f64>(grads),
            _ => self.backward_as::<f32>(grads),
        }
    }
}

impl EncoderRecord {
    fn backward_as<T: Float>(&self, grads: &mut GradStore) -> Result<()> {
        let hidden = self.weights.config.hidden_size;
        // Gradient of the state under the layers done so far, from above and from losses on it.
        let mut grad: Option<Vec<T>> = None;
        let mut d_bias: Option<Vec<T>> = None;
        for at in (0..self.states.len()).rev() {
            if let Some(own) = grads.remove(&self.states[at]) {
                grad = Some(match grad {
                    None => own.flatten_all()?.to_vec1()?,
                    Some(mut sum) => {
                        with_slice(&own, |own| {
                            accumulate_all(&mut sum, own);
                            Ok(())
                        })?;
                        sum
                    }
                });
            }
            if at > 0 {
                let x = self.states[at - 1].detach().reshape(((), hidden))?;
                let d_scores = grads.remove(&self.scores[at - 1]);
                let (layer, record) = (&self.weights.layers[at - 1], &self.layers[at - 1]);
                let below = layer.backward(record, &x, grad, d_scores.as_ref(), grads)?;
                let (state, bias) = below.map(|below| (below.state, below.relative_bias)).unzip();
                grad = state;
                d_bias = match (d_bias, bias.flatten()) {
                    (Some(mut sum), Some(bias)) => {
                        accumulate(&mut sum, &bias);
                        Some(sum)
                    }
                    (sum, bias) => sum.or(bias),
                };
            }
        }
        if let (Some(table), Some(d_bias)) = (&self.weights.relative_bias, d_bias) {
            let (values, heads) = (table.elem_count(), self.weights.config.num_attention_heads);
            let d_table = relative::by_distance_backward(&d_bias, values, heads, self.batch.tokens);
            add_gradient(grads, table, d_table)?;
        }
        let Some(mut grad) = grad else { return Ok(()) };
        if let Some(dropout) = &self.dropout {
            grad = dropout.apply_all(&grad, hidden).0;
        }
        with_slice(&self.embedding_sum, |sum| {
            Ok(self.weights.embeddings_backward(&self.batch, sum, grad, grads))
        })?
    }
}
