#![doc = include_str!("../README.md")]

mod batch;
mod corpus;
mod dev_share;
mod encoded;
mod glue;
mod label_set;
mod masking;
pub mod metrics;
mod rewrite;
mod row;
pub mod shuffle;
mod soft_labels;
mod spec;
mod table;
mod tags;
pub mod task;
mod text;
mod unlabelled;

pub use batch::{Batch, bucketed_batches, collate, evaluation_batches, padding};
pub use corpus::{Corpus, WindowSettings};
pub use dev_share::{DevShare, same_text};
pub use encoded::EncodedSet;
pub use masking::{Masking, Targets};
pub use rewrite::{RawRow, RawRows, RowLayout, read_rows};
pub use spec::{ColumnNames, DataSpec, Format, GlueTask, Source, Split, TableFiles};
pub use text::list;
pub use unlabelled::unlabelled;

use crate::task::Dataset;
use tinybert_base::Result;
use tinybert_base::progress::Progress;

/// Reads one split. Lines that a user should see (labels matched by index, rows left out) go to
/// [`Progress::say`].
///
/// # Errors
/// [`Error::Io`](tinybert_base::Error::Io) for a file that cannot be read,
/// [`Error::Usage`](tinybert_base::Error::Usage) for a split that the source does not have,
/// [`Error::Input`](tinybert_base::Error::Input) with file and line for contents that are not as they should
/// be.
pub fn load(spec: &DataSpec, split: Split, progress: &dyn Progress) -> Result<Dataset> {
    let model = spec.labels.as_deref();
    match &spec.source {
        Source::Glue { task, folder } => glue::load(*task, folder, split, model, progress),
        Source::Table(files) => files.load(split, model, progress),
    }
}

#[cfg(test)]
mod tests;
