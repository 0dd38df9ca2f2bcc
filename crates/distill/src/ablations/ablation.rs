//! The ablations: the whole method, and the method without one of its parts.

use std::str::FromStr;

use crate::TaskSettings;
use crate::layer_map::LayerMap;
use tinybert_base::{Error, Result};

/// A row of the table: the whole method, or the method without one of its parts (tables 2 to 4 of the paper).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ablation {
    /// The whole method.
    Full,
    /// A student without general distillation.
    NoGeneral,
    /// The task's own data without augmentation, repeated until an epoch is as long as with it.
    NoAugmentation,
    /// No embedding loss.
    NoEmbedding,
    /// No hidden losses.
    NoHidden,
    /// No attention losses.
    NoAttention,
    /// Neither hidden nor attention losses.
    NoTransformer,
    /// The gold labels instead of the teacher's answers.
    NoPrediction,
    /// A layer map of the teacher's last layers.
    MapTop,
    /// A layer map of the teacher's first layers.
    MapBottom,
}

impl Ablation {
    /// All ablations in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Full,
        Self::NoGeneral,
        Self::NoAugmentation,
        Self::NoEmbedding,
        Self::NoHidden,
        Self::NoAttention,
        Self::NoTransformer,
        Self::NoPrediction,
        Self::MapTop,
        Self::MapBottom,
    ];

    /// The name on the command line and in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoGeneral => "no-general",
            Self::NoAugmentation => "no-augmentation",
            Self::NoEmbedding => "no-embedding",
            Self::NoHidden => "no-hidden",
            Self::NoAttention => "no-attention",
            Self::NoTransformer => "no-transformer",
            Self::NoPrediction => "no-prediction",
            Self::MapTop => "map-top",
            Self::MapBottom => "map-bottom",
        }
    }

    /// The settings `full` without what this row leaves out.
    pub fn settings(self, full: &TaskSettings) -> TaskSettings {
        let mut settings = full.clone();
        let transfer = &mut settings.transfer;
        match self {
            Self::Full | Self::NoGeneral | Self::NoAugmentation => {}
            Self::NoEmbedding => transfer.embedding_weight = 0.0,
            Self::NoHidden => transfer.hidden_weight = 0.0,
            Self::NoAttention => transfer.attention_weight = 0.0,
            Self::NoTransformer => (transfer.hidden_weight, transfer.attention_weight) = (0.0, 0.0),
            Self::NoPrediction => settings.prediction.epochs = 0,
            Self::MapTop => transfer.layer_map = LayerMap::Top,
            Self::MapBottom => transfer.layer_map = LayerMap::Bottom,
        }
        settings
    }
}

impl FromStr for Ablation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|row| row.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::Usage(format!("row {text}: expected one of {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Paths of the settings that differ.
    fn differences(row: Ablation) -> Vec<&'static str> {
        let full = json!(TaskSettings::default());
        let own = json!(row.settings(&TaskSettings::default()));
        let paths = [
            "/transfer/embedding_weight",
            "/transfer/hidden_weight",
            "/transfer/attention_weight",
            "/transfer/layer_map",
            "/prediction/epochs",
        ];
        let (mut full_rest, mut own_rest) = (full.clone(), own.clone());
        for path in paths {
            *full_rest.pointer_mut(path).unwrap() = json!(null);
            *own_rest.pointer_mut(path).unwrap() = json!(null);
        }
        assert_eq!(full_rest, own_rest, "{} changes something else", row.name());
        paths.into_iter().filter(|path| full.pointer(path) != own.pointer(path)).collect()
    }

    #[test]
    fn each_row_leaves_out_what_it_is_named_after_and_nothing_else() {
        let expected: [(Ablation, &[&str]); 10] = [
            (Ablation::Full, &[]),
            (Ablation::NoGeneral, &[]),
            (Ablation::NoAugmentation, &[]),
            (Ablation::NoEmbedding, &["/transfer/embedding_weight"]),
            (Ablation::NoHidden, &["/transfer/hidden_weight"]),
            (Ablation::NoAttention, &["/transfer/attention_weight"]),
            (Ablation::NoTransformer, &["/transfer/hidden_weight", "/transfer/attention_weight"]),
            (Ablation::NoPrediction, &["/prediction/epochs"]),
            (Ablation::MapTop, &["/transfer/layer_map"]),
            (Ablation::MapBottom, &["/transfer/layer_map"]),
        ];
        assert_eq!(expected.map(|(row, _)| row), Ablation::ALL);
        for (row, paths) in expected {
            assert_eq!(differences(row), paths, "{}", row.name());
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for row in Ablation::ALL {
            assert_eq!(row.name().parse::<Ablation>().unwrap(), row);
            assert_eq!(json!(row), json!(row.name()));
        }
        assert!("no-thing".parse::<Ablation>().unwrap_err().to_string().contains("no-general"));
    }
}
