//! DistilBERT (arXiv 1910.01108), a family of teachers: BERT's encoder and vocabulary without segment types, under
//! other names.

use serde_json::{Value, json};

use super::names::{with_first_names, with_second_names};
use super::{Abilities, Activation, EmbeddingLayout, Family, FamilyTokenizer};
use crate::architecture::Architecture;
use crate::config::{BertConfig, Pruned};
use crate::config_source::{ConfigSource, RequiredSizes};
use crate::head::Head;
use crate::special_pieces::ModelSpecialIds;
use tinybert_base::Result;

/// Parts of tensor names, DistilBERT's and BERT's.
const NAMES: [(&str, &str); 15] = [
    ("pre_classifier.", "bert.pooler.dense."),
    ("distilbert.", "bert."),
    ("transformer.layer.", "encoder.layer."),
    (".attention.q_lin.", ".attention.self.query."),
    (".attention.k_lin.", ".attention.self.key."),
    (".attention.v_lin.", ".attention.self.value."),
    (".attention.out_lin.", ".attention.output.dense."),
    (".sa_layer_norm.", ".attention.output.LayerNorm."),
    (".ffn.lin1.", ".intermediate.dense."),
    (".ffn.lin2.", ".output.dense."),
    (".output_layer_norm.", ".output.LayerNorm."),
    ("vocab_transform.", "cls.predictions.transform.dense."),
    ("vocab_layer_norm.", "cls.predictions.transform.LayerNorm."),
    ("vocab_projector.bias", "cls.predictions.bias"),
    ("vocab_projector.weight", "cls.predictions.decoder.weight"),
];

/// transformers' constant; no key says it.
const LAYER_NORM_EPS: f64 = 1e-12;

/// DistilBERT's keys of `config.json`.
#[derive(serde::Deserialize)]
struct DistilBertKeys {
    vocab_size: Option<usize>,
    dim: Option<usize>,
    n_layers: Option<usize>,
    n_heads: Option<usize>,
    hidden_dim: Option<usize>,
    max_position_embeddings: Option<usize>,
    dropout: Option<f64>,
    attention_dropout: Option<f64>,
    initializer_range: Option<f64>,
    activation: Option<String>,
}

/// The family of [`Architecture::DistilBert`].
pub(super) struct DistilBertFamily;

impl Family for DistilBertFamily {
    fn name(&self) -> &'static str {
        "DistilBERT"
    }

    fn abilities(&self) -> Abilities {
        Abilities::TEACHER
    }

    fn model_type(&self) -> &'static str {
        "distilbert"
    }

    fn class_prefix(&self) -> &'static str {
        "DistilBert"
    }

    fn read_config(&self, source: &ConfigSource, _: ModelSpecialIds) -> Result<BertConfig> {
        let keys: DistilBertKeys = source.keys()?;
        source.check_activation("activation", keys.activation.as_deref())?;
        let mut required = RequiredSizes::default();
        let config = BertConfig {
            architecture: Architecture::DistilBert,
            vocab_size: required.size("vocab_size", keys.vocab_size),
            hidden_size: required.size("dim", keys.dim),
            embedding_size: None,
            num_hidden_layers: required.size("n_layers", keys.n_layers),
            num_attention_heads: required.size("n_heads", keys.n_heads),
            intermediate_size: required.size("hidden_dim", keys.hidden_dim),
            max_position_embeddings: required.size("max_position_embeddings", keys.max_position_embeddings),
            type_vocab_size: 2,
            layer_norm_eps: LAYER_NORM_EPS,
            hidden_dropout_prob: keys.dropout.unwrap_or(0.1),
            attention_probs_dropout_prob: keys.attention_dropout.unwrap_or(0.1),
            initializer_range: keys.initializer_range.unwrap_or(0.02),
            pruned: Pruned::default(),
        };
        required.check(source)?;
        Ok(config)
    }

    /// The table of positions is stored, so that nothing depends on `sinusoidal_pos_embds`.
    fn write_config(&self, config: &BertConfig, pad_token_id: u32) -> Value {
        json!({
            "dim": config.hidden_size, "n_layers": config.num_hidden_layers, "n_heads": config.num_attention_heads,
            "hidden_dim": config.intermediate_size, "activation": "gelu", "dropout": config.hidden_dropout_prob,
            "attention_dropout": config.attention_probs_dropout_prob,
            "seq_classif_dropout": config.hidden_dropout_prob, "initializer_range": config.initializer_range,
            "vocab_size": config.word_rows(), "max_position_embeddings": config.position_rows(),
            "sinusoidal_pos_embds": false, "pad_token_id": pad_token_id,
        })
    }

    /// Sentence encoders made of DistilBERT keep its masked-LM class name and leave out the head.
    fn masked_lm_may_lack_its_head(&self) -> bool {
        true
    }

    fn bert_name(&self, name: &str) -> String {
        with_second_names(name, &NAMES)
    }

    fn own_name(&self, name: &str, _: &Head) -> String {
        with_first_names(name, &NAMES)
    }

    fn embeddings(&self) -> EmbeddingLayout {
        EmbeddingLayout { extra_word_rows: 0, segment_types: false, position_buckets: None }
    }

    fn pooler_activation(&self) -> Activation {
        Activation::Relu
    }

    fn tokenizer_classes(&self) -> &'static [&'static str] {
        &["DistilBertTokenizer", "DistilBertTokenizerFast"]
    }

    fn tokenizer(&self) -> FamilyTokenizer {
        FamilyTokenizer::Bert
    }
}
