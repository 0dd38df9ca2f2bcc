//! GLUE's metrics.

use std::collections::BTreeMap;

use crate::task::Target;
use crate::{Error, Result};

/// Which metrics a task is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricSet {
    /// `accuracy`.
    Accuracy,
    /// `accuracy`, `f1` of class 1, and their mean as primary: MRPC, QQP.
    AccuracyAndF1,
    /// `matthews` (primary) and `accuracy`: CoLA.
    Matthews,
    /// `pearson`, `spearman`, and their mean as primary: STS-B and every regression.
    PearsonAndSpearman,
}

/// Values of a [`MetricSet`] over a split, each a fraction (1.0 = 100 %).
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Metrics {
    /// Name of the value that models are selected by; larger is better.
    pub primary: &'static str,
    /// Every value by name, the primary one included.
    pub values: BTreeMap<&'static str, f64>,
    /// Number of examples.
    pub samples: usize,
}

impl Metrics {
    /// The value that models are selected by.
    pub fn primary(&self) -> f64 {
        self.values[self.primary]
    }
}

/// Judges `predictions` ([`Target::Class`] or [`Target::Score`]) by `targets`, sample by sample.
///
/// # Errors
/// [`Error::Input`] when there is nothing to judge, the counts differ, or a target or prediction is of another
/// kind than the metrics ask for (an unlabelled split, for instance).
pub fn evaluate(_set: MetricSet, _predictions: &[Target], _targets: &[Target]) -> Result<Metrics> {
    Err(Error::Input("metrics are on their way".into()))
}
