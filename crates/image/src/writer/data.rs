//! The input of the writer: the model in plain row-major arrays.

use alloc::vec::Vec;

use crate::PerLinear;
use crate::config::LayerConfig;
use crate::format::Bf16;
use crate::records::CalibrationRecord;

/// A linear before packing; the writer computes row sums and the packed layout.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearData {
    /// Number of inputs, k.
    pub inputs: usize,
    /// `[outputs, inputs]`, in −127 to 127. If the linear is stored in four bits, every
    /// [`INPUTS_PER_MULTIPLIER`](crate::INPUTS_PER_MULTIPLIER) weights of an output are −7 to 7 times a common number
    /// of 1 to [`MAX_MULTIPLIER`](crate::MAX_MULTIPLIER).
    pub weights: Vec<i8>,
    /// `[outputs]`. If the output is quantized, the values are already divided by the output's scale.
    pub scale: Vec<f32>,
    /// `[outputs]`. If the output is quantized, the values are already divided by the output's scale.
    pub bias: Vec<f32>,
}

/// Weights of a LayerNorm.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNormData {
    /// `[hidden]`.
    pub gamma: Vec<f32>,
    /// `[hidden]`.
    pub beta: Vec<f32>,
}

/// Embedding rows of int8 with a scale each.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledRowsData {
    /// `[rows, hidden]`. Word rows in four bits have the same restriction as a linear's weights.
    pub rows: Vec<i8>,
    /// `[rows]`.
    pub scales: Vec<Bf16>,
}

/// The embeddings.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingsData {
    /// `[vocab, hidden]`.
    pub word: ScaledRowsData,
    /// `[positions, hidden]`.
    pub position: ScaledRowsData,
    /// `[types, hidden]`.
    pub types: Vec<f32>,
    /// The LayerNorm over their sum.
    pub norm: LayerNormData,
}

/// One Transformer layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerData {
    /// Its sizes and quantization.
    pub config: LayerConfig,
    /// `[3 · heads · head_dim, hidden]`: all queries, then all keys, then all values, head by head. Output quantized.
    pub qkv: LinearData,
    /// `[hidden, heads · head_dim]`.
    pub attention_output: LinearData,
    /// LayerNorm after attention and its residual.
    pub attention_norm: LayerNormData,
    /// `[ffn, hidden]`.
    pub up: LinearData,
    /// `[hidden, ffn]`.
    pub down: LinearData,
    /// LayerNorm after the FFN and its residual.
    pub output_norm: LayerNormData,
}

impl LayerData {
    /// Returns references to the four linears.
    pub fn linears(&self) -> PerLinear<&LinearData> {
        let Self { qkv, attention_output, up, down, .. } = self;
        PerLinear { qkv, attention_output, up, down }
    }

    /// Returns mutable references to the four linears.
    pub fn linears_mut(&mut self) -> PerLinear<&mut LinearData> {
        let Self { qkv, attention_output, up, down, .. } = self;
        PerLinear { qkv, attention_output, up, down }
    }
}

/// The task head.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadData {
    /// `[hidden, hidden]`, if the model has one.
    pub pooler: Option<LinearData>,
    /// `[outputs, hidden]`.
    pub output: LinearData,
    /// For [`HeadKind::MultiLabel`](crate::HeadKind::MultiLabel) `[outputs]`: the least logit with which an answer has
    /// the label. Empty for other heads.
    pub thresholds: Vec<f32>,
}

/// An input with its exact outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct SelfTestData {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// The token type of each token.
    pub type_ids: Vec<u8>,
    /// Outputs of the head: `[outputs]`, for token classification `[tokens, outputs]`.
    pub outputs: Vec<f32>,
}

/// The ranges that calibration observed.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationData {
    /// Number of calibration examples.
    pub examples: u32,
    /// One record per layer.
    pub layers: Vec<CalibrationRecord>,
}
