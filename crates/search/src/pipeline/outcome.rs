//! The outcome of a run.

use std::path::PathBuf;

use crate::cost::Cost;
use tinybert_baseline::BaselineRow;
use tinybert_data::metrics::Metrics;

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CompressOutcome {
    /// The file of the image.
    pub image: PathBuf,
    /// The cost of the image: exact bytes and modelled latency.
    pub cost: Cost,
    /// Metrics of teacher and image on the development set and, if there is one, on the test set.
    pub metrics: Vec<JudgedModel>,
    /// The linear baseline on the same data; `None` where there is none for such data.
    pub baseline: Option<BaselineRow>,
    /// Notes for the user about choices that the run made.
    pub notes: Vec<String>,
}

impl CompressOutcome {
    /// A sentence about a linear baseline that is nearly as good as the image.
    pub fn comparison(&self) -> Option<String> {
        let is_it = |judged: &&JudgedModel| (judged.model, judged.split) == ("image", "dev");
        let image = self.metrics.iter().find(is_it)?;
        self.baseline.as_ref()?.comparison(self.cost.flash as u64, image.metrics.primary())
    }
}

/// The metrics of a model on a split.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct JudgedModel {
    /// `teacher` or `image`.
    pub model: &'static str,
    /// `dev` or `test`.
    pub split: &'static str,
    /// The metrics with their 95 % intervals.
    pub metrics: Metrics,
}
