//! Pruning: what is pruned is gone. Tensors and files shrink, and the folder loads again like any other.

mod importance;
mod layers;
mod steps;
mod structure;
mod vocabulary;

pub use importance::{Importance, Measure};
pub use layers::keep_layers;
pub use steps::share_after;
pub use steps::{PruneRound, Rounds, Stepped, Steps};
pub use structure::{KeptParts, Scope, StructureSettings};
pub use vocabulary::{Characters, Coverage, KeptPieces, PieceCounts, VocabularySettings};
