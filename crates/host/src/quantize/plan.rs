//! Which scale every activation gets: the outcome of calibration, before any weight is touched.

use serde::{Deserialize, Serialize};
use tinybert_image::{AttentionMode, CalibrationRecord, InputQuantization, LayerConfig, ObservedRange};

use super::attention::{Attention, AttentionChoice, coefficient};
use super::calibrate::Calibration;
use super::encoding::Encoding;
use super::sample::RowSample;
use super::search::{InputChoice, Symmetry, input_choice, static_scale};
use crate::Result;
use crate::checkpoint::BertConfig;
use crate::nn::Site;

/// Scales of one Transformer layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerPlan {
    /// Static scales of queries, keys and values, by which the fused linear's output is divided; 1 in f32.
    pub qkv_scales: [f32; 3],
    /// How the inputs of the linears qkv, attention output, up and down are quantized, and at what error.
    pub choices: [InputChoice; 4],
    /// How the weights of the same linears are stored.
    pub encodings: [Encoding; 4],
    /// Mean square of each of their inputs, which says how much an error of its weights matters; empty
    /// where those are int8, which hardly errs.
    pub importance: [Vec<f32>; 4],
    /// How attention is computed, and at what error in int8.
    pub attention: AttentionChoice,
    /// What was seen, for `inspect`.
    #[serde(with = "super::saved::Seen")]
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
        let sizes = [config.heads(layer), config.head_dim()];
        let int8_scales = [int8_q, int8_k, int8_v];
        let attention = attention.choose(layer, sizes, int8_scales, calibration)?;
        let qkv_scales = match attention.mode {
            AttentionMode::Int8 => int8_scales,
            AttentionMode::F32 => [1.0; 3],
        };
        Ok(Self {
            qkv_scales,
            choices,
            encodings,
            importance: [0, 1, 2, 3].map(|at| match encodings[at] {
                Encoding::Int4 => inputs[at].1.mean_squares(),
                Encoding::Int8 | Encoding::Sparse => Vec::new(),
            }),
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

    /// Sizes and input quantization of `layer` (from 0), as an image records them.
    pub fn config(&self, layer: usize, config: &BertConfig) -> LayerConfig {
        let head_dim = config.head_dim();
        let [scale_q, scale_k, scale_v] = self.qkv_scales;
        let context_scale = self.choices[1].fixed.map_or(1.0, |fixed| fixed.scale);
        let [qkv, context, up, down] = &self.choices;
        LayerConfig {
            heads: config.heads(layer),
            head_dim,
            ffn: config.ffn(layer),
            attention: self.attention.mode,
            attention_coefficient: coefficient(scale_q, scale_k, head_dim),
            context_scale: scale_v / context_scale,
            qkv_input: recorded(qkv),
            attention_output_input: recorded(context),
            up_input: recorded(up),
            down_input: recorded(down),
            // Once there are weights it is known whether sparse ones pay.
            encodings: [tinybert_image::Encoding::Int8; 4],
        }
    }

    /// Mean squares of the inputs of linear `at`, where its weights are chosen by them.
    pub fn importance_of(&self, at: usize) -> Option<&[f32]> {
        Some(self.importance[at].as_slice()).filter(|importance| !importance.is_empty())
    }
}

fn recorded(choice: &InputChoice) -> InputQuantization {
    match choice.fixed {
        Some(fixed) => InputQuantization::Static { scale: fixed.scale, zero_point: fixed.zero_point },
        None => InputQuantization::PerToken,
    }
}

fn range(sample: &RowSample) -> ObservedRange {
    let (min, max) = sample.range();
    ObservedRange { min, max }
}

fn largest(sample: &RowSample) -> f32 {
    let (min, max) = sample.range();
    min.abs().max(max.abs())
}
