//! `fine-tune --objective mlm`.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use tinybert_base::Result;
use tinybert_data::{Corpus, WindowSettings};
use tinybert_model::Checkpoint;
use tinybert_train::session::Budget;
use tinybert_train::{Guesses, MaskedLmSettings, masked_lm};

use super::Args;
use crate::args::{Global, max_tokens, parse_time_limit};
use crate::output::print_line;
use crate::watch::Watch;

#[derive(ClapArgs)]
#[command(next_help_heading = "Masked-LM objective")]
pub struct MaskedLmArgs {
    /// Plain text: a paragraph a line, a blank line between documents.
    #[arg(long, value_name = "FILE", num_args = 1.., required_if_eq("objective", "mlm"))]
    pub corpus: Vec<PathBuf>,
    /// Train the encoder too, not only the head.
    #[arg(long)]
    train_encoder: bool,
    /// Hide all pieces of a word together.
    #[arg(long)]
    whole_words: bool,
    /// Share of the pieces that is to be guessed [default: 0.15].
    #[arg(long, value_name = "P")]
    masked_share: Option<f64>,
    /// End the run and its learning-rate schedule after so many tokens.
    #[arg(long, value_name = "N")]
    max_train_tokens: Option<u64>,
    /// Stop after so many minutes with what there is; the schedule does not know of it.
    #[arg(long, value_name = "M", value_parser = parse_time_limit)]
    max_minutes: Option<f64>,
}

/// Trains the head, and the encoder where asked.
pub fn run(args: &Args, options: &MaskedLmArgs, global: &Global) -> Result<()> {
    let watch = Watch::new(global)?;
    let context = watch.context();
    let model = Checkpoint::load(&args.model)?;
    let max_tokens = max_tokens(args.max_tokens, &[&model])?;
    let defaults = MaskedLmSettings::default();
    let rate = match options.train_encoder {
        true => MaskedLmSettings::ENCODER_RATE,
        false => MaskedLmSettings::HEAD_RATE,
    };
    let settings = MaskedLmSettings {
        train_encoder: options.train_encoder,
        whole_words: options.whole_words,
        masked_share: options.masked_share.unwrap_or(defaults.masked_share),
        epochs: args.epochs,
        max_train_tokens: options.max_train_tokens,
        batch_size: args.batch_size,
        max_tokens,
        learning_rate: args.lr.unwrap_or(rate),
        micro_batch: args.optimizer.micro_batch(defaults.micro_batch),
        schedule: args.optimizer.schedule(),
        optimizer: args.optimizer.optimizer(defaults.optimizer),
        seed: global.seed,
        budget: Budget { max_minutes: options.max_minutes },
    };
    let windows = WindowSettings {
        max_tokens,
        limit: options.max_train_tokens.map(|tokens| usize::try_from(tokens).unwrap_or(usize::MAX)),
        seed: global.seed,
    };
    let windows = Corpus::open(&options.corpus)?.windows(&model.text, windows, &context)?;
    let report = masked_lm(&settings, &model, &windows, &options.corpus, args.output.settings(), &context)?;
    if !global.is_first() {
        return Ok(());
    }
    if let Some(Guesses { perplexity, accuracy, pieces, .. }) = report.held_out {
        print_line(format_args!(
            "held out: perplexity {perplexity:.1}, accuracy {accuracy:.4} ({pieces} pieces)"
        ))?;
    }
    print_line(format_args!("wrote {}", args.output.out.display()))
}
