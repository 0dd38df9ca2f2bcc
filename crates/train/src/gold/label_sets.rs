//! Gold answers with any number of labels.

use candle_core::Tensor;

use super::{ClassWeighting, GoldAnswers};
use crate::binary_cross_entropy::binary_cross_entropy;
use tinybert_base::Result;
use tinybert_data::task::{Dataset, Target};
use tinybert_data::{Batch, EncodedSet};

/// The weight of each label of `data` where an answer has it; an answer without the label has the weight 1. Balanced
/// weights are the number of answers without the label by the number of those with it, as PyTorch recommends for
/// `pos_weight`; a label that no answer has, or that every answer has, keeps the weight 1.
pub(super) fn positive_weights(
    weighting: &ClassWeighting,
    data: &Dataset,
    counts: &[usize],
) -> Result<Vec<f64>> {
    let answers = data.examples.iter().filter(|example| example.target.is_gold()).count();
    let balanced = |&count: &usize| match count {
        0 => 1.0,
        all if all == answers => 1.0,
        _ => (answers - count) as f64 / count as f64,
    };
    match weighting {
        ClassWeighting::Balanced => Ok(counts.iter().map(balanced).collect()),
        ClassWeighting::ByLabel(by_label) => ClassWeighting::named(by_label, data),
    }
}

impl GoldAnswers<'_> {
    /// The mean over the answers of `batch` of the binary cross-entropy of `logits` `[answers, labels]`; an answer
    /// without a gold one counts with a loss of 0.
    pub(super) fn label_set_loss(&self, logits: &Tensor, batch: &Batch, set: &EncodedSet) -> Result<Tensor> {
        let ((answers, labels), device) = (logits.dims2()?, logits.device());
        let mut targets = vec![0f32; answers * labels];
        for (row, &sample) in targets.chunks_exact_mut(labels).zip(&batch.samples) {
            if let Target::LabelSet(classes) | Target::SoftLabelSet { gold: Some(classes), .. } =
                &self.examples[sample].target
            {
                classes.iter().for_each(|&class| row[class as usize] = 1.0);
            }
        }
        let targets = Tensor::from_vec(targets, (answers, labels), device)?;
        let weights =
            self.weights.as_ref().map(|weights| Tensor::new(weights.as_slice(), device)).transpose()?;
        let losses = binary_cross_entropy(logits, &targets, weights.as_ref())?;
        Ok((losses * Tensor::from_vec(self.mask(batch, set), answers, device)?)?.mean_all()?)
    }
}
