//! Which scale every activation gets: the outcome of calibration, before any weight is touched.

use tinybert_image::{AttentionMode, CalibrationRecord, InputQuantization, LayerConfig, Range};

use super::attention::{Attention, AttentionChoice, coefficient};
use super::calibrate::Calibration;
use super::encoding::Encoding;
use super::sample::RowSample;
use super::search::{InputChoice, Symmetry, input_choice, static_scale};
use crate::Result;
use crate::checkpoint::BertConfig;
use crate::nn::Site;

/// Scales of one Transformer layer.
pub struct LayerPlan {
    /// Sizes and input quantization, as the image records them.
    pub config: LayerConfig,
    /// Static scales of queries, keys and values, by which the fused linear's output is divided; 1 in f32.
    pub qkv_scales: [f32; 3],
    /// How the inputs of the linears qkv, attention output, up and down are quantized, and at what error.
    pub choices: [InputChoice; 4],
    /// How the weights of the same linears are stored.
    pub encodings: [Encoding; 4],
    /// Mean square of each of their inputs, which says how much an error of its weights matters.
    pub importance: [Vec<f32>; 4],
    /// How attention is computed, and at what error in int8.
    pub attention: AttentionChoice,
    /// What was seen, for `inspect`.
    pub seen: CalibrationRecord,
}

impl LayerPlan {
    /// Chooses the scales of `layer` (from 0).
    ///
    /// # Errors
    /// Calibration saw nothing at one of the layer's sites.
    pub fn new(
        layer: usize,
        config: &BertConfig,
        attention: Attention,
        encodings: [Encoding; 4],
        calibration: &Calibration,
    ) -> Result<Self> {
        let [qkv, context, up, down] = [
            (Site::AttentionInput(layer), Symmetry::Symmetric),
            (Site::Context(layer), Symmetry::Symmetric),
            (Site::FeedForwardInput(layer), Symmetry::Symmetric),
            (Site::PostGelu(layer), Symmetry::Asymmetric),
        ]
        .map(|(site, symmetry)| calibration.site(site).map(|s| (input_choice(s, symmetry), s)));
        let inputs = [qkv?, context?, up?, down?];
        let projected = [Site::Query(layer), Site::Key(layer), Site::Value(layer)].map(|site| {
            calibration.site(site).map(|s| (static_scale(s, Symmetry::Symmetric).0.scale, largest(s)))
        });
        let [q, k, v] = projected;
        let [(int8_q, query), (int8_k, key), (int8_v, value)] = [q?, k?, v?];

        let choices = inputs.map(|(choice, _)| choice);
        let (heads, head_dim) = (config.heads(layer), config.head_dim());
        let int8_scales = [int8_q, int8_k, int8_v];
        let attention = attention.choose(layer, [heads, head_dim], int8_scales, calibration)?;
        let qkv_scales = match attention.mode {
            AttentionMode::Int8 => int8_scales,
            AttentionMode::F32 => [1.0; 3],
        };
        let [scale_q, scale_k, scale_v] = qkv_scales;
        let context_scale = choices[1].fixed.map_or(1.0, |fixed| fixed.scale);
        Ok(Self {
            config: LayerConfig {
                heads,
                head_dim,
                ffn: config.ffn(layer),
                attention: attention.mode,
                attention_coefficient: coefficient(scale_q, scale_k, head_dim),
                context_scale: scale_v / context_scale,
                qkv_input: recorded(&choices[0]),
                attention_output_input: recorded(&choices[1]),
                up_input: recorded(&choices[2]),
                down_input: recorded(&choices[3]),
                // Once there are weights it is known whether sparse ones pay.
                encodings: [tinybert_image::Encoding::Int8; 4],
            },
            qkv_scales,
            choices,
            encodings,
            importance: inputs.map(|(_, sample)| sample.mean_squares()),
            attention,
            seen: CalibrationRecord {
                inputs: inputs.map(|(_, sample)| range(sample)),
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
