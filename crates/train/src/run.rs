//! The part that all kinds of training share, from the opened working folder to the written model.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{Device, Var};
use serde::Serialize;
use serde_json::json;

use super::checkpoint::{Identity, Output, Trainee, WorkFolder};
use super::session::{
    BestModel, Losses, MicroBatch, Selection, SessionConfig, TrainingSession, train_epochs,
};
use super::summary::Summary;
use tinybert_base::{Context, Result};
use tinybert_data::EncodedSet;
use tinybert_evaluate::judge::Judge;
use tinybert_model::plan::ModelPlan;
use tinybert_model::{BertConfig, Head, RunRecord, Tensors, TextEncoder};

/// The model that a run trains, without its parameters.
#[derive(Clone, Copy)]
pub struct ModelDescription<'a> {
    /// Sizes of the encoder.
    pub config: &'a BertConfig,
    /// The head on top of the encoder.
    pub head: &'a Head,
    /// The tokenizer.
    pub text: &'a TextEncoder,
    /// The record for `run.json`; its metrics are filled in at the end of the run.
    pub record: &'a RunRecord,
}

/// A training run: one model, its working folder, and one session after another.
///
/// ```text
/// open ── restores the parameters from a checkpoint, or takes initial ones
/// selection ── remembers the best weights, if the run has a development set
/// train ── one session: epochs, micro-batches, checkpoints
/// finish ── writes the model and its report, removes the working folder
/// ```
pub struct TrainingRun<'a> {
    trainee: Trainee<'a>,
    work: WorkFolder,
    context: &'a Context<'a>,
}

impl<'a> TrainingRun<'a> {
    /// Opens the working folder of a run. The parameters are those of the checkpoint that the run continues
    /// from, or the `initial` ones; both are moved to the device that the output names.
    ///
    /// # Errors
    /// [`Error::Usage`](tinybert_base::Error::Usage) if the ranks were started for different runs, if the
    /// folder holds a run that is not to be resumed, if another process is writing the folder, if the only
    /// thing to resume is a complete result, or if settings differ;
    /// [`Error::Input`](tinybert_base::Error::Input) if inputs differ;
    /// [`Error::Io`](tinybert_base::Error::Io) if the folder cannot be written or its only checkpoint cannot
    /// be read; the errors of `initial`.
    pub fn open(
        model: ModelDescription<'a>,
        identity: Identity,
        output: &Output,
        context: &'a Context<'a>,
        initial: impl FnOnce() -> Result<Tensors>,
    ) -> Result<Self> {
        let work = WorkFolder::open(output, identity, context)?;
        let ModelDescription { config, head, text, record } = model;
        let parameters = work.parameters(initial)?;
        let trainee = Trainee { config, head, text, parameters, quantization: None, record };
        Ok(Self { trainee, work, context })
    }

    /// The model under training.
    pub fn trainee(&self) -> &Trainee<'a> {
        &self.trainee
    }

    /// Trains the model as `plan` quantizes it from now on.
    pub fn quantize_by(&mut self, plan: Arc<ModelPlan>) {
        self.trainee.quantization = Some(plan);
    }

    /// The folder that the run writes, and the device that it computes on.
    pub fn output(&self) -> &Output {
        self.work.output()
    }

    /// The device that computes.
    pub fn device(&self) -> &Device {
        &self.output().compute.device
    }

    /// Whether the checkpoint that the run continues from was written in the session of this name.
    pub fn resumes(&self, session: &str) -> bool {
        self.work.resumes(session)
    }

    /// The summary of the session of this name, if the session is finished.
    pub fn finished(&self, session: &str) -> Option<Summary> {
        self.work.finished(session)
    }

    /// A selection of the run's best weights by `judge`.
    ///
    /// # Errors
    /// Returns the errors of [`Judge::judge`].
    pub fn selection(&mut self, judge: &'a Judge) -> Result<Selection<'a>> {
        Selection::new(&self.trainee, judge, &mut self.work)
    }

    /// Trains one session over `set`: all epochs of the recipe, from where the checkpoint stands. `learned`
    /// are the parameters that are updated, and `losses` must reach each of them.
    ///
    /// # Errors
    /// [`Error::Diverged`](tinybert_base::Error::Diverged) for losses or gradients that are not finite;
    /// [`Error::Interrupted`](tinybert_base::Error::Interrupted) after a checkpoint if the user asks to stop;
    /// the errors of `losses` and of `selection`.
    pub fn train(
        &mut self,
        config: SessionConfig,
        set: &EncodedSet,
        learned: BTreeMap<String, Var>,
        losses: impl FnMut(&MicroBatch) -> Result<Losses>,
        selection: Option<&mut Selection>,
    ) -> Result<Summary> {
        let mut session = TrainingSession::new(config, &self.trainee, learned, &mut self.work, self.context)?;
        train_epochs(&mut session, set, losses, selection)?;
        session.end()
    }

    /// Writes the model of `tensors` with its report and removes the working folder.
    ///
    /// # Errors
    /// [`Error::Io`](tinybert_base::Error::Io) if that fails; the errors of [`tinybert_model::save`].
    pub fn finish(self, tensors: &Tensors, report: &impl Serialize) -> Result<()> {
        self.work.finish(&self.trainee, tensors, json!(report))
    }

    /// Does the same as [`TrainingRun::finish`] for the model that a selection has chosen, with the thresholds of its
    /// head.
    ///
    /// # Errors
    /// Returns the errors of [`TrainingRun::finish`].
    pub fn finish_best(self, best: &BestModel, report: &impl Serialize) -> Result<()> {
        let trainee = Trainee { head: &best.head, ..self.trainee };
        self.work.finish(&trainee, &best.tensors, json!(report))
    }
}
