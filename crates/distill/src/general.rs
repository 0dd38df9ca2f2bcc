//! General distillation: a student of the un-fine-tuned teacher on raw text.

use std::path::PathBuf;

use serde_json::json;

use super::inherit::inherit;
use super::pair::{check_student, check_vocabulary, lower_layers, spread, teacher_tensors};
use super::teacher::TeacherStates;
use super::transfer::{Transfer, TransferSettings};
use tinybert_base::Context;
use tinybert_base::FileHash;
use tinybert_base::{Error, Result};
use tinybert_data::EncodedSet;
use tinybert_model::{Checkpoint, Head, RunRecord, Tensors};
use tinybert_nn::{Bert, Parameters, on_device};
use tinybert_train::epochs::Epochs;
use tinybert_train::optimizer::OptimizerSettings;
use tinybert_train::schedule::Schedule;
use tinybert_train::session::{Budget, Length, Plan, Session, Summary};
use tinybert_train::work::WorkFolder;
use tinybert_train::{Identity, Output, StepSettings, Trainee};

/// Of the session.
const NAME: &str = "general";

/// Settings of [`general`]; the defaults are the paper's.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GeneralSettings {
    /// Losses.
    pub transfer: TransferSettings,
    /// Start from the narrowed layers of the teacher that the layer map names, instead of the student's weights.
    /// Not in the paper; it saves most of the training that a random start needs.
    pub inherit: bool,
    /// Passes over the corpus.
    pub epochs: u64,
    /// Ends the run, and its schedule, after so many tokens if that is earlier.
    pub max_train_tokens: Option<u64>,
    /// Windows per step.
    pub batch_size: usize,
    /// Windows per forward and backward pass; gradients are accumulated over a step's. Limits memory.
    pub micro_batch: usize,
    /// Tokens per window of the corpus, special tokens included.
    pub max_tokens: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How it changes.
    pub schedule: Schedule,
    /// Which Adam.
    pub optimizer: OptimizerSettings,
    /// Seed of projections, order and dropout.
    pub seed: u64,
    /// Time limits.
    pub budget: Budget,
}

impl Default for GeneralSettings {
    fn default() -> Self {
        Self {
            transfer: TransferSettings::default(),
            inherit: false,
            epochs: 3,
            max_train_tokens: None,
            batch_size: 256,
            micro_batch: 32,
            max_tokens: 128,
            learning_rate: 5e-5,
            schedule: Schedule::Linear { warmup: 0.1 },
            optimizer: OptimizerSettings::paper(),
            seed: 42,
            budget: Budget::default(),
        }
    }
}

/// Raw text as the stage reads it.
pub struct Corpus<'a> {
    /// Windows of at most [`GeneralSettings::max_tokens`] tokens.
    pub windows: &'a EncodedSet,
    /// Files they were read from.
    pub sources: &'a [PathBuf],
}

/// What general distillation achieved.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct GeneralReport {
    /// Steps, tokens and time.
    pub training: Summary,
}

/// Distils the encoder of `teacher` into `student` and writes it, without head, to `out`.
///
/// # Errors
/// [`Error::Usage`] for settings that cannot be; [`Error::Input`] for another vocabulary or an empty corpus;
/// [`Error::Diverged`]; [`Error::Interrupted`] after a checkpoint in `OUT.run`; [`Error::Io`].
pub fn general(
    settings: &GeneralSettings,
    teacher: &Checkpoint,
    student: &Checkpoint,
    corpus: &Corpus,
    out: impl Into<Output>,
    context: &Context,
) -> Result<GeneralReport> {
    StepSettings {
        learning_rate: settings.learning_rate,
        schedule: settings.schedule,
        optimizer: settings.optimizer,
        batch_size: settings.batch_size,
        micro_batch: settings.micro_batch,
    }
    .check()?;
    for model in [student, teacher] {
        model.check_max_tokens(settings.max_tokens)?;
    }
    if settings.epochs == 0 || settings.max_train_tokens == Some(0) {
        return Err(Error::Usage("epochs and training tokens must be at least 1".into()));
    }
    check_vocabulary(&teacher.text, &student.text)?;
    if corpus.windows.is_empty() {
        return Err(Error::Input("the corpus has no text".into()));
    }
    check_student(&student.config)?;
    let transfer = Transfer::new(&settings.transfer, &student.config, &teacher.config, settings.seed)?;
    let mut inputs = teacher.hashes()?;
    inputs.extend(student.hashes()?);
    inputs.extend(corpus.sources.iter().map(|path| FileHash::of(path)).collect::<Result<Vec<_>>>()?);
    let record = RunRecord {
        command: "distill --stage general".into(),
        settings: json!(settings),
        seed: settings.seed,
        inputs,
        metrics: json!(null),
    };

    let identity = Identity::new(&record).with_digest("windows", corpus.windows.digest());
    let mut work = WorkFolder::open(&out.into(), identity, context)?;
    let device = work.output().compute.device.clone();
    let transfer = transfer.on_device(&device)?;
    let samples = spread(corpus.windows);
    let start = match work.resumed_model() {
        Some(tensors) => on_device(tensors, &device)?,
        None if settings.inherit => {
            let inherited = inherit(teacher, &student.config, &transfer.map(), corpus.windows, &samples)?;
            on_device(&inherited, &device)?
        }
        None => on_device(&encoder_of(student), &device)?,
    };
    let parameters = Parameters::new(&start)?;
    drop(start);
    let trained = Bert::trainable(&student.config, &parameters)?;
    let taught_by = teacher_tensors(teacher, work.output())?;
    let lower = lower_layers(&teacher.config, &taught_by, transfer.teacher_layers())?;
    if !work.resumes(NAME) {
        transfer.start(&trained, &lower, corpus.windows, &samples)?;
    }

    let epochs = Epochs {
        epochs: settings.epochs,
        batch_size: settings.batch_size,
        micro_batch: settings.micro_batch,
        seed: settings.seed,
        pad_id: student.text.special().pad,
        evaluations: 0,
    };
    let planned = settings.epochs.saturating_mul(corpus.windows.total_tokens() as u64);
    let trainee = Trainee {
        config: &student.config,
        head: &Head::None,
        text: &student.text,
        parameters: &parameters,
        quantization: None,
        record: &record,
    };
    let plan = Plan {
        name: NAME,
        length: Length::Tokens(settings.max_train_tokens.map_or(planned, |limit| limit.min(planned))),
        learning_rate: settings.learning_rate,
        schedule: settings.schedule,
        optimizer: settings.optimizer,
        seed: settings.seed,
        budget: settings.budget,
        sparsity: None,
        trainee,
    };
    let mut vars = transfer.parameters();
    let reached = parameters.iter().filter(|(name, _)| transfer.reaches(name));
    vars.extend(reached.map(|(name, var)| (name.to_owned(), var.clone())));
    let taught = TeacherStates::Computed { bert: &lower, wanted: transfer.wanted() };
    let mut session = Session::new(plan, vars, &mut work, context)?;
    epochs.run(
        &mut session,
        corpus.windows,
        |micro| {
            let student = trained.forward(micro.batch, micro.mode)?;
            transfer.losses(&student, &taught.of(micro.batch)?, micro)
        },
        None,
    )?;
    let report = GeneralReport { training: session.end()? };
    work.finish(&trainee, &parameters.to_tensors()?, json!(report))?;
    Ok(report)
}

/// The student's encoder: pooler and head would learn nothing here and are left behind.
fn encoder_of(student: &Checkpoint) -> Tensors {
    let names = tinybert_model::expected_shapes(&student.config, &Head::None);
    let encoder = student.tensors.iter().filter(|(name, _)| names.contains_key(*name));
    encoder.map(|(name, tensor)| (name.clone(), tensor.clone())).collect()
}
