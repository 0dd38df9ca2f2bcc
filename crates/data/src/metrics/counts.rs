//! How often each label is predicted and right, and the metrics that follow from these counts.

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
    /// Share of the predictions with the label that are right; 0 without any.
    pub fn precision(self) -> f64 {
        share(self.true_positives, self.predicted)
    }

    /// Share of the targets with the label that are predicted; 0 without any.
    pub fn recall(self) -> f64 {
        share(self.true_positives, self.actual)
    }

    /// F1, `2 true_positives / (predicted + actual)`; 0 where no prediction and no target has the label.
    pub fn f1(self) -> f64 {
        match self.predicted + self.actual {
            0 => 0.0,
            sum => 2.0 * self.true_positives as f64 / sum as f64,
        }
    }

    /// Whether a prediction or a target has the label.
    pub(super) fn occurs(self) -> bool {
        self.predicted + self.actual > 0
    }

    /// Adds what was counted `weight` times.
    pub(super) fn add(&mut self, other: Self, weight: u64) {
        self.predicted += weight * other.predicted;
        self.actual += weight * other.actual;
        self.true_positives += weight * other.true_positives;
    }

    /// The counts of all labels together.
    pub(super) fn sum(counts: &[Self]) -> Self {
        let mut sum = Self::default();
        counts.iter().for_each(|&label| sum.add(label, 1));
        sum
    }
}

/// `part` of `all`; 0 of nothing.
pub(super) fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

/// Mean of the F1 of `labels`; 0 without any.
pub(super) fn mean_f1(labels: impl Iterator<Item = LabelCounts>) -> f64 {
    let (sum, count) = labels.fold((0.0, 0), |(sum, count), label| (sum + label.f1(), count + 1));
    sum / f64::from(count.max(1))
}

/// Matthews correlation in Gorodkin's form for any number of classes (two: the usual phi coefficient) of `samples`
/// answers with one class each; 0 where predictions or targets are all of one class.
pub(super) fn matthews(classes: &[LabelCounts], samples: u64) -> f64 {
    let samples = samples as f64;
    let sum = |term: fn(&LabelCounts) -> f64| classes.iter().map(term).sum::<f64>();
    let right = sum(|class| class.true_positives as f64);
    let spread_predicted = samples * samples - sum(|class| (class.predicted as f64).powi(2));
    let spread_true = samples * samples - sum(|class| (class.actual as f64).powi(2));
    if spread_predicted == 0.0 || spread_true == 0.0 {
        return 0.0;
    }
    let by_chance = sum(|class| class.predicted as f64 * class.actual as f64);
    (right * samples - by_chance) / (spread_predicted * spread_true).sqrt()
}
