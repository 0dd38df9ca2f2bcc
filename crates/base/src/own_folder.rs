//! Folders that the program makes for its own work and removes again. A file in such a folder marks it, so that nothing
//! is ever emptied, cut off or removed that somebody else has put there, or that a link points to.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use crate::{Error, Result};

/// The file that marks a folder of this program.
const MARKER: &str = ".tinybert-compress";

/// Makes the folder, or opens the one that an earlier run of this program has left. An empty folder is taken too. The
/// parents of the folder are created.
///
/// # Errors
/// [`Error::Usage`] for a link, a file, a folder of another user, and a folder that holds anything but has no mark;
/// [`Error::Io`].
pub fn open(folder: &Path) -> Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(Error::io(folder)(error)),
        _ => {}
    }
    check(folder)?;
    let marker = folder.join(MARKER);
    open_file(&marker, OpenOptions::new().create(true).append(true)).map(drop)
}

/// Makes sure that a folder can be opened as a folder of this program, if it is there.
///
/// # Errors
/// Returns the errors of [`open`].
pub fn check(folder: &Path) -> Result<()> {
    let refuse = |why: &str| {
        Err(Error::Usage(format!(
            "{}: {why}, and this program needs the name for a folder of its own; move it away, or choose another --out",
            folder.display()
        )))
    };
    let found = match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        found => found.map_err(Error::io(folder))?,
    };
    if found.is_symlink() {
        return refuse("is a link");
    }
    if !found.is_dir() {
        return refuse("is no folder");
    }
    // A file that this process creates belongs to the user for whom it works.
    let own = tempfile::tempfile_in(folder).and_then(|file| file.metadata()).map_err(Error::io(folder))?;
    if own.uid() != found.uid() {
        return refuse("belongs to another user");
    }
    let is_empty = || fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
    if !is_marked(folder) && !is_empty() {
        return refuse("holds files that this program has not written");
    }
    Ok(())
}

/// Opens a file in a folder of this program as `options` say.
///
/// # Errors
/// [`Error::Io`], for a link too.
pub fn open_file(path: &Path, options: &mut OpenOptions) -> Result<File> {
    options.custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path).map_err(Error::io(path))
}

/// Takes the exclusive lock on the folder; `None` if another process has it. Closing the file releases the lock, and so
/// does the end of the process.
///
/// # Errors
/// [`Error::Io`], for a link too.
pub fn lock(folder: &Path) -> Result<Option<File>> {
    let lock = open_file(folder, OpenOptions::new().read(true))?;
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Error::io(folder)(error)),
    }
}

/// Removes a folder of this program, with everything in it; does nothing if it is not there.
///
/// # Errors
/// Returns the errors of [`check`]; [`Error::Io`].
pub fn remove(folder: &Path) -> Result<()> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        _ => remove_own(folder, |_| true).map(drop),
    }
}

/// Removes the entries for whose names `is_own` is true, and the folder if nothing else is left in it. Returns the name
/// of an entry that is left.
///
/// # Errors
/// Returns the errors of [`check`]; [`Error::Io`].
pub fn remove_own(folder: &Path, is_own: impl Fn(&str) -> bool) -> Result<Option<String>> {
    check(folder)?;
    let mut left = None;
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
        if name == MARKER {
            continue;
        }
        if !is_own(&name) {
            left = Some(name);
            continue;
        }
        let is_folder = entry.file_type().map_err(Error::io(&path))?.is_dir();
        let removed = if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(Error::io(&path))?;
    }
    if left.is_none() {
        // The mark goes last: a process that is killed before leaves a folder that can be opened again.
        let marker = folder.join(MARKER);
        if is_marked(folder) {
            fs::remove_file(&marker).map_err(Error::io(&marker))?;
        }
        fs::remove_dir(folder).map_err(Error::io(folder))?;
    }
    Ok(left)
}

/// Removes a folder of this program that holds nothing. A failure leaves an empty folder and is no error.
pub fn remove_if_empty(folder: &Path) {
    if is_marked(folder) && folder.read_dir().is_ok_and(|entries| entries.count() == 1) {
        let _ = fs::remove_file(folder.join(MARKER)).and_then(|()| fs::remove_dir(folder));
    }
}

fn is_marked(folder: &Path) -> bool {
    fs::symlink_metadata(folder.join(MARKER)).is_ok_and(|marker| marker.is_file())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_folder_is_made_found_again_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("new/out.run");
        open(&folder).unwrap();
        fs::write(folder.join("metrics.jsonl"), "{}").unwrap();
        open(&folder).unwrap();
        remove(&folder).unwrap();
        assert!(!folder.exists());
        remove(&folder).unwrap();
    }

    #[test]
    fn what_others_have_made_is_neither_opened_nor_removed() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::create_dir(path("theirs")).unwrap();
        fs::write(path("theirs/notes.txt"), "mine").unwrap();
        symlink(path("theirs"), path("link")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        fs::write(path("file"), "mine").unwrap();
        for name in ["theirs", "link", "dangling", "file"] {
            assert!(matches!(open(&path(name)), Err(Error::Usage(_))), "{name}");
            assert!(remove(&path(name)).is_err(), "{name}");
        }
        assert_eq!(fs::read_to_string(path("theirs/notes.txt")).unwrap(), "mine");
        assert!(!path("nowhere").exists());
    }

    #[test]
    fn a_link_inside_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let (folder, theirs) = (place.path().join("out.run"), place.path().join("theirs"));
        fs::write(&theirs, "mine").unwrap();
        open(&folder).unwrap();
        let metrics = folder.join("metrics.jsonl");
        symlink(&theirs, &metrics).unwrap();
        assert!(open_file(&metrics, OpenOptions::new().create(true).append(true)).is_err());
        remove(&folder).unwrap();
        assert_eq!(fs::read_to_string(theirs).unwrap(), "mine");
    }

    #[test]
    fn a_file_that_a_user_has_added_stays_with_its_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("out.run");
        open(&folder).unwrap();
        fs::create_dir(folder.join("step-1")).unwrap();
        fs::write(folder.join("log.txt"), "mine").unwrap();
        let is_own = |name: &str| name.starts_with("step-");
        assert_eq!(remove_own(&folder, is_own).unwrap(), Some("log.txt".into()));
        assert!(!folder.join("step-1").exists());
        fs::remove_file(folder.join("log.txt")).unwrap();
        assert_eq!(remove_own(&folder, is_own).unwrap(), None);
        assert!(!folder.exists());
    }

    #[test]
    fn an_empty_folder_goes_and_any_other_stays() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("out.run");
        open(&folder).unwrap();
        fs::write(folder.join("tuning.json"), "{}").unwrap();
        remove_if_empty(&folder);
        assert!(folder.exists());
        fs::remove_file(folder.join("tuning.json")).unwrap();
        remove_if_empty(&folder);
        assert!(!folder.exists());
    }
}
