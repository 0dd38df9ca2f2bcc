//! The encoder's backward pass.

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};

use super::encoder_weights::{EmbeddingActivations, EncoderWeights};
use super::layer::LayerActivations;
use super::ops::float::Float;
use super::ops::relative;
use super::ops::rows::{accumulate, accumulate_all, with_slice};
use super::tape::{Backward, add_gradient};
use tinybert_base::Result;
use tinybert_data::Batch;

/// The values that the backward pass of a batch needs.
pub(super) struct EncoderRecord {
    pub weights: Arc<EncoderWeights>,
    pub batch: Batch,
    pub embeddings: EmbeddingActivations,
    pub layers: Vec<LayerActivations>,
    /// States of the output, leaves of the losses' graph.
    pub states: Vec<Tensor>,
    /// Scores of the output, leaves of the losses' graph.
    pub scores: Vec<Tensor>,
}

impl Backward for EncoderRecord {
    fn backward(&self, grads: &mut GradStore) -> Result<()> {
        match self.embeddings.sum.dtype() {
            DType::F64 => self.backward_as::<f64>(grads),
            _ => self.backward_as::<f32>(grads),
        }
    }
}

impl EncoderRecord {
    fn backward_as<T: Float>(&self, grads: &mut GradStore) -> Result<()> {
        let hidden = self.weights.config.hidden_size;
        // Gradient of the state below the layers that are done: from the layer above it and from losses on
        // the state.
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
        let Some(grad) = grad else { return Ok(()) };
        self.weights.embed_backward(&self.batch, &self.embeddings, grad, grads)
    }
}
