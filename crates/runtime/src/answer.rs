//! The answers of a session.

use tinybert_kernels::math;

use crate::argmax::argmax;
use crate::{LabelSet, Tags};

/// The answer to one input, and how much of the input was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reply<'s> {
    /// The answer.
    pub answer: Answer<'s>,
    /// Number of tokens of the input, special ones included, after truncation.
    pub tokens: usize,
    /// Whether the text was longer than the session accepts and has been cut, as Hugging Face cuts it (longest first).
    pub truncated: bool,
}

/// The answer of the task head.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Answer<'s> {
    /// Classification.
    Label {
        /// The label with the largest logit, or the first such label.
        index: usize,
        /// `[outputs]`, one per label.
        logits: &'s [f32],
    },
    /// Multi-label classification.
    Labels(LabelSet<'s>),
    /// Regression.
    Score(f32),
    /// Token classification.
    Tags(Tags<'s>),
    /// Sentence embedding: a vector `[outputs]`, of length 1 unless the image says otherwise.
    Embedding(&'s [f32]),
}

impl<'s> Answer<'s> {
    pub(crate) fn label(logits: &'s [f32]) -> Self {
        Self::Label { index: argmax(logits), logits }
    }

    /// Returns the head's outputs as they are: all logits (`[tokens, outputs]` for token classification), the one
    /// score, or the vector.
    pub fn outputs(&self) -> &[f32] {
        match self {
            Self::Label { logits, .. } => logits,
            Self::Labels(labels) => labels.logits(),
            Self::Score(score) => core::slice::from_ref(score),
            Self::Tags(tags) => tags.logits(),
            Self::Embedding(vector) => vector,
        }
    }

    /// Writes the probability of each label into `probabilities` and returns the part that was written: the softmax of
    /// the logits if the answer is one label, and the logistic function of each logit if it has any number of labels.
    /// The part is empty for other answers.
    pub fn probabilities<'p>(&self, probabilities: &'p mut [f32]) -> &'p [f32] {
        let (Self::Label { .. } | Self::Labels(_)) = self else { return &[] };
        let logits = self.outputs();
        let count = logits.len().min(probabilities.len());
        let Some((written, _)) = probabilities.split_at_mut_checked(count) else { return &[] };
        for (probability, logit) in written.iter_mut().zip(logits) {
            *probability = *logit;
        }
        match self {
            Self::Labels(_) => written.iter_mut().for_each(|logit| *logit = math::sigmoid(*logit)),
            _ => math::softmax(written),
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_logits_is_the_label() {
        let logits = [f32::NAN, -1.0, 3.0, 3.0, 2.0];
        assert!(matches!(Answer::label(&logits), Answer::Label { index: 2, .. }));
        assert!(matches!(Answer::label(&[f32::NAN; 3]), Answer::Label { index: 0, .. }));
        assert!(matches!(Answer::label(&[]), Answer::Label { index: 0, .. }));
    }

    #[test]
    fn probabilities_are_the_softmax() {
        let mut room = [0.0; 5];
        let logits = [1.0, 2.0, 4.0];
        let probabilities = Answer::label(&logits).probabilities(&mut room);
        let total: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        assert_eq!(probabilities.len(), 3);
        for (probability, logit) in probabilities.iter().zip(logits) {
            assert!((f64::from(*probability) - f64::from(logit).exp() / total).abs() < 1e-6);
        }
        assert!(Answer::Score(1.0).probabilities(&mut room).is_empty());
    }

    #[test]
    fn probabilities_of_a_label_set_do_not_depend_on_each_other() {
        let mut room = [0.0; 3];
        let logits = [-2.0, 0.0, 4.0];
        let probabilities = Answer::Labels(LabelSet::new(&logits, &[0.0; 3])).probabilities(&mut room);
        for (probability, logit) in probabilities.iter().zip(logits) {
            assert!((f64::from(*probability) - 1.0 / (1.0 + f64::from(-logit).exp())).abs() < 1e-6);
        }
        assert_eq!(probabilities.len(), 3);
    }
}
