//! The fake-quantized encoder. Its forward pass runs the kernels of the device and gives, to the bit, what an
//! image of the same weights gives; its backward pass is the straight-through estimator.
//!
//! Weights are rounded anew whenever they change, by the function that images are made with, so that their
//! scales follow them; the scales of activations are those of a [`ModelPlan`] and stay. A gradient passes
//! every rounding unchanged, except where an activation lies outside what its int8 reaches: there it is 0.
//! A function that the device approximates (GELU, softmax in integers, 1/√x) has the gradient of the exact
//! function at the same values. There is no dropout: the rounding is noise enough, and the forward pass is the
//! device's.

mod attention;
mod embedding;
mod head;
mod layer;
mod linear;
mod steps;

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};

pub(super) use self::head::{HeadCaches, tanh};
use self::layer::{QuantizedLayer, QuantizedLayerActivations, layer_norm};
use self::linear::WeightCache;
use super::dropout_sites::DropoutSites;
use super::encoder_weights::EncoderWeights;
use super::layer::LayerSettings;
use super::mode::Mode;
use super::ops::attention::AttentionSettings;
use super::ops::embedding::Tables;
use super::ops::rows::{tensor, with_slice};
use super::output::{BertOutput, padding_mask};
use super::tape::{Backward, Tape};
use tinybert_base::Result;
use tinybert_data::Batch;
use tinybert_image::LayerConfig;
use tinybert_model::plan::ModelPlan;
use tinybert_model::{BertConfig, PerLinear};

/// A plan and the weights that were quantized by it last.
pub(super) struct QuantizedEncoder {
    plan: Arc<ModelPlan>,
    configs: Vec<LayerConfig>,
    caches: Vec<PerLinear<WeightCache>>,
    head: HeadCaches,
}

impl QuantizedEncoder {
    pub fn new(plan: Arc<ModelPlan>, config: &BertConfig) -> Self {
        let configs =
            plan.layers.iter().enumerate().map(|(index, layer)| layer.config(index, config)).collect();
        let caches = plan.layers.iter().map(|_| Default::default()).collect();
        Self { plan, configs, caches, head: HeadCaches::default() }
    }

    pub fn head(&self) -> &HeadCaches {
        &self.head
    }

    fn layer<'a>(&'a self, weights: &'a EncoderWeights, index: usize) -> QuantizedLayer<'a> {
        let (layer, plan) = (&weights.layers[index], &self.plan.layers[index]);
        QuantizedLayer { layer, plan, config: &self.configs[index], caches: &self.caches[index] }
    }

    /// The last state of a batch, `[b, l, hidden]`, on the CPU.
    pub fn forward(
        self: &Arc<Self>,
        weights: &Arc<EncoderWeights>,
        batch: &Batch,
        trainable: bool,
    ) -> Result<BertOutput> {
        let (b, l, hidden) = (batch.len(), batch.tokens, weights.config.hidden_size);
        let embedding_sum = self.embed(weights, batch)?;
        let mut states = vec![tensor(layer_norm(&weights.norm, &embedding_sum)?, (b * l, hidden))?];
        let dropout = DropoutSites::new(Mode::Eval, batch);
        let mut layers = Vec::new();
        for index in 0..weights.layers.len() {
            let attention = LayerSettings::new(&weights.config, batch, &dropout, index).attention;
            let (state, record) = self.layer(weights, index).forward(&states[index], &attention)?;
            states.push(tensor(state, (b * l, hidden))?);
            if trainable {
                layers.push((attention, record));
            }
        }
        let last = states[states.len() - 1].reshape((b, l, hidden))?;
        // A leaf of the losses' graph where there is something to train.
        let last = if trainable { Var::from_tensor(&last)?.into_inner() } else { last };
        let record = trainable.then(|| QuantizedRecord {
            quantized: self.clone(),
            weights: weights.clone(),
            batch: batch.clone(),
            embedding_sum,
            layers,
            states,
            last: last.clone(),
        });
        Ok(BertOutput {
            states: vec![last],
            scores: Vec::new(),
            mask: padding_mask(batch, &Device::Cpu)?,
            lengths: batch.lengths.clone(),
            tape: Tape(record.map(|record| Arc::new(record) as _)),
            dropout,
        })
    }

    /// Sum of the embeddings, `[b * l, hidden]`.
    fn embed(&self, weights: &EncoderWeights, batch: &Batch) -> Result<Vec<f32>> {
        let rows = weights.word_rows(batch)?;
        let ids = weights.ids(batch, &rows);
        ids.check(weights.table_rows()?)?;
        let (hidden, encoding) = (weights.config.hidden_size, self.plan.embeddings);
        let Tables { words, positions, types } = &weights.tables;
        let types = types.as_ref().map(|types| types.flatten_all()?.to_vec1::<f32>()).transpose()?;
        with_slice(words, |words| {
            with_slice(positions, |positions| {
                let tables = Tables { words, positions, types: types.as_deref() };
                Ok(embedding::embed(tables, ids, hidden, encoding))
            })
        })?
    }
}

/// The values that the backward pass of a batch needs.
struct QuantizedRecord {
    quantized: Arc<QuantizedEncoder>,
    weights: Arc<EncoderWeights>,
    batch: Batch,
    embedding_sum: Vec<f32>,
    layers: Vec<(AttentionSettings, QuantizedLayerActivations)>,
    /// `[b * l, hidden]` each.
    states: Vec<Tensor>,
    /// The last state as the leaf of the losses' graph.
    last: Tensor,
}

impl Backward for QuantizedRecord {
    fn backward(&self, grads: &mut GradStore) -> Result<()> {
        let Some(grad) = grads.remove(&self.last) else { return Ok(()) };
        let mut grad = grad.flatten_all()?.to_vec1::<f32>()?;
        for (index, (attention, record)) in self.layers.iter().enumerate().rev() {
            let layer = self.quantized.layer(&self.weights, index);
            grad = layer.backward(record, &self.states[index], grad, attention, grads)?;
        }
        self.weights.embeddings_backward(&self.batch, &self.embedding_sum, grad, grads)
    }
}
