//! What became of a model, as one page: `report.html` for people, `report.json` for programs.
//!
//! [`Report`] holds what is known and nothing that can be computed from it; every part may be empty, and a part that is
//! does not appear on the page. Sizes are bytes, times minutes or milliseconds as the field's name says, metrics and
//! errors fractions (1.0 = 100 %).

mod charts;
mod collect;
mod format;
mod markup;
mod page;

use std::collections::BTreeMap;

pub use page::html;
use serde_json::Value;

use tinybert_base::FileHash;
pub use tinybert_quantize::sensitivity::Sensitivity;

/// How a model came to be, what it costs on a device and why it is this one.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// Version of the program that filled the report in.
    pub version: String,
    /// The subcommand, `compress` for example.
    pub command: String,
    /// Every setting as it was resolved, defaults included; an object by name.
    pub settings: Value,
    /// SHA-256 of every file that was read.
    pub inputs: Vec<FileHash>,
    /// Name of the metric that models are selected by (larger is better): `accuracy`, `matthews`, ...
    pub metric: String,
    /// What the device and the user allow.
    pub budget: ReportBudget,
    /// What was done, in order.
    pub stages: Vec<StageReport>,
    /// Where the bytes of the result are.
    pub image: Option<ImageSize>,
    /// What it costs to store one part of the model in fewer bits.
    pub sensitivity: Vec<Sensitivity>,
    /// What the search looked at.
    pub candidates: Vec<ReportedCandidate>,
    /// How long the result takes for an answer.
    pub latencies: Vec<ModelledLatency>,
    /// Why the chosen candidate was chosen: a paragraph each.
    pub reasons: Vec<String>,
}

/// Limits on the result; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportBudget {
    /// Bytes of the image at most.
    pub flash_bytes: Option<u64>,
    /// Bytes of the workspace at most.
    pub ram_bytes: Option<u64>,
    /// Modelled milliseconds of an answer at most, on the board that [`ReportedCandidate::latency_ms`] is of.
    pub latency_ms: Option<f64>,
    /// Value of [`Report::metric`] at least.
    pub metric: Option<f64>,
}

/// One step on the way: a training run, a pruning, a quantization.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageReport {
    /// What the user knows it by: a folder's name, or what was done.
    pub name: String,
    /// The subcommand that did it.
    pub command: String,
    /// Its settings as they were resolved.
    pub settings: Value,
    /// SHA-256 of every file that it read.
    pub inputs: Vec<FileHash>,
    /// Wall-clock minutes.
    pub minutes: Option<f64>,
    /// Numbers in the model's tensors.
    pub parameters: Option<u64>,
    /// Size of what the stage wrote: a model folder's weights, or an image.
    pub bytes: Option<u64>,
    /// Metrics on the development set by name; none if nothing was judged.
    pub metrics: BTreeMap<String, f64>,
    /// What training logged, a curve for each of its sessions.
    pub curves: Vec<Curve>,
}

/// The log of one training session: one schedule from its beginning to its end.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Curve {
    /// `fine-tune`, `intermediate`, `prediction`, ...
    pub session: String,
    /// Losses by name, each a mean over the steps since the point before; `loss` is the total.
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
    /// By name.
    pub values: BTreeMap<String, f64>,
}

/// What an image takes of a device.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// Bytes of the file, headers and padding included.
    pub bytes: u64,
    /// Unpadded bytes of each section by name, in file order.
    pub sections: Vec<(String, u64)>,
    /// Bytes of RAM that the longest input needs.
    pub workspace_bytes: u64,
    /// Tokens of the longest input.
    pub max_tokens: usize,
    /// Modelled milliseconds of its answer on the board that the image was made for, if that is known.
    pub latency_ms: Option<f64>,
}

/// One model that the search looked at.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReportedCandidate {
    /// What tells it from the others: `3 layers, 75 % of the heads, int4`.
    pub name: String,
    /// Bytes of its image.
    pub flash_bytes: u64,
    /// Bytes of its workspace.
    pub ram_bytes: u64,
    /// Modelled milliseconds of an answer on the board that the budget speaks of.
    pub latency_ms: Option<f64>,
    /// [`Report::metric`] as the search expected it.
    pub predicted: Option<f64>,
    /// [`Report::metric`] on the development set, if it was made.
    pub measured: Option<f64>,
    /// True if it keeps within every limit of the budget.
    pub feasible: bool,
    /// True if no other candidate is at least as good in all respects and better in one.
    pub pareto: bool,
    /// True for the one that became the result.
    pub chosen: bool,
    /// Why it was chosen, or why not.
    pub reason: String,
}

/// Modelled, never measured: how long one answer takes on a board.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelledLatency {
    /// `Raspberry Pi 4`.
    pub board: String,
    /// `Cortex-A72`.
    pub core: String,
    /// Clock of the core in MHz.
    pub mhz: f64,
    /// Tokens of the input, special ones included.
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
        serde_json::from_str::<Report>(r#"{"titel": "t"}"#).unwrap_err();
    }
}
