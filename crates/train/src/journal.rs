//! The journal of a run that is made of runs: what it is and how far it has come, a file in the folder of their folders.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Identity, Output};
use tinybert_base::atomic::write_file;
use tinybert_base::{Error, Result};

/// What a journal holds.
pub trait Journal: Serialize + DeserializeOwned {
    /// Its name in the folder.
    const FILE: &'static str;
    /// What it is, for a file that is something else.
    const WHAT: &'static str = "a journal";

    /// Of the run that began it.
    fn identity(&self) -> &Identity;

    /// Makes sure that `new` goes on with the run of this one, which stands in `folder`.
    ///
    /// # Errors
    /// Those of [`Identity::check`].
    fn check(&self, new: &Self, folder: &Path) -> Result<()> {
        self.identity().check(new.identity(), folder)
    }

    /// Writes it to `folder`, with whatever shows it there.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn write(&self, folder: &Path) -> Result<()> {
        save(self, folder)
    }
}

/// Writes the file alone.
///
/// # Errors
/// [`Error::Io`].
pub fn save<J: Journal>(journal: &J, folder: &Path) -> Result<()> {
    write_file(&folder.join(J::FILE), format!("{:#}\n", json!(journal)).as_bytes())
}

/// Reads the file.
///
/// # Errors
/// [`Error::Io`], [`Error::Input`] if it is something else.
pub fn read<J: Journal>(path: &Path) -> Result<J> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::input(path, format!("not {}: {error}", J::WHAT)))
}

/// The journal in the folder of `out`, or `new` in a folder that is made. `begun` says what a folder has and how to go on
/// with it, `owner` whose folders have one.
///
/// # Errors
/// [`Error::Usage`] for a folder with a run that is not to be resumed, or with something else; those of
/// [`Journal::check`] and [`read`].
pub fn open<J: Journal>(out: &Output, new: J, begun: &str, owner: &str) -> Result<J> {
    let (folder, path) = (&out.folder, out.folder.join(J::FILE));
    if path.exists() {
        let journal: J = read(&path)?;
        if !out.resume {
            return Err(Error::Usage(format!("{} has {begun}, or choose another --out", folder.display())));
        }
        journal.check(&new, folder)?;
        return Ok(journal);
    }
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    if fs::read_dir(folder).map_err(Error::io(folder))?.next().is_some() {
        return Err(Error::Usage(format!(
            "{}: is neither empty nor a folder of {owner}; choose another --out",
            folder.display()
        )));
    }
    new.write(folder)?;
    Ok(new)
}
