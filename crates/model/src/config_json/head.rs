//! The task head that a `config.json` describes, with its labels.

use std::collections::BTreeMap;
use std::path::Path;

use super::ConfigFile;
use crate::config_entries::SentenceEmbedding;
use crate::{Head, names};
use tinybert_base::{Error, Result};

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
        Head::Classification { .. } | Head::Regression => "ForSequenceClassification",
        Head::TokenClassification { .. } => "ForTokenClassification",
        Head::MaskedLm => "ForMaskedLM",
    }
}

impl ConfigFile {
    /// The task head that `architectures` names. If the entry is missing, the tensors of the folder decide.
    ///
    /// # Errors
    /// [`Error::Input`] for an unknown architecture or labels that contradict each other.
    pub(crate) fn head(&self, path: &Path, has_tensor: impl Fn(&str) -> bool) -> Result<Head> {
        let class = self.entries.architectures.as_deref().and_then(<[String]>::first);
        let has_masked_lm_head = has_tensor(&names::weight(names::MASKED_LM_DENSE));
        let class = match class.map(String::as_str) {
            Some("BertForMaskedLM") if !has_masked_lm_head && self.family.masked_lm_may_lack_its_head() => {
                "BertModel"
            }
            Some(class) => class,
            None if has_masked_lm_head => "BertForMaskedLM",
            None if !has_tensor(&names::weight(names::CLASSIFIER)) => "BertModel",
            None if has_tensor(&names::weight(names::POOLER)) => "BertForSequenceClassification",
            None => "BertForTokenClassification",
        };
        match class {
            "BertModel" => self.sentence_head(path, has_tensor(&names::weight(names::PROJECTION))),
            "BertForSequenceClassification" => self.sequence_head(path),
            "BertForTokenClassification" => Ok(Head::TokenClassification { labels: self.labels(path)? }),
            "BertForMaskedLM" | "BertForPreTraining" if self.entries.tie_word_embeddings == Some(false) => {
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

    fn sentence_head(&self, path: &Path, projected: bool) -> Result<Head> {
        let Some(SentenceEmbedding { pooling, dimensions }) = &self.entries.sentence_embedding else {
            return Ok(Head::None);
        };
        if pooling != "mean" {
            let what =
                format!("sentence_embedding.pooling {pooling:?} is not supported; supported: \"mean\"");
            return Err(Error::input(path, what));
        }
        if !projected && Some(*dimensions) != self.entries.hidden_size {
            let what = "sentence_embedding.dimensions is not hidden_size, and the weights have no projection";
            return Err(Error::input(path, what));
        }
        Ok(Head::Embedding { dimensions: *dimensions, projected })
    }

    fn sequence_head(&self, path: &Path) -> Result<Head> {
        let labels = self.labels(path)?;
        match (self.entries.problem_type.as_deref(), labels.len()) {
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
        for (class, label) in self.entries.id2label.iter().flatten() {
            let class: usize = class.parse().map_err(|_| {
                Error::input(path, format!("id2label has the key {class:?}; expected a class index"))
            })?;
            by_class.insert(class, label.as_str());
        }
        let mut from_label2id = BTreeMap::new();
        for (label, class) in self.entries.label2id.iter().flatten() {
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
            return Ok((0..self.entries.num_labels.unwrap_or(2))
                .map(|class| format!("LABEL_{class}"))
                .collect());
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
