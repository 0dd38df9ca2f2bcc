//! How good a model is on each label, as scikit-learn's `classification_report` counts it (for entities seqeval's).

use serde_json::{Map, Value, json};

use super::MetricSet;
use super::counts::{LabelCounts, share};
use super::outcomes::{Answers, LabelOutcomes, Outcomes};

/// Precision, recall and F1, each a fraction and 0 where it is undefined.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct ClassScores {
    /// Share of the predictions that are right.
    pub precision: f64,
    /// Share of the true labels that are predicted.
    pub recall: f64,
    /// Harmonic mean of both; of a mean over labels the mean of their F1.
    #[serde(rename = "f1-score")]
    pub f1: f64,
    /// How often the label is right to have; for all labels the sum.
    pub support: u64,
}

/// How good a model is on each label, and the means over all labels.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationReport {
    /// Every label with its scores, in the order of the labels: those that are predicted or there; all where an answer
    /// has any number of labels; types of entities sorted by name.
    pub labels: Vec<(String, ClassScores)>,
    /// Share of right answers where every answer is one class. It is the micro average of all three scores.
    pub accuracy: Option<f64>,
    /// The means by their names in scikit-learn.
    pub averages: Vec<(&'static str, ClassScores)>,
    /// Where every answer is one class: how often the true label of the row got the predicted label of the column, both
    /// in the order of [`labels`](Self::labels).
    pub confusion: Option<Vec<Vec<u64>>>,
}

impl ClassScores {
    fn of(counts: LabelCounts) -> Self {
        let (precision, recall, f1) = (counts.precision(), counts.recall(), counts.f1());
        Self { precision, recall, f1, support: counts.actual }
    }

    /// The mean of scores, each with its weight; the plain mean if all weights are 0. Supports are not averaged.
    fn mean(scores: &[(Self, f64)], support: u64) -> Self {
        let sum: f64 = scores.iter().map(|(_, weight)| weight).sum();
        let mean = |value: fn(&Self) -> f64| match sum {
            0.0 => scores.iter().map(|(scores, _)| value(scores)).sum::<f64>() / scores.len().max(1) as f64,
            _ => scores.iter().map(|(scores, weight)| value(scores) * weight).sum::<f64>() / sum,
        };
        let (precision, recall, f1) = (mean(|of| of.precision), mean(|of| of.recall), mean(|of| of.f1));
        Self { precision, recall, f1, support }
    }
}

impl Outcomes {
    /// How good the answers are on each label; `None` for scores, which have no labels.
    pub fn per_class(&self) -> Option<ClassificationReport> {
        let Answers::Labels(outcomes) = &self.answers else { return None };
        let tally = outcomes.tally(&vec![1; self.samples]);
        // Labels of sets are columns of a table in scikit-learn, and so are there in any case.
        let is_shown =
            |label: usize| tally.labels[label].occurs() || matches!(self.set, MetricSet::LabelSets { .. });
        let shown: Vec<usize> = (0..tally.labels.len()).filter(|&label| is_shown(label)).collect();
        let scores: Vec<ClassScores> =
            shown.iter().map(|&label| ClassScores::of(tally.labels[label])).collect();
        let all = LabelCounts::sum(&tally.labels);
        let weighted_by = |weight: fn(&ClassScores) -> f64| -> Vec<_> {
            scores.iter().map(|of| (*of, weight(of))).collect()
        };
        let micro = ("micro avg", ClassScores::of(all));
        let plain = ("macro avg", ClassScores::mean(&weighted_by(|_| 1.0), all.actual));
        let by_support =
            ("weighted avg", ClassScores::mean(&weighted_by(|of| of.support as f64), all.actual));
        let is_about_classes = self.set.is_about_classes();
        let averages = match self.set {
            MetricSet::LabelSets { .. } => {
                vec![micro, plain, by_support, ("samples avg", mean_of_samples(outcomes, all.actual))]
            }
            _ if is_about_classes => vec![plain, by_support],
            _ => vec![micro, plain, by_support],
        };
        Some(ClassificationReport {
            labels: shown.iter().map(|&label| outcomes.names[label].clone()).zip(scores).collect(),
            accuracy: is_about_classes.then(|| share(tally.right, tally.answers)),
            averages,
            confusion: is_about_classes.then(|| confusion(outcomes, &shown)),
        })
    }
}

/// The mean of the scores of each example's own set of labels.
fn mean_of_samples(outcomes: &LabelOutcomes, support: u64) -> ClassScores {
    let of_example = outcomes.examples().map(|example| {
        let counts: Vec<LabelCounts> = example.iter().map(|outcome| outcome.counts()).collect();
        (ClassScores::of(LabelCounts::sum(&counts)), 1.0)
    });
    ClassScores::mean(&of_example.collect::<Vec<_>>(), support)
}

/// The confusion matrix of answers of one class, of the classes `shown`.
fn confusion(outcomes: &LabelOutcomes, shown: &[usize]) -> Vec<Vec<u64>> {
    let mut matrix = vec![vec![0; shown.len()]; shown.len()];
    let place = |label: u32| shown.binary_search(&(label as usize)).expect("each label of an example occurs");
    for example in outcomes.examples() {
        // A right example has one label; of a wrong one the predicted label comes first.
        if let (Some(prediction), Some(target)) = (example.first(), example.last()) {
            matrix[place(target.label)][place(prediction.label)] += 1;
        }
    }
    matrix
}

impl ClassificationReport {
    /// The object that scikit-learn's `classification_report(output_dict=True)` gives.
    pub fn to_json(&self) -> Value {
        let labels = self.labels.iter().map(|(name, scores)| (name.as_str(), scores));
        let averages = self.averages.iter().map(|(name, scores)| (*name, scores));
        let mut report: Map<String, Value> =
            labels.chain(averages).map(|(name, scores)| (name.to_owned(), json!(scores))).collect();
        if let Some(accuracy) = self.accuracy {
            report.insert("accuracy".into(), json!(accuracy));
        }
        Value::Object(report)
    }
}
