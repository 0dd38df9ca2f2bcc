//! `config.json`: the sizes of the encoder and its task head, as transformers writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use super::mpnet::{EXTRA_PIECES, FIRST_POSITION, RELATIVE_BUCKETS};
use super::{Architecture, BertConfig, Head, Pruned, SpecialIds, Storage};
use tinybert_base::files;
use tinybert_base::{Error, Result};

/// The fields of `config.json` that matter here; any others are left alone.
#[derive(serde::Deserialize)]
pub(super) struct ConfigFile {
    model_type: Option<String>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    intermediate_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    hidden_dropout_prob: Option<f64>,
    attention_probs_dropout_prob: Option<f64>,
    initializer_range: Option<f64>,
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
    tie_word_embeddings: Option<bool>,
    problem_type: Option<String>,
    num_labels: Option<usize>,
    id2label: Option<BTreeMap<String, String>>,
    label2id: Option<BTreeMap<String, usize>>,
    relative_attention_num_buckets: Option<usize>,
    #[serde(default)]
    pruned_heads: BTreeMap<usize, BTreeSet<usize>>,
    intermediate_sizes: Option<Vec<usize>>,
    sentence_embedding: Option<SentenceEmbedding>,
}

/// This program's own entry for [`Head::Embedding`]; to transformers the folder is a bare encoder.
#[derive(serde::Serialize, serde::Deserialize)]
struct SentenceEmbedding {
    /// Only `mean`: over all tokens, special ones included.
    pooling: String,
    /// Size of the vector.
    dimensions: usize,
}

/// Kinds of head by the class that transformers gives them; MPNet's have `MPNet` for `Bert`.
const ARCHITECTURES: [&str; 5] = [
    "BertModel",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertForMaskedLM",
    "BertForPreTraining",
];

impl ConfigFile {
    /// # Errors
    /// [`Error::Input`] for anything but a configuration of a BERT or MPNet encoder.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self> {
        let file: Self = files::parse_json(path, bytes)?;
        let refuse = |key: &str, found: &str, supported: &str| {
            Err(Error::input(path, format!("{key} {found:?} is not supported; supported: {supported}")))
        };
        match file.model_type.as_deref() {
            Some("bert" | "mpnet") => {}
            Some(other) => return refuse("model_type", other, "\"bert\", and \"mpnet\" for teachers"),
            None => return Err(Error::input(path, "model_type is missing; expected \"bert\" or \"mpnet\"")),
        }
        if let Some(activation) = file.hidden_act.as_deref()
            && !["gelu", "gelu_python"].contains(&activation)
        {
            return refuse("hidden_act", activation, "\"gelu\", the erf form");
        }
        if let Some(kind) = file.position_embedding_type.as_deref()
            && kind != "absolute"
        {
            return refuse("position_embedding_type", kind, "\"absolute\"");
        }
        if file.is_decoder == Some(true) {
            return refuse("is_decoder", "true", "encoders");
        }
        if let Some(buckets) = file.relative_attention_num_buckets
            && buckets != RELATIVE_BUCKETS
        {
            return refuse("relative_attention_num_buckets", &buckets.to_string(), "32");
        }
        Ok(file)
    }

    /// The family of the encoder, whose tokenizer has these special pieces.
    pub(super) fn architecture(&self, special: SpecialIds) -> Architecture {
        match self.model_type.as_deref() {
            Some("mpnet") => Architecture::MpNet(special),
            _ => Architecture::Bert,
        }
    }

    /// Sizes of the encoder; what transformers would give a default has that default.
    ///
    /// # Errors
    /// [`Error::Input`] naming every missing size, or the one that cannot be.
    pub(super) fn encoder(&self, path: &Path, architecture: Architecture) -> Result<BertConfig> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        let missing: Vec<_> =
            sizes.iter().filter(|(_, size)| size.is_none()).map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            return Err(Error::input(path, format!("missing {}", missing.join(", "))));
        }
        let [vocab_size, hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, positions] =
            sizes.map(|(_, size)| size.unwrap_or_default());
        let (vocab_size, positions, eps) = match architecture {
            Architecture::Bert => (vocab_size, positions, 1e-12),
            // Counted here as BERT counts them; a vocabulary too small for that is refused below.
            Architecture::MpNet(_) => {
                (vocab_size.saturating_sub(EXTRA_PIECES), positions.saturating_sub(FIRST_POSITION), 1e-5)
            }
        };
        let config = BertConfig {
            architecture,
            vocab_size,
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            intermediate_size,
            max_position_embeddings: positions,
            type_vocab_size: self.type_vocab_size.unwrap_or(2),
            layer_norm_eps: self.layer_norm_eps.unwrap_or(eps),
            hidden_dropout_prob: self.hidden_dropout_prob.unwrap_or(0.1),
            attention_probs_dropout_prob: self.attention_probs_dropout_prob.unwrap_or(0.1),
            initializer_range: self.initializer_range.unwrap_or(0.02),
            pruned: self.pruned(path, num_hidden_layers, intermediate_size)?,
        };
        config.validate().map_err(|error| Error::input(path, error))?;
        Ok(config)
    }

    /// What layers have less than the common sizes.
    fn pruned(&self, path: &Path, layers: usize, intermediate_size: usize) -> Result<Pruned> {
        let widths = self.intermediate_sizes.as_deref().unwrap_or_default();
        if !widths.is_empty() && widths.len() != layers {
            let found = widths.len();
            return Err(Error::input(
                path,
                format!("intermediate_sizes has {found} widths; expected one for each of {layers} layers"),
            ));
        }
        let narrow = widths.iter().copied().enumerate().filter(|(_, width)| *width != intermediate_size);
        // An empty set says nothing; transformers writes such.
        let heads = self.pruned_heads.iter().filter(|(_, gone)| !gone.is_empty());
        Ok(Pruned {
            heads: heads.map(|(layer, gone)| (*layer, gone.clone())).collect(),
            intermediate_sizes: narrow.collect(),
        })
    }

    /// The task head by `architectures`, or, where that is missing, by the tensors that are there.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown architecture or labels that contradict each other.
    pub(super) fn head(&self, path: &Path, has_tensor: impl Fn(&str) -> bool) -> Result<Head> {
        let named = self.architectures.as_deref().and_then(<[String]>::first);
        let bert_name = named.map(|name| match self.model_type.as_deref() {
            Some("mpnet") => name.replacen("MPNet", "Bert", 1),
            _ => name.clone(),
        });
        let has_lm_head = has_tensor("cls.predictions.transform.dense.weight");
        let architecture = match bert_name.as_deref() {
            // Sentence encoders made of MPNet keep its name and leave out the head.
            Some("BertForMaskedLM") if self.model_type.as_deref() == Some("mpnet") && !has_lm_head => {
                "BertModel"
            }
            Some(name) => name,
            None if has_lm_head => "BertForMaskedLM",
            None if !has_tensor("classifier.weight") => "BertModel",
            None if has_tensor("bert.pooler.dense.weight") => "BertForSequenceClassification",
            None => "BertForTokenClassification",
        };
        match architecture {
            "BertModel" => self.sentence_head(path, has_tensor("projection.weight")),
            "BertForSequenceClassification" => self.sequence_head(path),
            "BertForTokenClassification" => Ok(Head::TokenClassification { labels: self.labels(path)? }),
            "BertForMaskedLM" | "BertForPreTraining" if self.tie_word_embeddings == Some(false) => {
                Err(Error::input(
                    path,
                    "tie_word_embeddings is false; only masked-LM heads whose decoder is the word embedding \
                     matrix are supported",
                ))
            }
            "BertForMaskedLM" | "BertForPreTraining" => Ok(Head::MaskedLm),
            other => Err(Error::input(
                path,
                format!("architecture {other:?} is not supported; supported: {}", ARCHITECTURES.join(", ")),
            )),
        }
    }

    fn sentence_head(&self, path: &Path, projected: bool) -> Result<Head> {
        let Some(SentenceEmbedding { pooling, dimensions }) = &self.sentence_embedding else {
            return Ok(Head::None);
        };
        if pooling != "mean" {
            let what =
                format!("sentence_embedding.pooling {pooling:?} is not supported; supported: \"mean\"");
            return Err(Error::input(path, what));
        }
        if !projected && Some(*dimensions) != self.hidden_size {
            let what = "sentence_embedding.dimensions is not hidden_size, and the weights have no projection";
            return Err(Error::input(path, what));
        }
        Ok(Head::Embedding { dimensions: *dimensions, projected })
    }

    fn sequence_head(&self, path: &Path) -> Result<Head> {
        let labels = self.labels(path)?;
        match (self.problem_type.as_deref(), labels.len()) {
            (None | Some("regression"), 1) => Ok(Head::Regression),
            (None | Some("single_label_classification"), 2..) => Ok(Head::Classification { labels }),
            (problem, count) => Err(Error::input(
                path,
                format!(
                    "problem_type {} with {count} label(s) is not supported; supported: regression with 1, \
                     single_label_classification with 2 or more",
                    problem.unwrap_or("(none)")
                ),
            )),
        }
    }

    /// Label names by class index. Without any, transformers' two default labels.
    fn labels(&self, path: &Path) -> Result<Vec<String>> {
        let mut by_class = BTreeMap::new();
        for (class, label) in self.id2label.iter().flatten() {
            let class: usize = class.parse().map_err(|_| {
                Error::input(path, format!("id2label has the key {class:?}; expected a class index"))
            })?;
            by_class.insert(class, label.as_str());
        }
        let mut from_label2id = BTreeMap::new();
        for (label, class) in self.label2id.iter().flatten() {
            if let Some(other) = from_label2id.insert(*class, label.as_str()) {
                return Err(Error::input(
                    path,
                    format!("label2id gives {label:?} and {other:?} the index {class}"),
                ));
            }
        }
        if by_class.is_empty() {
            by_class = from_label2id;
        } else if !from_label2id.is_empty() && by_class != from_label2id {
            return Err(Error::input(
                path,
                format!("id2label {by_class:?} and label2id {from_label2id:?} contradict each other"),
            ));
        }
        if by_class.is_empty() {
            return Ok((0..self.num_labels.unwrap_or(2)).map(|class| format!("LABEL_{class}")).collect());
        }
        if by_class.keys().copied().ne(0..by_class.len()) {
            let found: Vec<_> = by_class.keys().collect();
            return Err(Error::input(
                path,
                format!(
                    "id2label has the indices {found:?}; expected 0 to {} without gaps",
                    by_class.len() - 1
                ),
            ));
        }
        let labels: Vec<String> = by_class.into_values().map(str::to_owned).collect();
        if let Some(twice) = labels.iter().enumerate().find(|(class, label)| labels[..*class].contains(label))
        {
            return Err(Error::input(path, format!("id2label has the label {:?} twice", twice.1)));
        }
        Ok(labels)
    }
}

/// The `config.json` that transformers loads this model with.
pub(super) fn to_json(config: &BertConfig, head: &Head, pad_token_id: u32, storage: Storage) -> Value {
    let class = match head {
        Head::None | Head::Embedding { .. } => "Model",
        Head::Classification { .. } | Head::Regression => "ForSequenceClassification",
        Head::TokenClassification { .. } => "ForTokenClassification",
        Head::MaskedLm => "ForMaskedLM",
    };
    let mut json = json!({
        "hidden_size": config.hidden_size, "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads, "intermediate_size": config.intermediate_size,
        "hidden_act": "gelu", "layer_norm_eps": config.layer_norm_eps,
        "hidden_dropout_prob": config.hidden_dropout_prob,
        "attention_probs_dropout_prob": config.attention_probs_dropout_prob,
        "initializer_range": config.initializer_range,
        "vocab_size": config.word_rows(),
        "max_position_embeddings": config.first_position() + config.max_position_embeddings,
    });
    match config.architecture {
        Architecture::Bert => {
            json["model_type"] = json!("bert");
            json["architectures"] = json!([format!("Bert{class}")]);
            json["type_vocab_size"] = json!(config.type_vocab_size);
            json["position_embedding_type"] = json!("absolute");
            json["pad_token_id"] = json!(pad_token_id);
        }
        Architecture::MpNet(_) => {
            json["model_type"] = json!("mpnet");
            json["architectures"] = json!([format!("MPNet{class}")]);
            json["relative_attention_num_buckets"] = json!(RELATIVE_BUCKETS);
            (json["bos_token_id"], json["pad_token_id"], json["eos_token_id"]) =
                (json!(0), json!(1), json!(2));
        }
    }
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
