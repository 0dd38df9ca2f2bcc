//! The outcome of a run.

use std::path::PathBuf;

use super::tries::Try;
use crate::cost::Cost;
use crate::floor::FloorCheck;
use tinybert_baseline::BaselineRow;
use tinybert_data::metrics::Metrics;
use tinybert_quantize::FittedConfidence;

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct CompressOutcome {
    /// The file of the image.
    pub image: PathBuf,
    /// The cost of the image: exact bytes and modelled latency.
    pub cost: Cost,
    /// Metrics of teacher and image on the development set, with a floor on what was held out of it, and on the test
    /// set if there is one.
    pub metrics: Vec<JudgedModel>,
    /// The temperature and the threshold of the image, if it has them. The report has their metrics.
    #[serde(skip)]
    pub confidence: Option<FittedConfidence>,
    /// The linear baseline on the same data; `None` where there is none for such data.
    pub baseline: Option<BaselineRow>,
    /// With a floor: whether the image holds it, and what was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<FloorOutcome>,
    /// Notes for the user about choices that the run made.
    pub notes: Vec<String>,
}

impl CompressOutcome {
    /// A sentence about a linear baseline that is nearly as good as the image.
    pub fn comparison(&self) -> Option<String> {
        let is_it = |judged: &&JudgedModel| (judged.model, judged.split) == ("image", "dev");
        let image = self.metrics.iter().find(is_it)?;
        self.baseline.as_ref()?.comparison(self.cost.flash as u64, image.metrics.primary_estimate()?)
    }
}

/// The metrics of a model on a split.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct JudgedModel {
    /// `teacher` or `image`.
    pub model: &'static str,
    /// `dev`, `held-out` or `test`.
    pub split: &'static str,
    /// The metrics with their 95 % intervals.
    pub metrics: Metrics,
}

/// Whether an image holds the floor, and what was tried to find it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FloorOutcome {
    /// The teacher's metric on the development examples that the search has read.
    pub teacher: f64,
    /// The least metric there.
    pub least: f64,
    /// The metric of the image there.
    pub image: f64,
    /// All tries in their order.
    pub tries: Vec<Try>,
    /// The image beside the floor on the examples that were held out.
    pub check: FloorCheck,
}

/// The metrics of teacher and image on one half of the development set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HalfOfDev {
    /// Which examples these are, in words.
    pub examples: &'static str,
    /// The teacher's metric.
    pub teacher: f64,
    /// The image's metric.
    pub image: f64,
}

impl FloorOutcome {
    /// The half on which the image does not hold the floor: the one that the search has read, if it fails there
    /// already, and otherwise the one that was held out.
    pub fn failed_half(&self) -> HalfOfDev {
        match self.found_one() {
            false => HalfOfDev {
                examples: "the development examples that the search has read",
                teacher: self.teacher,
                image: self.image,
            },
            true => HalfOfDev {
                examples: "the development examples that were held out",
                teacher: self.check.teacher.primary(),
                image: self.check.image.primary(),
            },
        }
    }

    /// Whether the image holds the floor by the point estimate, both on the examples that the search has read and on
    /// those that were held out.
    pub fn is_held(&self) -> bool {
        self.found_one() && self.check.verdict.holds()
    }

    /// Whether the floor is held and how surely, in sentences.
    pub fn verdict(&self) -> String {
        let tried = match self.found_one() {
            true => "",
            false => {
                "No model that was tried holds the floor on the development examples that the search has read. "
            }
        };
        format!(
            "{tried}On the {} examples that were held out, {}.",
            self.check.image.samples, self.check.verdict
        )
    }

    /// Whether one of the tries holds the floor on the examples that the search has read. The image is then one of
    /// these.
    pub fn found_one(&self) -> bool {
        self.tries.iter().any(|of| of.holds)
    }
}

impl JudgedModel {
    /// The metrics of teacher and image on a split.
    pub(super) fn pair(split: &'static str, teacher: Metrics, image: Metrics) -> [Self; 2] {
        [("teacher", teacher), ("image", image)].map(|(model, metrics)| Self { model, split, metrics })
    }
}
