//! Event files for TensorBoard: the real numbers of every line of `metrics.jsonl`, by the step of the run.

mod event;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use self::event::{Event, EventKind};
use tinybert_base::progress::Progress;
use tinybert_base::{Error, Result, json};

/// What the name of every event file begins with, by which TensorBoard finds it.
pub const EVENT_FILES: &str = "events.out.tfevents.";

/// An event file, to which a run appends.
pub(crate) struct EventFile {
    path: PathBuf,
    /// `None` after a failure: a run that has hours behind it goes on without TensorBoard.
    file: Option<File>,
}

impl EventFile {
    /// Makes a new file in `folder` for a run whose next events have the step `first_step`: 0 for a run that begins,
    /// and one more than the steps of its checkpoint for a run that is resumed. Events of that step and of later ones
    /// in earlier files of the folder no longer count for TensorBoard: an interrupted run had written them after its
    /// last checkpoint, or they belong to an earlier run.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder cannot be made or written.
    pub fn create(folder: &Path, first_step: u64) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
        let (path, file) = new_file(folder)?;
        let mut events = Self { path, file: None };
        let wall_time = now();
        let beginning = [(0, EventKind::FileVersion), (first_step, EventKind::Start)]
            .map(|(step, what)| Event { wall_time, step, what }.record());
        (&file).write_all(&beginning.concat()).map_err(Error::io(&events.path))?;
        events.file = Some(file);
        Ok(events)
    }

    /// Appends the real numbers of `line`, a line of `metrics.jsonl`, at `step` of the run. Tags begin with the name of
    /// the session: `prediction/loss`, `prediction/dev/values/accuracy`. Where this fails, the user is told once.
    pub fn append(&mut self, step: u64, line: &Value, progress: &dyn Progress) {
        let Some(file) = &mut self.file else { return };
        let session = line["session"].as_str().unwrap_or_default();
        let scalars: Vec<(String, f32)> = json::leaves(line)
            .into_iter()
            .filter(|(_, value)| value.is_f64())
            .filter_map(|(path, value)| {
                Some((format!("{session}/{}", path.replace('.', "/")), value.as_f64()? as f32))
            })
            .collect();
        let record = Event { wall_time: now(), step, what: EventKind::Scalars(&scalars) }.record();
        if let Err(error) = file.write_all(&record) {
            self.file = None;
            progress.say(&format!(
                "warning: {}: {error}; training goes on without events for TensorBoard",
                self.path.display()
            ));
        }
    }
}

/// A new file in `folder`. TensorBoard reads the files of a folder in the order of their names.
fn new_file(folder: &Path) -> Result<(PathBuf, File)> {
    let mut number = 0;
    loop {
        let path = folder.join(format!("{EVENT_FILES}{:010}.{number:03}", now() as u64));
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(Error::io(&path)(error)),
        }
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tinybert_testing::toy::RecordedLines;

    use super::*;

    #[test]
    fn a_full_disk_is_told_once_and_ends_nothing() {
        let full = Path::new("/dev/full");
        let file = OpenOptions::new().append(true).open(full).unwrap();
        let mut events = EventFile { path: full.into(), file: Some(file) };
        let said = RecordedLines::default();
        for step in 1..=3 {
            events.append(step, &json!({ "session": "fine-tune", "loss": 0.5 }), &said);
        }
        let said = said.lines();
        let said: Vec<&str> = said.lines().collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("/dev/full") && said[0].contains("without events"), "{said:?}");
    }

    #[test]
    fn files_that_begin_in_one_second_have_different_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let first = EventFile::create(&path, 0).unwrap();
        assert!(first.path < EventFile::create(&path, 3).unwrap().path);
    }

    #[test]
    fn a_file_is_no_folder_for_events() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(EventFile::create(file.path(), 0), Err(Error::Io { .. })));
    }
}
