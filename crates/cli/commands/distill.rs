//! `distill`: a student learns from a teacher, on raw text or on a task.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use tinybert_host::checkpoint::Checkpoint;
use tinybert_host::data::{self, WindowSettings};
use tinybert_host::distill::layer_map::LayerMap;
use tinybert_host::distill::transfer::{ProjectionKind, ProjectionStart, TransferSettings};
use tinybert_host::distill::{self, Corpus, GeneralSettings, TaskSettings};
use tinybert_host::train::Output;
use tinybert_host::train::session::{Budget, Summary};
use tinybert_host::{Error, Result};

use crate::args::{DataArgs, Global, OptimizerArgs, OutputArgs, parse_bytes};
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Teaches a student its teacher's embeddings, hidden states, attention and (task stage) answers.
#[derive(ClapArgs)]
pub struct Args {
    /// What to learn from.
    #[arg(long)]
    stage: Stage,
    /// Model folder of the teacher: pre-trained for the general stage, fine-tuned for the task stage.
    #[arg(long, value_name = "FOLDER")]
    teacher: PathBuf,
    /// Model folder of the student: fresh from init, or the result of the general stage.
    #[arg(long, value_name = "FOLDER")]
    student: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
    /// Examples per step [default: 256 in the general stage, 32 in the task stage].
    #[arg(long, value_name = "N")]
    batch_size: Option<usize>,
    /// Longest input in tokens; longer text is cut.
    #[arg(long, value_name = "N", default_value_t = TaskSettings::default().max_tokens)]
    max_tokens: usize,
    #[command(flatten)]
    optimizer: OptimizerArgs,
    #[command(flatten)]
    losses: LossArgs,
    #[command(flatten)]
    general: Option<GeneralArgs>,
    #[command(flatten)]
    task: Option<TaskArgs>,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Stage {
    /// Raw text and a teacher without a task.
    General,
    /// A task's data and teacher: first the intermediate layers, then the answers.
    Task,
}

#[derive(ClapArgs)]
#[command(next_help_heading = "Losses")]
struct LossArgs {
    /// Teacher layer of each student layer: uniform, top, bottom, or a list such as 1,3,5,6.
    #[arg(long, value_name = "MAP", default_value_t)]
    layer_map: LayerMap,
    /// Weights of the embeddings and of each student layer, such as 1,1,1,1,2 [default: 1 each].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    layer_weights: Vec<f64>,
    /// Factor on the embedding loss; 0 leaves it out.
    #[arg(long, value_name = "W", default_value_t = TransferSettings::default().embedding_weight)]
    embedding_weight: f64,
    /// Factor on the hidden losses; 0 leaves them out.
    #[arg(long, value_name = "W", default_value_t = TransferSettings::default().hidden_weight)]
    hidden_weight: f64,
    /// Factor on the attention losses; 0 leaves them out.
    #[arg(long, value_name = "W", default_value_t = TransferSettings::default().attention_weight)]
    attention_weight: f64,
    /// One projection with bias for embeddings and hidden states, as in the authors' code, instead of two without.
    #[arg(long)]
    shared_projection: bool,
    /// Start the projections at random, as in the authors' code, instead of from a least-squares fit.
    #[arg(long)]
    random_projection: bool,
}

// The defaults of the two stages are in the host, so that an option of the wrong stage shows by its presence.

#[derive(ClapArgs)]
#[command(next_help_heading = "General stage")]
struct GeneralArgs {
    /// Plain text: a paragraph a line, a blank line between documents.
    #[arg(long, value_name = "FILE", num_args = 1.., required_if_eq("stage", "general"))]
    corpus: Vec<PathBuf>,
    /// Start from narrowed copies of the mapped teacher layers instead of the student's weights (not in the paper).
    #[arg(long)]
    inherit: bool,
    /// Passes over the corpus [default: 3].
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Peak learning rate [default: 5e-5].
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// End the run and its learning-rate schedule after so many tokens.
    #[arg(long, value_name = "N")]
    max_train_tokens: Option<u64>,
    /// Stop after so many minutes with what there is; the schedule does not know of it.
    #[arg(long, value_name = "M")]
    max_minutes: Option<f64>,
}

#[derive(ClapArgs, Default)]
#[command(next_help_heading = "Task stage")]
struct TaskArgs {
    /// Passes that learn embeddings, hidden states and attention [default: 20].
    #[arg(long, value_name = "N")]
    intermediate_epochs: Option<u64>,
    /// Their constant learning rate [default: 5e-5].
    #[arg(long, value_name = "RATE")]
    intermediate_lr: Option<f64>,
    /// Passes that learn the teacher's answers [default: 3].
    #[arg(long, value_name = "N")]
    prediction_epochs: Option<u64>,
    /// Their peak learning rate [default: 3e-5].
    #[arg(long, value_name = "RATE")]
    prediction_lr: Option<f64>,
    /// Temperature of the soft cross-entropy [default: 1].
    #[arg(long, value_name = "T")]
    temperature: Option<f64>,
    /// Evaluations on the development set per prediction epoch; the best one's weights are kept [default: 1].
    #[arg(long, value_name = "N")]
    evaluations_per_epoch: Option<usize>,
    /// Compute the teacher's states (in half precision) and answers once and keep them in a cache of at most so many
    /// bytes, such as 20G; what does not fit is computed at every step.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes)]
    teacher_cache: Option<u64>,
    /// Folder of that cache; runs with the same teacher and data share it [default: teacher-cache beside --out].
    #[arg(long, value_name = "FOLDER", requires = "teacher_cache")]
    teacher_cache_folder: Option<PathBuf>,
    /// Learn from a teacher that is no better than chance on the development set too.
    #[arg(long)]
    allow_weak_teacher: bool,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    output::check_folder(&args.output.out)?;
    match (args.stage, &args.general, &args.task) {
        (Stage::General, Some(options), None) if !args.data.is_given() => general(args, options, global),
        (Stage::General, ..) => Err(Error::Usage(
            "--stage general reads --corpus; options of the task stage and labelled data mean nothing to it"
                .into(),
        )),
        (Stage::Task, None, Some(options)) => task(args, options, global),
        (Stage::Task, None, None) => task(args, &TaskArgs::default(), global),
        (Stage::Task, Some(_), _) => Err(Error::Usage(
            "--stage task reads labelled data; options of the general stage mean nothing to it".into(),
        )),
    }
}

fn general(args: &Args, options: &GeneralArgs, global: &Global) -> Result<()> {
    let watch = Watch::new(global.quiet)?;
    let defaults = GeneralSettings::default();
    let settings = GeneralSettings {
        transfer: args.losses.settings(),
        optimizer: args.optimizer.optimizer(defaults.optimizer),
        schedule: args.optimizer.schedule(),
        epochs: options.epochs.unwrap_or(defaults.epochs),
        max_train_tokens: options.max_train_tokens,
        inherit: options.inherit,
        batch_size: args.batch_size.unwrap_or(defaults.batch_size),
        micro_batch: args.optimizer.micro_batch(defaults.micro_batch),
        max_tokens: args.max_tokens,
        learning_rate: options.lr.unwrap_or(defaults.learning_rate),
        seed: global.seed,
        budget: Budget { max_minutes: options.max_minutes },
    };
    let teacher = Checkpoint::load(&args.teacher)?;
    let student = Checkpoint::load(&args.student)?;
    let corpus = data::Corpus::open(&options.corpus)?;
    let windows = WindowSettings {
        max_tokens: args.max_tokens,
        limit: options.max_train_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
        seed: global.seed,
    };
    let windows = corpus.windows(&student.text, windows, &watch)?;
    let corpus = Corpus { windows: &windows, sources: &options.corpus };
    let report = distill::general(&settings, &teacher, &student, &corpus, args.output.settings(), &watch)?;
    let Summary { steps, tokens, seconds, .. } = report.training;
    print_line(format_args!("{steps} steps over {tokens} tokens in {seconds:.0} s"))?;
    print_line(format_args!("wrote {}", args.output.out.display()))
}

fn task(args: &Args, options: &TaskArgs, global: &Global) -> Result<()> {
    let watch = Watch::new(global.quiet)?;
    let defaults = TaskSettings::default();
    let settings = TaskSettings {
        transfer: args.losses.settings(),
        optimizer: args.optimizer.optimizer(defaults.optimizer),
        intermediate: distill::Stage {
            epochs: options.intermediate_epochs.unwrap_or(defaults.intermediate.epochs),
            batch_size: args.batch_size.unwrap_or(defaults.intermediate.batch_size),
            micro_batch: args.optimizer.micro_batch(defaults.intermediate.micro_batch),
            learning_rate: options.intermediate_lr.unwrap_or(defaults.intermediate.learning_rate),
            ..defaults.intermediate
        },
        prediction: distill::Stage {
            epochs: options.prediction_epochs.unwrap_or(defaults.prediction.epochs),
            batch_size: args.batch_size.unwrap_or(defaults.prediction.batch_size),
            micro_batch: args.optimizer.micro_batch(defaults.prediction.micro_batch),
            schedule: args.optimizer.schedule(),
            learning_rate: options.prediction_lr.unwrap_or(defaults.prediction.learning_rate),
            ..defaults.prediction
        },
        temperature: options.temperature.unwrap_or(defaults.temperature),
        evaluations_per_epoch: options.evaluations_per_epoch.unwrap_or(defaults.evaluations_per_epoch),
        max_tokens: args.max_tokens,
        seed: global.seed,
        teacher_cache_bytes: options.teacher_cache.unwrap_or(defaults.teacher_cache_bytes),
        allow_weak_teacher: options.allow_weak_teacher,
    };
    let out = Output { teacher_cache: options.teacher_cache_folder.clone(), ..args.output.settings() };
    let teacher = Checkpoint::load(&args.teacher)?;
    let student = Checkpoint::load(&args.student)?;
    let data = args.data.training(teacher.head.labels(), &watch)?;
    let report = distill::task(&settings, &teacher, &student, &data.view(), out, &watch)?;
    print_line(format_args!("teacher dev {}", output::metrics(&report.teacher)))?;
    print_line(format_args!("student dev {}", output::metrics(&report.dev)))?;
    print_line(format_args!("wrote {}", args.output.out.display()))
}

impl LossArgs {
    fn settings(&self) -> TransferSettings {
        TransferSettings {
            layer_map: self.layer_map.clone(),
            layer_weights: self.layer_weights.clone(),
            embedding_weight: self.embedding_weight,
            hidden_weight: self.hidden_weight,
            attention_weight: self.attention_weight,
            projection: if self.shared_projection {
                ProjectionKind::Shared
            } else {
                ProjectionKind::Separate
            },
            projection_start: if self.random_projection {
                ProjectionStart::Random
            } else {
                ProjectionStart::Fitted
            },
        }
    }
}
