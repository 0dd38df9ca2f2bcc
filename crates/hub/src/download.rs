//! The bytes of a file: fetched once, continued where a transfer was cut, and checked before they are used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tinybert_base::{Context, Error, FileHash, Result, atomic};
use ureq::http::StatusCode;

use crate::cache::ModelCache;
use crate::client::{Client, RemoteFile};
use crate::waiting::{sleep, unless_stopped};

/// Transfers that may be cut, one after the other, before the download is given up.
const ATTEMPTS: usize = 5;
/// The pause after the first transfer that was cut; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(250);
/// Bytes between two looks at the user's wish to stop.
const CHUNK: usize = 1 << 18;

/// Brings the contents of `remote` into the cache, unless they are there.
///
/// # Errors
/// [`Error::Io`] if they cannot be fetched or written; [`Error::Input`] if they are not what the Hub announced;
/// [`Error::Interrupted`]. What was fetched stays for the next call.
pub(crate) fn download(
    client: &Client,
    cache: &ModelCache,
    remote: &RemoteFile,
    name: &str,
    context: &Context,
) -> Result<()> {
    let blob = cache.blob(&remote.etag)?;
    if blob.exists() {
        return Ok(());
    }
    let wait = || context.progress.say(&format!("another process fetches {name}; waiting for it"));
    let _lock = cache.lock(&remote.etag, context, wait)?;
    // The other process may have fetched it.
    if blob.exists() {
        return Ok(());
    }
    let partial = PathBuf::from(format!("{}.incomplete", blob.display()));
    let transfer = Transfer { client, remote, name, partial: &partial, context };
    context.progress.begin(&format!("fetch {name} (bytes)"), remote.size);
    let fetched = transfer.complete();
    context.progress.end();
    fetched?;
    transfer.check()?;
    atomic::rename_file(&partial, &blob)
}

/// The download of one file.
struct Transfer<'a> {
    client: &'a Client,
    remote: &'a RemoteFile,
    /// Name of the file in the model.
    name: &'a str,
    /// What there is of it.
    partial: &'a Path,
    context: &'a Context<'a>,
}

/// Why a transfer ended early.
enum Cut {
    /// It can be continued.
    Transient(io::Error),
    /// Another request would end in the same way.
    Final(Error),
}

impl Transfer<'_> {
    /// Fetches what is missing.
    fn complete(&self) -> Result<()> {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.partial)
            .map_err(Error::io(self.partial))?;
        if !self.has_sha256() {
            // Nothing would tell the bytes of an earlier transfer from damaged ones. Such files are small.
            file.set_len(0).map_err(Error::io(self.partial))?;
        }
        let mut attempt = 0;
        while self.length(&file)? != self.remote.size {
            match self.append(&mut file) {
                Ok(()) => {}
                Err(Cut::Final(error)) => return Err(error),
                Err(Cut::Transient(_)) if attempt + 1 < ATTEMPTS => {
                    sleep(self.context, PAUSE * 2u32.pow(attempt as u32))?;
                    attempt += 1;
                }
                Err(Cut::Transient(error)) => {
                    let what = format!(
                        "the download of {} was cut {ATTEMPTS} times, the last time by: {error}",
                        self.name
                    );
                    return Err(self.client.fault(format!("{what}; the same command continues it")));
                }
            }
        }
        file.sync_all().map_err(Error::io(self.partial))
    }

    fn length(&self, file: &File) -> Result<u64> {
        file.metadata().map(|metadata| metadata.len()).map_err(Error::io(self.partial))
    }

    /// Fetches from the end of `file` on. The answer may hold less than what is missing.
    fn append(&self, file: &mut File) -> std::result::Result<(), Cut> {
        let mut done = self.length(file).map_err(Cut::Final)?;
        if done > self.remote.size {
            done = self.restart(file)?;
        }
        let answer = self.client.get(self.remote, done, self.context).map_err(Cut::Final)?;
        let answer = answer.map_err(Cut::Transient)?;
        let range = answer.headers().get("content-range").and_then(|range| range.to_str().ok());
        let begins = range.is_some_and(|range| range.starts_with(&format!("bytes {done}-")));
        match answer.status() {
            StatusCode::PARTIAL_CONTENT if begins => {}
            // The whole file, or a server that has no part from there.
            StatusCode::OK => done = self.restart(file)?,
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.restart(file)?;
                return Err(Cut::Transient(io::Error::other(
                    "the server sends another part than was asked for",
                )));
            }
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) => {
                return Err(Cut::Final(self.client.refused(status, None)));
            }
            status => return Err(Cut::Transient(io::Error::other(format!("status {}", status.as_u16())))),
        }
        self.context.progress.resume(done);
        let mut body = answer.into_body().into_reader();
        while done < self.remote.size {
            let room = CHUNK.min(usize::try_from(self.remote.size - done).unwrap_or(CHUNK));
            // A server may be silent for long.
            let read = unless_stopped(self.context, move || {
                let mut chunk = Vec::with_capacity(room);
                let read = body.by_ref().take(room as u64).read_to_end(&mut chunk);
                (body, chunk, read)
            });
            let (next, chunk, read) = read.map_err(Cut::Final)?;
            body = next;
            // What came before the transfer was cut counts.
            file.write_all(&chunk).map_err(|error| Cut::Final(Error::io(self.partial)(error)))?;
            read.map_err(Cut::Transient)?;
            if chunk.is_empty() {
                return Err(Cut::Transient(io::ErrorKind::UnexpectedEof.into()));
            }
            done += chunk.len() as u64;
            self.context.progress.advance(done, "");
        }
        Ok(())
    }

    /// Begins anew; gives the length of the file.
    fn restart(&self, file: &File) -> std::result::Result<u64, Cut> {
        file.set_len(0).map(|()| 0).map_err(|error| Cut::Final(Error::io(self.partial)(error)))
    }

    /// Whether the ETag is the SHA-256 of the contents.
    fn has_sha256(&self) -> bool {
        self.remote.etag.len() == 64
    }

    /// Compares the contents with their SHA-256, which is the ETag of large files.
    fn check(&self) -> Result<()> {
        if !self.has_sha256() || FileHash::of_file(self.partial)?.sha256 == self.remote.etag {
            return Ok(());
        }
        fs::remove_file(self.partial).map_err(Error::io(self.partial))?;
        let what =
            "what was fetched has not the SHA-256 that the Hub announced; the same command fetches it again";
        Err(Error::Input(format!("{}: {what}", self.name)))
    }
}
