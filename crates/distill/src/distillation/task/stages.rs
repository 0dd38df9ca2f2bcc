//! The two stages of task distillation.

use candle_core::Tensor;

use super::super::alignment::Alignment;
use super::super::compatibility::evenly_spaced_samples;
use super::super::losses::answer_loss;
use super::super::teacher::{TeacherAnswers, TeacherCache};
use super::super::teacher_inputs::TeacherInputs;
use super::super::transfer::Transfer;
use super::{StageRecipe, TaskSettings};
use tinybert_base::{Error, Result};
use tinybert_data::task::{Dataset, TaskKind};
use tinybert_data::{Batch, EncodedSet};
use tinybert_nn::{Bert, TaskModel};
use tinybert_train::session::{Losses, MicroBatch, Selection, SessionConfig, SessionLength};
use tinybert_train::{GoldAnswers, Summary, TrainingRun};

/// Name of the session of the intermediate stage.
const INTERMEDIATE: &str = "intermediate";
/// Name of the session of the prediction stage.
const PREDICTION: &str = "prediction";

/// The settings and inputs of both stages.
pub(super) struct Stages<'a> {
    pub settings: &'a TaskSettings,
    /// The training data as the student reads them.
    pub set: &'a EncodedSet,
    /// The training data as the teacher reads them.
    pub teacher_inputs: &'a TeacherInputs,
    /// The positions that the intermediate stage compares.
    pub alignment: Alignment,
    /// The gold answers, where they have a weight.
    pub gold: Option<GoldAnswers<'a>>,
}

impl Stages<'_> {
    /// The configuration of a stage's session. Zeros are added in the prediction stage; settings that release
    /// all zeros hold for both stages.
    fn session(&self, name: &'static str, stage: &StageRecipe) -> SessionConfig {
        let recipe = self.settings.recipe(stage);
        let limit = self.settings.max_steps.filter(|_| name == PREDICTION);
        SessionConfig {
            name,
            length: SessionLength::in_steps(&recipe, self.set, limit),
            recipe,
            evaluations_per_epoch: self.settings.evaluations_per_epoch,
            patience: self.settings.patience,
            sparsity: self.settings.sparsity.filter(|sparsity| name == PREDICTION || sparsity.share == 0.0),
        }
    }

    /// Trains embeddings, hidden states and attention. The learning rate is constant by default.
    pub fn train_intermediate(
        &self,
        transfer: &Transfer,
        teacher: &Bert,
        cache: &TeacherCache,
        student: &Bert,
        run: &mut TrainingRun,
    ) -> Result<Summary> {
        if let Some(summary) = run.finished(INTERMEDIATE) {
            return Ok(summary);
        }
        if !run.resumes(INTERMEDIATE) {
            let texts = [self.set, self.teacher_inputs.set(self.set)];
            let samples = evenly_spaced_samples(self.set);
            transfer.fit_projections(student, teacher, texts, &samples, &self.alignment)?;
        }
        let states = cache.states(teacher, transfer.wanted())?;
        let learned = transfer.learned_parameters(run.trainee());
        let losses = |micro: &MicroBatch| {
            let output = student.forward(micro.batch, micro.mode)?;
            let states = states.of_batch(&*self.teacher_inputs.batch(micro.batch)?)?;
            transfer.losses(&output, &states, micro, &self.alignment)
        };
        run.train(self.session(INTERMEDIATE, &self.settings.intermediate), self.set, learned, losses, None)
    }

    /// Trains the answers of the teacher, mixed with the gold answers where these have a weight. For regression
    /// too the teacher's answers are the teacher's scores.
    pub fn train_prediction(
        &self,
        answers: &TeacherAnswers,
        student: &TaskModel,
        selection: &mut Selection,
        run: &mut TrainingRun,
    ) -> Result<Summary> {
        let learned = run.trainee().parameters_where(|_| true);
        let losses = |micro: &MicroBatch| self.answer_losses(answers, student, micro);
        let config = self.session(PREDICTION, &self.settings.prediction);
        run.train(config, self.set, learned, losses, Some(selection))
    }

    fn answer_losses(
        &self,
        answers: &TeacherAnswers,
        student: &TaskModel,
        micro: &MicroBatch,
    ) -> Result<Losses> {
        let (output, logits) = student.forward(micro.batch, micro.mode)?;
        let batch = self.teacher_inputs.batch(micro.batch)?;
        let target = answers.of_batch(&batch)?.to_device(logits.device())?;
        let (temperature, weight) = (self.settings.temperature, self.settings.gold_weight);
        let share = micro.share(Batch::answers);
        let Some(gold) = &self.gold else {
            let mean = answer_loss(&student.head, &logits, &target, temperature, None)?;
            return Ok(Losses { total: (mean * share)?, tape: output.tape, parts: Vec::new() });
        };
        let mask = Tensor::new(gold.mask(micro.batch, self.set).as_slice(), logits.device())?;
        // An answer without a gold one has the factor 1.
        let factors = mask.affine(-weight, 1.0)?;
        let soft = answer_loss(&student.head, &logits, &target, temperature, Some(&factors))?;
        let soft = (soft * share)?;
        let gold = (gold.loss(&logits, micro.batch, self.set)? * (weight * share))?;
        let total = (&soft + &gold)?;
        Ok(Losses { total, tape: output.tape, parts: vec![("soft", soft), ("gold", gold)] })
    }
}

/// The gold answers of `train`; `None` if they have no weight.
///
/// # Errors
/// Returns [`Error::Usage`] for a weight of gold answers that the data do not have.
pub(super) fn gold_answers<'a>(
    settings: &TaskSettings,
    train: &'a Dataset,
) -> Result<Option<GoldAnswers<'a>>> {
    if settings.gold_weight == 0.0 {
        return Ok(None);
    }
    if train.kind == TaskKind::Embedding {
        return Err(Error::Usage(
            "sentence embeddings have no gold answers: leave the weight of gold answers out".into(),
        ));
    }
    let answers = GoldAnswers::new(train, settings.class_weights.as_ref())?;
    if answers.is_empty() {
        return Err(Error::Usage("gold weight: no training row has a gold label".into()));
    }
    Ok(Some(answers))
}
