//! Task heads.

use std::sync::Arc;

use candle_core::Tensor;

use super::bert::Bert;
use super::dropout_sites::DropoutSite;
use super::linear::{FloatLinear, TensorLookup};
use super::mode::Mode;
use super::observe::{Observe, Site};
use super::output::BertOutput;
use super::parameters::Parameters;
use super::quantized::tanh;
use tinybert_base::{Error, Result};
use tinybert_data::Batch;
use tinybert_model::plan::ModelPlan;
use tinybert_model::{Activation, BertConfig, Head, Pooling, Tensors, lookup, names};

/// An encoder with its task head.
#[derive(Clone)]
pub struct TaskModel {
    /// The encoder.
    pub bert: Bert,
    /// The kind of the head, with its labels.
    pub head: Head,
    /// The linear on the first token, where the head reads that.
    pooler: Option<FloatLinear>,
    /// The function after the pooler.
    activation: Activation,
    /// The last linear; absent for embeddings that are the plain mean.
    classifier: Option<FloatLinear>,
    /// Dropout before the classifier.
    rate: f64,
}

impl TaskModel {
    /// A model over plain tensors, without a graph.
    ///
    /// # Errors
    /// A tensor is missing, or the head answers no task.
    pub fn frozen(config: &BertConfig, head: &Head, tensors: &Tensors) -> Result<Self> {
        Self::new(Bert::frozen(config, tensors)?, head, &|name| Ok(lookup(tensors, name)?.detach()))
    }

    /// A model over trainable tensors.
    ///
    /// # Errors
    /// Returns the errors of [`TaskModel::frozen`].
    pub fn trainable(config: &BertConfig, head: &Head, parameters: &Parameters) -> Result<Self> {
        Self::new(Bert::trainable(config, parameters)?, head, &|name| parameters.tensor(name))
    }

    fn new(bert: Bert, head: &Head, get: TensorLookup) -> Result<Self> {
        let pooler = match head {
            Head::Classification { .. } | Head::MultiLabel { .. } | Head::Regression => {
                Some(FloatLinear::new(names::POOLER, get)?)
            }
            Head::TokenClassification { .. } | Head::Embedding { .. } => None,
            Head::None | Head::MaskedLm => {
                return Err(Error::Usage(format!(
                    "a model with head {head:?} cannot answer a task: fine-tune it on labelled data first"
                )));
            }
        };
        let rate = bert.config().hidden_dropout_prob;
        let activation = bert.config().architecture.pooler_activation();
        let classifier = head.linear().map(|name| FloatLinear::new(name, get)).transpose()?;
        Ok(Self { bert, head: head.clone(), pooler, activation, classifier, rate })
    }

    /// The same weights in a model that answers as an image of them does ([`Bert::quantized`]).
    #[must_use]
    pub fn quantized(self, plan: Arc<ModelPlan>) -> Self {
        Self { bert: self.bert.quantized(plan), ..self }
    }

    /// States and scores of a batch, and the logits of its answers: `[b, outputs]` (regression: `[b, 1]`;
    /// embeddings: rows of length 1, if they are normalized). Token classification gives `[words, outputs]`, or `[b, l,
    /// outputs]` for all tokens where the batch names no words.
    ///
    /// # Errors
    /// Returns the errors of [`Bert::forward`].
    pub fn forward(&self, batch: &Batch, mode: Mode) -> Result<(BertOutput, Tensor)> {
        let output = self.bert.forward(batch, mode)?;
        let logits = self.logits(&output)?;
        let logits = match (&self.head, &batch.words) {
            (Head::TokenClassification { .. }, Some(words)) => {
                let words = Tensor::new(words.as_slice(), logits.device())?;
                logits.flatten(0, 1)?.index_select(&words, 0)?
            }
            _ => logits,
        };
        Ok((output, logits))
    }

    /// Logits `[b, outputs]` (regression: `[b, 1]`); for token classification `[b, l, outputs]`.
    pub fn logits(&self, output: &BertOutput) -> Result<Tensor> {
        self.answer(output, None)
    }

    /// Logits without dropout; shows the activations to an observer.
    pub fn logits_observed(&self, batch: &Batch, observer: &mut dyn Observe) -> Result<Tensor> {
        let output = self.bert.forward_observed(batch, observer)?;
        self.answer(&output, Some(observer))
    }

    fn answer(&self, output: &BertOutput, mut observer: Option<&mut dyn Observe>) -> Result<Tensor> {
        let mut see = |site: Site, values: &Tensor| match &mut observer {
            Some(observer) => observer.observe(site, values),
            None => Ok(()),
        };
        let quantized = self.bert.quantized_head();
        let last = &output.states[output.states.len() - 1];
        let (b, l, hidden) = last.dims3()?;
        let mut features = match &self.pooler {
            None if matches!(self.head, Head::Embedding { .. }) => pooled(last, output, self.head.pooling())?,
            Some(pooler) => {
                let first = last.narrow(1, 0, 1)?.reshape((b, hidden))?;
                see(Site::PoolerInput, &first)?;
                match quantized {
                    Some(head) => tanh(&head.pooler.head(pooler, &first)?)?,
                    None => {
                        let pooled = pooler.forward(&first)?;
                        match self.activation {
                            Activation::Tanh => pooled.tanh()?,
                            Activation::Relu => pooled.relu()?,
                            Activation::Gelu => pooled.gelu_erf()?,
                        }
                    }
                }
            }
            None => last.reshape((b * l, hidden))?,
        };
        see(Site::ClassifierInput, &features)?;
        if let Some(dropout) = output.dropout.at(DropoutSite::Pooled, self.rate) {
            let rows_per_sample = features.dim(0)? / b;
            features = dropout.by_rows(rows_per_sample).on(&features)?;
        }
        let logits = match &self.classifier {
            Some(classifier) => match quantized {
                Some(head) => head.output.head(classifier, &features)?,
                None => classifier.forward(&features)?,
            },
            None => features,
        };
        match self.head {
            Head::TokenClassification { .. } => Ok(logits.reshape((b, l, self.head.outputs()))?),
            Head::Embedding { normalized: true, .. } => length_one(&logits),
            _ => Ok(logits),
        }
    }
}

/// The states of the real tokens `[b, l, hidden]`, pooled to `[b, hidden]`.
fn pooled(states: &Tensor, output: &BertOutput, pooling: Pooling) -> Result<Tensor> {
    let mask = output.mask.to_dtype(states.dtype())?.unsqueeze(2)?;
    let (b, _, hidden) = states.dims3()?;
    match pooling {
        Pooling::Mean => {
            let sums = states.broadcast_mul(&mask)?.sum(1)?;
            Ok(sums.broadcast_div(&mask.sum(1)?)?)
        }
        Pooling::Cls => Ok(states.narrow(1, 0, 1)?.reshape((b, hidden))?),
        // Padding is far below every state. Real tokens add 0, which changes nothing.
        Pooling::Max => Ok(states.broadcast_add(&mask.affine(1e30, -1e30)?)?.max(1)?),
    }
}

/// Rows divided by their length, or by 1e-12 if that is smaller.
fn length_one(rows: &Tensor) -> Result<Tensor> {
    let lengths = rows.sqr()?.sum_keepdim(1)?.sqrt()?.maximum(1e-12)?;
    Ok(rows.broadcast_div(&lengths)?)
}
