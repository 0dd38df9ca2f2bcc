//! The encoder.

use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::observe::{Observe, Site};
use super::ops::{
    Dropout, Heads, attention_context, attention_scores, dropout_add, embed, gelu, layer_norm, linear,
};
use super::parameters::{Parameters, lookup};
use super::random::site_key;
use crate::Result;
use crate::checkpoint::{BertConfig, Tensors};
use crate::data::Batch;

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
    /// N + 1 hidden states `[b, l, hidden]`: 0 is the embedding output after LayerNorm (and dropout), m the output of layer m.
    pub states: Vec<Tensor>,
    /// Raw attention scores of the N layers, `QKᵀ/√head_dim` before mask and softmax, `[b, heads, l, l]`.
    pub scores: Vec<Tensor>,
    /// 1 for real tokens and 0 for padding, `[b, l]`; never has a gradient.
    pub mask: Tensor,
    /// Real tokens of each sample: the mask in short. All equal to l means that nothing is padded.
    pub lengths: Vec<usize>,
    pub(super) dropout: DropoutSites,
}

/// The dropout sites of one forward pass.
#[derive(Clone)]
pub(super) struct DropoutSites {
    mode: Mode,
    samples: Arc<[u64]>,
}

/// Sites within a layer; the embeddings and the pooled vector count as layers of their own.
#[derive(Clone, Copy)]
pub(super) enum DropoutSite {
    Embeddings,
    Probabilities(usize),
    AttentionOutput(usize),
    FeedForwardOutput(usize),
    Pooled,
}

impl DropoutSite {
    /// A number of its own for each site.
    fn number(self) -> u64 {
        match self {
            Self::Embeddings => 0,
            Self::Pooled => 1,
            Self::Probabilities(layer) => 4 * layer as u64 + 4,
            Self::AttentionOutput(layer) => 4 * layer as u64 + 5,
            Self::FeedForwardOutput(layer) => 4 * layer as u64 + 6,
        }
    }
}

impl DropoutSites {
    /// The masks of a site; `None` where dropout is off.
    pub(super) fn at(&self, site: DropoutSite, rate: f64) -> Option<Dropout> {
        match self.mode {
            Mode::Train { seed, step } if rate > 0.0 => Some(Dropout {
                key: site_key(seed, step, site.number()),
                rate,
                samples: self.samples.clone(),
            }),
            _ => None,
        }
    }
}

/// A dense layer: weight `[outputs, inputs]` and bias `[outputs]`.
#[derive(Clone)]
pub(super) struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    pub(super) fn new(prefix: &str, get: Get) -> Result<Self> {
        Ok(Self { weight: get(&format!("{prefix}.weight"))?, bias: get(&format!("{prefix}.bias"))? })
    }

    /// `[rows, inputs]` to `[rows, outputs]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(linear(x, &self.weight, &self.bias)?)
    }
}

#[derive(Clone)]
struct Norm {
    gamma: Tensor,
    beta: Tensor,
    eps: f64,
}

impl Norm {
    fn new(prefix: &str, eps: f64, get: Get) -> Result<Self> {
        Ok(Self { gamma: get(&format!("{prefix}.weight"))?, beta: get(&format!("{prefix}.bias"))?, eps })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(layer_norm(x, &self.gamma, &self.beta, self.eps)?)
    }
}

/// Finds a tensor by its canonical name.
pub(super) type Get<'a> = &'a dyn Fn(&str) -> Result<Tensor>;

#[derive(Clone)]
struct Layer {
    query: Dense,
    key: Dense,
    value: Dense,
    attention_output: Dense,
    attention_norm: Norm,
    up: Dense,
    down: Dense,
    output_norm: Norm,
}

/// A BERT encoder, frozen or trainable.
#[derive(Clone)]
pub struct Bert {
    config: BertConfig,
    word: Tensor,
    position: Tensor,
    types: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Bert {
    /// Over plain tensors: forward passes build no graph. The tensors are shared, not copied.
    ///
    /// # Errors
    /// A tensor is missing.
    pub fn frozen(config: &BertConfig, tensors: &Tensors) -> Result<Self> {
        Self::new(config, &|name| Ok(lookup(tensors, name)?.detach()))
    }

    /// Over trainable tensors: follows every update of the parameters.
    ///
    /// # Errors
    /// A tensor is missing.
    pub fn trainable(config: &BertConfig, parameters: &Parameters) -> Result<Self> {
        Self::new(config, &|name| parameters.tensor(name))
    }

    fn new(config: &BertConfig, get: Get) -> Result<Self> {
        let eps = config.layer_norm_eps;
        let layers = (0..config.num_hidden_layers)
            .map(|layer| {
                let dense = |part: &str| Dense::new(&format!("bert.encoder.layer.{layer}.{part}"), get);
                let norm = |part: &str| Norm::new(&format!("bert.encoder.layer.{layer}.{part}"), eps, get);
                Ok(Layer {
                    query: dense("attention.self.query")?,
                    key: dense("attention.self.key")?,
                    value: dense("attention.self.value")?,
                    attention_output: dense("attention.output.dense")?,
                    attention_norm: norm("attention.output.LayerNorm")?,
                    up: dense("intermediate.dense")?,
                    down: dense("output.dense")?,
                    output_norm: norm("output.LayerNorm")?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            config: config.clone(),
            word: get("bert.embeddings.word_embeddings.weight")?,
            position: get("bert.embeddings.position_embeddings.weight")?,
            types: get("bert.embeddings.token_type_embeddings.weight")?,
            norm: Norm::new("bert.embeddings.LayerNorm", eps, get)?,
            layers,
        })
    }

    /// Sizes of the model.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// All states and scores of a batch.
    ///
    /// # Errors
    /// An id outside the vocabulary, or sequences longer than the position table.
    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<BertOutput> {
        self.run(batch, mode, None)
    }

    /// The same without dropout, showing the activations on the way to an observer.
    pub fn forward_observed(&self, batch: &Batch, observer: &mut dyn Observe) -> Result<BertOutput> {
        self.run(batch, Mode::Eval, Some(observer))
    }

    fn run(&self, batch: &Batch, mode: Mode, mut observer: Option<&mut dyn Observe>) -> Result<BertOutput> {
        let config = &self.config;
        let (b, l, hidden) = (batch.lengths.len(), batch.tokens, config.hidden_size);
        let dropout = DropoutSites { mode, samples: batch.samples.iter().map(|&id| id as u64).collect() };
        let heads = Heads {
            lengths: batch.lengths.clone().into(),
            tokens: l,
            heads: config.num_attention_heads,
            head_dim: config.head_dim(),
        };
        let unflatten = |rows: &Tensor| rows.reshape((b, l, hidden));

        let sum = embed(&self.word, &self.position, &self.types, &batch.ids, &batch.type_ids, l)?;
        let mut state = self.norm.forward(&sum)?;
        if let Some(dropout) = dropout.at(DropoutSite::Embeddings, config.hidden_dropout_prob) {
            state = dropout.on(&state)?;
        }
        let (mut states, mut scores) = (vec![unflatten(&state)?], Vec::with_capacity(self.layers.len()));
        for (i, layer) in self.layers.iter().enumerate() {
            let (next, raw) = layer.forward(i, &state, &heads, config, &dropout, &mut observer)?;
            states.push(unflatten(&next)?);
            scores.push(raw);
            state = next;
        }
        Ok(BertOutput { states, scores, mask: padding_mask(batch)?, lengths: batch.lengths.clone(), dropout })
    }
}

/// 1 for real tokens, 0 for padding, `[b, l]`.
fn padding_mask(batch: &Batch) -> Result<Tensor> {
    let l = batch.tokens;
    let values =
        batch.lengths.iter().flat_map(|&n| (0..l).map(move |t| if t < n { 1f32 } else { 0.0 })).collect();
    Ok(Tensor::from_vec(values, (batch.lengths.len(), l), &Device::Cpu)?)
}

impl Layer {
    /// State `[b * l, hidden]` to the next state and the raw scores `[b, heads, l, l]`.
    fn forward(
        &self,
        layer: usize,
        x: &Tensor,
        heads: &Heads,
        config: &BertConfig,
        dropout: &DropoutSites,
        observer: &mut Option<&mut dyn Observe>,
    ) -> Result<(Tensor, Tensor)> {
        let mut see = |site: Site, values: &Tensor| match observer {
            Some(observer) => observer.observe(site, values),
            None => Ok(()),
        };
        let hidden_rate = config.hidden_dropout_prob;

        see(Site::AttentionInput(layer), x)?;
        let (q, k, v) = (self.query.forward(x)?, self.key.forward(x)?, self.value.forward(x)?);
        see(Site::Query(layer), &q)?;
        see(Site::Key(layer), &k)?;
        see(Site::Value(layer), &v)?;
        let scores = attention_scores(&q, &k, heads)?;
        let probability_dropout =
            dropout.at(DropoutSite::Probabilities(layer), config.attention_probs_dropout_prob);
        let context = attention_context(&scores, &v, heads, probability_dropout)?;
        see(Site::Context(layer), &context)?;
        let attended = self.attention_output.forward(&context)?;
        let sum = dropout_add(&attended, x, dropout.at(DropoutSite::AttentionOutput(layer), hidden_rate))?;
        let x = self.attention_norm.forward(&sum)?;

        see(Site::FeedForwardInput(layer), &x)?;
        let wide = self.up.forward(&x)?;
        see(Site::PreGelu(layer), &wide)?;
        let active = gelu(&wide)?;
        see(Site::PostGelu(layer), &active)?;
        let narrow = self.down.forward(&active)?;
        let sum = dropout_add(&narrow, &x, dropout.at(DropoutSite::FeedForwardOutput(layer), hidden_rate))?;
        Ok((self.output_norm.forward(&sum)?, scores))
    }
}
