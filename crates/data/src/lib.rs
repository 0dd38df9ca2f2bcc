#![doc = include_str!("../README.md")]

mod batch;
mod compression;
mod corpus;
mod dev_share;
mod encoded;
mod glue;
mod json;
mod label_set;
mod masking;
pub mod metrics;
mod prompts;
mod rewrite;
mod row;
mod rows;
mod scope;
pub mod shuffle;
mod soft_labels;
mod spec;
mod spilled;
mod table;
mod tags;
pub mod task;
mod text;
mod unchanged;
mod unlabelled;

pub use batch::{Batch, EpochBatches, collate, evaluation_batches, padding};
pub use corpus::{Corpus, WindowSettings, WindowTexts};
pub use dev_share::DevShare;
pub use encoded::EncodedSet;
pub use masking::{Masking, Targets};
pub use prompts::TextPrompts;
pub use rewrite::{RawRow, RawRows, RowLayout, read_rows, written_extension};
pub use rows::Rows;
pub use scope::{ScopedDataset, load_scoped};
pub use spec::{ColumnNames, DataSpec, Format, GlueTask, Source, Split, TableFiles};
pub use text::list;
pub use unlabelled::unlabelled;

use std::path::Path;

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
        Source::Table(files) => files.load(split, model, None, progress),
    }
}

/// Hands the texts of a file to `each`, one after the other: the lines of plain text (`.txt`), or a column of a
/// table.
///
/// # Errors
/// As [`load`], and those of `each`.
pub fn read_texts(path: &Path, column: &str, each: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
    table::read_texts(path, column, each)
}

#[cfg(test)]
mod tests;
