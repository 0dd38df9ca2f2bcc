//! Pruning: what is pruned is gone. Tensors and files shrink, and the folder loads again like any other.

mod importance;
mod structure;
mod vocabulary;

pub use importance::Importance;
pub use structure::{KeptParts, Scope, StructureSettings};
pub use vocabulary::{Characters, Coverage, KeptPieces, PieceCounts, VocabularySettings};
