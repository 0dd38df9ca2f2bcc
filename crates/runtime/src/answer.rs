//! The answers of a session.

use tinybert_image::Confidence;
use tinybert_kernels::math;

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
        /// The probability of the label, by the temperature of the image.
        probability: f32,
        /// Whether the probability is at least the image's threshold, and the label is not the one that stands for
        /// everything out of scope. Without acceptance the model does not know the answer. An image that states neither
        /// threshold nor such a label accepts every answer.
        accepted: bool,
        /// The image's temperature, by which [`probabilities`](Self::probabilities) divides the logits.
        temperature: f32,
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
    pub(crate) fn label(logits: &'s [f32], confidence: Confidence) -> Self {
        let temperature = confidence.temperature;
        let index = math::argmax(logits);
        let probability = math::softmax_at(logits, index, temperature);
        let accepted = confidence.accepts(index, probability);
        Self::Label { index, logits, probability, accepted, temperature }
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
    /// the logits by the image's temperature if the answer is one label, and the logistic function of each logit if it
    /// has any number of labels. The part is empty for other answers, and if there is less room than labels.
    pub fn probabilities<'p>(&self, probabilities: &'p mut [f32]) -> &'p [f32] {
        let (Self::Label { .. } | Self::Labels(_)) = self else { return &[] };
        let logits = self.outputs();
        let Some(written) = probabilities.get_mut(..logits.len()) else { return &[] };
        for (probability, logit) in written.iter_mut().zip(logits) {
            *probability = *logit;
        }
        match self {
            Self::Label { temperature, .. } => math::softmax(written, *temperature),
            _ => written.iter_mut().for_each(|logit| *logit = math::sigmoid(*logit)),
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(logits: &[f32]) -> Answer<'_> {
        Answer::label(logits, Confidence::default())
    }

    /// The index of the label, its probability, and whether it is accepted.
    fn judged(logits: &[f32], confidence: Confidence) -> (usize, f32, bool) {
        match Answer::label(logits, confidence) {
            Answer::Label { index, probability, accepted, .. } => (index, probability, accepted),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_of_the_largest_logits_is_the_label() {
        let logits = [f32::NAN, -1.0, 3.0, 3.0, 2.0];
        assert!(matches!(plain(&logits), Answer::Label { index: 2, .. }));
        assert!(matches!(plain(&[f32::NAN; 3]), Answer::Label { index: 0, .. }));
        assert!(matches!(plain(&[]), Answer::Label { index: 0, .. }));
    }

    #[test]
    fn probabilities_are_the_softmax() {
        let mut room = [0.0; 5];
        let logits = [1.0, 2.0, 4.0];
        let probabilities = plain(&logits).probabilities(&mut room);
        let total: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
        assert_eq!(probabilities.len(), 3);
        for (probability, logit) in probabilities.iter().zip(logits) {
            assert!((f64::from(*probability) - f64::from(logit).exp() / total).abs() < 1e-6);
        }
        assert!(Answer::Score(1.0).probabilities(&mut room).is_empty());
        assert!(plain(&logits).probabilities(&mut room[..2]).is_empty(), "no room for the third");
    }

    #[test]
    fn the_temperature_softens_probabilities_and_keeps_logits() {
        let logits = [1.0, 2.0, 4.0];
        let answer = Answer::label(&logits, Confidence { temperature: 2.5, ..Confidence::default() });
        let mut room = [0.0; 3];
        let probabilities = answer.probabilities(&mut room);
        let total: f64 = logits.iter().map(|logit| (f64::from(*logit) / 2.5).exp()).sum();
        for (probability, logit) in probabilities.iter().zip(logits) {
            assert!((f64::from(*probability) - (f64::from(logit) / 2.5).exp() / total).abs() < 1e-6);
        }
        assert_eq!(answer.outputs(), logits);
        assert!(
            matches!(answer, Answer::Label { index: 2, probability, .. } if probability == probabilities[2])
        );
    }

    #[test]
    fn an_answer_is_accepted_from_its_threshold_on() {
        let logits = [0.25, -1.0, 1.5];
        let (index, probability, accepted) = judged(&logits, Confidence::default());
        assert_eq!((index, accepted), (2, true));
        let at = |threshold| judged(&logits, Confidence { threshold, ..Confidence::default() }).2;
        assert!(at(probability) && at(0.0) && !at(probability.next_up()) && !at(1.0));
    }

    #[test]
    fn an_answer_with_the_label_of_what_is_out_of_scope_is_not_accepted() {
        let out_of =
            |label| judged(&[9.0, -9.0], Confidence { out_of_scope: label, ..Confidence::default() }).2;
        assert!(out_of(None) && out_of(Some(1)) && !out_of(Some(0)));
    }

    #[test]
    fn logits_that_are_no_numbers_have_probabilities() {
        let (index, probability, accepted) = judged(&[f32::NAN; 4], Confidence::default());
        assert_eq!((index, probability, accepted), (0, 0.25, true));
        let (index, probability, _) = judged(&[f32::NAN, 1.0], Confidence::default());
        assert_eq!((index, probability), (1, 1.0));
        assert_eq!(judged(&[], Confidence { threshold: 0.1, ..Confidence::default() }), (0, 0.0, false));
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
