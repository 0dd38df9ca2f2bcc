//! The task heads a checkpoint can carry.

use tinybert_image::Pooling;

use crate::{names, thresholds};

/// The task head on top of the encoder.
#[derive(Debug, Clone, PartialEq)]
pub enum Head {
    /// The bare encoder; its pooler is kept when the checkpoint has one.
    None,
    /// Pooler and linear: one label per sentence or pair.
    Classification {
        /// Label names by class index.
        labels: Vec<String>,
    },
    /// Pooler and linear: zero, one or several labels per sentence or pair.
    MultiLabel {
        /// Label names by class index.
        labels: Vec<String>,
        /// The probability from which on an answer has the label, by class index; above 0 and below 1.
        thresholds: Vec<f64>,
    },
    /// Pooler and linear with one output: a score per sentence or pair.
    Regression,
    /// A linear on every token.
    TokenClassification {
        /// Label names by class index.
        labels: Vec<String>,
    },
    /// A vector per text: the states of all tokens pooled to one, through a linear if there is one, and scaled to
    /// length 1 if the vectors are normalized.
    Embedding {
        /// Size of the vector; the hidden size where there is no linear.
        dimensions: usize,
        /// Whether there is a linear, `projection`.
        projected: bool,
        /// How the states of all tokens become one.
        pooling: Pooling,
        /// Whether vectors have length 1.
        normalized: bool,
        /// What the model was trained to read before every text; empty for nothing.
        prompt: String,
    },
    /// Dense, GELU, LayerNorm and a decoder tied to the word embeddings, on every token.
    MaskedLm,
}

impl Head {
    /// A multi-label head with the usual threshold for every label.
    pub fn multi_label(labels: Vec<String>) -> Self {
        Self::MultiLabel { thresholds: vec![thresholds::DEFAULT_THRESHOLD; labels.len()], labels }
    }

    /// Outputs for one text or token; 0 for no head and for the masked-LM head, whose decoder is the word
    /// embedding matrix.
    pub fn outputs(&self) -> usize {
        match self {
            Self::None | Self::MaskedLm => 0,
            Self::Classification { .. } | Self::TokenClassification { .. } | Self::MultiLabel { .. } => {
                self.labels().len()
            }
            Self::Regression => 1,
            Self::Embedding { dimensions, .. } => *dimensions,
        }
    }

    /// Label names by class index; empty where the head has none.
    pub fn labels(&self) -> &[String] {
        match self {
            Self::Classification { labels }
            | Self::TokenClassification { labels }
            | Self::MultiLabel { labels, .. } => labels,
            Self::None | Self::Regression | Self::Embedding { .. } | Self::MaskedLm => &[],
        }
    }

    /// The same head; its labels become `names` where they only count.
    pub fn named(self, names: &[String]) -> Self {
        let only_counts = only_counts(self.labels()) && self.labels().len() == names.len();
        match self {
            Self::Classification { .. } if only_counts => Self::Classification { labels: names.to_vec() },
            Self::TokenClassification { .. } if only_counts => {
                Self::TokenClassification { labels: names.to_vec() }
            }
            Self::MultiLabel { thresholds, .. } if only_counts => {
                Self::MultiLabel { labels: names.to_vec(), thresholds }
            }
            other => other,
        }
    }

    /// The same head; a sentence encoder was trained to read `prompt` before every text.
    #[must_use]
    pub fn prompted(self, prompt: &str) -> Self {
        match self {
            Self::Embedding { dimensions, projected, pooling, normalized, .. } => {
                Self::Embedding { dimensions, projected, pooling, normalized, prompt: prompt.to_owned() }
            }
            other => other,
        }
    }

    /// The logit from which on an answer has the label, `[outputs]`, as images store it and devices compare; empty for
    /// heads whose answers do not have any number of labels.
    pub fn threshold_logits(&self) -> Vec<f32> {
        match self {
            Self::MultiLabel { thresholds, .. } => {
                thresholds.iter().map(|&probability| thresholds::logit(probability)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether this is the same head but for thresholds, which are chosen anew where weights change.
    pub fn same_but_thresholds(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::MultiLabel { labels, .. }, Self::MultiLabel { labels: others, .. }) => labels == others,
            _ => self == other,
        }
    }

    /// How the states of all tokens become one; the mean for heads that do not pool.
    pub fn pooling(&self) -> Pooling {
        match self {
            Self::Embedding { pooling, .. } => *pooling,
            _ => Pooling::Mean,
        }
    }

    /// Whether vectors are scaled to length 1; true for heads that give none.
    pub fn is_normalized(&self) -> bool {
        !matches!(self, Self::Embedding { normalized: false, .. })
    }

    /// True where the head reads the pooled `[CLS]` state.
    pub fn needs_pooler(&self) -> bool {
        matches!(self, Self::Classification { .. } | Self::MultiLabel { .. } | Self::Regression)
    }

    /// The name of the last linear, if the head has one of its own.
    pub fn linear(&self) -> Option<&'static str> {
        match self {
            Self::Classification { .. }
            | Self::MultiLabel { .. }
            | Self::Regression
            | Self::TokenClassification { .. } => Some(names::CLASSIFIER),
            Self::Embedding { projected: true, .. } => Some(names::PROJECTION),
            Self::Embedding { projected: false, .. } | Self::None | Self::MaskedLm => None,
        }
    }

    /// The name of this kind of head in messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "no head",
            Self::Classification { .. } => "sequence classification",
            Self::MultiLabel { .. } => "multi-label classification",
            Self::Regression => "regression",
            Self::TokenClassification { .. } => "token classification",
            Self::Embedding { .. } => "sentence embedding",
            Self::MaskedLm => "masked-LM",
        }
    }
}

/// True for label lists that only count: `LABEL_0`, `LABEL_1`, … (what Hugging Face writes when nobody named
/// the classes), or `0`, `1`, ….
pub fn only_counts(labels: &[String]) -> bool {
    labels
        .iter()
        .enumerate()
        .all(|(class, label)| label.strip_prefix("LABEL_").unwrap_or(label).parse() == Ok(class))
}
