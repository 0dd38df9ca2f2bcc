//! A model folder that answers, computed in float by candle.

use candle_core::Device;

use super::prediction::{PredictedAnswer, PredictedTag, Prediction, Question, most_likely};
use super::refused;
use crate::answers::{Answered, answers};
use crate::judge::{encode, finite, outputs};
use tinybert_base::{Context, Error, Result};
use tinybert_data::collate;
use tinybert_data::task::{Dataset, Example};
use tinybert_model::thresholds::label_set;
use tinybert_model::{Checkpoint, Head, TextEncoder};
use tinybert_nn::{Mode, TaskModel, on_device};
use tinybert_runtime as runtime;

/// A model folder, ready to answer.
pub struct FloatModel {
    pub(super) model: TaskModel,
    pub(super) text: TextEncoder,
    /// Longest input in tokens; longer text is cut.
    pub(super) max_tokens: usize,
}

impl FloatModel {
    /// The model of a checkpoint; longer text is cut to `max_tokens`, and to the model's positions.
    ///
    /// # Errors
    /// [`Error::Usage`] for a model without a task head.
    pub fn new(checkpoint: &Checkpoint, max_tokens: usize) -> Result<Self> {
        Self::on(checkpoint, max_tokens, &Device::Cpu)
    }

    /// [`FloatModel::new`], computing on `device`.
    ///
    /// # Errors
    /// Returns the errors of [`FloatModel::new`]; the device has no room for the weights.
    pub fn on(checkpoint: &Checkpoint, max_tokens: usize, device: &Device) -> Result<Self> {
        let Checkpoint { config, head, tensors, text, folder, .. } = checkpoint;
        if matches!(head, Head::None | Head::MaskedLm) {
            return Err(Error::Usage(format!(
                "{}: a model with {} answers no task; fine-tune or distil it on one first",
                folder.display(),
                head.kind()
            )));
        }
        let model = TaskModel::frozen(config, head, &on_device(tensors, device)?)?;
        Ok(Self { model, text: text.clone(), max_tokens: max_tokens.min(config.max_position_embeddings) })
    }

    /// The model's answers to all examples, with the outputs of its head.
    pub(super) fn answers(&self, data: &Dataset, context: &Context) -> Result<Vec<Answered>> {
        let set = encode(&self.text, data, self.max_tokens)?;
        let outputs = outputs(&self.model, &set, self.text.special().pad, context)?;
        let answers = answers(&self.model.head, data.kind, &set, &outputs)?;
        // A pair of embeddings is two samples.
        let mut outputs = outputs.into_iter();
        let samples = |example: &Example| example.inputs(data.kind).count();
        let outputs =
            data.examples.iter().map(|example| outputs.by_ref().take(samples(example)).flatten().collect());
        Ok(answers.into_iter().zip(outputs).map(|(answer, outputs)| Answered { answer, outputs }).collect())
    }

    /// The model's prediction for a question. For a pair of texts, a model of embeddings predicts their
    /// similarity.
    pub(super) fn answer(&self, question: &Question) -> Result<Prediction> {
        match (&self.model.head, question) {
            (Head::Embedding { .. }, (first, Some(second))) => {
                let answer = |text: &String| self.answer_one(&(text.clone(), None));
                Prediction::similarity(&answer(first)?, &answer(second)?)
            }
            _ => self.answer_one(question),
        }
    }

    fn answer_one(&self, (text, pair): &Question) -> Result<Prediction> {
        let tags_words = matches!(self.model.head, Head::TokenClassification { .. });
        if tags_words && pair.is_some() {
            return Err(refused(runtime::Error::Pair));
        }
        let mut encoded = self.text.encode(text, pair.as_deref(), usize::MAX)?;
        let truncated = encoded.ids.len() > self.max_tokens;
        if truncated {
            encoded = self.text.encode(text, pair.as_deref(), self.max_tokens)?;
        }
        let tokens = encoded.ids.len();
        let batch = collate(&[encoded], &[0], self.text.special().pad);
        let (_, logits) = self.model.forward(&batch, Mode::Eval)?;
        let logits = finite(logits.flatten_all()?.to_vec1::<f32>()?)?;
        let answer = match &self.model.head {
            Head::Regression => PredictedAnswer::Score(logits[0]),
            head @ Head::MultiLabel { .. } => {
                let indices = label_set(&logits, &head.threshold_logits())
                    .into_iter()
                    .map(|label| label as usize)
                    .collect();
                PredictedAnswer::label_set(indices, &logits)
            }
            Head::Embedding { .. } => PredictedAnswer::Embedding(logits),
            Head::TokenClassification { labels } => {
                let (_, words) = self.text.encode_words(text, self.max_tokens)?;
                let first_tokens = tinybert_tokenizer::words(text).zip(words);
                let tag = |(range, token): (_, Option<u32>)| {
                    Some(PredictedTag::new(range, &logits[token? as usize * labels.len()..][..labels.len()]))
                };
                PredictedAnswer::Tags(first_tokens.filter_map(tag).collect())
            }
            _ => {
                let (index, probabilities) = most_likely(&logits);
                PredictedAnswer::Label { index, probabilities, accepted: true }
            }
        };
        Ok(Prediction { answer, tokens, truncated })
    }
}
