//! `run.json`: how a checkpoint came to be.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::file_names::RUN_RECORD;
use tinybert_base::{Error, FileHash, Result, files};

/// The value of `program` in every record, by which this program knows its checkpoints.
const PROGRAM: &str = "tinybert-compress";

/// The record of the run that wrote a checkpoint.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RunRecord {
    /// The subcommand, `distill` for example.
    pub command: String,
    /// Every setting as it was resolved, defaults included.
    pub settings: Value,
    /// Seed of all randomness.
    pub seed: u64,
    /// SHA-256 of every file that was read.
    pub inputs: Vec<FileHash>,
    /// Results by name.
    pub metrics: Value,
    /// The options that the command line named; empty for a run of no command line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: RecordedOptions,
    /// Version of the program.
    #[serde(default)]
    pub version: String,
}

/// Options of a command line by their long names without dashes, with their values. An option that takes none has an
/// empty list.
pub type RecordedOptions = BTreeMap<String, Vec<String>>;

impl RunRecord {
    /// The record of a run of `command`, before there are results.
    pub fn new(command: &str, settings: Value, seed: u64, inputs: Vec<FileHash>) -> Self {
        Self {
            command: command.to_owned(),
            settings,
            seed,
            inputs,
            metrics: Value::Null,
            options: RecordedOptions::new(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// The record of the run that wrote `folder`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Input`] for a record that is damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        Self::read_file(&folder.join(RUN_RECORD))
    }

    /// The record in the file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Input`] for a record that is damaged.
    pub fn read_file(path: &Path) -> Result<Self> {
        let bytes = files::read(path)?;
        serde_json::from_slice(&bytes)
            .map_err(|error| Error::line(path, error.line(), format!("not a record of a run: {error}")))
    }

    /// The text of `run.json`, with the program's name.
    pub(super) fn to_json(&self) -> String {
        let mut json = json!(self);
        json["program"] = json!(PROGRAM);
        format!("{json:#}\n")
    }
}

/// Whether there is a record of this program at `path`.
pub(crate) fn is_ours(path: &Path) -> bool {
    let record: Option<Value> = files::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    record.is_some_and(|record| record["program"] == PROGRAM)
}
