//! `OUT.run`: the rows that an unfinished augmentation has written, and how far it has come.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use tinybert_base::atomic::{rename_file, sibling, write_file};
use tinybert_base::{Context, Error, FileHash, Result, own_folder};
use tinybert_model::RunRecord;
use tinybert_train::Identity;

/// Time between two saved states, which is the longest time that a crash can cost.
const SAVE_INTERVAL: Duration = Duration::from_secs(10);

/// Suffix of the record's name beside an output.
const RECORD_SUFFIX: &str = ".run.json";

/// How far a run has come.
#[derive(serde::Serialize, serde::Deserialize)]
struct AugmentState {
    identity: Identity,
    /// Finished rows of the input.
    rows: usize,
    /// Rows of the output so far.
    written: usize,
    /// Bytes of the output so far.
    bytes: u64,
}

/// The unfinished output of a run.
pub struct AugmentJournal {
    out: PathBuf,
    folder: PathBuf,
    /// The open file on rank 0. The other ranks only keep the state.
    file: Option<File>,
    state: AugmentState,
    saved: Instant,
}

impl AugmentJournal {
    /// Begins `OUT.run`, or continues in the one that an interrupted run of this identity left.
    ///
    /// # Errors
    /// [`Error::Usage`] if `out` exists and was not written by this command, if there is an interrupted run
    /// that is not to be resumed, has another identity or is being written by another process, or if a
    /// complete `out` is to be resumed; [`Error::Input`] for other inputs or a damaged state; [`Error::Io`]
    /// if nothing can be written.
    pub fn open(out: &Path, resume: bool, identity: Identity, context: &Context) -> Result<Self> {
        let folder = with_suffix(out, ".run")?;
        let ranks = context.ranks;
        let opened = match ranks.is_first() {
            true => Some(open(out, &folder, resume, identity, context)?),
            false => None,
        };
        let (file, state) = opened.unzip();
        let state = ranks.first_value(state)?.expect("rank 0 has opened it");
        let mut journal = Self { out: out.to_path_buf(), folder, file, state, saved: Instant::now() };
        journal.save()?;
        Ok(journal)
    }

    /// Finished rows of the input.
    pub fn rows(&self) -> usize {
        self.state.rows
    }

    /// Rows of the output so far.
    pub fn written(&self) -> usize {
        self.state.written
    }

    /// Whether nothing was written yet.
    pub fn is_new(&self) -> bool {
        self.state.bytes == 0
    }

    /// Appends `text`, which is the output of the next `rows` rows of the input and has `written` rows.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn append(&mut self, text: &str, rows: usize, written: usize) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(text.as_bytes()).map_err(Error::io(self.folder.join("rows")))?;
        }
        self.state.bytes += text.len() as u64;
        self.state.rows += rows;
        self.state.written += written;
        if self.saved.elapsed() >= SAVE_INTERVAL { self.save() } else { Ok(()) }
    }

    /// Saves the state, so that a crash loses nothing that was appended so far.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn save(&mut self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        file.sync_data().map_err(Error::io(self.folder.join("rows")))?;
        let text = serde_json::to_string(&self.state).expect("a state is plain values");
        write_file(&self.folder.join("state.json"), text.as_bytes())?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Moves the output to its final name and writes a record beside it.
    ///
    /// # Errors
    /// [`Error::Io`] if that fails.
    pub fn finish(mut self, record: &RunRecord) -> Result<()> {
        self.save()?;
        if self.file.is_none() {
            return Ok(());
        }
        let output = FileHash::of_file(&self.folder.join("rows"))?;
        let mut json = json!(record);
        json["output"] = json!({ "bytes": output.bytes, "sha256": output.sha256 });
        write_file(&with_suffix(&self.out, RECORD_SUFFIX)?, format!("{json:#}\n").as_bytes())?;
        rename_file(&self.folder.join("rows"), &self.out)?;
        own_folder::remove(&self.folder)
    }
}

/// Opens the file of the rows and reads the state, on rank 0.
fn open(
    out: &Path,
    folder: &Path,
    resume: bool,
    identity: Identity,
    context: &Context,
) -> Result<(File, AugmentState)> {
    if out.exists() && !with_suffix(out, RECORD_SUFFIX)?.exists() {
        return Err(Error::Usage(format!(
            "{}: is there already and was not written by this command; choose another name",
            out.display()
        )));
    }
    let (found, path) = (folder.join("state.json"), folder.join("rows"));
    // A process may have been killed after it moved the output and before it removed the folder.
    if found.exists() && !path.exists() && out.exists() {
        own_folder::remove(folder)?;
    }
    let state = match (resume, found.exists()) {
        (true, true) => read_state(&found, folder, &identity)?,
        (true, false) if out.exists() => {
            return Err(Error::Usage(format!(
                "{} is complete and there is nothing to resume; leave --resume out to run again and replace it",
                out.display()
            )));
        }
        (false, true) => {
            return Err(Error::Usage(format!(
                "{}: an interrupted run is there; give --resume to go on with it, or remove that folder to begin anew",
                folder.display()
            )));
        }
        (_, false) => {
            if resume {
                context.progress.say(&format!("no interrupted run in {}: beginning anew", folder.display()));
            }
            AugmentState { identity, rows: 0, written: 0, bytes: 0 }
        }
    };
    own_folder::open(folder)?;
    let mut file = own_folder::open_file(&path, OpenOptions::new().create(true).write(true).truncate(false))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Error::Usage(format!("{}: another process is writing it", path.display())));
        }
        Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
    }
    let length = file.metadata().map_err(Error::io(&path))?.len();
    if length < state.bytes {
        return Err(Error::input(
            &path,
            format!("cut off: {} bytes were written, the file has {length}; remove its folder", state.bytes),
        ));
    }
    // The run will write the rows after the last state again.
    file.set_len(state.bytes).map_err(Error::io(&path))?;
    file.seek(SeekFrom::End(0)).map_err(Error::io(&path))?;
    Ok((file, state))
}

/// `path` with `suffix` appended to its name.
fn with_suffix(path: &Path, suffix: &str) -> Result<PathBuf> {
    sibling(path, "", suffix)
        .ok_or_else(|| Error::Usage(format!("{}: the output must be a file with a name", path.display())))
}

fn read_state(path: &Path, folder: &Path, identity: &Identity) -> Result<AugmentState> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let state: AugmentState = serde_json::from_slice(&bytes)
        .map_err(|error| Error::input(path, format!("damaged: {error}; remove {}", folder.display())))?;
    state.identity.check(identity, folder)?;
    Ok(state)
}
