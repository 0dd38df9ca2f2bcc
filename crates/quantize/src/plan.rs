//! Choosing a model's plan from what calibration has seen, before any weight is touched.

use super::attention::{HeadSizes, choose_attention};
use super::calibration::CalibrationSamples;
use super::sample::RowSample;
use super::search::{Symmetry, input_choice, static_scale};
use tinybert_base::{Context, Result};
use tinybert_image::{AttentionMode, CalibrationRecord, ObservedRange};
use tinybert_model::plan::{AttentionPrecision, LayerPlan, ModelPlan, Precision, WeightEncoding};
use tinybert_model::{BertConfig, Checkpoint, EncodedInput, PerLinear, PerProjection};
use tinybert_nn::Site;

/// Runs the float model over `inputs` and chooses the scales of all activations.
///
/// # Errors
/// A precision that does not fit the model, a model without a task head, [`tinybert_base::Error::Interrupted`].
pub fn calibrate(
    checkpoint: &Checkpoint,
    inputs: &[EncodedInput],
    attention: AttentionPrecision,
    precision: &Precision,
    context: &Context,
) -> Result<ModelPlan> {
    // Checked before the pass, which takes long.
    precision.of_layers(checkpoint.config.num_hidden_layers)?;
    let seen = CalibrationSamples::collect(checkpoint, inputs, context)?;
    choose_plan(&checkpoint.config, &seen, attention, precision)
}

/// Chooses the plan of a model from what a calibration has seen. Several plans can be chosen from one
/// calibration.
///
/// # Errors
/// A precision that does not fit the model.
pub(super) fn choose_plan(
    config: &BertConfig,
    seen: &CalibrationSamples,
    attention: AttentionPrecision,
    precision: &Precision,
) -> Result<ModelPlan> {
    let layers = precision.of_layers(config.num_hidden_layers)?.into_iter().enumerate();
    let layers = layers.map(|(layer, encodings)| choose_layer(layer, config, attention, encodings, seen));
    Ok(ModelPlan {
        examples: seen.examples,
        calibration: Some(seen.hash),
        max_tokens: None,
        embeddings: precision.embeddings,
        layers: layers.collect::<Result<_>>()?,
    })
}

/// Chooses the scales of `layer` (from 0).
///
/// # Errors
/// Calibration saw nothing at one of the layer's sites.
fn choose_layer(
    layer: usize,
    config: &BertConfig,
    attention: AttentionPrecision,
    encodings: PerLinear<WeightEncoding>,
    calibration: &CalibrationSamples,
) -> Result<LayerPlan> {
    let sites = PerLinear {
        qkv: (Site::AttentionInput(layer), Symmetry::Symmetric),
        attention_output: (Site::Context(layer), Symmetry::Symmetric),
        up: (Site::FeedForwardInput(layer), Symmetry::Symmetric),
        down: (Site::PostGelu(layer), Symmetry::Asymmetric),
    };
    let inputs = sites
        .map(|(site, symmetry)| calibration.site(site).map(|sample| (sample, symmetry)))
        .transpose()?
        .map(|(sample, symmetry)| (input_choice(sample, symmetry), sample));
    let projected = |site: Site| {
        calibration.site(site).map(|s| (static_scale(s, Symmetry::Symmetric).0.scale, largest(s)))
    };
    let (query_scale, query) = projected(Site::Query(layer))?;
    let (key_scale, key) = projected(Site::Key(layer))?;
    let (value_scale, value) = projected(Site::Value(layer))?;

    let heads = HeadSizes { heads: config.heads(layer), head_dim: config.head_dim() };
    let int8_scales = PerProjection { query: query_scale, key: key_scale, value: value_scale };
    let attention = choose_attention(attention, layer, heads, int8_scales, calibration)?;
    let qkv_scales = match attention.mode {
        AttentionMode::Int8 => int8_scales,
        AttentionMode::F32 => int8_scales.map(|_| 1.0),
    };
    Ok(LayerPlan {
        qkv_scales,
        choices: inputs.map(|(choice, _)| choice),
        encodings,
        importance: encodings.zip(inputs).map(|(encoding, (_, sample))| match encoding {
            WeightEncoding::Int4 => sample.mean_squares(),
            WeightEncoding::Int8 | WeightEncoding::Sparse => Vec::new(),
        }),
        attention,
        seen: CalibrationRecord {
            inputs: inputs.map(|(_, sample)| range(sample)).into(),
            query,
            key,
            value,
            reserved: 0,
        },
    })
}

fn range(sample: &RowSample) -> ObservedRange {
    let (min, max) = sample.range();
    ObservedRange { min, max }
}

fn largest(sample: &RowSample) -> f32 {
    let (min, max) = sample.range();
    min.abs().max(max.abs())
}
