//! How good sets of labels are, as scikit-learn judges them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tinybert_base::{Error, Result};

/// A metric of sets of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSetMetric {
    /// F1 of all decisions about labels together.
    MicroF1,
    /// Mean of the F1 of all labels. A label that no prediction and no target has has the F1 0, as in scikit-learn.
    MacroF1,
    /// Share of the sets that are right in every label.
    ExactMatch,
}

impl LabelSetMetric {
    /// All metrics.
    pub(super) const ALL: [Self; 3] = [Self::MicroF1, Self::MacroF1, Self::ExactMatch];

    /// The name in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MicroF1 => "micro_f1",
            Self::MacroF1 => "macro_f1",
            Self::ExactMatch => "exact_match",
        }
    }
}

/// How often a label is predicted, how often it is right to have it, and how often both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LabelCounts {
    /// Predictions that have the label.
    pub predicted: u64,
    /// Targets that have the label.
    pub actual: u64,
    /// Samples whose prediction and target have the label.
    pub true_positives: u64,
}

impl LabelCounts {
    /// F1, `2 true_positives / (predicted + actual)`; 0 where no prediction and no target has the label.
    pub fn f1(self) -> f64 {
        match self.predicted + self.actual {
            0 => 0.0,
            sum => 2.0 * self.true_positives as f64 / sum as f64,
        }
    }
}

/// The metric of the best answer that does not look at the text, on the true `sets` of `labels` labels.
pub fn best_constant_set(metric: LabelSetMetric, labels: usize, sets: &[&[u32]]) -> f64 {
    let samples = sets.len() as u64;
    let mut counts = vec![0u64; labels];
    sets.iter().flat_map(|set| set.iter()).for_each(|&label| counts[label as usize] += 1);
    let always = |count: u64| LabelCounts { predicted: samples, actual: count, true_positives: count };
    match metric {
        // The most frequent labels, as many as are best.
        LabelSetMetric::MicroF1 => {
            counts.sort_unstable_by_key(|&count| Reverse(count));
            let actual = counts.iter().sum();
            let mut answer = LabelCounts { actual, ..LabelCounts::default() };
            counts.into_iter().fold(0.0, |best, count| {
                answer.predicted += samples;
                answer.true_positives += count;
                f64::max(best, answer.f1())
            })
        }
        // Every label, because none has a share in the F1 of another.
        LabelSetMetric::MacroF1 => {
            counts.iter().map(|&count| always(count).f1()).sum::<f64>() / labels.max(1) as f64
        }
        LabelSetMetric::ExactMatch => {
            let mut frequencies = BTreeMap::<&[u32], u64>::new();
            sets.iter().for_each(|set| *frequencies.entry(set).or_default() += 1);
            frequencies.into_values().max().unwrap_or(0) as f64 / samples.max(1) as f64
        }
    }
}

/// The counts that the metrics of sets of labels follow from.
pub(super) struct LabelSetScores {
    by_label: Vec<LabelCounts>,
    exact: u64,
    samples: u64,
}

impl LabelSetScores {
    /// Compares the predicted sets of `labels` labels with the true ones, sample by sample. Sets are in ascending order.
    ///
    /// # Errors
    /// [`Error::Input`] for an index of a label beyond `labels`.
    pub fn new(labels: usize, predictions: &[&[u32]], targets: &[&[u32]]) -> Result<Self> {
        if let Some(label) = predictions
            .iter()
            .chain(targets)
            .flat_map(|set| set.iter())
            .find(|label| **label as usize >= labels)
        {
            return Err(Error::Input(format!(
                "an answer has label number {label}, and there are {labels} labels"
            )));
        }
        let mut by_label = vec![LabelCounts::default(); labels];
        let mut exact = 0;
        for (prediction, target) in predictions.iter().zip(targets) {
            exact += u64::from(prediction == target);
            prediction.iter().for_each(|&label| by_label[label as usize].predicted += 1);
            target.iter().for_each(|&label| by_label[label as usize].actual += 1);
            let common = prediction.iter().filter(|label| target.contains(label));
            common.for_each(|&label| by_label[label as usize].true_positives += 1);
        }
        Ok(Self { by_label, exact, samples: targets.len() as u64 })
    }

    pub fn value(&self, metric: LabelSetMetric) -> f64 {
        match metric {
            LabelSetMetric::MicroF1 => {
                let add = |all: LabelCounts, label: &LabelCounts| LabelCounts {
                    predicted: all.predicted + label.predicted,
                    actual: all.actual + label.actual,
                    true_positives: all.true_positives + label.true_positives,
                };
                self.by_label.iter().fold(LabelCounts::default(), add).f1()
            }
            LabelSetMetric::MacroF1 => {
                let sum: f64 = self.by_label.iter().map(|label| label.f1()).sum();
                sum / self.by_label.len().max(1) as f64
            }
            LabelSetMetric::ExactMatch => self.exact as f64 / self.samples as f64,
        }
    }
}
