//! `quantization.json`: the plan that a folder's weights were trained for, beside them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::BertConfig;
use crate::file_names::{QUANTIZATION, WEIGHTS};
use crate::plan::ModelPlan;
use tinybert_base::{Error, FileHash, Result, files};

/// The contents of `quantization.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuantizationFile {
    /// SHA-256 of the `model.safetensors` that the plan belongs to.
    weights_sha256: String,
    plan: ModelPlan,
}

/// The plan of a folder, if it has one.
///
/// # Errors
/// [`Error::Input`] for a plan that is not complete, or that belongs to other weights; [`Error::Io`].
pub(super) fn read(folder: &Path, config: &BertConfig) -> Result<Option<ModelPlan>> {
    let path = folder.join(QUANTIZATION);
    let Some(bytes) = files::read_if_there(&path)? else { return Ok(None) };
    let QuantizationFile { weights_sha256, plan } = files::parse_json(&path, &bytes)?;
    let advice = "remove the file to calibrate anew";
    if let Some(fault) = plan.fault(config) {
        return Err(Error::input(&path, format!("{fault}; {advice}")));
    }
    let weights = folder.join(WEIGHTS);
    if !weights.exists() || FileHash::of_file(&weights)?.sha256 != weights_sha256 {
        let name = WEIGHTS;
        return Err(Error::input(&path, format!("of other weights than those of {name} here; {advice}")));
    }
    Ok(Some(plan))
}

/// Writes `plan` to `path`, beside the weights that it belongs to.
///
/// # Errors
/// [`Error::Io`].
pub fn write(path: &Path, plan: &ModelPlan) -> Result<()> {
    let weights_sha256 = FileHash::of_file(&path.with_file_name(WEIGHTS))?.sha256;
    // A JSON value holds every f32 exactly.
    let contents = serde_json::json!(QuantizationFile { weights_sha256, plan: plan.clone() });
    std::fs::write(path, format!("{contents:#}\n")).map_err(Error::io(path))
}
