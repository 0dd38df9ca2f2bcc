//! How a model becomes int8: the scales of its activations, and how its weights and embeddings are stored.
//!
//! Calibration chooses a plan, or a model is trained for one; images and the quantized forward pass follow it.

mod attention;
mod channel;
mod encoding;
mod input;
mod json;
mod layer;
mod precision;

use serde::{Deserialize, Serialize};

pub use self::attention::{AttentionChoice, AttentionPrecision, attention_coefficient};
pub use self::channel::{quantize_channel, scaled_row};
pub use self::encoding::WeightEncoding;
pub use self::input::{InputChoice, StaticInput};
pub use self::layer::LayerPlan;
pub use self::precision::{LayerEncodings, Precision};
use crate::{BertConfig, LayerLinear, PerLinear};
use tinybert_base::{Error, Result};

/// Scales of all activations, and how weights and embeddings are stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPlan {
    /// Number of texts (or pairs) that calibration ran.
    pub examples: usize,
    /// SHA-256 of these texts; `None` for plans that were written without it.
    #[serde(default, with = "json::hash")]
    pub calibration: Option<[u8; 32]>,
    /// Longest input in tokens that a model was trained with for this plan; `None` for a model that was not
    /// trained for it, and for plans that were written without it.
    #[serde(default)]
    pub max_tokens: Option<usize>,
    /// How the word rows are stored.
    pub embeddings: WeightEncoding,
    /// The plans of the layers, from the first to the last.
    pub layers: Vec<LayerPlan>,
}

impl ModelPlan {
    /// Makes sure that inputs of at most `max_tokens` tokens are what the model was trained with.
    ///
    /// # Errors
    /// [`Error::Usage`] with what it was trained with.
    pub fn check_max_tokens(&self, max_tokens: usize) -> Result<()> {
        match self.max_tokens {
            Some(trained) if trained != max_tokens => Err(Error::Usage(format!(
                "--max-tokens {max_tokens}: the model was trained to be quantized for {trained}, as its quantization.json says; \
                 leave the option out, or remove that file to calibrate anew"
            ))),
            _ => Ok(()),
        }
    }

    /// How weights and embeddings are stored.
    pub fn precision(&self) -> Precision {
        let each: Vec<_> = self.layers.iter().map(|layer| layer.encodings).collect();
        let weights = match each.first().map(|layer| layer.qkv) {
            Some(first) if each.iter().all(|layer| *layer == PerLinear::all(first)) => {
                LayerEncodings::Alike(first)
            }
            _ => LayerEncodings::Each(each),
        };
        Precision { weights, embeddings: self.embeddings }
    }

    /// The fault of a plan that was read from outside for a model of these sizes; `None` if there is none.
    pub fn fault(&self, config: &BertConfig) -> Option<String> {
        if self.layers.len() != config.num_hidden_layers {
            return Some(format!(
                "{} layers, and the model has {}",
                self.layers.len(),
                config.num_hidden_layers
            ));
        }
        if self.embeddings == WeightEncoding::Sparse {
            return Some("sparse embeddings: expected int8 or int4".into());
        }
        self.layers.iter().enumerate().find_map(|(index, layer)| {
            let inputs = config.linear_inputs(index);
            let fixed = || layer.choices.values().filter_map(|choice| choice.fixed);
            let scales = fixed().map(|fixed| fixed.scale);
            let fault = if !scales.chain(layer.qkv_scales).all(|scale| scale.is_finite() && scale > 0.0) {
                "a scale that is not a positive number"
            } else if fixed().any(|fixed| fixed.zero_point == i8::MIN) {
                "a zero point below -127"
            } else if LayerLinear::ALL.into_iter().any(|linear| {
                layer.importance_of(linear).is_some_and(|importance| importance.len() != inputs[linear])
            }) {
                "mean squares of another number of inputs"
            } else {
                return None;
            };
            Some(format!("layer {}: {fault}", index + 1))
        })
    }
}
