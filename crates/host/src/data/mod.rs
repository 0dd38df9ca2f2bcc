//! Labelled text, plain corpora, and the batches made of them.
//!
//! [`load`] reads one split of a [`DataSpec`] into a [`Dataset`]; raw text is packed into windows.
//! `docs/data.md` has every layout and every error.

pub mod batch;
mod spec;

pub use batch::{Batch, EncodedSet, bucketed_batches, collate};
pub use spec::{Columns, DataSpec, Format, GlueTask, Source, Split};

use crate::progress::Progress;
use crate::task::Dataset;
use crate::{Error, Result};

/// Token ids of one sentence or pair; moves to `checkpoint` together with the text encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// 0 for the first sentence, 1 for the second; as long as `ids`.
    pub type_ids: Vec<u32>,
}

/// Reads one split. Lines that a user should see (labels matched by index, rows left out) go to
/// [`Progress::say`].
///
/// # Errors
/// [`Error::Io`] for a file that cannot be read, [`Error::Usage`] for a split the source does not have and a
/// column it lacks, [`Error::Input`] with file and line for everything else.
pub fn load(_spec: &DataSpec, split: Split, _progress: &dyn Progress) -> Result<Dataset> {
    Err(Error::Usage(format!("reading the {split} split is on its way")))
}
