//! How one layer is quantized.

use serde::{Deserialize, Serialize};

use super::attention::{AttentionChoice, attention_coefficient};
use super::encoding::WeightEncoding;
use super::input::InputChoice;
use crate::{BertConfig, LayerLinear, PerLinear, PerProjection};
use tinybert_image::{CalibrationRecord, Encoding, InputQuantization, LayerConfig};

/// Scales of one Transformer layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerPlan {
    /// Static scales of queries, keys and values, by which the fused linear's output is divided; 1 in f32.
    pub qkv_scales: PerProjection<f32>,
    /// How the inputs of the linears are quantized, and at what error.
    pub choices: PerLinear<InputChoice>,
    /// How the weights of the linears are stored.
    pub encodings: PerLinear<WeightEncoding>,
    /// Mean square of each input of the linears, which says how much an error of its weights matters; empty
    /// where the weights are int8, which hardly errs.
    pub importance: PerLinear<Vec<f32>>,
    /// How attention is computed, and the error that int8 would have.
    pub attention: AttentionChoice,
    /// The ranges that calibration observed, for `inspect`.
    #[serde(with = "super::json::CalibrationRecordJson")]
    pub seen: CalibrationRecord,
}

impl LayerPlan {
    /// Sizes and input quantization of `layer` (from 0), as an image records them.
    pub fn config(&self, layer: usize, config: &BertConfig) -> LayerConfig {
        let head_dim = config.head_dim();
        let scales = self.qkv_scales;
        let PerLinear { qkv, attention_output, up, down } = &self.choices;
        let context_scale = attention_output.fixed.map_or(1.0, |fixed| fixed.scale);
        LayerConfig {
            heads: config.heads(layer),
            head_dim,
            ffn: config.ffn(layer),
            attention: self.attention.mode,
            attention_coefficient: attention_coefficient(scales.query, scales.key, head_dim),
            context_scale: scales.value / context_scale,
            qkv_input: recorded(qkv),
            attention_output_input: recorded(attention_output),
            up_input: recorded(up),
            down_input: recorded(down),
            // Once there are weights it is known whether sparse ones pay.
            encodings: PerLinear::all(Encoding::Int8),
        }
    }

    /// Mean squares of the inputs of a linear, where its weights are chosen by them.
    pub fn importance_of(&self, linear: LayerLinear) -> Option<&[f32]> {
        Some(self.importance[linear].as_slice()).filter(|importance| !importance.is_empty())
    }
}

fn recorded(choice: &InputChoice) -> InputQuantization {
    match choice.fixed {
        Some(fixed) => InputQuantization::Static { scale: fixed.scale, zero_point: fixed.zero_point },
        None => InputQuantization::PerToken,
    }
}
