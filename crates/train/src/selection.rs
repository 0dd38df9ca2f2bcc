//! Keeping the best of the models seen during a run.

use candle_core::Tensor;
use serde_json::json;

use super::session::Session;
use super::trainee::Trainee;
use super::work::WorkFolder;
use tinybert_base::Context;
use tinybert_base::Result;
use tinybert_data::metrics::Metrics;
use tinybert_evaluate::judge::Judge;
use tinybert_model::Tensors;
use tinybert_nn::TaskModel;

/// Prefix of the best weights in a checkpoint.
pub(super) const BEST: &str = "best/";

/// The context of a judgement of a model under training. It is judged to the end, whoever asks to stop: a checkpoint stands
/// between two steps, so that a run that is resumed there misses no judgement.
fn unstoppable() -> Context<'static> {
    Context::default()
}

/// Judges a model under training from time to time and remembers its best weights.
pub struct Selection<'a> {
    judge: &'a Judge,
    trainee: Trainee<'a>,
    /// Shares the storage of the parameters, without their graph.
    model: TaskModel,
    best: Option<(Metrics, Tensors)>,
    /// Weights that are kept if all that were seen are worse.
    floor: Option<(Metrics, Tensors)>,
}

impl<'a> Selection<'a> {
    /// Watches a model; the best weights that the checkpoint in `work` has are the ones to beat.
    ///
    /// # Errors
    /// Those of [`TaskModel::frozen`] and [`Judge::judge`].
    pub fn new(trainee: Trainee<'a>, judge: &'a Judge, work: &mut WorkFolder) -> Result<Self> {
        let best =
            work.resumed.as_mut().map(|snapshot| snapshot.take_all(BEST)).filter(|best| !best.is_empty());
        let best = match best {
            Some(best) => {
                let model = trainee.frozen(&best)?;
                Some((judge.judge(&model, &unstoppable())?, best))
            }
            None => None,
        };
        let model = trainee.frozen(&trainee.parameters.detached())?;
        Ok(Self { judge, trainee, model, best, floor: None })
    }

    /// With other weights that are kept if all that will be seen are worse.
    ///
    /// # Errors
    /// Those of [`TaskModel::frozen`] and [`Judge::judge`].
    pub fn at_least(self, tensors: Tensors, context: &Context) -> Result<Self> {
        let metrics = self.judge.judge(&self.trainee.frozen(&tensors)?, &unstoppable())?;
        context.progress.say(&format!("untrained: dev {} {:.4}", metrics.primary, metrics.primary()));
        Ok(Self { floor: Some((metrics, tensors)), ..self })
    }

    /// Judges the present weights; keeps a copy if they are the best so far and as sparse as they are to become. Of equals
    /// the first stays.
    ///
    /// # Errors
    /// Those of [`Judge::judge`] and of writing the metrics.
    pub fn look(&mut self, session: &mut Session, epoch: f64) -> Result<()> {
        let metrics = self.judge.judge(&self.model, &unstoppable())?;
        session.log(json!({ "epoch": epoch, "dev": metrics }))?;
        session.say(&format!("epoch {epoch:.2}: dev {} {:.4}", metrics.primary, metrics.primary()));
        let better = self.best.as_ref().is_none_or(|(best, _)| metrics.primary() > best.primary());
        if better && session.is_settled() {
            self.best = Some((metrics, self.trainee.parameters.to_tensors()?));
        }
        Ok(())
    }

    /// The best weights that were seen, by name; nothing before the first look.
    pub(super) fn best_so_far(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.best.iter().flat_map(|(_, tensors)| tensors)
    }

    /// The best weights and their metrics; the present ones if none were judged.
    ///
    /// # Errors
    /// Those of [`Judge::judge`].
    pub fn best(self) -> Result<(Metrics, Tensors)> {
        let seen = match self.best {
            Some(best) => best,
            None => (self.judge.judge(&self.model, &unstoppable())?, self.trainee.parameters.to_tensors()?),
        };
        Ok(match self.floor {
            Some(floor) if floor.0.primary() > seen.0.primary() => floor,
            _ => seen,
        })
    }
}
