//! Keeping the best of the models seen during a run.

use serde_json::json;

use super::predict::Judge;
use super::session::Session;
use crate::Result;
use crate::checkpoint::{BertConfig, Head, Tensors};
use crate::metrics::Metrics;
use crate::nn::{Parameters, TaskModel};
use crate::progress::Progress;

/// Judges a model under training from time to time and remembers its best weights.
pub struct Selection<'a> {
    judge: &'a Judge,
    /// Shares the storage of the parameters, without their graph.
    model: TaskModel,
    parameters: &'a Parameters,
    best: Option<(Metrics, Tensors)>,
}

impl<'a> Selection<'a> {
    /// Watches `parameters`, which belong to a model of this configuration and head.
    ///
    /// # Errors
    /// Those of [`TaskModel::frozen`].
    pub fn new(
        config: &BertConfig,
        head: &Head,
        parameters: &'a Parameters,
        judge: &'a Judge,
    ) -> Result<Self> {
        let shared =
            parameters.iter().map(|(name, var)| (name.to_owned(), var.as_detached_tensor())).collect();
        Ok(Self { judge, model: TaskModel::frozen(config, head, &shared)?, parameters, best: None })
    }

    /// Judges the present weights; keeps a copy if they are the best so far. Of equals the first stays.
    ///
    /// # Errors
    /// Those of [`Judge::judge`] and of writing the metrics.
    pub fn look(&mut self, session: &mut Session, epoch: f64, progress: &dyn Progress) -> Result<()> {
        let metrics = self.judge.judge(&self.model)?;
        session.log(&json!({ "step": session.steps(), "epoch": epoch, "dev": metrics }))?;
        progress.say(&format!("epoch {epoch:.2}: dev {} {:.4}", metrics.primary, metrics.primary()));
        if self.best.as_ref().is_none_or(|(best, _)| metrics.primary() > best.primary()) {
            self.best = Some((metrics, self.parameters.to_tensors()?));
        }
        Ok(())
    }

    /// The best weights and their metrics; the present ones if none were judged.
    ///
    /// # Errors
    /// Those of [`Judge::judge`].
    pub fn best(self) -> Result<(Metrics, Tensors)> {
        match self.best {
            Some(best) => Ok(best),
            None => Ok((self.judge.judge(&self.model)?, self.parameters.to_tensors()?)),
        }
    }
}
