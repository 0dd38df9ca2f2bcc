//! Writing `config.json`.

use serde_json::{Value, json};

use super::{SentenceEmbedding, head};
use crate::{BertConfig, Head, Storage};

/// The `config.json` that transformers loads this model with.
pub(crate) fn to_json(config: &BertConfig, head: &Head, pad_token_id: u32, storage: Storage) -> Value {
    let mut json = json!({
        "hidden_size": config.hidden_size, "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads, "intermediate_size": config.intermediate_size,
        "hidden_act": "gelu", "layer_norm_eps": config.layer_norm_eps,
        "hidden_dropout_prob": config.hidden_dropout_prob,
        "attention_probs_dropout_prob": config.attention_probs_dropout_prob,
        "initializer_range": config.initializer_range,
        "vocab_size": config.word_rows(),
        "max_position_embeddings": config.position_rows(),
    });
    let family = config.architecture.family();
    json["model_type"] = json!(family.model_type());
    json["architectures"] = json!([format!("{}{}", family.class_prefix(), head::class_of(head))]);
    family.write_config(config, pad_token_id, &mut json);
    config.pruned.write(config, &mut json);
    json["torch_dtype"] = json!(storage.torch_name());
    let labels = match head {
        Head::Regression => &["LABEL_0".to_owned()][..],
        _ => head.labels(),
    };
    if !labels.is_empty() {
        let numbered = || labels.iter().enumerate();
        json["id2label"] = numbered().map(|(class, label)| (class.to_string(), json!(label))).collect();
        json["label2id"] = numbered().map(|(class, label)| (label.clone(), json!(class))).collect();
    }
    match head {
        Head::Classification { .. } => json["problem_type"] = json!("single_label_classification"),
        Head::Regression => json["problem_type"] = json!("regression"),
        Head::Embedding { dimensions, .. } => {
            json["sentence_embedding"] =
                json!(SentenceEmbedding { pooling: "mean".to_owned(), dimensions: *dimensions });
        }
        Head::None | Head::TokenClassification { .. } | Head::MaskedLm => {}
    }
    json
}
