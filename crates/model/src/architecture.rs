//! The family of an encoder, as a configuration records it, and the functions in which families differ.

use crate::special_pieces::ModelSpecialIds;

/// The family of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// BERT: teachers and all students.
    #[default]
    Bert,
    /// DistilBERT, for teachers only.
    DistilBert,
    /// ELECTRA, for teachers only.
    Electra,
    /// MPNet, for teachers only, with the ids of its special pieces in BERT's numbering.
    MpNet(ModelSpecialIds),
    /// RoBERTa, for teachers only, with the ids of its special pieces.
    Roberta(ModelSpecialIds),
    /// XLM-RoBERTa, for teachers only, with the ids of its special pieces.
    #[serde(rename = "xlm-roberta")]
    XlmRoberta(ModelSpecialIds),
}

/// A function after a linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The hyperbolic tangent.
    Tanh,
    /// The larger of the value and 0.
    Relu,
    /// GELU in its erf form.
    Gelu,
}
