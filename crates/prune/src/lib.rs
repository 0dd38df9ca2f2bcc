//! Pruning of layers, attention heads, feed-forward neurons and word pieces. Pruned parts are removed: tensors and files
//! become smaller, and the model folder loads like any other.

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
