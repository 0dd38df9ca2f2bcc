//! Task distillation: intermediate layers first, then the teacher's answers.

use serde_json::json;

use super::losses::answer_loss;
use super::pair::{check_student, check_vocabulary, lower_layers, spread, teacher_tensors};
use super::preflight;
use super::quantization_aware::QuantizationAware;
use super::teacher::{TeacherAnswers, TeacherCache};
use super::teachers_text::TeachersText;
use super::transfer::{Transfer, TransferSettings};
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::metrics::Metrics;
use tinybert_data::{Batch, EncodedSet};
use tinybert_evaluate::judge::{Judge, encode_to_learn};
use tinybert_model::{Checkpoint, Head, RunRecord};
use tinybert_nn::{Bert, Parameters, TaskModel, on_device};
use tinybert_train::epochs::Epochs;
use tinybert_train::optimizer::OptimizerSettings;
use tinybert_train::schedule::Schedule;
use tinybert_train::selection::Selection;
use tinybert_train::session::{Budget, Length, Losses, MicroBatch, Plan, Session, Summary};
use tinybert_train::sparsity::SparsitySettings;
use tinybert_train::work::WorkFolder;
use tinybert_train::{Output, StepSettings, TaskData, Trainee, with_head};

/// Settings of one of the two stages.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Passes over the training data; 0 leaves the stage out.
    pub epochs: u64,
    /// Examples per step.
    pub batch_size: usize,
    /// Examples per forward and backward pass at most; gradients are accumulated over a step's. Limits memory.
    pub micro_batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Time limits.
    pub budget: Budget,
}

/// Settings of [`task`]; the defaults are the paper's.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskSettings {
    /// Losses of the intermediate stage.
    pub transfer: TransferSettings,
    /// Learns embeddings, hidden states and attention.
    pub intermediate: Stage,
    /// Learns the answers.
    pub prediction: Stage,
    /// t of the soft cross-entropy.
    pub temperature: f64,
    /// Evaluations on the development set per pass of the prediction stage; the best one's weights are kept.
    pub evaluations_per_epoch: usize,
    /// Longest input in tokens; longer text is cut.
    pub max_tokens: usize,
    /// Which Adam.
    pub optimizer: OptimizerSettings,
    /// Seed of projections, head, order and dropout.
    pub seed: u64,
    /// Bytes that a cache of the teacher's states and answers may take on disk; 0 for none. Cached states and scores
    /// have half precision.
    pub teacher_cache_bytes: u64,
    /// Zeros that come in among the weights of the prediction stage; without, what was pruned before stays so.
    pub sparsity: Option<SparsitySettings>,
    /// Learn from a teacher that is no better than chance too.
    pub allow_weak_teacher: bool,
    /// Train the student as it will be quantized; `None` for a float student.
    pub quantization_aware: Option<QuantizationAware>,
}

impl Default for TaskSettings {
    fn default() -> Self {
        Self {
            transfer: TransferSettings::default(),
            intermediate: Stage {
                epochs: 20,
                batch_size: 32,
                micro_batch: 32,
                learning_rate: 5e-5,
                schedule: Schedule::Constant,
                budget: Budget::default(),
            },
            prediction: Stage {
                epochs: 3,
                batch_size: 32,
                micro_batch: 32,
                learning_rate: 3e-5,
                schedule: Schedule::Linear { warmup: 0.1 },
                budget: Budget::default(),
            },
            temperature: 1.0,
            evaluations_per_epoch: 1,
            max_tokens: 128,
            optimizer: OptimizerSettings::paper(),
            seed: 42,
            teacher_cache_bytes: 0,
            sparsity: None,
            allow_weak_teacher: false,
            quantization_aware: None,
        }
    }
}

/// What task distillation achieved.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TaskReport {
    /// Of the teacher, on the development set.
    pub teacher: Metrics,
    /// Of the student weights that were kept, on the development set.
    pub dev: Metrics,
    /// What the intermediate stage did.
    pub intermediate: Option<Summary>,
    /// What the prediction stage did.
    pub prediction: Option<Summary>,
}

/// Distils the fine-tuned `teacher` into `student` on the texts of `data.train`, whose labels are not looked at,
/// keeps the weights that are best on `data.dev`, and writes them to `out`.
///
/// # Errors
/// [`Error::Usage`] for settings that cannot be; [`Error::Input`] for a teacher that cannot teach the task, another
/// vocabulary or data that do not fit together; [`Error::Diverged`]; [`Error::Interrupted`] after a checkpoint in
/// `OUT.run`; [`Error::Io`].
pub fn task(
    settings: &TaskSettings,
    teacher: &Checkpoint,
    student: &Checkpoint,
    data: &TaskData,
    out: impl Into<Output>,
    context: &Context,
) -> Result<TaskReport> {
    let teacher = &teacher.named(&data.train.labels);
    check(settings, teacher, student, data)?;
    let (out, head) = (out.into(), &student_head(&teacher.head));
    if let Some(aware) = &settings.quantization_aware {
        aware.check(settings, student, head, &out)?;
    }
    let transfer = match settings.intermediate.epochs {
        0 => None,
        _ => Some(Transfer::new(&settings.transfer, &student.config, &teacher.config, settings.seed)?),
    };
    let mut inputs = teacher.hashes()?;
    inputs.extend(student.hashes()?);
    inputs.extend(data.hashes()?);
    let record = RunRecord {
        command: "distill --stage task".into(),
        settings: json!(settings),
        seed: settings.seed,
        inputs,
        metrics: json!(null),
    };
    let text = &student.text;
    let judge = Judge::new(text, data.dev, data.metrics, settings.max_tokens)?;
    let set = encode_to_learn(text, data.train, settings.max_tokens)?;
    let teachers = TeachersText::new(teacher, student, &set, data, settings.max_tokens)?;
    let mut work = WorkFolder::open(&out, data.identity(&record), context)?;
    let device = work.output().compute.device.clone();
    let taught_by = teacher_tensors(teacher, work.output())?;
    let teacher_model = TaskModel::frozen(&teacher.config, &teacher.head, &taught_by)?;
    let allow_weak = settings.allow_weak_teacher;
    let teacher_metrics =
        preflight::evaluate(teacher, &teacher_model, data, teachers.judge(&judge), allow_weak, context)?;
    let aware = settings.quantization_aware.as_ref();
    let plan =
        aware.map(|aware| aware.plan(student, data.train, settings.max_tokens, context)).transpose()?;

    let parameters = match work.resumed_model() {
        Some(tensors) => Parameters::new(&on_device(tensors, &device)?)?,
        None => Parameters::new(&on_device(&with_head(student, head, settings.seed)?, &device)?)?,
    };
    let trainee = Trainee {
        config: &student.config,
        head,
        text,
        parameters: &parameters,
        quantization: plan.as_ref(),
        record: &record,
    };
    let (cache_folder, compute) = (work.output().teacher_cache(), work.output().compute.clone());
    let cache = TeacherCache {
        folder: &cache_folder,
        bytes: settings.teacher_cache_bytes,
        compute: &compute,
        teacher,
        set: teachers.set(&set),
        context,
    };
    let run = Run { settings, set: &set, teachers: &teachers, trainee, cache, context };
    let model = trainee.as_trained(TaskModel::trainable(&student.config, head, &parameters)?);

    // Before any step: whoever stops while the cache is filled loses none.
    let answers = match settings.prediction.epochs {
        0 => None,
        _ => Some(run.cache.answers(&teacher_model)?),
    };
    let intermediate = match transfer {
        Some(transfer) => {
            let transfer = transfer.on_device(&device)?;
            let lower = lower_layers(&teacher.config, &taught_by, transfer.teacher_layers())?;
            run.intermediate(&transfer, &lower, &model.bert, &mut work)?
        }
        None => None,
    };
    let mut selection = Selection::new(trainee, &judge, &mut work)?;
    if plan.is_some() {
        // What `quantize` would make of the student without this training: the image is never worse than that.
        selection =
            selection.at_least(on_device(&with_head(student, head, settings.seed)?, &device)?, context)?;
    }
    let prediction = match answers {
        Some(answers) => Some(run.prediction(&answers, &model, &mut selection, &mut work)?),
        None => None,
    };

    let (dev, tensors) = selection.best()?;
    let report = TaskReport { teacher: teacher_metrics, dev, intermediate, prediction };
    work.finish(&trainee, &tensors, json!(report))?;
    Ok(report)
}

fn check(settings: &TaskSettings, teacher: &Checkpoint, student: &Checkpoint, data: &TaskData) -> Result<()> {
    for stage in [&settings.intermediate, &settings.prediction] {
        StepSettings {
            learning_rate: stage.learning_rate,
            schedule: stage.schedule,
            optimizer: settings.optimizer,
            batch_size: stage.batch_size,
            micro_batch: stage.micro_batch,
        }
        .check()?;
    }
    check_student(&student.config)?;
    for model in [student, teacher] {
        model.check_max_tokens(settings.max_tokens)?;
    }
    if settings.intermediate.epochs == 0 && settings.prediction.epochs == 0 {
        return Err(Error::Usage("both stages have 0 epochs: there is nothing to do".into()));
    }
    if settings.evaluations_per_epoch == 0 {
        return Err(Error::Usage("task distillation needs at least one evaluation per epoch".into()));
    }
    if !(settings.temperature > 0.0 && settings.temperature.is_finite()) {
        return Err(Error::Usage(format!(
            "temperature {}: it must be a positive number",
            settings.temperature
        )));
    }
    if let Some(sparsity) = &settings.sparsity {
        sparsity.check()?;
        let stage = &settings.prediction;
        if sparsity.share > 0.0 && (stage.epochs == 0 || stage.budget.max_minutes.is_some()) {
            let what =
                "zeros come in over the steps of the prediction stage: give it epochs and no time limit";
            return Err(Error::Usage(what.into()));
        }
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

/// The teacher's head; an embedding is projected from the student's size to the teacher's.
pub(super) fn student_head(teacher: &Head) -> Head {
    match teacher {
        Head::Embedding { dimensions, .. } => Head::Embedding { dimensions: *dimensions, projected: true },
        other => other.clone(),
    }
}

/// What both stages share.
struct Run<'a> {
    settings: &'a TaskSettings,
    /// The training data as the student reads them.
    set: &'a EncodedSet,
    teachers: &'a TeachersText,
    trainee: Trainee<'a>,
    cache: TeacherCache<'a>,
    context: &'a Context<'a>,
}

/// Names of the two sessions.
const INTERMEDIATE: &str = "intermediate";
const PREDICTION: &str = "prediction";

impl Run<'_> {
    fn epochs(&self, stage: &Stage) -> Epochs {
        Epochs {
            epochs: stage.epochs,
            batch_size: stage.batch_size,
            micro_batch: stage.micro_batch,
            seed: self.settings.seed,
            pad_id: self.trainee.text.special().pad,
            evaluations: self.settings.evaluations_per_epoch,
        }
    }

    fn plan(&self, name: &'static str, stage: &Stage, epochs: &Epochs) -> Plan<'_> {
        let sparsity = self.settings.sparsity.filter(|settings| name == PREDICTION || settings.share == 0.0);
        Plan {
            name,
            length: Length::Steps(epochs.steps(self.set.len())),
            learning_rate: stage.learning_rate,
            schedule: stage.schedule,
            optimizer: self.settings.optimizer,
            seed: self.settings.seed,
            budget: stage.budget,
            sparsity,
            trainee: self.trainee,
        }
    }

    /// Embedding, hidden and attention losses, at a constant learning rate by default.
    fn intermediate(
        &self,
        transfer: &Transfer,
        teacher: &Bert,
        student: &Bert,
        work: &mut WorkFolder,
    ) -> Result<Option<Summary>> {
        let stage = &self.settings.intermediate;
        if let done @ Some(_) = work.done(INTERMEDIATE) {
            return Ok(done);
        }
        if !work.resumes(INTERMEDIATE) {
            transfer.start(student, teacher, self.set, &spread(self.set))?;
        }
        let taught = self.cache.states(teacher, transfer.wanted())?;
        let epochs = self.epochs(stage);
        let mut vars = transfer.parameters();
        let reached = self.trainee.parameters.iter().filter(|(name, _)| transfer.reaches(name));
        vars.extend(reached.map(|(name, var)| (name.to_owned(), var.clone())));
        let plan = self.plan(INTERMEDIATE, stage, &epochs);
        let mut session = Session::new(plan, vars, work, self.context)?;
        epochs.run(
            &mut session,
            self.set,
            |micro| {
                let learned = student.forward(micro.batch, micro.mode)?;
                transfer.losses(&learned, &taught.of(micro.batch)?, micro)
            },
            None,
        )?;
        Ok(Some(session.end()?))
    }

    /// The teacher's answers; its scores, not the gold ones, for regression.
    fn prediction(
        &self,
        taught: &TeacherAnswers,
        student: &TaskModel,
        selection: &mut Selection,
        work: &mut WorkFolder,
    ) -> Result<Summary> {
        let stage = &self.settings.prediction;
        let epochs = self.epochs(stage);
        let parameters = self.trainee.parameters.iter();
        let vars = parameters.map(|(name, var)| (name.to_owned(), var.clone())).collect();
        let plan = self.plan(PREDICTION, stage, &epochs);
        let mut session = Session::new(plan, vars, work, self.context)?;
        epochs.run(
            &mut session,
            self.set,
            |micro| self.answer_loss(taught, student, micro),
            Some(selection),
        )?;
        session.end()
    }

    fn answer_loss(
        &self,
        teacher: &TeacherAnswers,
        student: &TaskModel,
        micro: &MicroBatch,
    ) -> Result<Losses> {
        let (output, learned) = student.forward(micro.batch, micro.mode)?;
        let target = teacher.of(&self.teachers.batch(micro.batch))?.to_device(learned.device())?;
        let total = answer_loss(&student.head, &learned, &target, self.settings.temperature)?;
        let total = (total * micro.share(Batch::answers))?;
        Ok(Losses { total, tape: output.tape, parts: Vec::new() })
    }
}
