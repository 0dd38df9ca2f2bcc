//! `compress.json`: the identity of a run and how far it has come.

use std::path::Path;

use serde_json::Value;

use super::tries::Try;
use crate::search::SearchResult;
use tinybert_base::Result;
use tinybert_train::{Identity, Output, journal};

/// Settings that only the search and later stages depend on.
const SEARCH_SETTINGS: [&str; 4] = ["limits", "board", "floor", "tries"];

/// The contents of `compress.json`.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct CompressJournal {
    identity: Identity,
    /// The result of the search; `None` before the search.
    #[serde(rename = "found")]
    pub search: Option<SearchResult>,
    /// The models that were tried to find the smallest one that holds the floor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<Try>,
    /// The outcome of the run; `None` before there is an image.
    pub outcome: Option<Value>,
}

impl CompressJournal {
    /// The journal of the run in the folder of `out`, or a new one. A run that has not searched yet may
    /// continue with another budget, floor and board.
    ///
    /// # Errors
    /// Returns the errors of [`journal::open`].
    pub fn open(out: &Output, identity: Identity) -> Result<Self> {
        let new = Self { identity: identity.clone(), search: None, tries: Vec::new(), outcome: None };
        let opened = journal::open(out, new, "a run: give --resume to go on with it", "this command")?;
        Ok(Self { identity, ..opened })
    }
}

impl journal::Journal for CompressJournal {
    const FILE: &'static str = "compress.json";
    const WHAT: &'static str = "the state of a run";

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn check(&self, new: &Self, folder: &Path) -> Result<()> {
        let ignored: &[&str] = if self.search.is_none() { &SEARCH_SETTINGS } else { &[] };
        self.identity.without(ignored).check(&new.identity.without(ignored), folder)
    }
}
