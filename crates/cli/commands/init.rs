//! `init`: a fresh student folder.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use tinybert_host::Result;
use tinybert_host::checkpoint::{self, BertConfig, Head, PRESETS, RunRecord, TextEncoder, preset};
use tinybert_host::nn::init_parameters;

use crate::args::Global;
use crate::output::{self, print_line};

/// Writes a student folder with random weights: sizes of a preset or your own, the vocabulary of a teacher.
#[derive(ClapArgs)]
pub struct Args {
    /// Sizes by name; those given beside it replace single ones.
    #[arg(long, value_name = "NAME", default_value = PRESETS[0], value_parser = PossibleValuesParser::new(PRESETS))]
    preset: String,
    /// Folder with the vocabulary: vocab.txt or tokenizer.json; the teacher's, for distillation.
    #[arg(long, value_name = "FOLDER")]
    vocab_from: PathBuf,
    /// Folder to write.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    sizes: Sizes,
}

#[derive(ClapArgs)]
#[command(next_help_heading = "Sizes")]
struct Sizes {
    /// Encoder layers.
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Width of the hidden states.
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Attention heads per layer; the attention loss needs the teacher's number.
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Width of the feed-forward network.
    #[arg(long, value_name = "N")]
    ffn: Option<usize>,
    /// Longest sequence in tokens.
    #[arg(long, value_name = "N")]
    positions: Option<usize>,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    output::check_folder(&args.out)?;
    let text = TextEncoder::from_folder(&args.vocab_from)?;
    let config = args.config(text.vocab_size())?;
    let tensors = init_parameters(&config, &Head::None, global.seed)?;
    let record = RunRecord {
        command: "init".into(),
        settings: json!({ "preset": args.preset, "vocab_from": args.vocab_from, "config": config }),
        seed: global.seed,
        inputs: Vec::new(),
        metrics: json!(null),
    };
    checkpoint::save(&args.out, &config, &Head::None, &tensors, &text, &record)?;
    let parameters: usize = tensors.values().map(|tensor| tensor.elem_count()).sum();
    print_line(format_args!("wrote {}: {parameters} parameters", args.out.display()))
}

impl Args {
    fn config(&self, vocab_size: usize) -> Result<BertConfig> {
        let preset = preset(&self.preset)?;
        let sizes = &self.sizes;
        let config = BertConfig {
            vocab_size,
            num_hidden_layers: sizes.layers.unwrap_or(preset.num_hidden_layers),
            hidden_size: sizes.hidden.unwrap_or(preset.hidden_size),
            num_attention_heads: sizes.heads.unwrap_or(preset.num_attention_heads),
            intermediate_size: sizes.ffn.unwrap_or(preset.intermediate_size),
            max_position_embeddings: sizes.positions.unwrap_or(preset.max_position_embeddings),
            ..preset
        };
        config.validate()?;
        Ok(config)
    }
}
