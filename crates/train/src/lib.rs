//! Gradient training: optimizers, schedules, the step loop and fine-tuning.

pub mod epochs;
mod fine_tune;
mod identity;
pub mod journal;
mod masked_lm;
mod micro_batch;
pub mod optimizer;
pub mod schedule;
pub mod selection;
pub mod session;
mod snapshot;
pub mod sparsity;
mod trainee;
mod window;
pub mod work;

pub use identity::Identity;
pub use trainee::Trainee;
pub use work::Output;
pub use work::{remove_partial, remove_run};

pub use fine_tune::gold_loss;
pub use fine_tune::{FineTune, Report, fine_tune, head_of, with_head};
pub use masked_lm::{Guesses, MaskedLmReport, MaskedLmSettings, masked_lm};

use self::optimizer::OptimizerSettings;
use self::schedule::Schedule;
use tinybert_base::Context;
use tinybert_base::FileHash;
use tinybert_base::{Error, Result};
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

/// The settings that every kind of training has.
pub struct StepSettings {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How the learning rate changes over the run.
    pub schedule: Schedule,
    /// Which Adam.
    pub optimizer: OptimizerSettings,
    /// Examples per optimizer step.
    pub batch_size: usize,
    /// Examples per forward and backward pass.
    pub micro_batch: usize,
}

impl StepSettings {
    /// # Errors
    /// [`Error::Usage`] naming the setting that cannot be.
    pub fn check(&self) -> Result<()> {
        let &Self { learning_rate, schedule, optimizer, batch_size, micro_batch } = self;
        if !(learning_rate > 0.0 && learning_rate.is_finite()) {
            return Err(Error::Usage(format!("learning rate {learning_rate}: it must be a positive number")));
        }
        for (name, size) in [("batch size", batch_size), ("micro-batch", micro_batch)] {
            if size == 0 {
                return Err(Error::Usage(format!("{name} 0: it must be at least 1")));
            }
        }
        schedule.check()?;
        optimizer.check()
    }
}
