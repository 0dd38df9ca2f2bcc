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

use tinybert_base::{Error, Result};
use tinybert_model::Checkpoint;

/// Makes sure that a model is of a family that can be pruned.
///
/// # Errors
/// [`Error::Usage`] for a family of teachers.
pub fn check_family(model: &Checkpoint) -> Result<()> {
    let architecture = &model.config.architecture;
    if architecture.may_be_pruned() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{}: {} models teach and are not pruned; distil a student from it and prune the student",
        model.folder.display(),
        architecture.name()
    )))
}
