//! The encoder.

use std::sync::Arc;

use candle_core::{DType, Device, Var};

use super::composed;
use super::dropout_sites::{DropoutSite, DropoutSites};
use super::encoder_record::EncoderRecord;
use super::encoder_weights::EncoderWeights;
use super::layer::LayerSettings;
use super::mode::Mode;
use super::observe::Observe;
use super::ops::float::Float;
use super::ops::rows::tensor;
use super::output::{BertOutput, padding_mask};
use super::parameters::Parameters;
use super::quantized::QuantizedEncoder;
use super::tape::Tape;
use tinybert_base::Result;
use tinybert_data::Batch;
use tinybert_model::plan::ModelPlan;
use tinybert_model::{BertConfig, Tensors, lookup};

/// An encoder of any family, frozen or trainable. Batches have BERT's token ids for all of them.
#[derive(Clone)]
pub struct Bert {
    weights: Arc<EncoderWeights>,
    trainable: bool,
    quantized: Option<Arc<QuantizedEncoder>>,
}

impl Bert {
    /// An encoder over plain tensors: forward passes build no graph and keep nothing. The tensors are shared,
    /// not copied.
    ///
    /// # Errors
    /// A tensor is missing.
    pub fn frozen(config: &BertConfig, tensors: &Tensors) -> Result<Self> {
        let weights = EncoderWeights::new(config, &|name| Ok(lookup(tensors, name)?.detach()))?;
        Ok(Self { weights: Arc::new(weights), trainable: false, quantized: None })
    }

    /// An encoder over trainable tensors. It follows every update of the parameters.
    ///
    /// # Errors
    /// A tensor is missing.
    pub fn trainable(config: &BertConfig, parameters: &Parameters) -> Result<Self> {
        let weights = EncoderWeights::new(config, &|name| parameters.tensor(name))?;
        Ok(Self { weights: Arc::new(weights), trainable: true, quantized: None })
    }

    /// The same weights in an encoder that computes as an image of them does: on the CPU, in f32, without
    /// dropout.
    #[must_use]
    pub fn quantized(self, plan: Arc<ModelPlan>) -> Self {
        let quantized = QuantizedEncoder::new(plan, self.config());
        Self { quantized: Some(Arc::new(quantized)), ..self }
    }

    /// The stored weights of the head, if the encoder is quantized.
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

    /// A forward pass without dropout on the CPU that shows the activations to an observer.
    ///
    /// # Errors
    /// Returns the errors of [`Bert::forward`], and the errors of the observer.
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

        let embedding_dropout =
            dropout.at(DropoutSite::Embeddings, config.hidden_dropout_prob).map(|dropout| dropout.by_rows(l));
        let (embeddings, state) = weights.embed::<T>(batch, embedding_dropout)?;
        let relative_bias = weights.bias_by_distance::<T>(l)?;
        let mut states = vec![leaf(state, &[b, l, hidden])?];
        let (mut scores, mut layers) = (Vec::new(), Vec::new());
        for (i, layer) in weights.layers.iter().enumerate() {
            let x = states[i].detach().reshape((b * l, hidden))?;
            let mut settings = LayerSettings::new(config, batch, &dropout, i);
            settings.attention.relative_bias.clone_from(&relative_bias);
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
            embeddings,
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
