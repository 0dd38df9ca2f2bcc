//! Model selection: keeping the best of the models that a run passes through.

use candle_core::Tensor;
use serde_json::json;

use super::TrainingSession;
use crate::checkpoint::{Trainee, WorkFolder};
use tinybert_base::{Context, Result};
use tinybert_data::metrics::Metrics;
use tinybert_evaluate::judge::Judge;
use tinybert_model::{Head, Tensors};
use tinybert_nn::TaskModel;

/// Prefix of the best weights' names in a checkpoint.
pub(super) const BEST: &str = "best/";

/// The context of an evaluation during training, which no stop signal interrupts: checkpoints are written
/// between steps, so an evaluation that was cut short would be missing after the run is resumed.
fn uninterrupted() -> Context<'static> {
    Context::default()
}

/// The weights that a selection has chosen.
pub struct BestModel {
    /// The metrics on the development set.
    pub metrics: Metrics,
    /// The head. If it has thresholds, they are those that the metrics were reached with, which the development set
    /// has chosen.
    pub head: Head,
    /// All tensors of the model.
    pub tensors: Tensors,
}

impl BestModel {
    /// A model with the metrics that it reaches, and with its best thresholds.
    fn judged(judge: &Judge, model: &TaskModel, tensors: Tensors) -> Result<Self> {
        let (metrics, head) = judge.judge_at_best(model, &uninterrupted())?;
        Ok(Self { metrics, head, tensors })
    }
}

/// Evaluates a model under training from time to time and remembers its best weights.
pub struct Selection<'a> {
    judge: &'a Judge,
    trainee: Trainee<'a>,
    /// The model without a graph. It shares the storage of the parameters and so follows every update.
    model: TaskModel,
    best: Option<BestModel>,
    /// Evaluations since that of the best weights.
    evaluations_since_best: u64,
    /// The weights that are chosen if every evaluated model is worse.
    fallback: Option<BestModel>,
}

impl<'a> Selection<'a> {
    /// A selection for a model under training. If the run continues from a checkpoint in `work`, the best
    /// weights in it are the ones to beat.
    ///
    /// # Errors
    /// Returns the errors of [`TaskModel::frozen`] and [`Judge::judge`].
    pub(crate) fn new(trainee: &Trainee<'a>, judge: &'a Judge, work: &mut WorkFolder) -> Result<Self> {
        let evaluations_since_best =
            work.resumed.as_ref().map_or(0, |snapshot| snapshot.state.session.evaluations_since_best);
        let best =
            work.resumed.as_mut().map(|snapshot| snapshot.take_all(BEST)).filter(|best| !best.is_empty());
        let best = match best {
            Some(best) => {
                let model = trainee.frozen(&best)?;
                Some(BestModel::judged(judge, &model, best)?)
            }
            None => None,
        };
        let model = trainee.frozen(&trainee.parameters.detached())?;
        Ok(Self { judge, trainee: trainee.clone(), model, best, evaluations_since_best, fallback: None })
    }

    /// The same selection with weights that are chosen if every evaluated model is worse.
    ///
    /// # Errors
    /// Returns the errors of [`TaskModel::frozen`] and [`Judge::judge`].
    pub fn with_fallback(self, tensors: Tensors, context: &Context) -> Result<Self> {
        let model = self.trainee.frozen(&tensors)?;
        let fallback = BestModel::judged(self.judge, &model, tensors)?;
        let metrics = &fallback.metrics;
        context.progress.say(&format!("untrained: dev {} {:.4}", metrics.primary, metrics.primary()));
        Ok(Self { fallback: Some(fallback), ..self })
    }

    /// Evaluates the present weights. Keeps a copy if they are the best so far and already have all the zeros
    /// that were asked for. The first ones of equally good weights stay.
    ///
    /// # Errors
    /// Returns the errors of [`Judge::judge`] and of writing the metrics.
    pub(crate) fn evaluate(&mut self, session: &mut TrainingSession, epoch: f64) -> Result<()> {
        let (metrics, head) = self.judge.judge_at_best(&self.model, &uninterrupted())?;
        session.log(json!({ "epoch": epoch, "dev": metrics }))?;
        session.say(&format!("epoch {epoch:.2}: dev {} {:.4}", metrics.primary, metrics.primary()));
        if !session.sparsity_is_complete() {
            return Ok(());
        }
        if self.best.as_ref().is_none_or(|best| metrics.primary() > best.metrics.primary()) {
            self.best = Some(BestModel { metrics, head, tensors: self.trainee.parameters.to_tensors()? });
            self.evaluations_since_best = 0;
        } else {
            self.evaluations_since_best += 1;
        }
        Ok(())
    }

    /// Evaluations since that of the best weights. Those of weights that could not be kept do not count, because they
    /// lack zeros that were asked for.
    pub(super) fn evaluations_since_best(&self) -> u64 {
        self.evaluations_since_best
    }

    /// The best weights so far by name; none before the first evaluation.
    pub(super) fn best_so_far(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.best.iter().flat_map(|best| &best.tensors)
    }

    /// The best weights with their metrics; the present weights if none were evaluated.
    ///
    /// # Errors
    /// Returns the errors of [`Judge::judge`].
    pub fn into_best(self) -> Result<BestModel> {
        let evaluated = match self.best {
            Some(best) => best,
            None => BestModel::judged(self.judge, &self.model, self.trainee.parameters.to_tensors()?)?,
        };
        Ok(match self.fallback {
            Some(fallback) if fallback.metrics.primary() > evaluated.metrics.primary() => fallback,
            _ => evaluated,
        })
    }
}

impl TrainingSession<'_> {
    /// Whether so many evaluations of `selection` have brought nothing that the session ends before its planned
    /// length. The user is told. The ranks share the decision of rank 0.
    ///
    /// # Errors
    /// [`Error::Ranks`](tinybert_base::Error::Ranks) if a rank is lost.
    pub(super) fn is_out_of_patience(&mut self, selection: &Selection) -> Result<bool> {
        let Some(patience) = self.config.patience else { return Ok(false) };
        self.out_of_patience =
            self.ranks().first_value(selection.evaluations_since_best() >= patience.get())?;
        if self.out_of_patience {
            self.say(&format!(
                "{} ends at step {}: no evaluation of the last {patience} was better than the best one before",
                self.config.name, self.steps
            ));
        }
        Ok(self.out_of_patience)
    }
}
