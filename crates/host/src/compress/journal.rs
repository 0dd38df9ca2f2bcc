//! `compress.json`: what a run is and how far it has come.

use serde_json::Value;

use super::found::Found;
use crate::Result;
use crate::train::{Identity, Output, journal};

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
    /// That of the run in the folder of `out`, or a new one.
    ///
    /// # Errors
    /// Those of [`journal::open`].
    pub fn open(out: &Output, identity: Identity) -> Result<Self> {
        let new = Self { identity, found: None, outcome: None };
        journal::open(out, new, "a run: give --resume to go on with it", "this command")
    }
}

impl journal::Journal for Journal {
    const FILE: &'static str = "compress.json";
    const WHAT: &'static str = "the state of a run";

    fn identity(&self) -> &Identity {
        &self.identity
    }
}
