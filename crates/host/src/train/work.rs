//! `OUT.run`: where a run keeps its metrics and checkpoints until `OUT` is complete.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, Result};

const METRICS: &str = "metrics.jsonl";

/// The working folder of a run whose result will be the folder `out`.
///
/// Dropped before [`WorkFolder::finish`], it stays if it holds a checkpoint and vanishes otherwise.
pub struct WorkFolder {
    out: PathBuf,
    folder: PathBuf,
    metrics: File,
}

impl WorkFolder {
    /// Creates `OUT.run`, or goes on in the one that an interrupted run left.
    ///
    /// # Errors
    /// [`Error::Usage`] if `out` has no last component; [`Error::Io`] if the folder cannot be written.
    pub fn open(out: &Path) -> Result<Self> {
        let Some(name) = out.file_name() else {
            return Err(Error::Usage(format!("{}: the output must be a folder with a name", out.display())));
        };
        let mut name = name.to_owned();
        name.push(".run");
        let folder = out.with_file_name(name);
        fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
        let path = folder.join(METRICS);
        let metrics = OpenOptions::new().create(true).append(true).open(&path).map_err(Error::io(&path))?;
        Ok(Self { out: out.to_path_buf(), folder, metrics })
    }

    /// The folder of the latest checkpoint, an ordinary model folder.
    pub fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    /// Appends one line to `metrics.jsonl`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn log(&mut self, line: &impl Serialize) -> Result<()> {
        let failed = Error::io(self.folder.join(METRICS));
        let mut text = serde_json::to_string(line).expect("metrics are plain values");
        text.push('\n');
        self.metrics.write_all(text.as_bytes()).map_err(failed)
    }

    /// Moves the metrics into the finished model's folder and removes the working folder.
    ///
    /// # Errors
    /// [`Error::Io`] if that fails.
    pub fn finish(self) -> Result<()> {
        let metrics = self.folder.join(METRICS);
        fs::rename(&metrics, self.out.join(METRICS)).map_err(Error::io(&metrics))?;
        fs::remove_dir_all(&self.folder).map_err(Error::io(&self.folder))
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if !self.checkpoint().exists() {
            // Nothing worth keeping; and nobody to report a failure to.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_move_into_the_finished_folder() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("model");
        let mut work = WorkFolder::open(&out).unwrap();
        work.log(&serde_json::json!({"step": 1})).unwrap();
        work.log(&serde_json::json!({"step": 2})).unwrap();
        fs::create_dir(&out).unwrap();
        work.finish().unwrap();
        assert_eq!(fs::read_to_string(out.join(METRICS)).unwrap(), "{\"step\":1}\n{\"step\":2}\n");
        assert!(!place.path().join("model.run").exists());
    }

    #[test]
    fn an_abandoned_folder_stays_only_with_a_checkpoint() {
        let place = tempfile::tempdir().unwrap();
        let out = place.path().join("model");
        drop(WorkFolder::open(&out).unwrap());
        assert!(!place.path().join("model.run").exists());

        let work = WorkFolder::open(&out).unwrap();
        fs::create_dir(work.checkpoint()).unwrap();
        drop(work);
        assert!(place.path().join("model.run/checkpoint").exists());
    }

    #[test]
    fn an_output_without_a_name_is_refused() {
        assert!(matches!(WorkFolder::open(Path::new("/")), Err(Error::Usage(_))));
    }
}
