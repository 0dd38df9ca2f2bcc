//! The entries of `config.json` that this program reads.

use std::collections::{BTreeMap, BTreeSet};

/// The entries of `config.json` that this program reads; it ignores all others.
#[derive(serde::Deserialize)]
pub(crate) struct ConfigEntries {
    pub model_type: Option<String>,
    #[serde(default)]
    pub architectures: Option<Vec<String>>,
    pub vocab_size: Option<usize>,
    pub hidden_size: Option<usize>,
    pub num_hidden_layers: Option<usize>,
    pub num_attention_heads: Option<usize>,
    pub intermediate_size: Option<usize>,
    pub max_position_embeddings: Option<usize>,
    pub type_vocab_size: Option<usize>,
    pub layer_norm_eps: Option<f64>,
    pub hidden_dropout_prob: Option<f64>,
    pub attention_probs_dropout_prob: Option<f64>,
    pub initializer_range: Option<f64>,
    pub hidden_act: Option<String>,
    pub position_embedding_type: Option<String>,
    pub is_decoder: Option<bool>,
    pub tie_word_embeddings: Option<bool>,
    pub problem_type: Option<String>,
    pub num_labels: Option<usize>,
    pub id2label: Option<BTreeMap<String, String>>,
    pub label2id: Option<BTreeMap<String, usize>>,
    pub relative_attention_num_buckets: Option<usize>,
    #[serde(default)]
    pub pruned_heads: BTreeMap<usize, BTreeSet<usize>>,
    pub intermediate_sizes: Option<Vec<usize>>,
    pub sentence_embedding: Option<SentenceEmbedding>,
}

/// This program's own entry for [`Head::Embedding`](crate::Head::Embedding); to transformers the folder is a
/// bare encoder.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct SentenceEmbedding {
    /// Only `mean`: over all tokens, special ones included.
    pub pooling: String,
    /// Size of the vector.
    pub dimensions: usize,
}

/// An entry whose value says that the model computes something else than this program.
pub(crate) struct UnsupportedEntry {
    /// The key of the entry.
    pub key: &'static str,
    /// The value of the entry.
    pub found: String,
    /// A description of the values that are supported.
    pub supported: String,
}

impl ConfigEntries {
    /// # Errors
    /// The entry that says that the model does not compute as BERT does.
    pub fn check(&self) -> std::result::Result<(), UnsupportedEntry> {
        let refuse = |key, found: &str, supported: &str| {
            Err(UnsupportedEntry { key, found: found.to_owned(), supported: supported.to_owned() })
        };
        if let Some(activation) = self.hidden_act.as_deref()
            && !["gelu", "gelu_python"].contains(&activation)
        {
            return refuse("hidden_act", activation, "\"gelu\", the erf form");
        }
        if let Some(kind) = self.position_embedding_type.as_deref()
            && kind != "absolute"
        {
            return refuse("position_embedding_type", kind, "\"absolute\"");
        }
        match self.is_decoder {
            Some(true) => refuse("is_decoder", "true", "encoders"),
            _ => Ok(()),
        }
    }
}
