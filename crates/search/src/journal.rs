//! `compress.json`: what a run is and how far it has come.

use std::path::Path;

use serde_json::Value;

use super::found::Found;
use tinybert_base::Result;
use tinybert_train::{Identity, Output, journal};

/// Settings that nothing depends on before the search.
const OF_THE_SEARCH: [&str; 2] = ["limits", "board"];

/// Its contents.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct Journal {
    identity: Identity,
    /// What the search found, once it has.
    pub found: Option<Found>,
    /// What came of it, once there is an image.
    pub outcome: Option<Value>,
}

impl Journal {
    /// That of the run in the folder of `out`, or a new one. A run that has not searched yet may go on with another budget
    /// and another board.
    ///
    /// # Errors
    /// Those of [`journal::open`].
    pub fn open(out: &Output, identity: Identity) -> Result<Self> {
        let new = Self { identity: identity.clone(), found: None, outcome: None };
        let begun = journal::open(out, new, "a run: give --resume to go on with it", "this command")?;
        Ok(Self { identity, ..begun })
    }
}

impl journal::Journal for Journal {
    const FILE: &'static str = "compress.json";
    const WHAT: &'static str = "the state of a run";

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn check(&self, new: &Self, folder: &Path) -> Result<()> {
        let count: &[&str] = if self.found.is_none() { &OF_THE_SEARCH } else { &[] };
        self.identity.without(count).check(&new.identity.without(count), folder)
    }
}
