//! The cache that all tools of the Hub share, one folder `models--ORG--NAME` for each model:
//! `refs/REVISION` holds the commit of a branch or tag, `blobs/ETAG` the contents of a file,
//! `snapshots/COMMIT/FILE` is a link to them, and `.no_exist/COMMIT/FILE` is empty and says that the commit has no
//! such file.

use std::fs;
#[cfg(feature = "download")]
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
#[cfg(feature = "download")]
use std::time::Duration;

#[cfg(feature = "download")]
use tinybert_base::Context;
use tinybert_base::{Error, FileHash, Result};

use crate::id::HubId;

/// The part of the cache that holds one model.
pub(crate) struct ModelCache {
    /// `models--ORG--NAME`.
    folder: PathBuf,
    /// Locks of the model's blobs.
    #[cfg_attr(not(feature = "download"), expect(dead_code))]
    locks: PathBuf,
}

impl ModelCache {
    /// The part of `cache` for the model of `id`.
    pub fn new(cache: &Path, id: &HubId) -> Self {
        let name = format!("models--{}", id.model.replace('/', "--"));
        Self { folder: cache.join(&name), locks: cache.join(".locks").join(name) }
    }

    /// The commit that a revision had when it was asked for; a commit is its own.
    pub fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.into());
        }
        let found = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(found.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// The folder with the files of a commit.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// True if it is known that the commit has no such file.
    pub fn is_absent(&self, commit: &str, file: &str) -> bool {
        self.absence(commit, file).exists()
    }

    /// The contents of a file of a snapshot if they are damaged: if their SHA-256, which is their name where they are
    /// large, is another.
    ///
    /// # Errors
    /// [`Error::Input`] for a link that leads out of the model's part of the cache: such a file is a stranger's choice.
    pub fn damaged_blob(&self, file: &Path) -> Result<Option<PathBuf>> {
        let [blob, folder] = [file, &self.folder].map(|path| path.canonicalize().map_err(Error::io(path)));
        let (blob, folder) = (blob?, folder?);
        if !blob.starts_with(folder) {
            return Err(Error::input(
                file,
                format!("a link that leads out of the cache, to {}", blob.display()),
            ));
        }
        let name = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_sha256 = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_whole = !is_sha256 || FileHash::of_file(&blob)?.sha256 == name;
        Ok((!is_whole).then_some(blob))
    }

    fn absence(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(file)
    }
}

/// What only a download does to the cache.
#[cfg(feature = "download")]
impl ModelCache {
    /// Remembers the commit of a revision.
    pub fn remember_commit(&self, revision: &str, commit: &str) -> Result<()> {
        if is_commit(revision) {
            return Ok(());
        }
        let path = in_folder(self.folder.join("refs").join(revision))?;
        tinybert_base::atomic::write_file(&path, commit.as_bytes())
    }

    /// Remembers that the commit has no such file.
    pub fn remember_absence(&self, commit: &str, file: &str) -> Result<()> {
        let path = in_folder(self.absence(commit, file))?;
        File::create(&path).map(drop).map_err(Error::io(path))
    }

    /// The place of the contents that have this ETag.
    pub fn blob(&self, etag: &str) -> Result<PathBuf> {
        in_folder(self.folder.join("blobs").join(etag))
    }

    /// Waits until no other process fetches the contents of this ETag. They are this process's own until the file
    /// is closed.
    pub fn lock(&self, etag: &str, context: &Context, on_wait: impl FnOnce()) -> Result<File> {
        let path = in_folder(self.locks.join(format!("{etag}.lock")))?;
        let file = File::create(&path).map_err(Error::io(&path))?;
        let mut on_wait = Some(on_wait);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if let Some(on_wait) = on_wait.take() {
                on_wait();
            }
            if context.should_stop() {
                return Err(Error::Interrupted("stopped while another process fetches the model".into()));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Gives the contents of this ETag the name that the file has in the commit.
    pub fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let path = in_folder(self.snapshot(commit).join(file))?;
        // One step up from snapshots/COMMIT for each folder that the file is in.
        let contents = format!("{}blobs/{etag}", "../".repeat(2 + file.matches('/').count()));
        // The link gets its name in one step, because another process may make or read it at the same moment.
        let folder = path.parent().unwrap_or(Path::new(""));
        let new = tempfile::Builder::new()
            .prefix(".")
            .make_in(folder, |path| std::os::unix::fs::symlink(&contents, path))
            .map_err(Error::io(folder))?;
        new.into_temp_path().persist(&path).map_err(|error| Error::io(&path)(error.error))
    }
}

/// `path`, whose folder is made if it is not there.
#[cfg(feature = "download")]
fn in_folder(path: PathBuf) -> Result<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    Ok(path)
}

/// True for the full hash of a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
