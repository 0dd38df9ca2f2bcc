//! How a whole model becomes int8: by calibration, or as it was trained for.

use serde::{Deserialize, Serialize};

use super::calibrate::Calibration;
use super::encoding::Encoding;
use super::plan::LayerPlan;
use super::{Attention, LayerEncodings, Precision};
use crate::checkpoint::{BertConfig, Checkpoint, Encoded};
use crate::progress::Progress;
use crate::{Error, Result};

/// Scales of all activations, and what weights and embeddings are stored as.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPlan {
    /// Texts (or pairs) that calibration ran.
    pub examples: usize,
    /// SHA-256 of them; unknown of plans that were written without it.
    #[serde(default, with = "super::saved::hash")]
    pub calibration: Option<[u8; 32]>,
    /// Longest input in tokens that a model was trained with for this plan; unknown of one that was not trained, and of plans
    /// that were written without it.
    #[serde(default)]
    pub max_tokens: Option<usize>,
    /// What the word rows are stored as.
    pub embeddings: Encoding,
    /// From the first layer to the last.
    pub layers: Vec<LayerPlan>,
}

impl ModelPlan {
    /// Runs the float model over `inputs` and chooses.
    ///
    /// # Errors
    /// A precision that does not fit the model, a model without a task head, [`crate::Error::Interrupted`].
    pub fn calibrate(
        checkpoint: &Checkpoint,
        inputs: &[Encoded],
        attention: Attention,
        precision: &Precision,
        progress: &dyn Progress,
    ) -> Result<Self> {
        // Before the pass, which takes long.
        precision.of_layers(checkpoint.config.num_hidden_layers)?;
        let seen = Calibration::run(checkpoint, inputs, progress)?;
        Self::of(&checkpoint.config, &seen, attention, precision)
    }

    /// Chooses for a model of which a calibration has been seen: the passes of several choices are one.
    ///
    /// # Errors
    /// A precision that does not fit the model.
    pub(super) fn of(
        config: &BertConfig,
        seen: &Calibration,
        attention: Attention,
        precision: &Precision,
    ) -> Result<Self> {
        let layers = precision.of_layers(config.num_hidden_layers)?.into_iter().enumerate();
        let layers =
            layers.map(|(layer, encodings)| LayerPlan::new(layer, config, attention, encodings, seen));
        Ok(Self {
            examples: seen.examples,
            calibration: Some(seen.hash),
            max_tokens: None,
            embeddings: precision.embeddings,
            layers: layers.collect::<Result<_>>()?,
        })
    }

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

    /// What weights and embeddings are stored as.
    pub fn precision(&self) -> Precision {
        let each: Vec<_> = self.layers.iter().map(|layer| layer.encodings).collect();
        let weights = match each.first() {
            Some(&[first, ..]) if each.iter().flatten().all(|&encoding| encoding == first) => {
                LayerEncodings::Alike(first)
            }
            _ => LayerEncodings::Each(each),
        };
        Precision { weights, embeddings: self.embeddings }
    }

    /// What of a plan that was read from outside cannot be one of a model of these sizes.
    pub fn fault(&self, config: &BertConfig) -> Option<String> {
        if self.layers.len() != config.num_hidden_layers {
            return Some(format!(
                "{} layers, and the model has {}",
                self.layers.len(),
                config.num_hidden_layers
            ));
        }
        if self.embeddings == Encoding::Sparse {
            return Some("sparse embeddings: expected int8 or int4".into());
        }
        self.layers.iter().enumerate().find_map(|(index, layer)| {
            let (hidden, width) = (config.hidden_size, config.heads(index) * config.head_dim());
            let inputs = [hidden, width, hidden, config.ffn(index)];
            let scales = layer.choices.iter().filter_map(|choice| choice.fixed).map(|fixed| fixed.scale);
            let what = if !scales.chain(layer.qkv_scales).all(|scale| scale.is_finite() && scale > 0.0) {
                "a scale that is not a positive number"
            } else if layer.choices.iter().any(|choice| choice.fixed.is_some_and(|f| f.zero_point == i8::MIN))
            {
                "a zero point below -127"
            } else if layer.importance.iter().zip(inputs).any(|(i, n)| !i.is_empty() && i.len() != n) {
                "mean squares of another number of inputs"
            } else {
                return None;
            };
            Some(format!("layer {}: {what}", index + 1))
        })
    }
}
