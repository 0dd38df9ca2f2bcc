//! The labelled data that a task is trained on and judged by.

use super::checkpoint::Identity;
use tinybert_base::{Context, Error, FileHash, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_model::RunRecord;

/// The labelled data of a task.
#[derive(Clone, Copy)]
pub struct TaskData<'a> {
    /// Training data.
    pub train: &'a Dataset,
    /// Development data, by which the best weights are selected.
    pub dev: &'a Dataset,
    /// Metrics of the task.
    pub metrics: MetricSet,
}

impl TaskData<'_> {
    /// Makes sure that both splits have the same kind of task and the same labels.
    ///
    /// # Errors
    /// [`Error::Input`] if they differ.
    pub fn check(&self) -> Result<()> {
        let (train, dev) = (self.train, self.dev);
        if train.kind != dev.kind || train.labels != dev.labels {
            return Err(Error::Input(format!(
                "training and development data ask different things: {:?} with labels {:?}, and {:?} with labels {:?}",
                train.kind, train.labels, dev.kind, dev.labels
            )));
        }
        Ok(())
    }

    /// Warns the user about probable mistakes in data that can be used nevertheless.
    pub fn warn(&self, context: &Context) {
        let warnings = [self.dev_of_one_answer(), self.labels_like_scores()];
        warnings.iter().flatten().for_each(|what| context.progress.say(&format!("warning: {what}")));
    }

    /// A message about a development set with a single answer, which cannot tell models apart; `None` for any
    /// other.
    pub fn dev_of_one_answer(&self) -> Option<String> {
        let (answer, count) = (self.dev.only_answer()?, self.dev.examples.len());
        Some(format!(
            "all {count} examples of the development set have {answer}, so that it tells no model from another; is it a \
             part of a file that is sorted by its labels?"
        ))
    }

    /// A message about training data with nearly as many labels as examples; `None` for any other.
    fn labels_like_scores(&self) -> Option<String> {
        let (labels, count) = (self.train.labels.len(), self.train.examples.len());
        let odd = self.train.kind == TaskKind::Classification && count > 20 && 2 * labels > count;
        odd.then(|| {
            format!(
                "{count} training examples have {labels} different labels; if these are scores, give --regression"
            )
        })
    }

    /// The identity of the run that `record` describes and that uses these data.
    pub fn identity(&self, record: &RunRecord) -> Identity {
        Identity::new(record)
            .with_digest("training examples", self.train.digest())
            .with_digest("development examples", self.dev.digest())
            .with_digest("metric", format!("{:?}", self.metrics))
    }

    /// SHA-256 of every file that the data were read from.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read.
    pub fn hashes(&self) -> Result<Vec<FileHash>> {
        let (train, dev) = (&self.train.sources, &self.dev.sources);
        FileHash::of_files(train.iter().chain(dev.iter().filter(|path| !train.contains(path))))
    }
}
