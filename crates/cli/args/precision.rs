//! The precision of a model's parts: options of `quantize`, and of `distill` for a student that will be
//! quantized.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};
use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_model::Checkpoint;
use tinybert_model::plan::{AttentionPrecision, LayerEncodings, Precision, WeightEncoding};
use tinybert_quantize::QuantizeSettings;
use tinybert_quantize::sensitivity::{Sensitivity, SensitivitySettings, choose, sensitivity};

use crate::standard_output::print_line;

/// Number of examples that sensitivity is measured on.
const SENSITIVITY_EXAMPLES: usize = 256;

/// How weights, word rows and attention are quantized.
#[derive(Args, Default)]
#[command(next_help_heading = "Quantization")]
pub struct PrecisionArgs {
    /// How the layers' weights are stored; auto chooses four bits for the linears where that moves the
    /// answers least [default: int8].
    #[arg(long, value_name = "ENCODING")]
    weights: Option<WeightsName>,
    /// For auto: how far all linears in four bits together may move the logits, as a share of the logits'
    /// variance [default: 0.01].
    #[arg(long, value_name = "SHARE", requires = "weights")]
    logit_error: Option<f64>,
    /// How the word rows are stored [default: int8].
    #[arg(long, value_name = "ENCODING")]
    embeddings: Option<EmbeddingsName>,
    /// How attention is computed; auto chooses f32 for the layers where int8 would cost accuracy [default:
    /// auto].
    #[arg(long, value_name = "MODE")]
    attention: Option<AttentionName>,
    /// Training examples to calibrate activations with (development examples if there is no training file)
    /// [default: 512].
    #[arg(long, value_name = "N")]
    calibration_examples: Option<NonZeroUsize>,
}

/// Encodings of the layers' weights.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum WeightsName {
    /// One byte per weight: the fastest.
    Int8,
    /// 4.25 bits per weight.
    Int4,
    /// int8 without the model's zeros, in every linear where that takes fewer bytes.
    Sparse,
    /// Four bits or int8, chosen for each linear.
    Auto,
}

/// Encodings of the word rows.
#[derive(Clone, Copy, ValueEnum)]
enum EmbeddingsName {
    /// One byte per value.
    Int8,
    /// 4.25 bits per value, and a little more for sizes that are no multiple of 32.
    Int4,
}

/// Modes of attention.
#[derive(Clone, Copy, ValueEnum)]
enum AttentionName {
    /// Chosen for each layer by the error that int8 makes on the calibration examples.
    Auto,
    /// int8 in all layers.
    Int8,
    /// f32 in all layers: slower, more workspace.
    F32,
}

/// The model that is quantized, and the data that help to choose the precision of its parts.
#[derive(Clone, Copy)]
pub struct PrecisionInputs<'a> {
    pub checkpoint: &'a Checkpoint,
    /// The texts that calibrate activations.
    pub calibration: &'a Dataset,
    /// The examples that sensitivity is measured on.
    pub data: &'a Dataset,
    pub metrics: MetricSet,
    /// Longest input in tokens.
    pub max_tokens: usize,
}

impl PrecisionArgs {
    /// True if the choice of the precision measures the sensitivity and prints it.
    pub fn is_automatic(&self) -> bool {
        self.weights == Some(WeightsName::Auto)
    }

    /// The precision of all parts. For auto, the sensitivity is measured and printed.
    pub fn precision(&self, inputs: PrecisionInputs, context: &Context) -> Result<Precision> {
        let weights = match self.weights.unwrap_or(WeightsName::Int8) {
            WeightsName::Int8 => LayerEncodings::Alike(WeightEncoding::Int8),
            WeightsName::Int4 => LayerEncodings::Alike(WeightEncoding::Int4),
            WeightsName::Sparse => LayerEncodings::Alike(WeightEncoding::Sparse),
            WeightsName::Auto => self.automatic(inputs, context)?,
        };
        let embeddings = match self.embeddings {
            Some(EmbeddingsName::Int4) => WeightEncoding::Int4,
            Some(EmbeddingsName::Int8) | None => WeightEncoding::Int8,
        };
        if self.logit_error.is_some() && !self.is_automatic() {
            return Err(Error::Usage("--logit-error is for --weights auto".into()));
        }
        Ok(Precision { weights, embeddings })
    }

    /// The encodings that `--weights auto` chooses.
    fn automatic(&self, inputs: PrecisionInputs, context: &Context) -> Result<LayerEncodings> {
        let limit = self.logit_error.unwrap_or(0.01);
        if !(limit >= 0.0 && limit.is_finite()) {
            return Err(Error::Usage(format!("--logit-error {limit}: expected a share from 0 upwards")));
        }
        let found = self.print_sensitivity(inputs, context)?;
        let encodings = choose(&found, &inputs.checkpoint.config, limit);
        for (layer, encodings) in (1..).zip(&encodings) {
            let each: Vec<String> = encodings
                .iter()
                .map(|(linear, encoding)| format!("{} {}", linear.name(), encoding.name()))
                .collect();
            print_line(format_args!("layer {layer}: {}", each.join(", ")))?;
        }
        Ok(LayerEncodings::Each(encodings))
    }

    /// How the mode of attention is chosen.
    pub fn attention(&self) -> AttentionPrecision {
        match self.attention {
            Some(AttentionName::Auto) => AttentionPrecision::Auto,
            Some(AttentionName::Int8) => AttentionPrecision::Int8,
            Some(AttentionName::F32) => AttentionPrecision::F32,
            None => QuantizeSettings::default().attention,
        }
    }

    /// Number of examples that calibrate activations.
    pub fn calibration_examples(&self) -> usize {
        self.calibration_examples.map_or(QuantizeSettings::default().calibration_examples, NonZeroUsize::get)
    }

    /// Measures how far each part moves the answers in each encoding, and prints the result as a table.
    pub fn print_sensitivity(&self, inputs: PrecisionInputs, context: &Context) -> Result<Vec<Sensitivity>> {
        let PrecisionInputs { checkpoint, calibration, data, metrics, max_tokens } = inputs;
        let settings = SensitivitySettings {
            max_tokens,
            examples: SENSITIVITY_EXAMPLES,
            calibration_examples: self.calibration_examples(),
            encodings: &[WeightEncoding::Int8, WeightEncoding::Int4],
            metrics,
        };
        let found = sensitivity(checkpoint, calibration, data, &settings, context)?;
        print_line("layer  part              encoding  logits moved   dev")?;
        for Sensitivity { layer, part, encoding, logit_error, metric } in &found {
            let layer = layer.map_or_else(|| "-".into(), |layer| layer.to_string());
            let metric = metric.map_or_else(String::new, |metric| format!("{metric:.4}"));
            let moved = 100.0 * logit_error;
            print_line(format_args!("{layer:>5}  {part:16}  {encoding:8}  {moved:>10.4} %  {metric:>6}"))?;
        }
        Ok(found)
    }
}
