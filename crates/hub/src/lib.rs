#![doc = include_str!("../README.md")]

mod cache;
#[cfg(feature = "download")]
mod client;
#[cfg(feature = "download")]
mod download;
mod files;
mod id;
mod settings;
#[cfg(feature = "download")]
mod waiting;

use std::path::PathBuf;

use tinybert_base::{Context, Result};

pub use id::HubId;
pub use settings::HubSettings;

use self::files::ModelFiles;

/// What of a model is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// `config.json` and the tokenizer's files.
    Vocabulary,
    /// These, the weights, and what says how a sentence encoder pools.
    Model,
}

/// A model of the Hub on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The folder with its files, which are links into the cache.
    pub folder: PathBuf,
    /// Whether the folder has all that the model has to say about pooling; always true for [`Parts::Vocabulary`].
    /// Offline, a cache that another tool has filled may lack the file, and nobody knows whether the model has one.
    pub is_pooling_known: bool,
    /// `ORG/NAME`.
    model: String,
    commit: String,
}

impl Snapshot {
    /// `hf://ORG/NAME@COMMIT`: the id that names the same files for ever.
    pub fn name(&self) -> String {
        format!("hf://{}@{}", self.model, self.commit)
    }
}

/// The model of `id` at the commit that its revision has, or had when it was fetched first. What is in the cache is
/// taken from there; what is missing is fetched.
///
/// # Errors
/// [`Error::Io`](tinybert_base::Error::Io) if there is no such model, the user may not read it, or it cannot be
/// fetched; [`Error::Input`](tinybert_base::Error::Input) for a model without what this program reads, and for
/// contents that are not what the Hub announced; [`Error::Interrupted`](tinybert_base::Error::Interrupted) when
/// the user asks to stop: the next call continues.
pub fn snapshot(id: &HubId, parts: Parts, settings: &HubSettings, context: &Context) -> Result<Snapshot> {
    let mut files = ModelFiles::new(id, settings, context);
    files.obtain_parts(parts)?;
    files.into_snapshot()
}
