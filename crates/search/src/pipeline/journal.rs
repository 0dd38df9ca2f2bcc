//! `compress.json`: the identity of a run and how far it has come.

use std::path::Path;

use serde_json::Value;

use super::KeptBaseline;
use super::tries::Try;
use crate::search::SearchResult;
use tinybert_base::Result;
use tinybert_train::{Identity, Output, journal};

/// Settings that only the search and later stages depend on.
const SEARCH_SETTINGS: [&str; 3] = ["limits", "board", "floor"];

/// The number of tries, with which only the end of a run changes: all tries before it stay what they are.
const TRIES: &str = "tries";

/// The contents of `compress.json`.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct CompressJournal {
    identity: Identity,
    /// The linear baseline; `None` before it was trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<KeptBaseline>,
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
    /// The journal of the run in the folder of `out`, or a new one. A run may continue with another number of tries,
    /// and one that has not searched yet with another budget, floor and board.
    ///
    /// # Errors
    /// Returns the errors of [`journal::open`].
    pub fn open(out: &Output, identity: Identity) -> Result<Self> {
        let (identity_now, tries) = (identity.clone(), Vec::new());
        let new = Self { identity: identity_now, baseline: None, search: None, tries, outcome: None };
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
        let mut ignored = vec![TRIES];
        if self.search.is_none() {
            ignored.extend(SEARCH_SETTINGS);
        }
        self.identity.without(&ignored).check(&new.identity.without(&ignored), folder)
    }
}
