#![doc = include_str!("../README.md")]

mod answers;
mod charts;
mod collect;
mod format;
mod markup;
mod page;

use std::collections::BTreeMap;

pub use answers::{
    AnsweredSet, LostText, ReportedAnswers, ReportedConfidence, ReportedLabel, RiskPoint, TeacherComparison,
};
pub use page::html;
use serde_json::Value;

use tinybert_base::FileHash;
use tinybert_baseline::BaselineRow;
use tinybert_data::metrics::intervals::{Estimate, Interval};
pub use tinybert_quantize::sensitivity::Sensitivity;

/// How a model was made, what it costs on a device, and why it was chosen.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// Version of the program that made the report.
    pub version: String,
    /// The subcommand, `compress` for example.
    pub command: String,
    /// All settings by name, including defaults.
    pub settings: Value,
    /// SHA-256 of every file that was read.
    pub inputs: Vec<FileHash>,
    /// Name of the metric by which models are selected (larger is better): `accuracy`, `matthews`, ...
    pub metric: String,
    /// The limits that device and user set.
    pub budget: ReportBudget,
    /// The floor of the metric beside what the image has, if the search had one.
    pub floor: Option<ReportedFloor>,
    /// The stages in their order.
    pub stages: Vec<StageReport>,
    /// The linear baseline on the same data.
    pub baseline: Option<BaselineRow>,
    /// The answers of the image that was judged last.
    pub answers: Option<ReportedAnswers>,
    /// Sizes of the resulting image.
    pub image: Option<ImageSize>,
    /// The effect of storing one part of the model in fewer bits.
    pub sensitivity: Vec<Sensitivity>,
    /// The models that the search considered.
    pub candidates: Vec<ReportedCandidate>,
    /// Modelled latencies of the result on several boards.
    pub latencies: Vec<ModelledLatency>,
    /// The reasons for the chosen candidate, one paragraph each.
    pub reasons: Vec<String>,
}

/// Limits on the result; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportBudget {
    /// Largest size of the image in bytes.
    pub flash_bytes: Option<u64>,
    /// Largest size of the workspace in bytes.
    pub ram_bytes: Option<u64>,
    /// Largest modelled latency of an answer in milliseconds, on the board of
    /// [`ReportedCandidate::latency_ms`].
    pub latency_ms: Option<f64>,
    /// Smallest value of [`Report::metric`] on the development set.
    pub metric: Option<f64>,
}

/// The least metric that was asked for, and whether the image has it on examples that nothing else has read.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedFloor {
    /// The floor in words: `99 % of the teacher's accuracy`.
    pub name: String,
    /// Number of the examples that were held out.
    pub samples: usize,
    /// [`Report::metric`] of the teacher on these examples.
    pub teacher: Estimate,
    /// The same of the image.
    pub image: Estimate,
    /// The least value that holds the floor on these examples.
    pub least: f64,
    /// The image's value minus the teacher's.
    pub difference: Estimate,
    /// The image's value minus `least`.
    pub margin: Estimate,
    /// Whether the image holds the floor by the point estimate, here and on the examples that the search has read.
    pub held: bool,
    /// What follows from the tries and from the margin, in sentences.
    pub verdict: String,
    /// The least value that holds the floor on the development examples that the search has read.
    pub least_in_search: f64,
    /// The models that were trained to find the smallest one, in their order.
    pub tries: Vec<ReportedTry>,
}

/// A model that was trained to see whether it holds the floor.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedTry {
    /// The name of the candidate.
    pub name: String,
    /// Bytes of its image.
    pub flash_bytes: u64,
    /// [`Report::metric`] of its image on the development examples that the search has read.
    pub metric: f64,
    /// Its 95 % interval.
    #[serde(default)]
    pub interval: Option<Interval>,
    /// Whether it holds the floor there and can be used.
    pub held: bool,
    /// The limits of the budget that its image exceeds, in words, so that it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeds: Option<String>,
}

/// One stage: a training run, a pruning or a quantization.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageReport {
    /// The name that the user knows: that of a folder, or what was done.
    pub name: String,
    /// The subcommand of the stage.
    pub command: String,
    /// All settings of the stage, including defaults.
    pub settings: Value,
    /// SHA-256 of every file that the stage read.
    pub inputs: Vec<FileHash>,
    /// Wall-clock minutes.
    pub minutes: Option<f64>,
    /// Numbers in the model's tensors.
    pub parameters: Option<u64>,
    /// Size of what the stage wrote: a model folder's weights, or an image.
    pub bytes: Option<u64>,
    /// Metrics on the development set by name; empty if the stage evaluated nothing.
    pub metrics: BTreeMap<String, f64>,
    /// The lower and the upper end of the 95 % interval of metrics, as far as they are known.
    pub intervals: BTreeMap<String, Interval>,
    /// The logged losses and metrics, one curve for each training session.
    pub curves: Vec<Curve>,
}

/// The log of one training session.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Curve {
    /// `fine-tune`, `intermediate`, `prediction`, ...
    pub session: String,
    /// Losses by name, each a mean over the steps since the previous point; `loss` is the total.
    pub losses: Vec<CurvePoint>,
    /// Metrics on the development set by name.
    pub evaluations: Vec<CurvePoint>,
}

/// Values after a number of optimizer steps of the session.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvePoint {
    /// Optimizer steps.
    pub step: u64,
    /// Values by name.
    pub values: BTreeMap<String, f64>,
}

/// The sizes of an image.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// Bytes of the file, including headers and padding.
    pub bytes: u64,
    /// Names of the sections with their bytes without padding, in file order.
    pub sections: Vec<(String, u64)>,
    /// Bytes of RAM that the longest input needs.
    pub workspace_bytes: u64,
    /// Tokens of the longest input.
    pub max_tokens: usize,
    /// Modelled latency of the longest input in milliseconds, on the board that the image was made for, if it
    /// is known.
    pub latency_ms: Option<f64>,
}

/// One model that the search considered.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportedCandidate {
    /// A description that tells it from the others: `3 layers, 75 % of the heads, int4`.
    pub name: String,
    /// Bytes of the image.
    pub flash_bytes: u64,
    /// Bytes of the workspace.
    pub ram_bytes: u64,
    /// Modelled latency of an answer in milliseconds on the board of the budget.
    pub latency_ms: Option<f64>,
    /// The value of [`Report::metric`] that the search predicted.
    pub predicted: Option<f64>,
    /// The value of [`Report::metric`] on the development set, if it was measured.
    pub measured: Option<f64>,
    /// The 95 % interval of the measured value.
    pub interval: Option<Interval>,
    /// True if it keeps within every limit of the budget.
    pub feasible: bool,
    /// True if no other candidate is at least as good in flash, latency and prediction, and better in one of
    /// them.
    pub pareto: bool,
    /// True for the candidate that became the result.
    pub chosen: bool,
    /// The reason why it was chosen or not.
    pub reason: String,
}

/// The modelled latency of one answer on a board. It was not measured.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelledLatency {
    /// Name of the board, for example `Raspberry Pi 4`.
    pub board: String,
    /// Name of the core, for example `Cortex-A72`.
    pub core: String,
    /// Clock of the core in MHz.
    pub mhz: f64,
    /// Tokens of the input, including special tokens.
    pub tokens: usize,
    /// Modelled milliseconds.
    pub milliseconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_with_parts_left_out_is_read() {
        let report: Report = serde_json::from_str(
            r#"{"title": "t", "candidates": [{"name": "a", "flash_bytes": 5, "chosen": true}]}"#,
        )
        .unwrap();
        assert_eq!((report.candidates[0].flash_bytes, report.candidates[0].chosen), (5, true));
        assert_eq!(report.candidates[0].measured, None);
        // Written before there were intervals and answers.
        let report: Report = serde_json::from_str(r#"{"stages": [{"metrics": {"accuracy": 0.5}}]}"#).unwrap();
        assert!(report.stages[0].intervals.is_empty() && report.answers.is_none());
        serde_json::from_str::<Report>(r#"{"titel": "t"}"#).unwrap_err();
    }
}
