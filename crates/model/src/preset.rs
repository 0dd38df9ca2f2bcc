//! Student sizes by name.

use super::{Architecture, BertConfig};
use tinybert_base::{Error, Result};

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
        architecture: Architecture::default(),
        vocab_size: 30522,
        hidden_size,
        embedding_size: None,
        num_hidden_layers,
        num_attention_heads: 12,
        intermediate_size,
        max_position_embeddings: 512,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        hidden_dropout_prob: 0.1,
        attention_probs_dropout_prob: 0.1,
        initializer_range: 0.02,
        pruned: Default::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Head, expected_shapes, pooler_shapes};

    #[test]
    fn tinybert_4l_312_has_the_published_number_of_parameters() {
        let config = preset("tinybert-4l-312").unwrap();
        config.validate().unwrap();
        let mut shapes = expected_shapes(&config, &Head::None);
        shapes.extend(pooler_shapes(&config));
        let parameters: usize = shapes.values().map(|shape| shape.iter().product::<usize>()).sum();
        // The authors' folder TinyBERT_General_4L_312D: 14.5 million, with the pooler exactly this.
        assert_eq!(parameters, 14_350_248);
    }

    #[test]
    fn unknown_presets_and_sizes_that_do_not_fit_are_usage_errors() {
        let error = preset("tinybert").unwrap_err();
        assert!(error.to_string().contains("tinybert-4l-312, tinybert-6l-768"), "{error}");
        let config = BertConfig { num_attention_heads: 11, ..preset("tinybert-4l-312").unwrap() };
        let error = config.validate().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("12, 13, 24"), "{error}");
    }
}
