//! Which scale every activation gets: the outcome of calibration, before any weight is touched.

use std::f64::consts::LOG2_E;

use tinybert_image::{AttentionMode, CalibrationRecord, InputQuantization, LayerConfig, Range};

use super::calibrate::Calibration;
use super::sample::RowSample;
use super::search::{InputChoice, Symmetry, input_choice, static_scale};
use crate::Result;
use crate::checkpoint::BertConfig;
use crate::nn::Site;

/// Scales of one Transformer layer.
pub struct LayerPlan {
    /// Sizes and input quantization, as the image records them.
    pub config: LayerConfig,
    /// Static scales of queries, keys and values, by which the fused linear's output is divided.
    pub qkv_scales: [f32; 3],
    /// How the inputs of the linears qkv, attention output, up and down are quantized, and at what error.
    pub choices: [InputChoice; 4],
    /// What was seen, for `inspect`.
    pub seen: CalibrationRecord,
}

impl LayerPlan {
    /// Chooses the scales of `layer` (from 0).
    ///
    /// # Errors
    /// Calibration saw nothing at one of the layer's sites.
    pub fn new(layer: usize, config: &BertConfig, calibration: &Calibration) -> Result<Self> {
        let [qkv, context, up, down] = [
            (Site::AttentionInput(layer), Symmetry::Symmetric),
            (Site::Context(layer), Symmetry::Symmetric),
            (Site::FeedForwardInput(layer), Symmetry::Symmetric),
            (Site::PostGelu(layer), Symmetry::Asymmetric),
        ]
        .map(|(site, symmetry)| calibration.site(site).map(|s| (input_choice(s, symmetry), range(s))));
        let inputs = [qkv?, context?, up?, down?];
        let projected = [Site::Query(layer), Site::Key(layer), Site::Value(layer)].map(|site| {
            calibration.site(site).map(|s| (static_scale(s, Symmetry::Symmetric).0.scale, largest(s)))
        });
        let [q, k, v] = projected;
        let [(scale_q, query), (scale_k, key), (scale_v, value)] = [q?, k?, v?];

        let choices = inputs.map(|(choice, _)| choice);
        let head_dim = config.head_dim();
        let coefficient = f64::from(scale_q) * f64::from(scale_k) * LOG2_E / (head_dim as f64).sqrt();
        let context_scale = choices[1].fixed.map_or(1.0, |fixed| fixed.scale);
        Ok(Self {
            config: LayerConfig {
                heads: config.num_attention_heads,
                head_dim,
                ffn: config.intermediate_size,
                attention: AttentionMode::Int8,
                attention_coefficient: coefficient as f32,
                context_scale: scale_v / context_scale,
                qkv_input: recorded(&choices[0]),
                attention_output_input: recorded(&choices[1]),
                up_input: recorded(&choices[2]),
                down_input: recorded(&choices[3]),
            },
            qkv_scales: [scale_q, scale_k, scale_v],
            choices,
            seen: CalibrationRecord {
                inputs: inputs.map(|(_, range)| range),
                query,
                key,
                value,
                reserved: 0,
            },
        })
    }
}

fn recorded(choice: &InputChoice) -> InputQuantization {
    match choice.fixed {
        Some(fixed) => InputQuantization::Static { scale: fixed.scale, zero_point: fixed.zero_point },
        None => InputQuantization::PerToken,
    }
}

fn range(sample: &RowSample) -> Range {
    let (min, max) = sample.range();
    Range { min, max }
}

fn largest(sample: &RowSample) -> f32 {
    let (min, max) = sample.range();
    min.abs().max(max.abs())
}
