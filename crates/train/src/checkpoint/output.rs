//! The folder that a run writes, the device that it computes on, and the call that began it.

use std::path::{Path, PathBuf};

use super::replayed::ReplayedRun;
use super::run_folder::checkpoints;
use crate::tuning::Trial;
use tinybert_base::{Error, Result};
use tinybert_model::RecordedOptions;
use tinybert_nn::device::Compute;

/// The folder that a run writes, how often it writes a checkpoint, the device that it computes on, and what is recorded
/// of the call that began it.
#[derive(Debug, Clone)]
pub struct Output {
    /// The folder of the result. Checkpoints stand in `OUT.run` beside it until the result is complete.
    pub folder: PathBuf,
    /// True to continue from the last checkpoint, false to begin a new run.
    pub resume: bool,
    /// Minutes between checkpoints.
    pub checkpoint_minutes: f64,
    /// Steps between checkpoints; the shorter of the two intervals counts.
    pub checkpoint_steps: Option<u64>,
    /// The folder in which a teacher's states and answers are cached; `teacher-cache` beside the result if
    /// `None`.
    pub teacher_cache: Option<PathBuf>,
    /// The folder for TensorBoard's event files, if there are to be some.
    pub tensorboard: Option<PathBuf>,
    /// The device that computes.
    pub compute: Compute,
    /// The options of the command line that began the run, for `run.json`. They are no part of the run's identity.
    pub options: RecordedOptions,
    /// The earlier run whose options the run takes.
    pub replayed: Option<ReplayedRun>,
    /// The trials by which the learning rate was chosen, for `run.json`.
    pub trials: Vec<Trial>,
}

impl<P: Into<PathBuf>> From<P> for Output {
    /// A new run on the processor with a checkpoint every ten minutes.
    fn from(folder: P) -> Self {
        Self {
            folder: folder.into(),
            resume: false,
            checkpoint_minutes: 10.0,
            checkpoint_steps: None,
            teacher_cache: None,
            tensorboard: None,
            compute: Compute::cpu(),
            options: RecordedOptions::new(),
            replayed: None,
            trials: Vec::new(),
        }
    }
}

impl Output {
    /// The folder in which a teacher's states and answers are cached.
    pub fn teacher_cache(&self) -> PathBuf {
        self.teacher_cache.clone().unwrap_or_else(|| self.folder.with_file_name("teacher-cache"))
    }

    /// Whether there is a checkpoint to continue from.
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

    /// The folder for the event files of a run inside this run, which writes to `folder`. It has the path that `folder`
    /// has inside the output folder or inside `OUT.run`, so that no two runs write to the same one.
    pub fn tensorboard_of(&self, folder: &Path) -> Option<PathBuf> {
        let run = self.run_folder().ok();
        let inside = |outer: &Path| folder.strip_prefix(outer).ok();
        let name = inside(&self.folder).or_else(|| inside(run.as_deref()?));
        Some(self.tensorboard.as_ref()?.join(name.or(folder.file_name().map(Path::new))?))
    }

    /// The output of a run inside this run: it writes to `folder`, shares this run's teacher cache and
    /// continues from a checkpoint if there is one.
    ///
    /// # Errors
    /// Returns the errors of [`Output::can_resume`].
    pub fn nested(&self, folder: PathBuf) -> Result<Self> {
        let (teacher_cache, tensorboard) = (Some(self.teacher_cache()), self.tensorboard_of(&folder));
        let (options, replayed) = (RecordedOptions::new(), None);
        let nested = Self { folder, teacher_cache, tensorboard, options, replayed, ..self.clone() };
        let resume = nested.can_resume()?;
        Ok(Self { resume, ..nested })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_inside_a_run_has_events_of_its_own() {
        let out = Output { tensorboard: Some("events".into()), ..Output::from("runs/out") };
        for (folder, expected) in [
            ("runs/out/try-1/pruned-recovered", "events/try-1/pruned-recovered"),
            ("runs/out/try-2/pruned-recovered", "events/try-2/pruned-recovered"),
            ("runs/out/teacher", "events/teacher"),
            ("runs/out.run/round-1-trial-2", "events/round-1-trial-2"),
            ("elsewhere/teacher", "events/teacher"),
        ] {
            assert_eq!(out.tensorboard_of(Path::new(folder)), Some(expected.into()), "{folder}");
        }
        assert_eq!(Output::from("runs/out").tensorboard_of(Path::new("runs/out/teacher")), None);
    }
}
