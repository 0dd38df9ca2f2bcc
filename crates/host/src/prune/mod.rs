//! Pruning: what is pruned is gone. Tensors and files shrink, and the folder loads again like any other.

mod vocabulary;

pub use vocabulary::{Characters, Coverage, KeptPieces, PieceCounts, VocabularySettings};
