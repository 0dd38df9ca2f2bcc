//! The labelled data that a task is trained on and judged by.

use super::checkpoint::Identity;
use tinybert_base::{Context, Error, FileHash, Result};
use tinybert_data::metrics::MetricSet;
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_model::RunRecord;

/// Labelled data of a task.
#[derive(Clone, Copy)]
pub struct TaskData<'a> {
    /// To learn from.
    pub train: &'a Dataset,
    /// To select by.
    pub dev: &'a Dataset,
    /// What selects.
    pub metrics: MetricSet,
}

impl TaskData<'_> {
    /// Makes sure that both splits ask the same.
    ///
    /// # Errors
    /// [`Error::Input`] if they do not.
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

    /// Says what is probably a mistake in data that can be learned from all the same.
    pub fn warn(&self, context: &Context) {
        let warnings = [self.dev_of_one_label(), self.labels_like_scores()];
        warnings.iter().flatten().for_each(|what| context.progress.say(&format!("warning: {what}")));
    }

    /// What is wrong with a development set that cannot select.
    pub fn dev_of_one_label(&self) -> Option<String> {
        let (label, count) = (self.dev.only_label()?, self.dev.examples.len());
        Some(format!(
            "all {count} examples of the development set have the label {label:?}, so that it tells no model from another; \
             is it a part of a file that is sorted by label?"
        ))
    }

    /// What is odd about training labels of which there are nearly as many as examples.
    fn labels_like_scores(&self) -> Option<String> {
        let (labels, count) = (self.train.labels.len(), self.train.examples.len());
        let odd = self.train.kind == TaskKind::Classification && count > 20 && 2 * labels > count;
        odd.then(|| {
            format!(
                "{count} training examples have {labels} different labels; if these are scores, give --regression"
            )
        })
    }

    /// The identity of a run that `record` describes and that learns from these data.
    pub fn identity(&self, record: &RunRecord) -> Identity {
        Identity::new(record)
            .with_digest("training examples", self.train.digest())
            .with_digest("development examples", self.dev.digest())
            .with_digest("metric", format!("{:?}", self.metrics))
    }

    /// SHA-256 of every file the data were read from.
    ///
    /// # Errors
    /// [`Error::Io`] if one cannot be read.
    pub fn hashes(&self) -> Result<Vec<FileHash>> {
        self.train.sources.iter().chain(&self.dev.sources).map(|path| FileHash::of(path)).collect()
    }
}
