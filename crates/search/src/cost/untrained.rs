//! The costs of the models that will be made of a student that has no weights yet.

use super::{Board, CostModel};
use tinybert_base::Result;
use tinybert_image::{AttentionMode, Encoding, InputQuantization, LayerConfig, PerLinear};
use tinybert_model::plan::WeightEncoding;
use tinybert_model::{BertConfig, Head};
use tinybert_quantize::image_config;

impl CostModel {
    /// The costs of the models that are made of a student of these sizes with this head. Every input of a linear is
    /// taken to have a static scale: if calibration prefers scales per token, the workspace is larger. `confidence`
    /// says whether the images have a temperature and a threshold.
    ///
    /// # Errors
    /// As [`image_config`].
    pub fn of_untrained(config: &BertConfig, head: &Head, board: &Board, confidence: bool) -> Result<Self> {
        let input = InputQuantization::Static { scale: 1.0, zero_point: 0 };
        let layer = |layer| LayerConfig {
            heads: config.heads(layer),
            head_dim: config.head_dim(),
            ffn: config.ffn(layer),
            attention: AttentionMode::Int8,
            attention_coefficient: 1.0,
            context_scale: 1.0,
            qkv_input: input,
            attention_output_input: input,
            up_input: input,
            down_input: input,
            encodings: PerLinear::all(Encoding::Int8),
        };
        let (max_tokens, words) = (config.max_position_embeddings, WeightEncoding::Int8);
        Ok(Self {
            config: image_config(config, head, max_tokens, board.core.layout, words)?,
            layers: (0..config.num_hidden_layers).map(layer).collect(),
            labels: head.labels().iter().map(String::len).collect(),
            board: board.clone(),
            confidence,
        })
    }
}
