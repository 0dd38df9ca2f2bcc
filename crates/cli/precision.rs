//! How parts of a model are stored: options of `quantize`, and of `distill` for a student that is to be quantized.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::Dataset;
use tinybert_model::Checkpoint;
use tinybert_model::plan::{Attention, Encoding, LayerEncodings, Precision};
use tinybert_quantize::Settings;
use tinybert_quantize::sensitivity::Sensitivity;
use tinybert_quantize::sensitivity::{SensitivitySettings, choose, sensitivity};

use crate::output::print_line;

/// Examples that sensitivity is measured on.
const EXAMPLES: usize = 256;

/// What calibration is told.
#[derive(Args, Default)]
#[command(next_help_heading = "Quantization")]
pub struct PrecisionArgs {
    /// How the layers' weights are stored; auto: linear by linear in four bits where that moves the answers least [default:
    /// int8].
    #[arg(long, value_name = "ENCODING")]
    weights: Option<WeightsName>,
    /// For auto: how far all linears in four bits may move the logits together, as a share of the logits' variance [default:
    /// 0.01].
    #[arg(long, value_name = "SHARE", requires = "weights")]
    logit_error: Option<f64>,
    /// How the word rows are stored [default: int8].
    #[arg(long, value_name = "ENCODING")]
    embeddings: Option<EmbeddingsName>,
    /// How attention is computed; auto: f32 in the layers where int8 would cost accuracy [default: auto].
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
    /// A byte a weight: the fastest.
    Int8,
    /// 4.25 bits a weight.
    Int4,
    /// int8 without the model's zeros, in every linear where that takes less.
    Sparse,
    /// Four bits or int8, for each linear.
    Auto,
}

/// Encodings of the word rows.
#[derive(Clone, Copy, ValueEnum)]
enum EmbeddingsName {
    /// A byte a value.
    Int8,
    /// 4.25 bits a value, and a little more for sizes that are no multiple of 32.
    Int4,
}

/// Modes of attention.
#[derive(Clone, Copy, ValueEnum)]
enum AttentionName {
    /// Layer by layer, by the error that int8 makes on the calibration examples.
    Auto,
    /// int8 in all layers.
    Int8,
    /// f32 in all layers: slower, more workspace.
    F32,
}

/// What a precision is chosen for.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    pub checkpoint: &'a Checkpoint,
    /// Whose texts calibrate.
    pub calibration: &'a Dataset,
    /// To measure sensitivity on.
    pub data: &'a Dataset,
    pub metrics: MetricSet,
    pub max_tokens: usize,
}

impl PrecisionArgs {
    /// The first option that was given.
    pub fn given(&self) -> Option<&'static str> {
        let options = [
            ("--weights", self.weights.is_some()),
            ("--embeddings", self.embeddings.is_some()),
            ("--attention", self.attention.is_some()),
            ("--calibration-examples", self.calibration_examples.is_some()),
        ];
        options.into_iter().find_map(|(option, given)| given.then_some(option))
    }

    /// True where sensitivity is measured and printed in any case.
    pub fn is_automatic(&self) -> bool {
        self.weights == Some(WeightsName::Auto)
    }

    /// What is stored how. For auto the sensitivity is measured and printed.
    pub fn precision(&self, chosen: Chosen, context: &Context) -> Result<Precision> {
        let weights = match self.weights.unwrap_or(WeightsName::Int8) {
            WeightsName::Int8 => LayerEncodings::Alike(Encoding::Int8),
            WeightsName::Int4 => LayerEncodings::Alike(Encoding::Int4),
            WeightsName::Sparse => LayerEncodings::Alike(Encoding::Sparse),
            WeightsName::Auto => self.automatic(chosen, context)?,
        };
        let embeddings = match self.embeddings {
            Some(EmbeddingsName::Int4) => Encoding::Int4,
            Some(EmbeddingsName::Int8) | None => Encoding::Int8,
        };
        if self.logit_error.is_some() && !self.is_automatic() {
            return Err(Error::Usage("--logit-error is for --weights auto".into()));
        }
        Ok(Precision { weights, embeddings })
    }

    fn automatic(&self, chosen: Chosen, context: &Context) -> Result<LayerEncodings> {
        let limit = self.logit_error.unwrap_or(0.01);
        if !(limit >= 0.0 && limit.is_finite()) {
            return Err(Error::Usage(format!("--logit-error {limit}: expected a share from 0 upwards")));
        }
        let found = self.print_sensitivity(chosen, context)?;
        let encodings = choose(&found, &chosen.checkpoint.config, limit);
        for (layer, encodings) in (1..).zip(&encodings) {
            let [qkv, output, up, down] = encodings.map(Encoding::name);
            print_line(format_args!(
                "layer {layer}: qkv {qkv}, attention output {output}, up {up}, down {down}"
            ))?;
        }
        Ok(LayerEncodings::Each(encodings))
    }

    /// Who chooses how attention is computed.
    pub fn attention(&self) -> Attention {
        match self.attention {
            Some(AttentionName::Auto) => Attention::Auto,
            Some(AttentionName::Int8) => Attention::Int8,
            Some(AttentionName::F32) => Attention::F32,
            None => Settings::default().attention,
        }
    }

    /// How many examples calibrate.
    pub fn calibration_examples(&self) -> usize {
        self.calibration_examples.map_or(Settings::default().calibration_examples, NonZeroUsize::get)
    }

    /// Measures how far each part moves the answers in each encoding, and prints it as a table.
    pub fn print_sensitivity(&self, chosen: Chosen, context: &Context) -> Result<Vec<Sensitivity>> {
        let Chosen { checkpoint, calibration, data, metrics, max_tokens } = chosen;
        let settings = SensitivitySettings {
            max_tokens,
            examples: EXAMPLES,
            calibration_examples: self.calibration_examples(),
            encodings: &[Encoding::Int8, Encoding::Int4],
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
