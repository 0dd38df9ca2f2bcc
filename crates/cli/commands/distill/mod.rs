//! `distill`: a student learns from a teacher, on raw text or on a task.

mod options;

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use tinybert_base::Context;
use tinybert_base::{Error, Result};
use tinybert_data::WindowSettings;
use tinybert_distill::{Corpus, GeneralSettings, QuantizationAware, TaskSettings};
use tinybert_model::Checkpoint;
use tinybert_train::session::{Budget, Summary};
use tinybert_train::{Output, TaskData};

use self::options::SparsityArgs;
pub use self::options::{StepArgs, TaskArgs};
use crate::args::{DataArgs, DeviceArgs, Global, OutputArgs, given, max_tokens, parse_time_limit};
use crate::output::{self, Taken, print_line};
use crate::precision::{Chosen, PrecisionArgs};
use crate::watch::Watch;

/// Teaches a student its teacher's embeddings, hidden states, attention and (task stage) answers.
#[derive(ClapArgs)]
#[command(mut_arg("batch_size", |option| {
    option.help("Examples per step [default: 256 in the general stage, 32 in the task stage]")
}))]
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
    #[command(flatten)]
    device: DeviceArgs,
    /// Let the GPU compute the teacher's matrix products in bf16.
    #[arg(long, help_heading = "Device")]
    teacher_bf16: bool,
    #[command(flatten)]
    steps: StepArgs,
    #[command(flatten)]
    general: Option<GeneralArgs>,
    #[command(flatten)]
    task: Option<TaskArgs>,
    /// Train a finished student as its image will compute: the prediction stage alone. `quantize` then uses the same scales.
    #[arg(long, help_heading = "Task stage")]
    quantization_aware: bool,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    sparsity: SparsityArgs,
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
    #[arg(long, value_name = "M", value_parser = parse_time_limit)]
    max_minutes: Option<f64>,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    if global.is_first() {
        output::check_folder(&args.output.out, &args.inputs())?;
    }
    if let (Stage::General, Some(option)) = (args.stage, args.precision.given()) {
        return Err(Error::Usage(format!("{option} is for --stage task --quantization-aware")));
    }
    match (args.stage, &args.general, &args.task) {
        (Stage::General, Some(options), None)
            if !args.data.is_given() && args.sparsity.settings().is_none() && !args.quantization_aware =>
        {
            general(args, options, global)
        }
        (Stage::General, ..) => {
            let option = given::<TaskArgs>().or_else(given::<SparsityArgs>).or_else(given::<DataArgs>);
            let option = option.unwrap_or_else(|| "--quantization-aware".into());
            Err(Error::Usage(format!("{option} is for --stage task; --stage general reads --corpus")))
        }
        (Stage::Task, None, Some(options)) => task(args, options, global),
        (Stage::Task, None, None) => task(args, &TaskArgs::default(), global),
        (Stage::Task, Some(_), _) => Err(Error::Usage(format!(
            "{} is for --stage general; --stage task reads labelled data",
            given::<GeneralArgs>().unwrap_or_default()
        ))),
    }
}

fn general(args: &Args, options: &GeneralArgs, global: &Global) -> Result<()> {
    let watch = Watch::new(global)?;
    let context = watch.context();
    let out = args.on_device(args.output.settings())?;
    let teacher = Checkpoint::load(&args.teacher)?;
    let student = Checkpoint::load(&args.student)?;
    let max_tokens = max_tokens(args.steps.max_tokens, &[&student, &teacher])?;
    let defaults = GeneralSettings::default();
    let settings = GeneralSettings {
        transfer: args.steps.losses.settings(),
        optimizer: args.steps.optimizer.optimizer(defaults.optimizer),
        schedule: args.steps.optimizer.schedule(),
        epochs: options.epochs.unwrap_or(defaults.epochs),
        max_train_tokens: options.max_train_tokens,
        inherit: options.inherit,
        batch_size: args.steps.batch_size.unwrap_or(defaults.batch_size),
        micro_batch: args.steps.optimizer.micro_batch(defaults.micro_batch),
        max_tokens,
        learning_rate: options.lr.unwrap_or(defaults.learning_rate),
        seed: global.seed,
        budget: Budget { max_minutes: options.max_minutes },
    };
    let corpus = tinybert_data::Corpus::open(&options.corpus)?;
    let windows = WindowSettings {
        max_tokens,
        limit: options.max_train_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
        seed: global.seed,
    };
    let windows = corpus.windows(&student.text, windows, &context)?;
    let corpus = Corpus { windows: &windows, sources: &options.corpus };
    let report = tinybert_distill::general(&settings, &teacher, &student, &corpus, out, &context)?;
    if !global.is_first() {
        return Ok(());
    }
    let Summary { steps, tokens, seconds, .. } = report.training;
    print_line(format_args!("{steps} steps over {tokens} tokens in {seconds:.0} s"))?;
    print_line(format_args!("wrote {}", args.output.out.display()))
}

impl Args {
    fn inputs(&self) -> Taken {
        let corpus = self.general.iter().flat_map(|general| &general.corpus);
        let models = self.data.inputs().and("--teacher", [&self.teacher]).and("--student", [&self.student]);
        models.and("--corpus", corpus)
    }

    /// A run that writes as `output` says and computes where the options say.
    fn on_device(&self, output: Output) -> Result<Output> {
        let mut output = self.device.on(output)?;
        if self.teacher_bf16 && output.compute.device.is_cpu() {
            return Err(Error::Usage("--teacher-bf16 is for GPUs: use it with --device cuda".into()));
        }
        output.compute.teacher_bf16 = self.teacher_bf16;
        Ok(output)
    }

    /// How the student is to be quantized while it learns, if it is.
    fn quantization_aware(
        &self,
        student: &Checkpoint,
        data: &TaskData,
        max_tokens: usize,
        context: &Context,
    ) -> Result<Option<QuantizationAware>> {
        if !self.quantization_aware {
            return match self.precision.given() {
                Some(option) => Err(Error::Usage(format!("{option} is for --quantization-aware"))),
                None => Ok(None),
            };
        }
        let (calibration, data, metrics) = (data.train, data.dev, data.metrics);
        let chosen = Chosen { checkpoint: student, calibration, data, metrics, max_tokens };
        Ok(Some(QuantizationAware {
            precision: self.precision.precision(chosen, context)?,
            attention: self.precision.attention(),
            calibration_examples: self.precision.calibration_examples(),
        }))
    }
}

fn task(args: &Args, options: &TaskArgs, global: &Global) -> Result<()> {
    let watch = Watch::new(global)?;
    let context = watch.context();
    let out = Output { teacher_cache: options.teacher_cache_folder.clone(), ..args.output.settings() };
    let out = args.on_device(out)?;
    let teacher = args.data.read_model(&args.teacher)?;
    let student = Checkpoint::load(&args.student)?;
    let max_tokens = max_tokens(args.steps.max_tokens, &[&student, &teacher])?;
    let mut settings = TaskSettings {
        sparsity: args.sparsity.settings(),
        ..args.steps.task_settings(options, max_tokens, global.seed)
    };
    let data = args.data.training(teacher.head.labels(), context.progress)?;
    if args.quantization_aware && options.intermediate_epochs.is_none() {
        settings.intermediate.epochs = 0;
    }
    settings.quantization_aware = args.quantization_aware(&student, &data.view(), max_tokens, &context)?;
    let report = tinybert_distill::task(&settings, &teacher, &student, &data.view(), out, &context)?;
    if !global.is_first() {
        return Ok(());
    }
    print_line(format_args!("teacher dev {}", output::metrics(&report.teacher)))?;
    print_line(format_args!("student dev {}", output::metrics(&report.dev)))?;
    print_line(format_args!("wrote {}", args.output.out.display()))
}
