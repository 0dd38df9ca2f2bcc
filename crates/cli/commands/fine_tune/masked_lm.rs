//! `fine-tune --objective mlm`: trains a masked-LM head on raw text.

use std::path::PathBuf;

use clap::Args;
use tinybert_base::Result;
use tinybert_data::{Corpus, WindowSettings};
use tinybert_train::{HeldOutGuesses, MaskedLmSettings, masked_lm};

use super::FineTuneArgs;
use crate::args::{RecipeOptions, max_tokens, parse_time_limit};
use crate::invocation::Invocation;
use crate::standard_output::print_line;
use crate::terminal::Terminal;

/// Options that only this objective has.
#[derive(Args)]
#[command(next_help_heading = "Masked-LM objective")]
pub struct MaskedLmArgs {
    /// Plain text: one paragraph per line, a blank line between documents; also .gz, .zst, or .parquet with a
    /// column `text`.
    #[arg(long, value_name = "FILE", num_args = 1.., required_if_eq("objective", "mlm"))]
    pub corpus: Vec<PathBuf>,
    /// Train the encoder too, not only the head.
    #[arg(long)]
    train_encoder: bool,
    /// Hide all pieces of a word together.
    #[arg(long)]
    whole_words: bool,
    /// Share of the pieces that the model has to guess [default: 0.15].
    #[arg(long, value_name = "P")]
    masked_share: Option<f64>,
    /// End the run and its learning-rate schedule after so many tokens.
    #[arg(long, value_name = "N")]
    max_train_tokens: Option<u64>,
    /// Stop after so many minutes and keep the weights that there are; the schedule does not take the limit
    /// into account.
    #[arg(long, value_name = "M", value_parser = parse_time_limit)]
    max_minutes: Option<f64>,
}

/// Trains the head, and with `--train-encoder` the encoder too.
pub fn run(args: &FineTuneArgs, options: &MaskedLmArgs, invocation: &Invocation) -> Result<()> {
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let out = args.replay.recorded(args.output.settings(), invocation, context.progress)?;
    let model = args.model.load(&context)?;
    let max_tokens = max_tokens(args.max_tokens, &[&model])?;
    let defaults = MaskedLmSettings::default();
    let rate = match options.train_encoder {
        true => MaskedLmSettings::ENCODER_RATE,
        false => MaskedLmSettings::HEAD_RATE,
    };
    let recipe = RecipeOptions {
        epochs: Some(args.epochs),
        batch_size: Some(args.batch_size),
        learning_rate: args.lr.or(Some(rate)),
        max_minutes: options.max_minutes,
    };
    let settings = MaskedLmSettings {
        train_encoder: options.train_encoder,
        whole_words: options.whole_words,
        masked_share: options.masked_share.unwrap_or(defaults.masked_share),
        recipe: recipe.recipe_with(&args.optimizer, invocation.global.seed, defaults.recipe),
        max_train_tokens: options.max_train_tokens,
        max_tokens,
    };
    let windows = WindowSettings {
        max_tokens,
        limit: options.max_train_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
        seed: invocation.global.seed,
    };
    let windows = Corpus::open(&options.corpus, &args.output.out)?.windows(&model.text, windows, &context)?;
    let report = masked_lm(&settings, &model, &windows, &options.corpus, out, &context)?;
    if !invocation.is_first() {
        return Ok(());
    }
    if let Some(HeldOutGuesses { perplexity, accuracy, pieces, .. }) = report.held_out {
        print_line(format_args!(
            "held out: perplexity {perplexity:.1}, accuracy {accuracy:.4} ({pieces} pieces)"
        ))?;
    }
    print_line(format_args!("wrote {}", args.output.out.display()))
}
