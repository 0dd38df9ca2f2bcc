//! Journals of runs that consist of several runs, such as ablations: a file in the common folder that has the
//! identity of the whole run and its progress.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Identity, Output};
use tinybert_base::atomic::{remove_temporary_files, write_file};
use tinybert_base::{Error, Result};

/// The contents of a journal.
pub trait Journal: Serialize + DeserializeOwned {
    /// Name of the file.
    const FILE: &'static str;
    /// What the file should be, for the message about a file that is something else.
    const WHAT: &'static str = "a journal";

    /// The identity of the run that began the journal.
    fn identity(&self) -> &Identity;

    /// Makes sure that the run of the journal `new` is the run of this journal, whose file is in `folder`.
    ///
    /// # Errors
    /// Returns the errors of [`Identity::check`].
    fn check(&self, new: &Self, folder: &Path) -> Result<()> {
        self.identity().check(new.identity(), folder)
    }

    /// Writes the journal to `folder`, and whatever else depends on it.
    ///
    /// # Errors
    /// [`Error::Io`].
    fn write(&self, folder: &Path) -> Result<()> {
        save(self, folder)
    }
}

/// Writes only the journal's file.
///
/// # Errors
/// [`Error::Io`].
pub fn save<J: Journal>(journal: &J, folder: &Path) -> Result<()> {
    write_file(&folder.join(J::FILE), format!("{:#}\n", json!(journal)).as_bytes())
}

/// Reads a journal.
///
/// # Errors
/// [`Error::Io`]; [`Error::Input`] for a file that is something else.
pub fn read<J: Journal>(path: &Path) -> Result<J> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::input(path, format!("not {}: {error}", J::WHAT)))
}

/// The journal in the folder of `out`, or `new`, which is then written there. For error messages, `begun`
/// says what a folder with a journal has and how to continue it, and `owner` says which command's folders
/// have journals.
///
/// # Errors
/// [`Error::Usage`] for a folder with a run that is not to be resumed, or with something else; the errors of
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
    // A process that was killed while it wrote its journal has left nothing else.
    remove_temporary_files(folder)?;
    if fs::read_dir(folder).map_err(Error::io(folder))?.next().is_some() {
        return Err(Error::Usage(format!(
            "{}: is neither empty nor a folder of {owner}; choose another --out",
            folder.display()
        )));
    }
    new.write(folder)?;
    Ok(new)
}
