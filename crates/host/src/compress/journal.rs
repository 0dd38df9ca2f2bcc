//! `compress.json`: what a run is and how far it has come.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::search::Found;
use crate::checkpoint::write_file;
use crate::train::{Identity, Output};
use crate::{Error, Result};

/// Its name in the output folder.
const JOURNAL: &str = "compress.json";

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
    /// [`Error::Usage`] for a folder with a run that is not to be resumed, or with something else; those of
    /// [`Identity::check`].
    pub fn open(out: &Output, identity: Identity) -> Result<Self> {
        let (folder, path) = (&out.folder, out.folder.join(JOURNAL));
        if path.exists() {
            let bytes = fs::read(&path).map_err(Error::io(&path))?;
            let journal: Self = serde_json::from_slice(&bytes)
                .map_err(|error| Error::input(&path, format!("not the state of a run: {error}")))?;
            if !out.resume {
                return Err(Error::Usage(format!(
                    "{} has a run: give --resume to go on with it, or choose another --out",
                    folder.display()
                )));
            }
            journal.identity.check(&identity, folder)?;
            return Ok(journal);
        }
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        if fs::read_dir(folder).map_err(Error::io(folder))?.next().is_some() {
            return Err(Error::Usage(format!(
                "{}: is neither empty nor a folder of this command; choose another --out",
                folder.display()
            )));
        }
        let journal = Self { identity, found: None, outcome: None };
        journal.write(folder)?;
        Ok(journal)
    }

    /// Writes it to `folder`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_file(&folder.join(JOURNAL), format!("{:#}\n", json!(self)).as_bytes())
    }
}
