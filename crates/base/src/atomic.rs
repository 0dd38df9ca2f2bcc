//! Files and folders that appear complete or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::{Error, Result, own_folder};

/// Extension of the old contents while two folders change names.
const PREVIOUS: &str = "previous";

/// With this begins the name of a temporary file of [`write_file`].
const TEMPORARY: &str = ".tinybert-compress-";

/// Removes the temporary files that killed processes have left in a folder of which this process is the only user.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_temporary_files(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let is_file = entry.file_type().map_err(Error::io(&entry.path()))?.is_file();
        if is_file && entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            fs::remove_file(entry.path()).map_err(Error::io(&entry.path()))?;
        }
    }
    Ok(())
}

/// Removes the temporary files that killed processes have left beside a file: those whose names begin with `prefix`
/// and that no process has locked. It does not matter if one cannot be removed.
fn sweep(folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.file_name().to_string_lossy().starts_with(prefix) {
            let is_free = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
            if is_free {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Writes a file that appears complete or not at all: a temporary file beside it, synced, then renamed. The parents of
/// the file are created, and what a killed process has left of the same file is removed.
///
/// # Errors
/// [`Error::Io`]; nothing half-written is left.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = parent_of(path);
    fs::create_dir_all(folder).map_err(Error::io(path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{TEMPORARY}{name}-");
    sweep(folder, &prefix);
    // Temporary files are private by default. The user's umask decides who can read this one, like any other
    // output.
    let anyone = fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new()
        .prefix(&prefix)
        .permissions(anyone)
        .tempfile_in(folder)
        .map_err(Error::io(path))?;
    file.as_file().lock().map_err(Error::io(path))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(Error::io(path))?;
    file.persist(path).map_err(|error| Error::io(path)(error.error))?;
    sync_folder(folder)
}

/// Makes sure that the disk of a folder has room for `output`, of `bytes` bytes.
///
/// # Errors
/// [`Error::Io`] for `output`, saying how much is needed and how much is free.
pub fn check_free(folder: &Path, output: &Path, bytes: u64) -> Result<()> {
    let space = rustix::fs::statvfs(folder).map_err(|error| Error::io(folder)(error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    // File systems that do not know their size report no blocks at all.
    if space.f_blocks > 0 && free < bytes {
        let needed = format!("{} MiB are needed, {} MiB are free", bytes.div_ceil(1 << 20), free >> 20);
        return Err(Error::io(output)(std::io::Error::new(ErrorKind::StorageFull, needed)));
    }
    Ok(())
}

/// Gives a finished file its final name.
///
/// # Errors
/// [`Error::Io`].
pub fn rename_file(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::io(to))?;
    sync_folder(parent_of(to))
}

/// Name of the folder around a [`Staging`] folder behind the target's.
const PARTIAL: &str = ".partial";

/// Removes a [`Staging`] folder that a killed process has left; anything else stays.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_abandoned(folder: &Path) -> Result<()> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !(name.starts_with('.') && name.ends_with(PARTIAL)) || own_folder::check(folder).is_err() {
        return Ok(());
    }
    match own_folder::lock(folder)? {
        Some(_lock) => own_folder::remove(folder),
        None => Ok(()),
    }
}

/// A folder that is written beside its target, inside a folder of this program's own. It is removed if it is dropped
/// before [`Staging::commit`]. If the process is killed, the next process removes it.
pub struct Staging {
    target: PathBuf,
    /// The folder of this program's own.
    around: PathBuf,
    /// The folder that will become the target.
    folder: PathBuf,
    /// An exclusive lock on `around`; released when it is closed, or by the system when the process dies.
    _lock: File,
}

impl Staging {
    /// Begins to write the folder that will become `target`. The parents of `target` are created.
    ///
    /// # Errors
    /// [`Error::Usage`] when `target` has no name, when another process is writing it, or when there is something else
    /// with the name of the folder in between; [`Error::Io`] when the parent cannot be written.
    pub fn begin(target: &Path) -> Result<Self> {
        let around = sibling(target, ".", PARTIAL).ok_or_else(|| {
            Error::Usage(format!("{}: the output must be a folder with a name", target.display()))
        })?;
        own_folder::open(&around)?;
        let Some(lock) = own_folder::lock(&around)? else {
            return Err(Error::Usage(format!(
                "{}: another process is writing this folder",
                target.display()
            )));
        };
        let folder = around.join("contents");
        // A killed process may have left its contents.
        recover(&folder, target).map_err(Error::io(target))?;
        if fs::symlink_metadata(&folder).is_ok() {
            fs::remove_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        fs::create_dir(&folder).map_err(Error::io(&folder))?;
        Ok(Self { target: target.to_path_buf(), around, folder, _lock: lock })
    }

    /// Makes sure that [`Staging::begin`] will find its place free.
    ///
    /// # Errors
    /// [`Error::Usage`] when there is something else with the name of the folder in between.
    pub fn check(target: &Path) -> Result<()> {
        sibling(target, ".", PARTIAL).map_or(Ok(()), |around| own_folder::check(&around))
    }

    /// Refuses to begin on a full disk.
    ///
    /// # Errors
    /// [`Error::Io`] saying how much is needed and how much is free.
    pub fn reserve(&self, bytes: u64) -> Result<()> {
        check_free(&self.folder, &self.target, bytes)
    }

    /// Writes one file and waits until it is on the disk.
    ///
    /// # Errors
    /// [`Error::Io`] naming the file.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(&path).map_err(Error::io(&path))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io(&path))
    }

    /// Lets `write` write one file at the path that it gets, and waits until the file is on the disk.
    ///
    /// # Errors
    /// Returns the errors of `write`; [`Error::Io`] naming the file.
    pub fn write_by(&self, name: &str, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let path = self.folder.join(name);
        write(&path)?;
        File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io(&path))
    }

    /// Gives the folder its name. A folder that had the name before is removed at the same moment.
    ///
    /// # Errors
    /// [`Error::Io`] when that fails: the target is then what it was before.
    pub fn commit(self) -> Result<()> {
        sync_folder(&self.folder)?;
        if self.target.exists() {
            // The staging folder then holds the old contents, and dropping it removes them.
            exchange(&self.folder, &self.target).map_err(Error::io(&self.target))?;
        } else {
            fs::rename(&self.folder, &self.target).map_err(Error::io(&self.target))?;
        }
        sync_folder(parent_of(&self.target))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A failure leaves a folder that the next save cleans away; there is nobody to tell.
        let _ = own_folder::remove(&self.around);
    }
}

/// Swaps the names of two folders, in one step where the file system can do that.
fn exchange(staged: &Path, target: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, staged, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        Err(_) => exchange_in_steps(staged, target),
    }
}

/// Swaps the names of two folders by renaming. A process that is killed in between leaves no `target`; its
/// contents then have the name that [`recover`] looks for.
fn exchange_in_steps(staged: &Path, target: &Path) -> std::io::Result<()> {
    let previous = staged.with_added_extension(PREVIOUS);
    fs::rename(target, &previous)?;
    if let Err(error) = fs::rename(staged, target) {
        fs::rename(&previous, target)?;
        return Err(error);
    }
    fs::rename(&previous, staged)
}

/// Brings back a target that an interrupted [`exchange_in_steps`] left without its name.
fn recover(staged: &Path, target: &Path) -> std::io::Result<()> {
    let previous = staged.with_added_extension(PREVIOUS);
    if previous.exists() && !target.exists() { fs::rename(previous, target) } else { Ok(()) }
}

/// Makes sure that names which were created in a folder, or moved into it, survive a power failure.
fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io(folder))
}

/// The folder that contains `path`; `.` for a bare name.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The path beside `path` whose name is that of `path` between `before` and `after`; `None` for a path without a
/// name.
pub fn sibling(path: &Path, before: &str, after: &str) -> Option<PathBuf> {
    let mut name = OsString::from(before);
    name.push(path.file_name()?);
    name.push(after);
    Some(path.with_file_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(path: &Path, contents: &str) {
        fs::create_dir(path).unwrap();
        fs::write(path.join("file"), contents).unwrap();
    }

    fn contents(path: &Path) -> String {
        fs::read_to_string(path.join("file")).unwrap()
    }

    #[test]
    fn both_ways_to_exchange_folders_do_the_same() {
        for exchange in [exchange, exchange_in_steps] {
            let parent = tempfile::TempDir::new().unwrap();
            let [staged, target] = [".x.partial", "x"].map(|name| parent.path().join(name));
            folder_with(&staged, "new");
            folder_with(&target, "old");
            exchange(&staged, &target).unwrap();
            assert_eq!((contents(&target), contents(&staged)), ("new".to_owned(), "old".to_owned()));
            assert_eq!(parent.path().read_dir().unwrap().count(), 2);
        }
    }

    #[test]
    fn temporary_files_of_killed_processes_are_removed_and_nothing_else() {
        let parent = tempfile::TempDir::new().unwrap();
        let folder = parent.path();
        // Never renamed, as by a process that is killed.
        let temporary = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).unwrap();
        let (_, left) = temporary.keep().unwrap();
        write_file(&folder.join("journal.json"), b"{}").unwrap();
        remove_temporary_files(folder).unwrap();
        assert!(!left.exists() && folder.join("journal.json").exists());
    }

    #[test]
    fn the_next_writer_of_a_file_removes_what_a_killed_one_has_left() {
        let parent = tempfile::TempDir::new().unwrap();
        let path = |name: &str| parent.path().join(name);
        let [left, other, busy] =
            ["out.json-ab", "another.json-cd", "out.json-ef"].map(|name| path(&format!("{TEMPORARY}{name}")));
        for path in [&left, &other, &busy] {
            fs::write(path, "half").unwrap();
        }
        let writer = File::open(&busy).unwrap();
        writer.lock().unwrap();
        write_file(&path("out.json"), b"{}").unwrap();
        assert!(!left.exists() && other.exists() && busy.exists());
        assert_eq!(fs::read(path("out.json")).unwrap(), b"{}");
    }

    #[test]
    fn a_process_killed_between_two_renames_costs_nothing() {
        let parent = tempfile::TempDir::new().unwrap();
        let target = parent.path().join("x");
        own_folder::open(&parent.path().join(".x.partial")).unwrap();
        folder_with(&parent.path().join(".x.partial/contents"), "new, but not told so");
        folder_with(&parent.path().join(".x.partial/contents.previous"), "old");
        drop(Staging::begin(&target).unwrap());
        assert_eq!(contents(&target), "old");
        assert_eq!(parent.path().read_dir().unwrap().count(), 1);
    }
}
