#![doc = include_str!("../README.md")]

mod importance;
mod layers;
mod recovery;
mod structure;
mod vocabulary;

pub use importance::{Importance, ImportanceMeasure};
pub use layers::keep_layers;
pub use recovery::{PruneRound, PruneWithRecovery, PrunedModel, RoundsFolder, share_after};
pub use structure::{KeptParts, LayerSizes, ShareScope, StructureSettings};
pub use vocabulary::{Characters, Coverage, KeptPieces, PieceCounts, VocabularySettings};
