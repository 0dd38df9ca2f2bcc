//! Answers of a model over a data set, and how good they are.

use candle_core::{D, Tensor};

use crate::checkpoint::{Head, TextEncoder};
use crate::data::{EncodedSet, evaluation_batches};
use crate::metrics::{self, MetricSet, Metrics};
use crate::nn::{Mode, TaskModel};
use crate::task::{Dataset, Target};
use crate::{Error, Result};

/// Sentences per forward pass: enough to fill the matrix products.
const BATCH: usize = 32;

/// Token ids of every example.
///
/// # Errors
/// Those of [`TextEncoder::encode_all`].
pub fn encode(text: &TextEncoder, data: &Dataset, max_tokens: usize) -> Result<EncodedSet> {
    let inputs: Vec<_> = data.examples.iter().map(|e| (e.text.as_str(), e.pair.as_deref())).collect();
    Ok(text.encode_all(&inputs, max_tokens)?.into_iter().collect())
}

/// A set that models are judged by, encoded once.
pub struct Judge {
    set: EncodedSet,
    targets: Vec<Target>,
    metrics: MetricSet,
    pad_id: u32,
}

impl Judge {
    /// Encodes `data` with the model's own tokenizer.
    ///
    /// # Errors
    /// Those of [`encode`].
    pub fn new(text: &TextEncoder, data: &Dataset, metrics: MetricSet, max_tokens: usize) -> Result<Self> {
        Ok(Self {
            set: encode(text, data, max_tokens)?,
            targets: data.examples.iter().map(|example| example.target).collect(),
            metrics,
            pad_id: text.special().pad,
        })
    }

    /// Metrics of a model without dropout.
    ///
    /// # Errors
    /// Those of the forward pass and of [`metrics::evaluate`].
    pub fn judge(&self, model: &TaskModel) -> Result<Metrics> {
        self.metrics(&self.predictions(model)?)
    }

    /// What a model answers to every sample, in their order.
    ///
    /// # Errors
    /// Those of [`predictions`].
    pub fn predictions(&self, model: &TaskModel) -> Result<Vec<Target>> {
        predictions(model, &self.set, self.pad_id)
    }

    /// Metrics of such answers.
    ///
    /// # Errors
    /// Those of [`metrics::evaluate`].
    pub fn metrics(&self, predictions: &[Target]) -> Result<Metrics> {
        metrics::evaluate(self.metrics, predictions, &self.targets)
    }
}

/// What the model answers to every sample, in their order.
///
/// # Errors
/// [`Error::Usage`] for a head that gives no answer per sentence; those of the forward pass.
pub fn predictions(model: &TaskModel, set: &EncodedSet, pad_id: u32) -> Result<Vec<Target>> {
    let mut answers = vec![Target::None; set.len()];
    for samples in evaluation_batches(&set.lengths(), BATCH) {
        let (_, logits) = model.forward(&set.collate(&samples, pad_id), Mode::Eval)?;
        for (&sample, answer) in samples.iter().zip(answers_of(&model.head, &logits)?) {
            answers[sample] = answer;
        }
    }
    Ok(answers)
}

/// Logits `[b, outputs]` to answers.
fn answers_of(head: &Head, logits: &Tensor) -> Result<Vec<Target>> {
    match head {
        Head::Classification { .. } => {
            let classes = logits.argmax(D::Minus1)?.to_vec1::<u32>()?;
            Ok(classes.into_iter().map(Target::Class).collect())
        }
        Head::Regression => {
            Ok(logits.flatten_all()?.to_vec1::<f32>()?.into_iter().map(Target::Score).collect())
        }
        other => Err(Error::Usage(format!("a model with {} gives no answer per sentence", other.kind()))),
    }
}
