//! Which family an encoder is of, as a configuration records it.

use crate::special_pieces::SpecialIds;

/// Which family an encoder is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// BERT: teachers and all students.
    #[default]
    Bert,
    /// MPNet, teachers only; with BERT's ids of its special pieces.
    MpNet(SpecialIds),
}
