//! The contents of `OUT.run`, and how the folder is removed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tinybert_base::{Error, Result, own_folder};
use tinybert_model::METRICS;

/// How the names of the folders in the folder of a run begin.
const PARTS: [&str; 5] = ["step-", "round-", "intermediate", RESCUED, "tinybert-compress-"];

/// The folder of a finished model that could not be written to its place.
pub(super) const RESCUED: &str = "result";

/// The folders of complete checkpoints in the order of their steps.
pub(super) fn checkpoints(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let name = entry.file_name();
        if let Some(steps) = name.to_str().and_then(|name| name.strip_prefix("step-")?.parse::<u64>().ok()) {
            found.push((steps, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Takes the exclusive lock on a run's folder.
///
/// # Errors
/// [`Error::Usage`] if another process has it; [`Error::Io`].
pub(crate) fn lock(folder: &Path) -> Result<File> {
    let busy = || Error::Usage(format!("{}: another process is running this run", folder.display()));
    own_folder::lock(folder)?.ok_or_else(busy)
}

/// Removes the folder of a finished run. It is renamed first, so that a process that is killed meanwhile
/// leaves no incomplete run behind. Files that somebody else has put there stay, in a folder of the same name.
///
/// # Errors
/// [`Error::Usage`] for a folder that is not of this program; [`Error::Io`] if that fails.
pub fn remove_finished(folder: &Path) -> Result<()> {
    own_folder::check(folder)?;
    let removed = name_while_removed(folder);
    fs::rename(folder, &removed).map_err(Error::io(folder))?;
    match own_folder::remove_own(&removed, is_of_run)? {
        None => Ok(()),
        Some(_) => fs::rename(&removed, folder).map_err(Error::io(folder)),
    }
}

/// Whether an entry of the folder of a run has a name that runs give: checkpoints, journals, and the models of parts of
/// the run with their own folders.
fn is_of_run(name: &str) -> bool {
    name.ends_with(".json")
        || name == METRICS
        || PARTS.iter().any(|part| name.trim_start_matches('.').starts_with(part))
}

/// Removes what a killed process left unfinished in the folder of a run and beside it.
///
/// # Errors
/// [`Error::Io`] if that fails.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    own_folder::remove(&name_while_removed(folder))?;
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if entry.file_name().to_string_lossy().starts_with(".step-") {
            fs::remove_dir_all(entry.path()).map_err(Error::io(entry.path()))?;
        }
    }
    Ok(())
}

/// The name that a finished run's folder has while it is removed.
fn name_while_removed(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.done"))
}
