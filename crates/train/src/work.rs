//! `OUT.run`: where a run keeps its metrics and checkpoints until `OUT` is complete.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::identity::Identity;
use super::session::Summary;
use super::snapshot::{self, SessionState, Snapshot, State, Values};
use super::trainee::Trainee;
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_model::{Companion, METRICS, Tensors};
use tinybert_nn::device::Compute;

/// Checkpoints that stay: the last, and the one before should that be damaged.
const KEPT: usize = 2;

/// Where a run writes and computes, and what an interruption may cost it.
#[derive(Debug, Clone)]
pub struct Output {
    /// The result. Checkpoints stand in `OUT.run` beside it until it is complete.
    pub folder: PathBuf,
    /// Go on from the last checkpoint instead of beginning.
    pub resume: bool,
    /// Minutes between checkpoints.
    pub checkpoint_minutes: f64,
    /// Steps between checkpoints, if that is earlier.
    pub checkpoint_steps: Option<u64>,
    /// Where a teacher's states and answers are cached, if they are; `teacher-cache` beside the result if not said.
    pub teacher_cache: Option<PathBuf>,
    /// Where the run computes.
    pub compute: Compute,
}

impl<P: Into<PathBuf>> From<P> for Output {
    /// A run from the beginning on the processor, with a checkpoint every ten minutes.
    fn from(folder: P) -> Self {
        Self {
            folder: folder.into(),
            resume: false,
            checkpoint_minutes: 10.0,
            checkpoint_steps: None,
            teacher_cache: None,
            compute: Compute::cpu(),
        }
    }
}

impl Output {
    /// Where a teacher's states and answers are cached.
    pub fn teacher_cache(&self) -> PathBuf {
        self.teacher_cache.clone().unwrap_or_else(|| self.folder.with_file_name("teacher-cache"))
    }

    /// Whether there is a checkpoint to go on from.
    ///
    /// # Errors
    /// [`Error::Usage`] if the output has no last component; [`Error::Io`] if its place cannot be read.
    pub fn can_resume(&self) -> Result<bool> {
        let folder = self.run_folder()?;
        Ok(folder.exists() && !checkpoints(&folder)?.is_empty())
    }

    /// `OUT.run`.
    ///
    /// # Errors
    /// [`Error::Usage`] if the output has no last component.
    pub fn run_folder(&self) -> Result<PathBuf> {
        let Some(name) = self.folder.file_name() else {
            let folder = self.folder.display();
            return Err(Error::Usage(format!("{folder}: the output must be a folder with a name")));
        };
        let mut name = name.to_owned();
        name.push(".run");
        Ok(self.folder.with_file_name(name))
    }
}

/// The working folder of a run.
///
/// Dropped before [`WorkFolder::finish`], it stays if it holds a checkpoint and vanishes otherwise.
pub struct WorkFolder {
    output: Output,
    folder: PathBuf,
    identity: Identity,
    ranks: usize,
    /// Of rank 0 alone.
    disk: Option<Disk>,
    /// What to go on from, until the session and the selection that it belongs to have taken it.
    pub(super) resumed: Option<Snapshot>,
    /// What the finished sessions of the run did, by name.
    done: BTreeMap<String, Summary>,
}

/// What is open in the folder.
struct Disk {
    metrics: File,
    /// An exclusive lock on the folder; released when it is closed, or by the system when the process dies.
    _lock: File,
}

impl WorkFolder {
    /// Creates `OUT.run`, or goes on in the one that an interrupted run of this identity left. Of several ranks only the
    /// first touches the disk; the others get from it what there is to go on from.
    ///
    /// # Errors
    /// [`Error::Usage`] if the ranks were started for different runs, or the folder holds a run that is not to be resumed, or another process is writing it, or
    /// there is nothing to resume but a complete result, or settings differ; [`Error::Input`] if other inputs do;
    /// [`Error::Io`] if the folder cannot be written or its only checkpoint not be read.
    pub fn open(output: &Output, identity: Identity, context: &Context) -> Result<Self> {
        let ranks = context.ranks;
        identity.check_ranks(ranks)?;
        let folder = output.run_folder()?;
        let (disk, resumed) = match ranks.is_first() {
            true => {
                let (disk, resumed) = Disk::open(output, &folder, &identity, context)?;
                (Some(disk), resumed)
            }
            false => (None, None),
        };
        let resumed = Snapshot::shared(resumed, ranks)?;
        let size = ranks.size();
        if let Some(before) =
            resumed.as_ref().map(|snapshot| snapshot.state.ranks).filter(|&before| before != size)
        {
            context.progress.say(&format!(
                "NOTE: {before} ranks wrote the checkpoint and {size} go on: sums are added in another order from here, and \
                 the result is not bit for bit that of an uninterrupted run"
            ));
        }
        let done = resumed.as_ref().map_or_else(BTreeMap::new, |snapshot| snapshot.state.done.clone());
        Ok(Self { output: output.clone(), folder, identity, ranks: size, disk, resumed, done })
    }

    /// Where and how often the run writes.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// The model's tensors as the checkpoint has them; `None` for a run from the beginning.
    pub fn resumed_model(&self) -> Option<&Tensors> {
        self.resumed.as_ref().map(|snapshot| &snapshot.model)
    }

    /// True if `session` has begun, and is to go on, in the checkpoint.
    pub fn resumes(&self, session: &str) -> bool {
        self.resumed.as_ref().is_some_and(|snapshot| snapshot.state.session.name == session)
    }

    /// What the session of this name did, if it is finished.
    pub fn done(&self, session: &str) -> Option<Summary> {
        self.done.get(session).copied()
    }

    /// Records that a session is finished.
    pub(super) fn end(&mut self, session: &str, summary: Summary) {
        self.done.insert(session.to_owned(), summary);
    }

    /// Appends one line to `metrics.jsonl`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn log(&mut self, line: &impl Serialize) -> Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        let failed = Error::io(self.folder.join(METRICS));
        let mut text = serde_json::to_string(line).expect("metrics are plain values");
        text.push('\n');
        disk.metrics.write_all(text.as_bytes()).map_err(failed)
    }

    /// The last checkpoint, an ordinary model folder with the state of the run beside the model.
    pub fn last_checkpoint(&self) -> Option<PathBuf> {
        checkpoints(&self.folder).ok()?.pop()
    }

    /// Writes a checkpoint, removes old ones and gives its folder.
    pub(super) fn save(
        &mut self,
        trainee: &Trainee,
        session: SessionState,
        tensors: &[(String, Values)],
    ) -> Result<PathBuf> {
        let steps = session.steps + self.done.values().map(|summary| summary.steps).sum::<u64>();
        let folder = self.folder.join(format!("step-{steps:08}"));
        let Some(Disk { metrics, .. }) = &self.disk else { return Ok(folder) };
        let path = self.folder.join(METRICS);
        metrics.sync_all().map_err(Error::io(&path))?;
        let metrics_bytes = metrics.metadata().map_err(Error::io(&path))?.len();
        let state = State {
            identity: self.identity.clone(),
            session,
            done: self.done.clone(),
            metrics_bytes,
            ranks: self.ranks,
        };
        // One run has one state after each number of steps.
        if !folder.exists() {
            snapshot::write(&folder, trainee, &state, tensors)?;
        }
        let all = checkpoints(&self.folder)?;
        for old in all.iter().rev().skip(KEPT) {
            fs::remove_dir_all(old).map_err(Error::io(old))?;
        }
        Ok(folder)
    }

    /// Writes the finished model with its metrics to `OUT` and removes the working folder.
    ///
    /// # Errors
    /// [`Error::Io`] if that fails; those of [`tinybert_model::save`].
    pub fn finish(self, trainee: &Trainee, tensors: &Tensors, results: Value) -> Result<()> {
        if self.disk.is_none() {
            return Ok(());
        }
        let metrics = self.folder.join(METRICS);
        let bytes = fs::metadata(&metrics).map_err(Error::io(&metrics))?.len();
        let copy = |path: &Path| fs::copy(&metrics, path).map(drop).map_err(Error::io(path));
        let companion = Companion { name: METRICS, bytes, write: &copy };
        // No part of the run's identity: a checkpoint goes on wherever it is resumed.
        let mut record = trainee.record.clone();
        record.settings["device"] = self.output.compute.record();
        let trainee = Trainee { record: &record, ..*trainee };
        trainee.save(&self.output.folder, tensors, results, &[companion])?;
        remove_run(&self.folder)
    }
}

impl Disk {
    /// # Errors
    /// Those of [`WorkFolder::open`].
    fn open(
        output: &Output,
        folder: &Path,
        identity: &Identity,
        context: &Context,
    ) -> Result<(Self, Option<Snapshot>)> {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let lock = lock(folder)?;
        remove_partial(folder)?;
        let resumed = resume(output, folder, identity, context)?;
        let path = folder.join(METRICS);
        let metrics = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io(&path))?;
        let expected = resumed.as_ref().map_or(0, |snapshot| snapshot.state.metrics_bytes);
        let found = metrics.metadata().map_err(Error::io(&path))?.len();
        if found < expected {
            return Err(Error::input(
                &path,
                format!("cut off: the checkpoint was written after {expected} bytes, the file has {found}"),
            ));
        }
        // Lines after the checkpoint will be written again.
        metrics.set_len(expected).map_err(Error::io(&path))?;
        Ok((Self { metrics, _lock: lock }, resumed))
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if self.disk.is_some() && self.last_checkpoint().is_none() {
            // Nothing worth keeping; and nobody to report a failure to.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Removes the folder of a finished run, under another name first: a process killed on the way leaves no half of a run.
///
/// # Errors
/// [`Error::Io`] if that fails.
pub fn remove_run(folder: &Path) -> Result<()> {
    let gone = gone(folder);
    fs::rename(folder, &gone).map_err(Error::io(folder))?;
    fs::remove_dir_all(&gone).map_err(Error::io(&gone))
}

/// What a finished run's folder is called while it is removed.
fn gone(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.done"))
}

fn lock(folder: &Path) -> Result<File> {
    let lock = File::open(folder).map_err(Error::io(folder))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Usage(format!("{}: another process is running this run", folder.display())))
        }
        Err(TryLockError::Error(error)) => Err(Error::io(folder)(error)),
    }
}

/// Removes what a killed process left unfinished.
///
/// # Errors
/// [`Error::Io`] if that fails.
pub fn remove_partial(folder: &Path) -> Result<()> {
    let gone = gone(folder);
    if gone.exists() {
        fs::remove_dir_all(&gone).map_err(Error::io(&gone))?;
    }
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if entry.file_name().to_string_lossy().starts_with(".step-") {
            fs::remove_dir_all(entry.path()).map_err(Error::io(entry.path()))?;
        }
    }
    Ok(())
}

/// The folders of complete checkpoints, the last one last.
fn checkpoints(folder: &Path) -> Result<Vec<PathBuf>> {
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

/// What there is to go on from.
fn resume(
    output: &Output,
    folder: &Path,
    identity: &Identity,
    context: &Context,
) -> Result<Option<Snapshot>> {
    let all = checkpoints(folder)?;
    match (all.last(), output.resume) {
        (None, false) => return Ok(None),
        (Some(last), false) => {
            return Err(Error::Usage(format!(
                "{} is left of an interrupted run: give --resume to go on with it, or remove {} to begin anew",
                last.display(),
                folder.display()
            )));
        }
        (None, true) if output.folder.exists() && output.folder.join(METRICS).exists() => {
            return Err(Error::Usage(format!(
                "{} is complete and there is nothing to resume; leave --resume out to run again and replace it",
                output.folder.display()
            )));
        }
        (None, true) => {
            context.progress.say(&format!("no checkpoint in {}: beginning anew", folder.display()));
            return Ok(None);
        }
        (Some(_), true) => {}
    }
    let mut found = None;
    let mut damaged = Vec::new();
    for (older, path) in all.iter().enumerate().rev() {
        match whole(path, folder, identity)? {
            Ok(snapshot) => {
                context.progress.say(&format!("going on from {}", path.display()));
                found = Some(snapshot);
                break;
            }
            // What cannot be read now may be whole, and it is all that there is.
            Err(damage) if older == 0 && !matches!(damage, Error::Input(_)) => return Err(damage),
            Err(damage) => {
                context.progress.say(&match older {
                    0 => format!(
                        "warning: {damage}; there is no checkpoint before it: beginning anew, all that the run had \
                         learned is lost"
                    ),
                    _ => format!("{damage}; trying the checkpoint before it"),
                });
                damaged.push(path);
            }
        }
    }
    for path in damaged {
        fs::remove_dir_all(path).map_err(Error::io(path))?;
    }
    Ok(found)
}

/// The checkpoint at `path`, or what is wrong with it.
///
/// # Errors
/// Those of [`Identity::check`]: if the run is another one, an older checkpoint does not help.
fn whole(path: &Path, folder: &Path, identity: &Identity) -> Result<Result<Snapshot>> {
    match snapshot::read_state(path) {
        Ok(state) => state.check(identity, folder)?,
        Err(damage) => return Ok(Err(damage)),
    }
    Ok(snapshot::read(path))
}

#[cfg(test)]
mod tests;
