//! The metrics of GLUE and of tagging, and which of them each task is judged by.

pub mod confidence;
mod correlation;
mod counts;
pub mod entities;
pub mod intervals;
pub mod label_sets;
mod outcomes;
mod paired;
mod per_class;
mod selection;

use std::collections::BTreeMap;

pub use self::counts::LabelCounts;
use self::intervals::{Estimate, Interval};
pub use self::label_sets::LabelSetMetric;
pub use self::outcomes::Outcomes;
pub use self::paired::{Difference, McNemar, difference, difference_by};
pub use self::per_class::{ClassScores, ClassificationReport};
pub use self::selection::SelectionMetric;
use crate::task::Target;
use tinybert_base::Result;

/// The metrics that a task is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricSet {
    /// `accuracy`.
    Accuracy,
    /// `f1` of one class (primary) and `accuracy`.
    F1 {
        /// The class that `f1` is about.
        positive: u32,
    },
    /// `macro_f1`, the mean of the F1 of all classes (primary), and `accuracy`.
    MacroF1,
    /// `accuracy`, `f1`, and their mean as primary: MRPC, QQP.
    AccuracyAndF1 {
        /// The class that `f1` is about.
        positive: u32,
    },
    /// `matthews` (primary) and `accuracy`: CoLA.
    Matthews,
    /// `pearson`, `spearman`, and their mean as primary: STS-B and every regression.
    PearsonAndSpearman,
    /// `pearson` (primary) and `spearman`.
    Pearson,
    /// `spearman` (primary) and `pearson`.
    Spearman,
    /// The same for the similarities of embeddings.
    Similarity,
    /// `micro_f1`, `macro_f1` and `exact_match` of sets of labels.
    LabelSets {
        /// The metric that selects.
        primary: LabelSetMetric,
    },
    /// `f1` (primary), `precision` and `recall` of the entities that BIO tags mark, and the `accuracy` of the
    /// tags.
    Entities,
}

/// Values of a [`MetricSet`] over a split, each a fraction (1.0 = 100 %).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Name of the value that models are selected by; larger is better.
    pub primary: String,
    /// Every value by name, the primary one included.
    pub values: BTreeMap<String, f64>,
    /// Number of examples.
    pub samples: usize,
    /// The 95 % interval of each value by name; empty where nobody has asked for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<String, Interval>,
}

impl Metrics {
    /// The value that models are selected by.
    pub fn primary(&self) -> f64 {
        self.values[&self.primary]
    }

    /// The same with its 95 % interval; `None` where nobody has asked for intervals.
    pub fn primary_estimate(&self) -> Option<Estimate> {
        let interval = *self.intervals.get(&self.primary)?;
        Some(Estimate { value: self.primary(), interval })
    }
}

impl MetricSet {
    /// Name of the value that models are selected by.
    pub fn primary(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::F1 { .. } | Self::Entities => "f1",
            Self::MacroF1 => "macro_f1",
            Self::AccuracyAndF1 { .. } => "accuracy_f1",
            Self::Matthews => "matthews",
            Self::PearsonAndSpearman => "pearson_spearman",
            Self::Pearson => "pearson",
            Self::Spearman | Self::Similarity => "spearman",
            Self::LabelSets { primary } => primary.name(),
        }
    }
}

/// Judges `predictions` by `targets` of the same kind, sample by sample. `labels` are the names of the
/// classes, which [`MetricSet::Entities`] and [`MetricSet::LabelSets`] read.
///
/// # Errors
/// Returns the errors of [`Outcomes::new`].
pub fn evaluate(
    set: MetricSet,
    labels: &[String],
    predictions: &[Target],
    targets: &[Target],
) -> Result<Metrics> {
    Ok(Outcomes::new(set, labels, predictions, targets)?.metrics())
}

/// Cosine of two vectors. Vectors whose length is 1 up to rounding are taken as they are.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let (squares_a, squares_b) = (dot(a, a), dot(b, b));
    let is_unit = |squares: f64| (squares - 1.0).abs() < 1e-3;
    match is_unit(squares_a) && is_unit(squares_b) {
        true => dot(a, b) as f32,
        // Vectors of length 0 have no direction.
        false => (dot(a, b) / (squares_a * squares_b).sqrt().max(f64::MIN_POSITIVE)) as f32,
    }
}

#[cfg(test)]
mod tests;
