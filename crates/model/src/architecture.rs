//! The family of an encoder, as a configuration records it.

use crate::special_pieces::ModelSpecialIds;

/// The family of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// BERT: teachers and all students.
    #[default]
    Bert,
    /// MPNet, for teachers only, with the ids of its special pieces in BERT's numbering.
    MpNet(ModelSpecialIds),
}
