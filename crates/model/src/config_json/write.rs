//! Writing `config.json`.

use serde_json::{Value, json};

use super::head::{self, SentenceEmbedding};
use crate::{BertConfig, Head, Storage, sentence};

/// The `config.json` that transformers loads this model with.
pub(crate) fn to_json(config: &BertConfig, head: &Head, pad_token_id: u32, storage: Storage) -> Value {
    let family = config.architecture.family();
    let mut json = family.write_config(config, pad_token_id);
    json["model_type"] = json!(family.model_type());
    json["architectures"] = json!([format!("{}{}", family.class_prefix(), head::class_of(head))]);
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
        Head::MultiLabel { thresholds, .. } => {
            json["problem_type"] = json!("multi_label_classification");
            json["label_thresholds"] = json!(thresholds);
        }
        Head::Regression => json["problem_type"] = json!("regression"),
        Head::Embedding { dimensions, pooling, normalized, prompt, .. } => {
            let pooling = sentence::name_of_pooling(*pooling).to_owned();
            let (dimensions, normalized, prompt) = (*dimensions, *normalized, prompt.clone());
            let entry = SentenceEmbedding { pooling, dimensions, normalized, prompt };
            json["sentence_embedding"] = json!(entry);
        }
        Head::None | Head::TokenClassification { .. } | Head::MaskedLm => {}
    }
    json
}
