//! How attention is computed on the device: in int8 or in f32.

use std::f64::consts::LOG2_E;

use tinybert_image::AttentionMode;

/// The number format that attention is computed in, or that calibration chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionPrecision {
    /// Calibration chooses layer by layer: f32 where int8 costs accuracy.
    Auto,
    /// int8 in all layers.
    Int8,
    /// f32 in all layers: slower, and a larger workspace.
    F32,
}

/// How one layer computes its attention, and the error that decided it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionChoice {
    /// The mode that the image records.
    #[serde(with = "super::json::AttentionModeJson")]
    pub mode: AttentionMode,
    /// Mean squared error of the context of int8 attention, relative to the mean square of that in f32.
    pub int8_error: f64,
}

/// `scale_q · scale_k · log2(e) / √head_dim`.
pub fn attention_coefficient(scale_q: f32, scale_k: f32, head_dim: usize) -> f32 {
    (f64::from(scale_q) * f64::from(scale_k) * LOG2_E / (head_dim as f64).sqrt()) as f32
}
