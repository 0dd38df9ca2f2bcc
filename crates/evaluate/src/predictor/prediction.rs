//! Questions to a model, and its answers.

use std::ops::Range;

use tinybert_base::{Error, Result};
use tinybert_data::metrics;
use tinybert_kernels::math;
use tinybert_runtime as runtime;

/// A sentence or a pair of sentences.
pub type Question = (String, Option<String>);

/// A model's answer to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The answer of the model's head.
    pub answer: PredictedAnswer,
    /// Tokens of the input, special ones included, after it was cut.
    pub tokens: usize,
    /// The text was longer than the model takes and has been cut.
    pub truncated: bool,
}

/// The answer of a model's head.
#[derive(Debug, Clone, PartialEq)]
pub enum PredictedAnswer {
    /// Classification.
    Label {
        /// Index of the answer.
        index: usize,
        /// Softmax of the logits `[labels]`, by the temperature of an image.
        probabilities: Vec<f32>,
        /// False if an image states that such an answer is to be rejected.
        accepted: bool,
    },
    /// Multi-label classification.
    LabelSet {
        /// Indices of the labels that the answer has, in ascending order.
        indices: Vec<usize>,
        /// Probability of every label `[labels]`, whether the answer has it or not.
        probabilities: Vec<f32>,
    },
    /// Regression.
    Score(f32),
    /// Token classification: the words that have a tag, in order.
    Tags(Vec<PredictedTag>),
    /// Sentence embedding of a text, of length 1 unless the model does not normalize.
    Embedding(Vec<f32>),
    /// Cosine of the embeddings of both texts of a pair.
    Similarity(f32),
}

/// A word with its tag.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedTag {
    /// The bytes of the word in the text.
    pub range: Range<usize>,
    /// Index of the label.
    pub tag: usize,
    /// Probability of the label.
    pub probability: f32,
}

impl PredictedTag {
    pub(super) fn new(range: Range<usize>, logits: &[f32]) -> Self {
        let (tag, probabilities) = most_likely(logits);
        Self { range, tag, probability: probabilities[tag] }
    }
}

/// Index of the largest of `logits`, the first of equals, and the softmax of all.
pub(super) fn most_likely(logits: &[f32]) -> (usize, Vec<f32>) {
    (math::argmax(logits), softmax(logits, 1.0))
}

/// The softmax of `logits` at `temperature`, as devices compute it.
pub fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let mut probabilities = logits.to_vec();
    math::softmax(&mut probabilities, temperature);
    probabilities
}

/// The logistic function of each of `logits`, as devices compute it.
pub fn sigmoid(logits: &[f32]) -> Vec<f32> {
    logits.iter().map(|&logit| math::sigmoid(logit)).collect()
}

impl PredictedAnswer {
    /// The answer with the labels `indices` and the logits of all labels.
    pub(super) fn label_set(indices: Vec<usize>, logits: &[f32]) -> Self {
        Self::LabelSet { indices, probabilities: sigmoid(logits) }
    }
}

impl Prediction {
    /// The prediction for a pair of texts, from the predictions for each of them.
    ///
    /// # Errors
    /// [`Error::Usage`] for anything but embeddings.
    pub(super) fn similarity(first: &Self, second: &Self) -> Result<Self> {
        match (&first.answer, &second.answer) {
            (PredictedAnswer::Embedding(a), PredictedAnswer::Embedding(b)) => Ok(Self {
                answer: PredictedAnswer::Similarity(metrics::cosine(a, b)),
                tokens: first.tokens + second.tokens,
                truncated: first.truncated || second.truncated,
            }),
            _ => Err(Error::Usage("only sentence embeddings are compared".into())),
        }
    }

    /// The prediction that an image's reply is.
    ///
    /// # Errors
    /// [`Error::Usage`] for a kind of answer that this program does not know.
    pub(super) fn of_device(reply: &runtime::Reply) -> Result<Self> {
        let answer = match reply.answer {
            runtime::Answer::Label { index, logits, accepted, .. } => {
                let mut probabilities = vec![0.0; logits.len()];
                reply.answer.probabilities(&mut probabilities);
                PredictedAnswer::Label { index, probabilities, accepted }
            }
            runtime::Answer::Labels(set) => PredictedAnswer::label_set(set.labels().collect(), set.logits()),
            runtime::Answer::Score(score) => PredictedAnswer::Score(score),
            runtime::Answer::Tags(tags) => PredictedAnswer::Tags(
                tags.words().map(|word| PredictedTag::new(word.range, word.logits)).collect(),
            ),
            runtime::Answer::Embedding(vector) => PredictedAnswer::Embedding(vector.to_vec()),
            _ => {
                let what = "the image gives answers that this program does not know";
                return Err(Error::Usage(what.into()));
            }
        };
        Ok(Self { answer, tokens: reply.tokens, truncated: reply.truncated })
    }
}
