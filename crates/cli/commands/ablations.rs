//! `ablations`: measures what each part of the method is worth on a task.

use std::path::PathBuf;

use clap::Args;
use tinybert_base::{Error, Result};
use tinybert_distill::ablations::{Ablation, Ablations};
use tinybert_model::Checkpoint;
use tinybert_train::Output;

use crate::args::{
    DataArgs, DistillationArgs, ModelAnswers, ModelFolder, OutputArgs, TaskStageArgs, max_tokens,
};
use crate::invocation::Invocation;
use crate::output_paths;
use crate::standard_output::print_line;
use crate::terminal::Terminal;

/// Distils a task again and again, each time without one part of the method, and prints as a table what that
/// costs.
#[derive(Args)]
#[command(mut_arg("out", |option| option.help("Folder to write; the rows of an interrupted run stand in it, too")))]
#[command(mut_arg("resume", |option| option.help("Continue with the rows in FOLDER")))]
pub struct AblationsArgs {
    /// Model folder of the teacher, fine-tuned on the task.
    #[arg(long, value_name = ModelFolder::NAME)]
    teacher: ModelFolder,
    /// Model folder of the student after the general stage.
    #[arg(long, value_name = ModelFolder::NAME)]
    student: ModelFolder,
    /// Model folder of the student before the general stage, for row no-general.
    #[arg(long, value_name = ModelFolder::NAME)]
    fresh: Option<ModelFolder>,
    /// Training set with its variants, as augment writes it: a file, or the folder of a GLUE task. All rows
    /// except no-augmentation learn from it.
    #[arg(long, value_name = "PATH")]
    augmented: Option<PathBuf>,
    /// Rows: full, no-general, no-augmentation, no-embedding, no-hidden, no-attention, no-transformer,
    /// no-prediction, map-top, map-bottom [default: all rows whose inputs are given].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    rows: Vec<Ablation>,
    /// Seeds; each row runs once for each [default: --seed].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    seeds: Vec<u64>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    distillation: DistillationArgs,
    #[command(flatten)]
    task: TaskStageArgs,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &AblationsArgs, invocation: &Invocation) -> Result<()> {
    let models = args.data.inputs().with("--teacher", [&args.teacher]).with("--student", [&args.student]);
    let inputs = models.with("--fresh", &args.fresh).with("--augmented", &args.augmented);
    output_paths::probe_folder(&args.output.out, &inputs)?;
    output_paths::check_tensorboard(args.output.tensorboard.as_ref(), &args.output.out)?;
    if args.augmented.is_some() && args.data.dev_share.is_some() {
        return Err(Error::Usage(
            "--augmented with --dev-share: the file of variants would be cut in another way; give --dev"
                .into(),
        ));
    }
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let teacher = args.data.read_model(&args.teacher, &context)?;
    let student = args.student.load(&context)?;
    let fresh = args.fresh.as_ref().map(|folder| folder.load(&context)).transpose()?;
    let models: Vec<&Checkpoint> = [&student, &teacher].into_iter().chain(&fresh).collect();
    let max_tokens = max_tokens(args.distillation.max_tokens, &models)?;
    let data_args = args.data.read_by(&teacher.folder, context.progress)?;
    let answers = ModelAnswers::of_checkpoint(&teacher);
    let data = data_args.training(&answers, context.progress)?;
    let augmented = match &args.augmented {
        Some(place) => Some(data_args.with_training(place).training(&answers, context.progress)?),
        None => None,
    };
    let ablations = Ablations {
        task: args.distillation.task_settings(&args.task, max_tokens, invocation.global.seed),
        rows: args.rows.clone(),
        seeds: if args.seeds.is_empty() { vec![invocation.global.seed] } else { args.seeds.clone() },
        teacher: &teacher,
        student: &student,
        fresh: fresh.as_ref(),
        data: data.view(),
        augmented: augmented.as_ref().map(|data| data.view().train),
    };
    let out = Output { teacher_cache: args.task.teacher_cache_folder.clone(), ..args.output.settings() };
    let table = ablations.run(&out, &context)?;
    print_line(table.trim_end())?;
    print_line(format_args!("wrote {}", args.output.out.display()))
}
