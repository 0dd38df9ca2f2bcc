//! The task head that a `config.json` describes, with its labels.

use std::collections::{BTreeMap, HashSet};

use super::ConfigFile;
use crate::{Head, names, sentence, thresholds};
use tinybert_base::{Error, Result};

/// The keys of `config.json` that describe the head and its labels, for all families alike.
#[derive(serde::Deserialize)]
pub(super) struct HeadKeys {
    pub architectures: Option<Vec<String>>,
    tie_word_embeddings: Option<bool>,
    problem_type: Option<String>,
    num_labels: Option<usize>,
    id2label: Option<BTreeMap<String, String>>,
    label2id: Option<BTreeMap<String, ClassIndex>>,
    sentence_embedding: Option<SentenceEmbedding>,
    /// This program's own key for [`Head::MultiLabel`]: the threshold of each label. transformers ignores it.
    label_thresholds: Option<Vec<f64>>,
}

/// The index of a class in `label2id`, which some training scripts write as text.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum ClassIndex {
    Number(usize),
    Text(String),
}

impl ClassIndex {
    /// The number; `None` for a text that is none.
    fn number(&self) -> Option<usize> {
        match self {
            Self::Number(class) => Some(*class),
            Self::Text(class) => class.parse().ok(),
        }
    }
}

/// Most labels of a head.
const MOST_LABELS: usize = 1 << 16;

/// This program's own key for [`Head::Embedding`]; to transformers the folder is a bare encoder.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct SentenceEmbedding {
    /// The way of pooling: `mean`, `cls` or `max`; special tokens take part.
    pub pooling: String,
    /// Size of the vector.
    pub dimensions: usize,
    /// Whether the vector is scaled to length 1.
    #[serde(default = "is_normalized", skip_serializing_if = "Clone::clone")]
    pub normalized: bool,
    /// What stands before every text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
}

/// Folders of earlier versions do not say that their vectors have length 1.
fn is_normalized() -> bool {
    true
}

/// Prefix of the names of BERT's classes in transformers.
pub(super) const CLASS_PREFIX: &str = "Bert";

/// Kinds of head by the class that transformers gives them.
const CLASSES: [&str; 5] = [
    "BertModel",
    "BertForSequenceClassification",
    "BertForTokenClassification",
    "BertForMaskedLM",
    "BertForPreTraining",
];

/// The class of a head without the prefix that stands for the family.
pub(super) fn class_of(head: &Head) -> &'static str {
    match head {
        Head::None | Head::Embedding { .. } => "Model",
        Head::Classification { .. } | Head::MultiLabel { .. } | Head::Regression => {
            "ForSequenceClassification"
        }
        Head::TokenClassification { .. } => "ForTokenClassification",
        Head::MaskedLm => "ForMaskedLM",
    }
}

impl ConfigFile<'_> {
    /// The task head that `architectures` names. If the entry is missing, the tensors of the folder decide.
    /// `hidden_size` is that of the encoder.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown architecture or labels that contradict each other.
    pub(crate) fn head(&self, hidden_size: usize, has_tensor: impl Fn(&str) -> bool) -> Result<Head> {
        let path = self.source.path();
        let class = self.head_keys.architectures.as_deref().and_then(<[String]>::first);
        let has_masked_lm_head = has_tensor(&names::weight(names::MASKED_LM_DENSE));
        let class = match class.map(String::as_str) {
            Some("BertForMaskedLM" | "BertForPreTraining")
                if !has_masked_lm_head && self.family.masked_lm_may_lack_its_head() =>
            {
                "BertModel"
            }
            Some(class) => class,
            None if has_masked_lm_head => "BertForMaskedLM",
            None if !has_tensor(&names::weight(names::CLASSIFIER)) => "BertModel",
            None if has_tensor(&names::weight(names::POOLER)) => "BertForSequenceClassification",
            None => "BertForTokenClassification",
        };
        match class {
            "BertModel" => self.sentence_head(hidden_size, has_tensor(&names::weight(names::PROJECTION))),
            "BertForSequenceClassification" => self.sequence_head(),
            "BertForTokenClassification" => Ok(Head::TokenClassification { labels: self.labels()? }),
            "BertForMaskedLM" | "BertForPreTraining" if self.head_keys.tie_word_embeddings == Some(false) => {
                Err(Error::input(
                    path,
                    "tie_word_embeddings is false; only masked-LM heads whose decoder is the word embedding \
                     matrix are supported",
                ))
            }
            "BertForMaskedLM" | "BertForPreTraining" => Ok(Head::MaskedLm),
            other => Err(Error::input(
                path,
                format!("architecture {other:?} is not supported; supported: {}", CLASSES.join(", ")),
            )),
        }
    }

    fn sentence_head(&self, hidden_size: usize, projected: bool) -> Result<Head> {
        let path = self.source.path();
        let Some(SentenceEmbedding { pooling, dimensions, normalized, prompt }) =
            &self.head_keys.sentence_embedding
        else {
            return Ok(Head::None);
        };
        let Some(pooling) = sentence::pooling_of_name(pooling) else {
            let supported = sentence::POOLINGS.map(|(name, _)| name).join(", ");
            let what =
                format!("sentence_embedding.pooling {pooling:?} is not supported; supported: {supported}");
            return Err(Error::input(path, what));
        };
        if !projected && *dimensions != hidden_size {
            let what = "sentence_embedding.dimensions is not hidden_size, and the weights have no projection";
            return Err(Error::input(path, what));
        }
        let (normalized, prompt) = (*normalized, prompt.clone());
        Ok(Head::Embedding { dimensions: *dimensions, projected, pooling, normalized, prompt })
    }

    fn sequence_head(&self) -> Result<Head> {
        let labels = self.labels()?;
        match (self.head_keys.problem_type.as_deref(), labels.len()) {
            (None | Some("regression"), 1) => Ok(Head::Regression),
            (None | Some("single_label_classification"), 2..) => Ok(Head::Classification { labels }),
            (Some("multi_label_classification"), 1..) => {
                if let Some(label) = labels.iter().find(|label| label.contains('|')) {
                    let what = format!(
                        "id2label has the label {label:?}: the character | separates labels in answers and data; rename it"
                    );
                    return Err(Error::input(self.source.path(), what));
                }
                Ok(Head::MultiLabel { thresholds: self.thresholds(&labels)?, labels })
            }
            (problem, count) => Err(Error::input(
                self.source.path(),
                format!(
                    "problem_type {} with {count} label(s) is not supported; supported: regression with 1, \
                     single_label_classification with 2 or more, multi_label_classification",
                    problem.unwrap_or("(none)")
                ),
            )),
        }
    }

    /// The threshold of each label; the usual one without the key, as in folders that transformers wrote.
    fn thresholds(&self, labels: &[String]) -> Result<Vec<f64>> {
        let Some(found) = &self.head_keys.label_thresholds else {
            return Ok(vec![thresholds::DEFAULT_THRESHOLD; labels.len()]);
        };
        let fault = |what: String| Err(Error::input(self.source.path(), what));
        if found.len() != labels.len() {
            let (found, labels) = (found.len(), labels.len());
            return fault(format!(
                "label_thresholds has {found} numbers; expected one for each of {labels} labels"
            ));
        }
        match found.iter().zip(labels).find(|(threshold, _)| !thresholds::is_threshold(**threshold)) {
            None => Ok(found.clone()),
            Some((threshold, label)) => fault(format!(
                "label_thresholds has {threshold} for {label:?}; expected a probability above 0 and below 1"
            )),
        }
    }

    /// Label names by class index. Without any, transformers' two default labels.
    fn labels(&self) -> Result<Vec<String>> {
        let path = self.source.path();
        let mut by_class = BTreeMap::new();
        for (class, label) in self.head_keys.id2label.iter().flatten() {
            let class: usize = class.parse().map_err(|_| {
                Error::input(path, format!("id2label has the key {class:?}; expected a class index"))
            })?;
            by_class.insert(class, label.as_str());
        }
        let mut from_label2id = BTreeMap::new();
        for (label, class) in self.head_keys.label2id.iter().flatten() {
            let class = class.number().ok_or_else(|| {
                Error::input(path, format!("label2id has no index for {label:?}; expected a class index"))
            })?;
            if let Some(other) = from_label2id.insert(class, label.as_str()) {
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
        let counted = self.head_keys.num_labels.unwrap_or(2);
        for (key, count) in [("num_labels", counted), ("id2label", by_class.len())] {
            if count > MOST_LABELS {
                return Err(Error::input(
                    path,
                    format!("{key} gives {count} labels; at most {MOST_LABELS} are read"),
                ));
            }
        }
        if by_class.is_empty() {
            return Ok((0..counted).map(|class| format!("LABEL_{class}")).collect());
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
        let mut known = HashSet::new();
        if let Some(twice) = labels.iter().find(|label| !known.insert(*label)) {
            return Err(Error::input(path, format!("id2label has the label {twice:?} twice")));
        }
        Ok(labels)
    }
}
