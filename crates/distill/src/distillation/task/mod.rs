//! Task distillation: the student first learns the teacher's intermediate layers, then the teacher's answers.

mod settings;

use serde_json::json;

pub use self::settings::{StageRecipe, TaskSettings};
use super::compatibility::{
    check_student, check_vocabulary, evenly_spaced_samples, lower_layers, student_head, teacher_tensors,
};
use super::losses::answer_loss;
use super::preflight;
use super::teacher::{TeacherAnswers, TeacherCache};
use super::teacher_inputs::TeacherInputs;
use super::transfer::Transfer;
use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_data::{Batch, EncodedSet};
use tinybert_evaluate::judge::{Judge, encode_to_learn};
use tinybert_model::{Checkpoint, RunRecord};
use tinybert_nn::{Bert, TaskModel, on_device};
use tinybert_train::session::{Losses, MicroBatch, Selection, SessionConfig, SessionLength};
use tinybert_train::{ModelDescription, Output, Summary, TaskData, TrainingRun, with_head};

/// Name of the session of the intermediate stage.
const INTERMEDIATE: &str = "intermediate";
/// Name of the session of the prediction stage.
const PREDICTION: &str = "prediction";

/// The result of task distillation.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TaskReport {
    /// Metrics of the teacher on the development set.
    pub teacher: Metrics,
    /// Metrics of the kept student weights on the development set.
    pub dev: Metrics,
    /// Summary of the intermediate stage; `None` if it was left out.
    pub intermediate: Option<Summary>,
    /// Summary of the prediction stage; `None` if it was left out.
    pub prediction: Option<Summary>,
}

/// Distils the fine-tuned `teacher` into `student` on the texts of `data.train`, keeps the weights that are
/// best on `data.dev`, and writes them to `out`. The labels of `data.train` are not used.
///
/// # Errors
/// [`Error::Usage`] for impossible settings; [`Error::Input`] for a teacher that cannot teach the task, for
/// different vocabularies or for data that do not fit together; [`Error::Diverged`]; [`Error::Interrupted`]
/// after a checkpoint in `OUT.run`; [`Error::Io`].
pub fn distill_task(
    settings: &TaskSettings,
    teacher: &Checkpoint,
    student: &Checkpoint,
    data: &TaskData,
    out: impl Into<Output>,
    context: &Context,
) -> Result<TaskReport> {
    let teacher = &teacher.named(&data.train.labels);
    check(settings, teacher, student, data)?;
    let (out, head, seed) = (out.into(), &student_head(&teacher.head), settings.seed);
    if let Some(aware) = &settings.quantization_aware {
        aware.check(settings.intermediate.epochs, student, head, &out)?;
    }
    let transfer = match settings.intermediate.epochs {
        0 => None,
        _ => Some(Transfer::new(&settings.transfer, &student.config, &teacher.config, seed)?),
    };
    let mut inputs = teacher.hashes()?;
    inputs.extend(student.hashes()?);
    inputs.extend(data.hashes()?);
    let record = RunRecord::new("distill --stage task", json!(settings), seed, inputs);
    let text = &student.text;
    let judge = Judge::new(text, data.dev, data.metrics, settings.max_tokens)?;
    let set = encode_to_learn(text, data.train, settings.max_tokens)?;
    let teacher_inputs = TeacherInputs::new(teacher, student, &set, data, settings.max_tokens)?;
    let model = ModelDescription { config: &student.config, head, text, record: &record };
    let initial = || with_head(student, head, seed);
    let mut run = TrainingRun::open(model, data.identity(&record), &out, context, initial)?;
    let device = run.device().clone();
    let frozen_tensors = teacher_tensors(teacher, run.output())?;
    let teacher_model = TaskModel::frozen(&teacher.config, &teacher.head, &frozen_tensors)?;
    let teacher_judge = teacher_inputs.judge(&judge);
    let allow_weak = settings.allow_weak_teacher;
    let teacher_metrics =
        preflight::evaluate(teacher, &teacher_model, data, teacher_judge, allow_weak, context)?;
    if let Some(aware) = &settings.quantization_aware {
        run.quantize_by(aware.plan(student, data.train, settings.max_tokens, context)?);
    }
    let (cache_folder, compute) = (run.output().teacher_cache(), run.output().compute.clone());
    let cache = TeacherCache {
        folder: &cache_folder,
        bytes: settings.teacher_cache_bytes,
        compute: &compute,
        teacher,
        set: teacher_inputs.set(&set),
        context,
    };
    let parameters = &run.trainee().parameters;
    let student_model = run.trainee().quantized(TaskModel::trainable(&student.config, head, parameters)?);
    let stages = Stages { settings, set: &set, teacher_inputs: &teacher_inputs, cache };

    // The cache is filled before any step, so that an interruption meanwhile loses no training.
    let answers = match settings.prediction.epochs {
        0 => None,
        _ => Some(stages.cache.answers(&teacher_model)?),
    };
    let intermediate = match transfer {
        Some(transfer) => {
            let transfer = transfer.on_device(&device)?;
            let lower = lower_layers(&teacher.config, &frozen_tensors, transfer.teacher_layers())?;
            Some(stages.train_intermediate(&transfer, &lower, &student_model.bert, &mut run)?)
        }
        None => None,
    };
    let mut selection = run.selection(&judge)?;
    if settings.quantization_aware.is_some() {
        // The untrained student is what `quantize` would use without this training: the image is never worse
        // than that.
        selection = selection.with_fallback(on_device(&initial()?, &device)?, context)?;
    }
    let prediction = match answers {
        Some(answers) => Some(stages.train_prediction(&answers, &student_model, &mut selection, &mut run)?),
        None => None,
    };

    let (dev, tensors) = selection.into_best()?;
    let report = TaskReport { teacher: teacher_metrics, dev, intermediate, prediction };
    run.finish(&tensors, &report)?;
    Ok(report)
}

/// Makes sure that settings, models and data fit together.
fn check(settings: &TaskSettings, teacher: &Checkpoint, student: &Checkpoint, data: &TaskData) -> Result<()> {
    settings.check()?;
    check_student(&student.config)?;
    for model in [student, teacher] {
        model.check_max_tokens(settings.max_tokens)?;
    }
    data.check()?;
    if settings.intermediate.epochs > 0 {
        check_vocabulary(&teacher.text, &student.text).map_err(|error| match error {
            Error::Input(what) => Error::Input(format!(
                "{what}; or learn the answers alone, which takes any vocabulary: --intermediate-epochs 0"
            )),
            other => other,
        })?;
    }
    preflight::check_head(teacher, data)
}

/// The settings and inputs of both stages.
struct Stages<'a> {
    settings: &'a TaskSettings,
    /// The training data as the student reads them.
    set: &'a EncodedSet,
    teacher_inputs: &'a TeacherInputs,
    cache: TeacherCache<'a>,
}

impl Stages<'_> {
    /// The configuration of a stage's session. Zeros are added in the prediction stage; settings that release
    /// all zeros hold for both stages.
    fn session(&self, name: &'static str, stage: &StageRecipe) -> SessionConfig {
        let recipe = self.settings.recipe(stage);
        SessionConfig {
            name,
            length: SessionLength::in_steps(&recipe, self.set),
            recipe,
            evaluations_per_epoch: self.settings.evaluations_per_epoch,
            sparsity: self.settings.sparsity.filter(|sparsity| name == PREDICTION || sparsity.share == 0.0),
        }
    }

    /// Trains embeddings, hidden states and attention. The learning rate is constant by default.
    fn train_intermediate(
        &self,
        transfer: &Transfer,
        teacher: &Bert,
        student: &Bert,
        run: &mut TrainingRun,
    ) -> Result<Summary> {
        if let Some(summary) = run.finished(INTERMEDIATE) {
            return Ok(summary);
        }
        if !run.resumes(INTERMEDIATE) {
            transfer.fit_projections(student, teacher, self.set, &evenly_spaced_samples(self.set))?;
        }
        let states = self.cache.states(teacher, transfer.wanted())?;
        let learned = transfer.learned_parameters(run.trainee());
        let losses = |micro: &MicroBatch| {
            let output = student.forward(micro.batch, micro.mode)?;
            transfer.losses(&output, &states.of_batch(micro.batch)?, micro)
        };
        run.train(self.session(INTERMEDIATE, &self.settings.intermediate), self.set, learned, losses, None)
    }

    /// Trains the answers of the teacher. For regression too these are the teacher's scores, not the gold ones.
    fn train_prediction(
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
        let target = answers.of_batch(&self.teacher_inputs.batch(micro.batch))?.to_device(logits.device())?;
        let mean = answer_loss(&student.head, &logits, &target, self.settings.temperature)?;
        let total = (mean * micro.share(Batch::answers))?;
        Ok(Losses { total, tape: output.tape, parts: Vec::new() })
    }
}
