//! The working folder of a run while the run goes on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::identity::Identity;
use super::output::Output;
use super::resume::find_checkpoint;
use super::run_folder::{RESCUED, checkpoints, lock, remove_finished, remove_unfinished};
use super::snapshot::{self, RunState, SessionState, Snapshot, StoredValues};
use super::trainee::Trainee;
use crate::summary::{Summary, total_steps};
use crate::tensorboard::EventFile;
use tinybert_base::atomic::check_free;
use tinybert_base::progress::Progress;
use tinybert_base::{Context, Error, Result, own_folder};
use tinybert_model::{Companion, METRICS, Tensors};
use tinybert_nn::{Parameters, on_device};

/// Checkpoints that are kept: the last one, and the one before it in case the last one is damaged.
const KEPT_CHECKPOINTS: usize = 2;

/// The working folder of a run, `OUT.run`.
///
/// A folder that is dropped before [`WorkFolder::finish`] stays on disk if it holds a checkpoint, and is
/// removed otherwise.
pub(crate) struct WorkFolder {
    output: Output,
    folder: PathBuf,
    identity: Identity,
    ranks: usize,
    /// The open files; only rank 0 has them.
    files: Option<OpenFiles>,
    /// The checkpoint that the run continues from. The session and the selection that wrote it take their
    /// parts out.
    pub(crate) resumed: Option<Snapshot>,
    /// Summaries of the run's finished sessions by name.
    finished: BTreeMap<String, Summary>,
}

/// The files of the folder that stay open.
struct OpenFiles {
    metrics: File,
    /// The same metrics for TensorBoard.
    events: Option<EventFile>,
    /// An exclusive lock on the folder.
    _lock: File,
}

impl WorkFolder {
    /// Creates `OUT.run`, or continues in the one that an interrupted run of this identity left. Only rank 0
    /// reads and writes the disk; it sends the checkpoint to the other ranks.
    ///
    /// # Errors
    /// [`Error::Usage`] if the ranks were started for different runs, if the folder holds a run that is not
    /// to be resumed, if another process is writing the folder, if the only thing to resume is a complete
    /// result, or if settings differ; [`Error::Input`] if inputs differ; [`Error::Io`] if the folder cannot
    /// be written or its only checkpoint cannot be read.
    pub fn open(output: &Output, identity: Identity, context: &Context) -> Result<Self> {
        let ranks = context.ranks;
        identity.check_ranks(ranks)?;
        let folder = output.run_folder()?;
        let (files, resumed) = match ranks.is_first() {
            true => {
                if let Some(earlier) = &output.replayed {
                    earlier.compare(identity.inputs(), context.progress);
                }
                let (files, resumed) = OpenFiles::open(output, &folder, &identity, context)?;
                (Some(files), resumed)
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
        let finished =
            resumed.as_ref().map_or_else(BTreeMap::new, |snapshot| snapshot.state.finished.clone());
        Ok(Self { output: output.clone(), folder, identity, ranks: size, files, resumed, finished })
    }

    /// The folder that the run writes, and the device that it computes on.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// The model's parameters on the run's device: those of the checkpoint, or `initial` ones for a run that
    /// begins.
    ///
    /// # Errors
    /// Returns the errors of `initial`; an internal error where the device has no room.
    pub fn parameters(&self, initial: impl FnOnce() -> Result<Tensors>) -> Result<Parameters> {
        let device = &self.output.compute.device;
        let tensors = match &self.resumed {
            Some(snapshot) => on_device(&snapshot.model, device)?,
            None => on_device(&initial()?, device)?,
        };
        if self.files.is_some() {
            // The result, and a checkpoint, which has two moments for each weight too.
            let bytes: usize = tensors.values().map(|tensor| 4 * tensor.elem_count()).sum();
            check_free(&self.folder, &self.folder, 4 * bytes as u64)?;
        }
        Parameters::new(&tensors)
    }

    /// Whether the checkpoint was written in the session of this name, so that the session continues from it.
    pub fn resumes(&self, session: &str) -> bool {
        self.resumed.as_ref().is_some_and(|snapshot| snapshot.state.session.name == session)
    }

    /// The summary of the session of this name, if the session is finished.
    pub fn finished(&self, session: &str) -> Option<Summary> {
        self.finished.get(session).copied()
    }

    /// Records that a session is finished.
    pub(crate) fn record_finished(&mut self, session: &str, summary: Summary) {
        self.finished.insert(session.to_owned(), summary);
    }

    /// Appends one line to `metrics.jsonl`, and its numbers to the events for TensorBoard. The session that takes
    /// steps now has taken `steps`.
    ///
    /// # Errors
    /// [`Error::Io`] if the line cannot be written.
    pub fn log(&mut self, steps: u64, line: &Value, progress: &dyn Progress) -> Result<()> {
        let steps = self.steps_with(steps);
        let Some(files) = &mut self.files else { return Ok(()) };
        let failed = Error::io(self.folder.join(METRICS));
        files.metrics.write_all(format!("{line}\n").as_bytes()).map_err(failed)?;
        if let Some(events) = &mut files.events {
            events.append(steps, line, progress);
        }
        Ok(())
    }

    /// The steps of the run, of which the session that takes steps now has taken `steps`.
    fn steps_with(&self, steps: u64) -> u64 {
        steps + total_steps(&self.finished)
    }

    /// The last checkpoint: an ordinary model folder that also holds the state of the run.
    pub fn last_checkpoint(&self) -> Option<PathBuf> {
        checkpoints(&self.folder).ok()?.pop()
    }

    /// Writes a checkpoint, removes old ones and returns the folder of the new one.
    pub(crate) fn write_checkpoint(
        &mut self,
        trainee: &Trainee,
        session: SessionState,
        tensors: &[(String, StoredValues)],
    ) -> Result<PathBuf> {
        let folder = self.folder.join(format!("step-{:08}", self.steps_with(session.steps)));
        let Some(OpenFiles { metrics, .. }) = &self.files else { return Ok(folder) };
        let path = self.folder.join(METRICS);
        metrics.sync_all().map_err(Error::io(&path))?;
        let metrics_bytes = metrics.metadata().map_err(Error::io(&path))?.len();
        let state = RunState {
            identity: self.identity.clone(),
            session,
            finished: self.finished.clone(),
            metrics_bytes,
            ranks: self.ranks,
        };
        // A run has one state after each number of steps: a folder that exists already holds it.
        if !folder.exists() {
            snapshot::write(&folder, trainee, &state, tensors)?;
        }
        let all = checkpoints(&self.folder)?;
        for old in all.iter().rev().skip(KEPT_CHECKPOINTS) {
            fs::remove_dir_all(old).map_err(Error::io(old))?;
        }
        Ok(folder)
    }

    /// Writes the finished model with its metrics to `OUT` and removes the working folder.
    ///
    /// # Errors
    /// [`Error::Io`] if that fails; the errors of [`tinybert_model::save`].
    pub fn finish(self, trainee: &Trainee, tensors: &Tensors, results: Value) -> Result<()> {
        if self.files.is_none() {
            return Ok(());
        }
        let metrics = self.folder.join(METRICS);
        let bytes = fs::metadata(&metrics).map_err(Error::io(&metrics))?.len();
        let copy = |path: &Path| fs::copy(&metrics, path).map(drop).map_err(Error::io(path));
        let companion = Companion { name: METRICS, bytes, write: &copy };
        // Device and options are recorded but are no part of the run's identity: a checkpoint may be resumed on
        // another device, and from other paths.
        let mut record = trainee.record.clone();
        record.settings["device"] = self.output.compute.record();
        record.options = self.output.options.clone();
        if !self.output.trials.is_empty() {
            record.settings["tuning"] = json!(self.output.trials);
        }
        let trainee = Trainee { record: &record, ..trainee.clone() };
        let save = |folder: &Path| trainee.save(folder, tensors, results.clone(), &[companion]);
        let Err(error) = save(&self.output.folder) else { return remove_finished(&self.folder) };
        // Something has taken the place since the run began. What was learned must not be lost.
        let rescued = self.folder.join(RESCUED);
        if save(&rescued).is_err() {
            return Err(error);
        }
        let note = format!("the trained model is in {}: move it", rescued.display());
        Err(match error {
            Error::Usage(what) => Error::Usage(format!("{what}; {note}")),
            Error::Io { path, source } => {
                let source = std::io::Error::new(source.kind(), format!("{source}; {note}"));
                Error::Io { path, source }
            }
            other => other,
        })
    }
}

impl OpenFiles {
    /// Locks the folder and finds the checkpoint to continue from.
    ///
    /// # Errors
    /// Returns the errors of [`WorkFolder::open`].
    fn open(
        output: &Output,
        folder: &Path,
        identity: &Identity,
        context: &Context,
    ) -> Result<(Self, Option<Snapshot>)> {
        own_folder::open(folder)?;
        let lock = lock(folder)?;
        remove_unfinished(folder)?;
        let resumed = find_checkpoint(output, folder, identity, context)?;
        let path = folder.join(METRICS);
        let metrics = own_folder::open_file(&path, OpenOptions::new().create(true).append(true))?;
        let expected = resumed.as_ref().map_or(0, |snapshot| snapshot.state.metrics_bytes);
        let found = metrics.metadata().map_err(Error::io(&path))?.len();
        if found < expected {
            return Err(Error::input(
                &path,
                format!("cut off: the checkpoint was written after {expected} bytes, the file has {found}"),
            ));
        }
        // The run will write the lines after the checkpoint again.
        metrics.set_len(expected).map_err(Error::io(&path))?;
        let next_step = resumed.as_ref().map_or(0, |snapshot| snapshot.state.steps() + 1);
        let events = output.tensorboard.as_ref();
        let events = events.map(|folder| EventFile::create(folder, next_step)).transpose()?;
        Ok((Self { metrics, events, _lock: lock }, resumed))
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if self.files.is_some() && self.last_checkpoint().is_none() {
            // The run has nothing worth keeping, and there is nobody to report a failure to. What others have put into
            // the folder stays, such as the journal of trials.
            let _ = remove_unfinished(&self.folder);
            let _ = fs::remove_file(self.folder.join(METRICS));
            own_folder::remove_if_empty(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests;
