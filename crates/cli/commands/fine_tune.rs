//! `fine-tune`: a task head on an encoder, trained on labelled data.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use tinybert_host::Result;
use tinybert_host::checkpoint::Checkpoint;
use tinybert_host::train::{FineTune, fine_tune};

use crate::args::{Adam, DataArgs, Global, OutputArgs};
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Trains a task head and the encoder on labelled data: makes a task teacher of a general model.
#[derive(ClapArgs)]
pub struct Args {
    /// Model folder to start from; a head with other labels is replaced by a fresh one.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// Passes over the training data.
    #[arg(long, value_name = "N", default_value_t = FineTune::default().epochs)]
    epochs: u64,
    /// Peak learning rate; it rises over the first tenth of the run, then falls linearly to 0.
    #[arg(long, value_name = "RATE", default_value_t = FineTune::default().learning_rate)]
    lr: f64,
    /// Examples per step.
    #[arg(long, value_name = "N", default_value_t = FineTune::default().batch_size)]
    batch_size: usize,
    /// Longest input in tokens; longer text is cut.
    #[arg(long, value_name = "N", default_value_t = FineTune::default().max_tokens)]
    max_tokens: usize,
    /// Evaluations on the development set per epoch; the best one's weights are kept.
    #[arg(long, value_name = "N", default_value_t = FineTune::default().evaluations_per_epoch)]
    evaluations_per_epoch: usize,
    /// Optimizer.
    #[arg(long, value_name = "NAME", default_value = "adamw")]
    optimizer: Adam,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    let out = &args.output.out;
    output::check_folder(out)?;
    let watch = Watch::new(global.quiet)?;
    let model = Checkpoint::load(&args.model)?;
    let data = args.data.training(&[], &watch)?;
    let settings = FineTune {
        epochs: args.epochs,
        batch_size: args.batch_size,
        max_tokens: args.max_tokens,
        learning_rate: args.lr,
        optimizer: args.optimizer.settings(),
        evaluations_per_epoch: args.evaluations_per_epoch,
        seed: global.seed,
        ..FineTune::default()
    };
    let report = fine_tune(&settings, &model, &data.view(), args.output.settings(), &watch)?;
    print_line(format_args!("dev {}", output::metrics(&report.dev)))?;
    print_line(format_args!("wrote {}", out.display()))
}
