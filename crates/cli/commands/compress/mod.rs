//! `compress`: makes an image within a budget, or the smallest that holds a floor, from a teacher and data.

mod floor;

use std::iter;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use tinybert_base::progress::Silent;
use tinybert_base::{Context, Result};
use tinybert_data::{Split, list};
use tinybert_distill::layer_map::LayerMap;
use tinybert_distill::transfer::TransferSettings;
use tinybert_distill::{GeneralSettings, StageRecipe, TaskSettings};
use tinybert_model::{BertConfig, Checkpoint, PRESETS, only_counts, preset};
use tinybert_search::{
    Board, Compress, CompressOutcome, CompressSettings, DeviceBudget, SearchSettings, layer_map,
    student_sizes,
};
use tinybert_train::{FineTune, Recipe, TaskData};

use self::floor::FloorArgs;
use crate::args::{
    ConfidenceArgs, DataArgs, DeviceArgs, ModelAnswers, ModelFolder, OutputArgs, RecipeOptions, max_tokens,
    parse_memory_size, parse_milliseconds,
};
use crate::invocation::Invocation;
use crate::output_paths;
use crate::standard_output::{describe_metrics, print_baseline, print_fitted, print_line};
use crate::terminal::Terminal;

/// Makes an image within a budget of flash, RAM and latency: fine-tunes, distils, searches, prunes, distils
/// again and quantizes, as far as each step is needed.
#[derive(Args)]
#[command(mut_arg("out", |option| option.help("Folder to write; the stages of an interrupted run stand in it, too")))]
#[command(mut_arg("resume", |option| {
    option.help("Continue the run in FOLDER, to the image that the uninterrupted run would have made")
}))]
pub struct CompressArgs {
    /// Model folder of the teacher; it is fine-tuned on the task first unless it has a head with the task's labels.
    #[arg(long, value_name = ModelFolder::NAME)]
    teacher: ModelFolder,
    /// Model folder of a student: distilled on the task if it has no head, used as it is otherwise [default:
    /// a new one is made].
    #[arg(long, value_name = ModelFolder::NAME)]
    student: Option<ModelFolder>,
    #[command(flatten)]
    budget: BudgetArgs,
    #[command(flatten)]
    floor: FloorArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    new_student: NewStudentArgs,
    #[command(flatten)]
    training: StageArgs,
    #[command(flatten)]
    search: SearchArgs,
    #[command(flatten)]
    confidence: ConfidenceArgs,
    #[command(flatten)]
    data: DataArgs,
}

/// Limits of the image.
#[derive(Args)]
#[command(next_help_heading = "Budget")]
struct BudgetArgs {
    /// Largest size of the image: 4MB (4,000,000 bytes), 2.5MB, 4MiB (4,194,304 bytes).
    #[arg(long, value_name = "SIZE", value_parser = parse_memory_size)]
    flash: Option<u64>,
    /// Largest size of the workspace, such as 256KB.
    #[arg(long, value_name = "SIZE", value_parser = parse_memory_size)]
    ram: Option<u64>,
    /// Largest modelled time of the longest answer on --board, such as 20ms.
    #[arg(long, value_name = "TIME", value_parser = parse_milliseconds)]
    latency: Option<f64>,
    /// The board: a name such as raspberry-pi-3, or a core and its clock such as cortex-a53@1.2GHz; the image
    /// gets the layout of its kernels.
    #[arg(long, value_name = "BOARD", default_value = "raspberry-pi-5")]
    board: Board,
}

/// How a student is made, if none is given.
#[derive(Args)]
#[command(next_help_heading = "A student that is made")]
struct NewStudentArgs {
    /// Sizes by name [default: tinybert-4l-312, or what fits a smaller teacher].
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(PRESETS), conflicts_with = "student")]
    preset: Option<String>,
    /// Encoder layers, instead of the preset's.
    #[arg(long, value_name = "N", conflicts_with = "student")]
    layers: Option<usize>,
    /// Width of the hidden states, instead of the preset's.
    #[arg(long, value_name = "N", conflicts_with = "student")]
    hidden: Option<usize>,
    /// Width of the feed-forward network, instead of the preset's.
    #[arg(long, value_name = "N", conflicts_with = "student")]
    ffn: Option<usize>,
    /// Plain text for the general stage [default: the task's training texts].
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "student")]
    corpus: Vec<PathBuf>,
    /// Largest number of tokens of the general stage.
    #[arg(long, value_name = "N", default_value_t = 2_000_000, conflicts_with = "student")]
    general_tokens: u64,
}

/// How the stages train.
#[derive(Args)]
#[command(next_help_heading = "Training")]
struct StageArgs {
    /// One pass in every stage: this shows that all steps work, not which accuracy they can reach.
    #[arg(long)]
    quick: bool,
    /// Passes of the fine-tuning, if the teacher is fine-tuned.
    #[arg(long, value_name = "N", default_value_t = FineTune::default().recipe.epochs)]
    teacher_epochs: u64,
    /// Peak learning rate of the fine-tuning.
    #[arg(long, value_name = "RATE", default_value_t = FineTune::default().recipe.learning_rate)]
    teacher_lr: f64,
    /// Passes in which the student learns the teacher's layers.
    #[arg(long, value_name = "N", default_value_t = 3)]
    intermediate_epochs: u64,
    /// Constant learning rate of these passes.
    #[arg(long, value_name = "RATE", default_value_t = 3e-4)]
    intermediate_lr: f64,
    /// Passes in which the student learns the teacher's answers.
    #[arg(long, value_name = "N", default_value_t = 4)]
    prediction_epochs: u64,
    /// Peak learning rate of these passes.
    #[arg(long, value_name = "RATE", default_value_t = 3e-4)]
    prediction_lr: f64,
    /// Prune heads and neurons in so many rounds, with a recovery after each [default: 2 if less than half of
    /// the heads or of the neurons stays, 1 otherwise].
    #[arg(long, value_name = "N")]
    prune_steps: Option<NonZeroU32>,
    /// Passes that learn the teacher's answers after each round.
    #[arg(long, value_name = "N", default_value_t = 3)]
    recovery_epochs: u64,
    /// Peak learning rate of these passes.
    #[arg(long, value_name = "RATE", default_value_t = 2e-4)]
    recovery_lr: f64,
    /// Passes at the end in which the model computes as its image will; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 1)]
    quantization_aware_epochs: u64,
    /// Peak learning rate of these passes.
    #[arg(long, value_name = "RATE", default_value_t = 2e-5)]
    quantization_aware_lr: f64,
    /// Examples per step.
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch_size: usize,
    /// Teacher layer of each student layer [default: uniform, or as even as the depths allow].
    #[arg(long, value_name = "MAP")]
    layer_map: Option<LayerMap>,
    /// Longest input in tokens; the search also tries shorter limits [default: 128, or what the models have
    /// positions for].
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
}

/// How much the search measures.
#[derive(Args)]
#[command(next_help_heading = "Search")]
struct SearchArgs {
    /// Development examples that the candidates are evaluated on.
    #[arg(long, value_name = "N", default_value_t = SearchSettings::default().examples)]
    search_examples: usize,
    /// Candidates within the budget that are measured.
    #[arg(long, value_name = "N", default_value_t = SearchSettings::default().measured_candidates)]
    search_trials: usize,
    /// Training examples that the importance of heads and neurons is measured on.
    #[arg(long, value_name = "N", default_value_t = 256)]
    importance_examples: usize,
}

pub fn run(args: &CompressArgs, invocation: &Invocation) -> Result<()> {
    let models = args.data.inputs().with("--teacher", [&args.teacher]).with("--student", &args.student);
    output_paths::probe_folder(&args.output.out, &models.with("--corpus", &args.new_student.corpus))?;
    output_paths::check_tensorboard(args.output.tensorboard.as_ref(), &args.output.out)?;
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let teacher = args.data.read_model(&args.teacher, &context)?;
    let data_args = args.data.read_by_image_of(&teacher.folder, context.progress)?;
    let teacher = data_args.prompted(teacher);
    let student = args.student.as_ref().map(|folder| folder.load(&context)).transpose()?;
    let models: Vec<&Checkpoint> = iter::once(&teacher).chain(&student).collect();
    let max_tokens = max_tokens(args.training.max_tokens, &models)?;
    let out_of_scope = args.confidence.out_of_scope();
    let answers = answers_of_teacher(&teacher, &data_args, out_of_scope, &context)?;
    let data = data_args.training_scoped(&answers, out_of_scope, context.progress)?;
    let labels = data.view().train.labels.clone();
    let parts = args.floor.cut(data.dev(), invocation.global.seed, &context)?;
    // Nothing but the check at the end sees what is held out.
    let dev = parts.as_ref().map_or(data.dev(), |parts| &parts.search);
    args.confidence.check(dev)?;
    let test = match data_args.test.is_some() {
        true => {
            let spec = data_args.spec(&ModelAnswers::labelled(&labels))?;
            Some(data_args.load_scoped(&spec, Split::Test, out_of_scope, context.progress)?.labelled)
        }
        false => None,
    };
    let sizes = match &student {
        Some(student) => student.config.clone(),
        None => args.new_student.sizes(&teacher)?,
    };
    let map = match &args.training.layer_map {
        Some(map) => map.clone(),
        None => layer_map(sizes.num_hidden_layers, teacher.config.num_hidden_layers),
    };
    let compress = Compress {
        settings: args.settings(map, max_tokens.min(sizes.max_position_embeddings), invocation.global.seed),
        board: args.budget.board.clone(),
        teacher,
        student,
        sizes,
        corpus: args.new_student.corpus.clone(),
        data: TaskData { dev: &dev.labelled, ..data.view() },
        floor: parts.as_ref().and_then(|parts| args.floor.search(parts)),
        test: test.as_ref(),
        dev,
        confidence: args.confidence.rejection(),
    };
    let out = args.device.on(args.output.settings())?;
    let outcome = compress.run(&out, &context)?;
    print(&outcome, &args.budget.board, &labels)?;
    outcome.floor.as_ref().map_or(Ok(()), floor::check)
}

/// The answers of the teacher that the data are read for: its own, or none if the data have labels that it lacks, so
/// that it is fine-tuned on the task.
fn answers_of_teacher(
    teacher: &Checkpoint,
    data: &DataArgs,
    out_of_scope: Option<&str>,
    context: &Context,
) -> Result<ModelAnswers> {
    let (own, labels) = (ModelAnswers::of_checkpoint(teacher), teacher.head.labels());
    if labels.is_empty() || only_counts(labels) || data.task.is_some() {
        return Ok(own);
    }
    let of_data = data.load(&data.spec(&own.without_labels())?, Split::Train, &Silent)?.labels;
    let is_known = |label: &&String| labels.contains(label) || out_of_scope == Some(label.as_str());
    match of_data.iter().find(|label| !is_known(label)) {
        None => Ok(own),
        Some(unknown) => {
            context.progress.say(&format!(
                "{}: its labels are {}, and the data also have {unknown:?}: it is fine-tuned on the task with a fresh head",
                teacher.folder.display(),
                list(labels)
            ));
            Ok(own.without_labels())
        }
    }
}

impl CompressArgs {
    /// The settings of all stages. `max_tokens` is the longest input of a teacher and a student.
    fn settings(&self, map: LayerMap, max_tokens: usize, seed: u64) -> CompressSettings {
        let Self { budget, training, search, .. } = self;
        let epochs = |full: u64| if training.quick { full.min(1) } else { full };
        let transfer = TransferSettings { layer_map: map, ..TransferSettings::default() };
        let (fine_tune, general, task) =
            (FineTune::default(), GeneralSettings::default(), TaskSettings::default());
        let recipe = |epochs, learning_rate, defaults: Recipe| {
            let options = RecipeOptions {
                epochs: Some(epochs),
                batch_size: Some(training.batch_size),
                learning_rate: Some(learning_rate),
                max_minutes: None,
            };
            options.recipe(seed, defaults)
        };
        let stage = |epochs, learning_rate, defaults: &StageRecipe| {
            StageRecipe::from_recipe(&recipe(epochs, learning_rate, task.recipe(defaults)))
        };
        let distillation = TaskSettings {
            transfer: transfer.clone(),
            intermediate: stage(
                epochs(training.intermediate_epochs),
                training.intermediate_lr,
                &task.intermediate,
            ),
            prediction: stage(epochs(training.prediction_epochs), training.prediction_lr, &task.prediction),
            max_tokens,
            seed,
            ..task.clone()
        };
        let prediction_only = |passes, rate| TaskSettings {
            intermediate: StageRecipe { epochs: 0, ..distillation.intermediate.clone() },
            prediction: stage(epochs(passes), rate, &distillation.prediction),
            ..distillation.clone()
        };
        let recovery = prediction_only(training.recovery_epochs, training.recovery_lr);
        let quantization_aware =
            prediction_only(training.quantization_aware_epochs, training.quantization_aware_lr);
        CompressSettings {
            budget: DeviceBudget { flash: budget.flash, ram: budget.ram, latency_ms: budget.latency },
            max_tokens,
            fine_tune: FineTune {
                recipe: recipe(epochs(training.teacher_epochs), training.teacher_lr, fine_tune.recipe),
                max_tokens,
                ..fine_tune
            },
            general: GeneralSettings {
                transfer,
                recipe: recipe(
                    epochs(general.recipe.epochs),
                    training.intermediate_lr,
                    general.recipe.clone(),
                ),
                max_train_tokens: Some(self.new_student.general_tokens),
                max_tokens,
                ..general
            },
            distillation,
            recovery,
            prune_rounds: training.prune_steps.map(NonZeroU32::get),
            quantization_aware,
            search: SearchSettings {
                examples: search.search_examples,
                measured_candidates: search.search_trials,
            },
            importance_examples: search.importance_examples,
            calibration_examples: tinybert_quantize::QuantizeSettings::default().calibration_examples,
        }
    }
}

impl NewStudentArgs {
    /// Sizes of the student that is made.
    fn sizes(&self, teacher: &Checkpoint) -> Result<BertConfig> {
        let fitting = student_sizes(&teacher.config)?;
        let sizes = match &self.preset {
            Some(name) => {
                let preset = preset(name)?;
                let max_position_embeddings =
                    preset.max_position_embeddings.min(fitting.max_position_embeddings);
                BertConfig {
                    vocab_size: fitting.vocab_size,
                    num_attention_heads: fitting.num_attention_heads,
                    max_position_embeddings,
                    ..preset
                }
            }
            None => fitting,
        };
        let sizes = BertConfig {
            num_hidden_layers: self.layers.unwrap_or(sizes.num_hidden_layers),
            hidden_size: self.hidden.unwrap_or(sizes.hidden_size),
            intermediate_size: self.ffn.unwrap_or(sizes.intermediate_size),
            ..sizes
        };
        sizes.validate()?;
        Ok(sizes)
    }
}

/// Prints metrics, cost and place of the image. `labels` are those of the task.
fn print(outcome: &CompressOutcome, board: &Board, labels: &[String]) -> Result<()> {
    for judged in &outcome.metrics {
        let metrics = describe_metrics(&judged.metrics);
        print_line(format_args!("{:8} {:8} {metrics}", judged.model, judged.split))?;
    }
    if let Some(baseline) = &outcome.baseline {
        print_baseline(baseline)?;
    }
    if let Some(floor) = &outcome.floor {
        floor::print(floor)?;
    }
    outcome.notes.iter().try_for_each(print_line)?;
    outcome.confidence.iter().try_for_each(|fitted| print_fitted(fitted, labels))?;
    outcome.comparison().iter().try_for_each(print_line)?;
    print_line(format_args!("flash     {} bytes", outcome.cost.flash))?;
    print_line(format_args!("workspace {} bytes", outcome.cost.ram))?;
    print_line(format_args!(
        "latency   {:.2} ms, modelled, longest input on {board}",
        outcome.cost.latency_ms
    ))?;
    print_line(format_args!("wrote {}", outcome.image.display()))
}
