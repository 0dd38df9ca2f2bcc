//! `fine-tune`: trains a task head and its encoder on labelled data, or a masked-LM head on raw text.

use std::num::NonZeroU64;

use clap::{Args, ValueEnum, value_parser};
use tinybert_base::{Error, Result};
use tinybert_train::{ClassWeighting, FineTune, fine_tune, fine_tune_at_best_rate};

use crate::args::{
    DataArgs, DeviceArgs, ModelAnswers, ModelFolder, OptimizerArgs, OutputArgs, RecipeOptions, ReplayArgs,
    max_tokens,
};
use crate::invocation::Invocation;
use crate::output_paths;
use crate::standard_output::{describe_metrics, print_line, print_trials};
use crate::terminal::Terminal;

mod masked_lm;

use masked_lm::MaskedLmArgs;

/// Trains a task head and the encoder on labelled data, which makes a task teacher of a general model. With
/// --objective mlm it trains a masked-LM head on raw text, for `augment` and to adapt the encoder to a domain.
#[derive(Args)]
#[command(mut_arg("optimizer", |option| option.help("Optimizer [default: adamw]")))]
pub struct FineTuneArgs {
    /// What the model learns.
    #[arg(long, default_value = "task")]
    objective: Objective,
    /// Model folder to start from; a head with other labels is replaced by a fresh one.
    #[arg(long, value_name = ModelFolder::NAME)]
    model: ModelFolder,
    /// Passes over the training data.
    #[arg(long, value_name = "N", default_value_t = FineTune::default().recipe.epochs)]
    epochs: u64,
    /// Peak learning rate [default: 5e-5, and 1e-3 for a masked-LM head alone].
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// Examples per step.
    #[arg(long, value_name = "N", default_value_t = FineTune::default().recipe.batch_size)]
    batch_size: usize,
    /// Longest input in tokens; longer text is cut [default: 128, or what the model has positions for].
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Evaluations on the development set per epoch; the best one's weights are kept.
    #[arg(long, value_name = "N", default_value_t = FineTune::default().evaluations_per_epoch)]
    evaluations_per_epoch: usize,
    /// End the training after so many evaluations in a row of which none is better than the best one before [default:
    /// never].
    #[arg(long, value_name = "N")]
    patience: Option<NonZeroU64>,
    /// Search the learning rate first: so many rates from a tenth to ten times --lr are tried in short runs, the better
    /// half in longer ones, and the best one in the whole run.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(2..))]
    tune: Option<u16>,
    /// How much each label counts in the loss: balanced, or weights such as refund=4,other=0.5 (1 for a label that
    /// is not named). With --multi-label it is how much a text with the label counts against one without it.
    #[arg(long, value_name = "WEIGHTS")]
    class_weights: Option<ClassWeighting>,
    #[command(flatten)]
    optimizer: OptimizerArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    replay: ReplayArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    masked_lm: Option<MaskedLmArgs>,
    #[command(flatten)]
    data: DataArgs,
}

/// Training objectives by name.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Objective {
    /// The labels of the data.
    Task,
    /// Hidden words of a corpus.
    Mlm,
}

pub fn run(args: &FineTuneArgs, invocation: &Invocation) -> Result<()> {
    if invocation.is_first() {
        let corpus = args.masked_lm.iter().flat_map(|options| &options.corpus);
        let inputs = args.data.inputs().with("--model", [&args.model]).with("--corpus", corpus);
        output_paths::check_folder(&args.output.out, &inputs)?;
        output_paths::check_tensorboard(args.output.tensorboard.as_ref(), &args.output.out)?;
    }
    match (args.objective, &args.masked_lm) {
        (Objective::Task, None) => task(args, invocation),
        (Objective::Task, Some(_)) => Err(Error::Usage(format!(
            "{} is for --objective mlm; --objective task reads labelled data",
            invocation.present.first_of::<MaskedLmArgs>().unwrap_or_default()
        ))),
        (Objective::Mlm, _) if args.device.is_given() => Err(Error::Usage(
            "--objective mlm runs on the processor only: leave --device and --tf32 out".into(),
        )),
        (Objective::Mlm, _) if args.class_weights.is_some() => {
            Err(Error::Usage("--class-weights is for --objective task, whose data have labels".into()))
        }
        (Objective::Mlm, _) if args.patience.is_some() || args.tune.is_some() => Err(Error::Usage(
            "--patience and --tune are for --objective task, which judges a development set".into(),
        )),
        (Objective::Mlm, Some(options)) if invocation.present.first_of::<DataArgs>().is_none() => {
            masked_lm::run(args, options, invocation)
        }
        (Objective::Mlm, _) => Err(Error::Usage(format!(
            "{} is for --objective task; --objective mlm reads --corpus",
            invocation.present.first_of::<DataArgs>().unwrap_or_default()
        ))),
    }
}

/// Trains on labelled data.
fn task(args: &FineTuneArgs, invocation: &Invocation) -> Result<()> {
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let out = args.device.on(args.output.settings())?;
    let out = args.replay.recorded(out, invocation, context.progress)?;
    let model = args.model.load(&context)?;
    let max_tokens = max_tokens(args.max_tokens, &[&model])?;
    let data = args.data.training(&ModelAnswers::default(), context.progress)?;
    let recipe = RecipeOptions {
        epochs: Some(args.epochs),
        batch_size: Some(args.batch_size),
        learning_rate: args.lr,
        ..RecipeOptions::default()
    };
    let settings = FineTune {
        recipe: recipe.recipe_with(&args.optimizer, invocation.global.seed, FineTune::default().recipe),
        max_tokens,
        evaluations_per_epoch: args.evaluations_per_epoch,
        patience: args.patience,
        class_weights: args.class_weights.clone(),
        ..FineTune::default()
    };
    let (report, trials) = match args.tune {
        Some(trials) => {
            fine_tune_at_best_rate(trials.into(), &settings, &model, &data.view(), &out, &context)?
        }
        None => (fine_tune(&settings, &model, &data.view(), out, &context)?, Vec::new()),
    };
    if !invocation.is_first() {
        return Ok(());
    }
    print_trials(&trials, &report.dev.primary)?;
    print_line(format_args!("dev {}", describe_metrics(&report.dev)))?;
    print_line(format_args!("wrote {}", args.output.out.display()))
}
