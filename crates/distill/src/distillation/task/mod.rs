//! Task distillation: the student first learns the teacher's intermediate layers, then the teacher's answers.

mod settings;
mod soft_labels;
mod stages;
mod tuning;

use serde_json::json;

pub use self::settings::{StageRecipe, TaskSettings};
use self::stages::{Stages, gold_answers};
pub use self::tuning::distill_task_at_best_rate;
use super::alignment::{Align, Alignment};
use super::compatibility::{check_student, check_vocabulary, lower_layers, student_head, teacher_tensors};
use super::preflight;
use super::teacher::TeacherCache;
use super::teacher_inputs::TeacherInputs;
use super::transfer::Transfer;
use tinybert_base::{Context, Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_evaluate::judge::{Judge, encode_to_learn};
use tinybert_model::{Checkpoint, RunRecord, Tensors};
use tinybert_nn::{Bert, TaskModel, on_device};
use tinybert_train::{ModelDescription, Output, Summary, TaskData, TrainingRun, head_of, with_head};

/// What teaches a student a task.
#[derive(Clone, Copy)]
pub enum Teacher<'a> {
    /// A fine-tuned model.
    Model(&'a Checkpoint),
    /// The soft labels of the training data, which any model may have given.
    SoftLabels,
}

impl<'a> From<&'a Checkpoint> for Teacher<'a> {
    fn from(model: &'a Checkpoint) -> Self {
        Self::Model(model)
    }
}

/// The result of task distillation.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TaskReport {
    /// Metrics of the teacher on the development set; `None` for soft labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Metrics>,
    /// Metrics of the kept student weights on the development set.
    pub dev: Metrics,
    /// Summary of the intermediate stage; `None` if it was left out.
    pub intermediate: Option<Summary>,
    /// Summary of the prediction stage; `None` if it was left out.
    pub prediction: Option<Summary>,
}

/// Distils `teacher` into `student` on the texts of `data.train`, keeps the weights that are best on `data.dev`,
/// and writes them to `out`. The gold labels of `data.train` are used only if they have a weight.
///
/// # Errors
/// [`Error::Usage`] for impossible settings; [`Error::Input`] for a teacher that cannot teach the task, for
/// different vocabularies or for data that do not fit together; [`Error::Diverged`]; [`Error::Interrupted`]
/// after a checkpoint in `OUT.run`; [`Error::Io`].
pub fn distill_task<'a>(
    settings: &TaskSettings,
    teacher: impl Into<Teacher<'a>>,
    student: &Checkpoint,
    data: &TaskData,
    out: impl Into<Output>,
    context: &Context,
) -> Result<TaskReport> {
    let model = match teacher.into() {
        Teacher::Model(model) => Some(model.named(&data.train.labels)),
        Teacher::SoftLabels => None,
    };
    let student = &student.named(&data.train.labels);
    let (teacher, out, seed) = (model.as_ref(), out.into(), settings.seed);
    check(settings, teacher, student, data)?;
    let gold = gold_answers(settings, data.train)?;
    let head = &teacher.map_or_else(|| head_of(data.train), |teacher| student_head(&teacher.head));
    if let Some(aware) = &settings.quantization_aware {
        aware.check(settings.intermediate.epochs, student, head, &out)?;
    }
    let transfer = match (teacher, settings.intermediate.epochs) {
        (Some(teacher), 1..) => {
            Some(Transfer::new(&settings.transfer, &student.config, &teacher.config, seed)?)
        }
        _ => None,
    };
    let mut inputs = Vec::new();
    for model in teacher.into_iter().chain([student]) {
        inputs.extend(model.hashes()?);
    }
    inputs.extend(data.hashes()?);
    let record = RunRecord::new("distill --stage task", json!(settings), seed, inputs);
    let text = &student.text;
    let judge = Judge::new(text, data.dev, data.metrics, settings.max_tokens)?;
    let set = encode_to_learn(text, data.train, settings.max_tokens)?;
    let teacher_inputs = match teacher {
        Some(teacher) => TeacherInputs::new(teacher, student, &set, data, settings.max_tokens)?,
        None => TeacherInputs::of_student(),
    };
    let alignment = match (&transfer, teacher) {
        (Some(_), Some(teacher)) => {
            let align = settings.transfer.align;
            teacher_inputs.alignment(align, teacher, student, data.train, settings.max_tokens)?
        }
        _ => Alignment::Pieces,
    };
    let stages = Stages { settings, set: &set, teacher_inputs: &teacher_inputs, alignment, gold };
    let trained = ModelDescription { config: &student.config, head, text, record: &record };
    let initial = || with_head(student, head, seed);
    let mut run = TrainingRun::open(trained, data.identity(&record), &out, context, initial)?;
    let device = run.device().clone();
    let frozen = teacher.map(|teacher| FrozenTeacher::new(teacher, run.output())).transpose()?;
    let teacher_metrics = match &frozen {
        Some(FrozenTeacher { checkpoint, model, .. }) => {
            let (judge, allow_weak) = (teacher_inputs.judge(&judge), settings.allow_weak_teacher);
            Some(preflight::evaluate(checkpoint, model, data, judge, allow_weak, context)?)
        }
        None => {
            data.warn(context);
            None
        }
    };
    if let Some(aware) = &settings.quantization_aware {
        run.quantize_by(aware.plan(student, data.train, settings.max_tokens, context)?);
    }
    let (cache_folder, compute) = (run.output().teacher_cache(), run.output().compute.clone());
    let cache = frozen.as_ref().map(|teacher| TeacherCache {
        folder: &cache_folder,
        bytes: settings.teacher_cache_bytes,
        compute: &compute,
        teacher: teacher.checkpoint,
        set: teacher_inputs.set(&set),
        context,
    });
    let parameters = &run.trainee().parameters;
    let student_model = run.trainee().quantized(TaskModel::trainable(&student.config, head, parameters)?);

    // The cache is filled before any step, so that an interruption meanwhile loses no training.
    let teacher = frozen.as_ref().zip(cache.as_ref());
    let answers = match (teacher, settings.prediction.epochs) {
        (_, 0) => None,
        (Some((teacher, cache)), _) => Some(cache.answers(&teacher.model)?),
        (None, _) => Some(soft_labels::answers(data.train)?),
    };
    let intermediate = match (transfer, teacher) {
        (Some(transfer), Some((teacher, cache))) => {
            let transfer = transfer.on_device(&device)?;
            let lower = teacher.lower_layers(transfer.teacher_layers())?;
            Some(stages.train_intermediate(&transfer, &lower, cache, &student_model.bert, &mut run)?)
        }
        _ => None,
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

    let best = selection.into_best()?;
    let report = TaskReport { teacher: teacher_metrics, dev: best.metrics.clone(), intermediate, prediction };
    run.finish_best(&best, &report)?;
    Ok(report)
}

/// Makes sure that [`distill_task`] will learn from a teacher that reads the same pieces as its student, for runs that
/// train something else before.
///
/// # Errors
/// [`Error::Input`] for a teacher that answers something else or is near chance, and for a development set with a
/// single label, as [`distill_task`].
pub fn check_teacher(
    settings: &TaskSettings,
    teacher: &Checkpoint,
    data: &TaskData,
    out: &Output,
    context: &Context,
) -> Result<()> {
    preflight::check_head(teacher, data)?;
    let judge = Judge::new(&teacher.text, data.dev, data.metrics, settings.max_tokens)?;
    let model = FrozenTeacher::new(teacher, out)?.model;
    preflight::evaluate(teacher, &model, data, &judge, settings.allow_weak_teacher, context).map(drop)
}

/// A model that teaches, with the tensors that it computes with.
struct FrozenTeacher<'a> {
    checkpoint: &'a Checkpoint,
    tensors: Tensors,
    model: TaskModel,
}

impl<'a> FrozenTeacher<'a> {
    fn new(checkpoint: &'a Checkpoint, output: &Output) -> Result<Self> {
        let tensors = teacher_tensors(checkpoint, output)?;
        let model = TaskModel::frozen(&checkpoint.config, &checkpoint.head, &tensors)?;
        Ok(Self { checkpoint, tensors, model })
    }

    /// The first `layers` layers, without a graph.
    fn lower_layers(&self, layers: usize) -> Result<Bert> {
        lower_layers(&self.checkpoint.config, &self.tensors, layers)
    }
}

/// Makes sure that settings, models and data fit together.
fn check(
    settings: &TaskSettings,
    teacher: Option<&Checkpoint>,
    student: &Checkpoint,
    data: &TaskData,
) -> Result<()> {
    data.check()?;
    let Some(teacher) = teacher else {
        settings.check()?;
        check_student(&student.config)?;
        student.check_max_tokens(settings.max_tokens)?;
        return soft_labels::check(settings, data.train);
    };
    check_models(settings, teacher, student)?;
    preflight::check_head(teacher, data)
}

/// Makes sure that a student can learn from a teacher, whatever the teacher answers, for runs that train something else
/// before.
///
/// # Errors
/// [`Error::Usage`] for impossible settings and for models whose layers, heads or families do not fit together;
/// [`Error::Input`] for pieces that cannot be compared.
pub fn check_models(settings: &TaskSettings, teacher: &Checkpoint, student: &Checkpoint) -> Result<()> {
    settings.check()?;
    check_student(&student.config)?;
    for model in [teacher, student] {
        model.check_max_tokens(settings.max_tokens)?;
    }
    if settings.intermediate.epochs > 0 && settings.transfer.align == Some(Align::Pieces) {
        check_vocabulary(&teacher.text, &student.text).map_err(|error| match error {
            Error::Input(what) => Error::Input(format!(
                "{what}; or compare words, which takes any vocabulary: --align words; or learn the answers alone: \
                 --intermediate-epochs 0"
            )),
            other => other,
        })?;
    }
    if settings.intermediate.epochs > 0 {
        Transfer::new(&settings.transfer, &student.config, &teacher.config, settings.seed)?;
    }
    Ok(())
}
