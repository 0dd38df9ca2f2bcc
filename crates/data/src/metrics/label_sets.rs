//! How good sets of labels are, as scikit-learn judges them.

/// A metric of sets of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSetMetric {
    /// F1 of all decisions about labels together.
    MicroF1,
    /// Mean of the F1 of all labels. A label that is neither predicted nor there has the F1 0, as in scikit-learn.
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

/// How often a label is predicted, is there, and both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LabelCounts {
    /// Predictions that have the label.
    pub predicted: u64,
    /// Targets that have the label.
    pub there: u64,
    /// Samples whose prediction and target have the label.
    pub both: u64,
}

impl LabelCounts {
    /// F1, `2 both / (predicted + there)`; 0 where the label is neither predicted nor there.
    pub fn f1(self) -> f64 {
        match self.predicted + self.there {
            0 => 0.0,
            either => 2.0 * self.both as f64 / either as f64,
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
    pub fn new(labels: usize, predictions: &[&[u32]], targets: &[&[u32]]) -> Self {
        let mut by_label = vec![LabelCounts::default(); labels];
        let mut exact = 0;
        for (prediction, target) in predictions.iter().zip(targets) {
            exact += u64::from(prediction == target);
            prediction.iter().for_each(|&label| by_label[label as usize].predicted += 1);
            target.iter().for_each(|&label| by_label[label as usize].there += 1);
            let both = prediction.iter().filter(|label| target.contains(label));
            both.for_each(|&label| by_label[label as usize].both += 1);
        }
        Self { by_label, exact, samples: targets.len() as u64 }
    }

    pub fn value(&self, metric: LabelSetMetric) -> f64 {
        match metric {
            LabelSetMetric::MicroF1 => {
                let add = |all: LabelCounts, label: &LabelCounts| LabelCounts {
                    predicted: all.predicted + label.predicted,
                    there: all.there + label.there,
                    both: all.both + label.both,
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
