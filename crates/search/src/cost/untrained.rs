//! The costs of the models that will be made of a student that has no weights yet.

use super::{Board, CostModel, layer_of_sizes};
use tinybert_base::Result;
use tinybert_image::Encoding;
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
        let layer = |layer| {
            let (heads, ffn) = (config.heads(layer), config.ffn(layer));
            layer_of_sizes(heads, config.head_dim(), ffn, Encoding::Int8)
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
