//! `ablations`: what each part of the method is worth on a task.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use tinybert_base::Result;
use tinybert_distill::ablations::{Ablations, Row};
use tinybert_model::Checkpoint;
use tinybert_train::Output;

use super::distill::{StepArgs, TaskArgs};
use crate::args::{DataArgs, Global, OutputArgs, max_tokens};
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Distils a task again and again, each time without one part of the method, and prints what that costs as a table.
#[derive(ClapArgs)]
#[command(mut_arg("out", |option| option.help("Folder to write; the rows of an interrupted run stand in it, too")))]
#[command(mut_arg("resume", |option| option.help("Go on with the rows in FOLDER")))]
pub struct Args {
    /// Model folder of the teacher, fine-tuned on the task.
    #[arg(long, value_name = "FOLDER")]
    teacher: PathBuf,
    /// Model folder of the student after the general stage.
    #[arg(long, value_name = "FOLDER")]
    student: PathBuf,
    /// Model folder of the student before it, for row no-general.
    #[arg(long, value_name = "FOLDER")]
    fresh: Option<PathBuf>,
    /// Training set with its variants, as augment writes it: a file, or the folder of a GLUE task. All rows but
    /// no-augmentation learn from it.
    #[arg(long, value_name = "PATH")]
    augmented: Option<PathBuf>,
    /// Rows: full, no-general, no-augmentation, no-embedding, no-hidden, no-attention, no-transformer, no-prediction, map-top,
    /// map-bottom [default: all for which there is what they need].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    rows: Vec<Row>,
    /// Seeds; each row runs once for each [default: --seed].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    seeds: Vec<u64>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    steps: StepArgs,
    #[command(flatten)]
    task: TaskArgs,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    let models = args.data.inputs().and("--teacher", [&args.teacher]).and("--student", [&args.student]);
    let inputs = models.and("--fresh", &args.fresh).and("--augmented", &args.augmented);
    output::probe_folder(&args.output.out, &inputs)?;
    let watch = Watch::new(global)?;
    let context = watch.context();
    let teacher = args.data.read_model(&args.teacher)?;
    let student = Checkpoint::load(&args.student)?;
    let fresh = args.fresh.as_deref().map(Checkpoint::load).transpose()?;
    let models: Vec<&Checkpoint> = [&student, &teacher].into_iter().chain(&fresh).collect();
    let max_tokens = max_tokens(args.steps.max_tokens, &models)?;
    let data = args.data.training(teacher.head.labels(), context.progress)?;
    let augmented = match &args.augmented {
        Some(place) => {
            Some(args.data.with_training(place).training(teacher.head.labels(), context.progress)?)
        }
        None => None,
    };
    let ablations = Ablations {
        task: args.steps.task_settings(&args.task, max_tokens, global.seed),
        rows: args.rows.clone(),
        seeds: if args.seeds.is_empty() { vec![global.seed] } else { args.seeds.clone() },
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
