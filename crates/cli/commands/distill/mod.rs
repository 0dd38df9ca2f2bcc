//! `distill`: a student learns from a teacher, on raw text or on a task.

mod labels;
mod sparsity;

use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use tinybert_base::{Context, Error, Result};
use tinybert_data::WindowSettings;
use tinybert_distill::{
    EncodedCorpus, GeneralSettings, QuantizationAware, TaskSettings, Teacher, distill_task,
    distill_task_at_best_rate,
};
use tinybert_model::Checkpoint;
use tinybert_train::{Output, Summary, TaskData};

use self::labels::LabelArgs;
use self::sparsity::SparsityArgs;
use crate::args::{
    DataArgs, DeviceArgs, DistillationArgs, ModelAnswers, ModelFolder, OutputArgs, PrecisionArgs,
    PrecisionInputs, PresentOptions, RecipeOptions, ReplayArgs, TaskStageArgs, max_tokens, parse_time_limit,
};
use crate::invocation::Invocation;
use crate::output_paths::{self, ProtectedPaths};
use crate::standard_output::{describe_metrics, print_line, print_trials};
use crate::terminal::Terminal;

/// Teaches a student its teacher's embeddings, hidden states, attention and (task stage) answers.
#[derive(Args)]
#[command(mut_arg("batch_size", |option| {
    option.help("Examples per step [default: 256 in the general stage, 32 in the task stage]")
}))]
pub struct DistillArgs {
    /// What to learn from.
    #[arg(long)]
    stage: StageName,
    /// Model folder of the teacher: pre-trained for the general stage, fine-tuned for the task stage.
    #[arg(long, value_name = ModelFolder::NAME, required_unless_present = "soft_labels")]
    teacher: Option<ModelFolder>,
    /// Model folder of the student: fresh from init, or the result of the general stage.
    #[arg(long, value_name = ModelFolder::NAME)]
    student: ModelFolder,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    replay: ReplayArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Let the GPU compute the teacher's matrix products in bf16.
    #[arg(long, help_heading = "Device")]
    teacher_bf16: bool,
    #[command(flatten)]
    distillation: DistillationArgs,
    #[command(flatten)]
    general: Option<GeneralStageArgs>,
    #[command(flatten)]
    task: Option<TaskStageArgs>,
    /// Train a finished student as its image will compute, in the prediction stage alone. `quantize` then
    /// uses the same scales.
    #[arg(long, help_heading = "Task stage")]
    quantization_aware: bool,
    /// Search --prediction-lr first: so many rates from a tenth to ten times the given one are tried in short runs, the
    /// better half in longer ones, and the best one in the whole run.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(2..), help_heading = "Task stage")]
    tune: Option<u16>,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    labels: LabelArgs,
    #[command(flatten)]
    sparsity: SparsityArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// The stages of the method.
#[derive(Clone, Copy, ValueEnum)]
enum StageName {
    /// Raw text and a teacher without a task.
    General,
    /// A task's data and teacher: first the intermediate layers, then the answers.
    Task,
}

/// Options that only the general stage has. Their defaults are in the distillation crate, so that the
/// presence of an option shows that it belongs to the wrong stage.
#[derive(Args)]
#[command(next_help_heading = "General stage")]
struct GeneralStageArgs {
    /// Plain text: one paragraph per line, a blank line between documents; or a table with a column `text`; also .gz
    /// and .zst.
    #[arg(long, value_name = "FILE", num_args = 1.., required_if_eq("stage", "general"))]
    corpus: Vec<PathBuf>,
    /// Start from narrowed copies of the mapped teacher layers instead of the student's weights (not in the
    /// paper).
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
    /// Stop after so many minutes and keep the weights that there are; the schedule does not take the limit
    /// into account.
    #[arg(long, value_name = "M", value_parser = parse_time_limit)]
    max_minutes: Option<f64>,
}

pub fn run(args: &DistillArgs, invocation: &Invocation) -> Result<()> {
    if invocation.is_first() {
        output_paths::check_folder(&args.output.out, &args.inputs())?;
        output_paths::check_tensorboard(args.output.tensorboard.as_ref(), &args.output.out)?;
    }
    let present = &invocation.present;
    if let (StageName::General, Some(option)) = (args.stage, present.first_of::<PrecisionArgs>()) {
        return Err(Error::Usage(format!("{option} is for --stage task --quantization-aware")));
    }
    match (args.stage, &args.general, &args.task) {
        (StageName::General, Some(options), None)
            if present.first_of::<DataArgs>().is_none()
                && args.sparsity.settings().is_none()
                && present.first_of::<LabelArgs>().is_none()
                && !args.quantization_aware
                && args.tune.is_none() =>
        {
            general(args, options, invocation)
        }
        (StageName::General, ..) => {
            let option = present.first_of::<TaskStageArgs>();
            let option = option.or_else(|| present.first_of::<LabelArgs>());
            let option = option.or_else(|| present.first_of::<SparsityArgs>());
            let option = option.or_else(|| present.first_of::<DataArgs>());
            let option = option.or_else(|| args.tune.map(|_| "--tune".into()));
            let option = option.unwrap_or_else(|| "--quantization-aware".into());
            Err(Error::Usage(format!("{option} is for --stage task; --stage general reads --corpus")))
        }
        (StageName::Task, None, Some(options)) => task(args, options, invocation),
        (StageName::Task, None, None) => task(args, &TaskStageArgs::default(), invocation),
        (StageName::Task, Some(_), _) => Err(Error::Usage(format!(
            "{} is for --stage general; --stage task reads labelled data",
            present.first_of::<GeneralStageArgs>().unwrap_or_default()
        ))),
    }
}

/// Runs the general stage.
fn general(args: &DistillArgs, options: &GeneralStageArgs, invocation: &Invocation) -> Result<()> {
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let out = args.on_device(args.output.settings())?;
    let out = args.replay.recorded(out, invocation, context.progress)?;
    let teacher =
        args.teacher.as_ref().ok_or_else(|| Error::Usage("--stage general needs --teacher".into()))?;
    let teacher = teacher.load(&context)?;
    let student = args.student.load(&context)?;
    let max_tokens = max_tokens(args.distillation.max_tokens, &[&student, &teacher])?;
    let recipe = RecipeOptions {
        epochs: options.epochs,
        batch_size: args.distillation.batch_size,
        learning_rate: options.lr,
        max_minutes: options.max_minutes,
    };
    let defaults = GeneralSettings::default().recipe;
    let settings = GeneralSettings {
        transfer: args.distillation.losses.settings(),
        recipe: recipe.recipe_with(&args.distillation.optimizer, invocation.global.seed, defaults),
        max_train_tokens: options.max_train_tokens,
        inherit: options.inherit,
        max_tokens,
    };
    let mut corpus = tinybert_data::Corpus::open(&options.corpus, &args.output.out)?;
    let windows = WindowSettings {
        max_tokens,
        limit: options.max_train_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
        seed: invocation.global.seed,
    };
    let (windows, texts) = match settings.compares_words(&teacher, &student) {
        false => (corpus.windows(&student.text, windows, &context)?, None),
        true => {
            let (windows, texts) = corpus.windows_with_texts(&student.text, windows, &context)?;
            (windows, Some(texts))
        }
    };
    let corpus = EncodedCorpus { windows: &windows, texts: texts.as_ref(), sources: &options.corpus };
    let report = tinybert_distill::distill_general(&settings, &teacher, &student, &corpus, out, &context)?;
    if !invocation.is_first() {
        return Ok(());
    }
    let Summary { steps, tokens, seconds, .. } = report.training;
    print_line(format_args!("{steps} steps over {tokens} tokens in {seconds:.0} s"))?;
    print_line(format_args!("wrote {}", args.output.out.display()))
}

impl DistillArgs {
    /// The paths that the command reads.
    fn inputs(&self) -> ProtectedPaths {
        let corpus = self.general.iter().flat_map(|general| &general.corpus);
        let models = self.data.inputs().with("--teacher", &self.teacher).with("--student", [&self.student]);
        models.with("--corpus", corpus).with("--unlabelled", &self.labels.unlabelled)
    }

    /// `output` of a run that computes on the device of the options.
    fn on_device(&self, output: Output) -> Result<Output> {
        let mut output = self.device.on(output)?;
        if self.teacher_bf16 && output.compute.device.is_cpu() {
            return Err(Error::Usage("--teacher-bf16 is for GPUs: use it with --device cuda".into()));
        }
        output.compute.teacher_bf16 = self.teacher_bf16;
        Ok(output)
    }

    /// How the student is quantized while it learns; `None` without `--quantization-aware`. An
    /// option of the quantization without it is an error.
    fn quantization_aware(
        &self,
        present: &PresentOptions,
        student: &Checkpoint,
        data: &TaskData,
        max_tokens: usize,
        context: &Context,
    ) -> Result<Option<QuantizationAware>> {
        if !self.quantization_aware {
            return match present.first_of::<PrecisionArgs>() {
                Some(option) => Err(Error::Usage(format!("{option} is for --quantization-aware"))),
                None => Ok(None),
            };
        }
        let (calibration, data, metrics) = (data.train, data.dev, data.metrics);
        let inputs = PrecisionInputs { checkpoint: student, calibration, data, metrics, max_tokens };
        Ok(Some(QuantizationAware {
            precision: self.precision.precision(inputs, context)?,
            attention: self.precision.attention(),
            calibration_examples: self.precision.calibration_examples(),
        }))
    }
}

/// Runs the task stage.
fn task(args: &DistillArgs, options: &TaskStageArgs, invocation: &Invocation) -> Result<()> {
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let out = Output { teacher_cache: options.teacher_cache_folder.clone(), ..args.output.settings() };
    let out = args.replay.recorded(args.on_device(out)?, invocation, context.progress)?;
    let data_args = args.labels.data(&args.data);
    let teacher = args.teacher.as_ref().map(|folder| data_args.read_model(folder, &context)).transpose()?;
    let student = args.student.load(&context)?;
    let data_args = data_args.read_by(&teacher.as_ref().unwrap_or(&student).folder, context.progress)?;
    let teacher = teacher.map(|teacher| data_args.prompted(teacher));
    let models: Vec<&Checkpoint> = [Some(&student), teacher.as_ref()].into_iter().flatten().collect();
    let max_tokens = max_tokens(args.distillation.max_tokens, &models)?;
    let mut settings = args.labels.settings(TaskSettings {
        sparsity: args.sparsity.settings(),
        ..args.distillation.task_settings(options, max_tokens, invocation.global.seed)
    });
    let answers = match &teacher {
        Some(teacher) => ModelAnswers::of_checkpoint(teacher),
        // The head of a student is replaced, unless the student is to be quantized as it is.
        None if args.quantization_aware => ModelAnswers::of_checkpoint(&student),
        None => ModelAnswers::default(),
    };
    let mut data = data_args.training(&answers, context.progress)?;
    for file in &args.labels.unlabelled {
        data.add_unlabelled(file, data_args.unlabelled(file)?, context.progress);
    }
    if (args.quantization_aware || teacher.is_none()) && options.intermediate_epochs.is_none() {
        settings.intermediate.epochs = 0;
    }
    let source = teacher.as_ref().map_or(Teacher::SoftLabels, Teacher::Model);
    settings.quantization_aware =
        args.quantization_aware(&invocation.present, &student, &data.view(), max_tokens, &context)?;
    let data = data.view();
    let (report, trials) = match args.tune {
        Some(trials) => {
            let trials = trials.into();
            distill_task_at_best_rate(trials, &settings, source, &student, &data, &out, &context)?
        }
        None => (distill_task(&settings, source, &student, &data, out, &context)?, Vec::new()),
    };
    if !invocation.is_first() {
        return Ok(());
    }
    print_trials(&trials, &report.dev.primary)?;
    if let Some(teacher) = &report.teacher {
        print_line(format_args!("teacher dev {}", describe_metrics(teacher)))?;
    }
    print_line(format_args!("student dev {}", describe_metrics(&report.dev)))?;
    print_line(format_args!("wrote {}", args.output.out.display()))
}
