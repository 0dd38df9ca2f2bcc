//! How good sets of labels are, as scikit-learn judges them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::counts::{LabelCounts, mean_f1};

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
    /// The name in results.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MicroF1 => "micro_f1",
            Self::MacroF1 => "macro_f1",
            Self::ExactMatch => "exact_match",
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
        LabelSetMetric::MacroF1 => mean_f1(counts.into_iter().map(always)),
        LabelSetMetric::ExactMatch => {
            let mut frequencies = BTreeMap::<&[u32], u64>::new();
            sets.iter().for_each(|set| *frequencies.entry(set).or_default() += 1);
            frequencies.into_values().max().unwrap_or(0) as f64 / samples.max(1) as f64
        }
    }
}
