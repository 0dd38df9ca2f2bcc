//! Student sizes by name.

use super::BertConfig;
use crate::{Error, Result};

/// The names that [`preset`] knows.
pub const PRESETS: [&str; 2] = ["tinybert-4l-312", "tinybert-6l-768"];

/// Sizes of a published TinyBERT (arXiv 1909.10351, section 4.1), with BERT's uncased vocabulary size; every
/// field may be changed afterwards, [`BertConfig::validate`] checks the result.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn preset(name: &str) -> Result<BertConfig> {
    let (num_hidden_layers, hidden_size, intermediate_size) = match name {
        "tinybert-4l-312" => (4, 312, 1200),
        "tinybert-6l-768" => (6, 768, 3072),
        other => {
            return Err(Error::Usage(format!("unknown preset {other:?}; there are {}", PRESETS.join(", "))));
        }
    };
    Ok(BertConfig {
        vocab_size: 30522,
        hidden_size,
        num_hidden_layers,
        num_attention_heads: 12,
        intermediate_size,
        max_position_embeddings: 512,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        initializer_range: 0.02,
    })
}
