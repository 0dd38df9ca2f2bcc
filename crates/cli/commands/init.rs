//! `init`: writes a fresh student folder.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use tinybert_base::{Context, Error, FileHash, Result};
use tinybert_data::read_texts;
use tinybert_hub::Parts;
use tinybert_model::{
    BertConfig, Head, PRESETS, RunRecord, TextEncoder, VocabularyTrainer, embeddings_from_teacher, preset,
};
use tinybert_nn::init_parameters;

use crate::args::ModelFolder;
use crate::invocation::Invocation;
use crate::output_paths::{self, ProtectedPaths};
use crate::standard_output::print_line;
use crate::terminal::Terminal;

/// Writes a student folder with random weights: sizes of a preset or your own, the vocabulary of a teacher.
#[derive(Args)]
pub struct InitArgs {
    /// Sizes by name; the options under Sizes replace single ones.
    #[arg(long, value_name = "NAME", default_value = PRESETS[0], value_parser = PossibleValuesParser::new(PRESETS))]
    preset: String,
    #[command(flatten)]
    vocabulary: VocabularyArgs,
    /// Start from this teacher's embeddings, projected to the student's width; the embedding loss would lead
    /// there.
    #[arg(long, value_name = ModelFolder::NAME)]
    embeddings_from: Option<ModelFolder>,
    /// Labels of a classification head with random weights, in the order of their outputs [default: no head].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    labels: Vec<String>,
    /// Folder to write.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    sizes: SizeArgs,
}

/// Where the vocabulary comes from.
#[derive(Args)]
#[command(next_help_heading = "Vocabulary")]
struct VocabularyArgs {
    /// Folder with the vocabulary, in vocab.txt or tokenizer.json; distillation needs that of the teacher.
    #[arg(long, value_name = ModelFolder::NAME, required_unless_present = "train_vocab_from")]
    vocab_from: Option<ModelFolder>,
    /// Learn a lower-case WordPiece vocabulary from this text instead: .jsonl, .csv, .tsv or .parquet with named
    /// columns, or plain text (.txt); .gz and .zst may follow.
    #[arg(long, value_name = "FILE", conflicts_with = "vocab_from")]
    train_vocab_from: Option<PathBuf>,
    /// Number of pieces of a learned vocabulary.
    #[arg(long, value_name = "N", default_value_t = 4000)]
    vocab_size: usize,
    /// Column of the text that a vocabulary is learned from.
    #[arg(long, value_name = "NAME", default_value = "text")]
    text_column: String,
}

/// Sizes of the student, instead of those of the preset.
#[derive(Args)]
#[command(next_help_heading = "Sizes")]
struct SizeArgs {
    /// Encoder layers.
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Width of the hidden states.
    #[arg(long, value_name = "N")]
    hidden: Option<usize>,
    /// Attention heads per layer; the attention loss needs as many as the teacher has.
    #[arg(long, value_name = "N")]
    heads: Option<usize>,
    /// Width of the feed-forward network.
    #[arg(long, value_name = "N")]
    ffn: Option<usize>,
    /// Longest sequence in tokens.
    #[arg(long, value_name = "N")]
    positions: Option<usize>,
}

pub fn run(args: &InitArgs, invocation: &Invocation) -> Result<()> {
    let VocabularyArgs { vocab_from, train_vocab_from, .. } = &args.vocabulary;
    let inputs = ProtectedPaths::default()
        .with("--vocab-from", vocab_from)
        .with("--train-vocab-from", train_vocab_from);
    output_paths::check_folder(&args.out, &inputs.with("--embeddings-from", &args.embeddings_from))?;
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let vocab_from =
        vocab_from.as_ref().map(|model| model.locate(Parts::Vocabulary, &context)).transpose()?;
    let text = match &vocab_from {
        Some(folder) => word_pieces(&folder.path)?,
        None => args.vocabulary.train(&context)?,
    };
    let config = args.config(text.vocab_size())?;
    let head = args.head()?;
    let mut tensors = init_parameters(&config, &head, invocation.global.seed)?;
    let mut inputs = FileHash::of_files(&args.vocabulary.train_vocab_from)?;
    let teacher = args.embeddings_from.as_ref().map(|model| model.load(&context)).transpose()?;
    if let Some(teacher) = &teacher {
        tensors.extend(embeddings_from_teacher(teacher, &config)?);
        inputs.extend(teacher.hashes()?);
    }
    let record = RunRecord::new(
        "init",
        json!({
            "preset": args.preset,
            "vocab_from": vocab_from.map(|folder| folder.to_string()),
            "train_vocab_from": args.vocabulary.train_vocab_from,
            "embeddings_from": teacher.map(|teacher| teacher.name()),
            "labels": args.labels,
            "config": config,
        }),
        invocation.global.seed,
        inputs,
    );
    tinybert_model::save(&args.out, &config, &head, &tensors, &text, &record)?;
    let parameters: usize = tensors.values().map(|tensor| tensor.elem_count()).sum();
    print_line(format_args!("wrote {}: {parameters} parameters", args.out.display()))
}

/// The WordPiece vocabulary of a folder.
fn word_pieces(folder: &Path) -> Result<TextEncoder> {
    let text = TextEncoder::from_folder(folder)?;
    if text.has_own_pieces() {
        return Err(Error::input(
            folder,
            "its tokenizer is BPE or Unigram, and a student reads WordPiece: give --vocab-from a BERT folder, or train a \
             vocabulary on text with --train-vocab-from; distillation compares such a student with its teacher by words",
        ));
    }
    Ok(text)
}

impl VocabularyArgs {
    /// A tokenizer with a vocabulary that is learned from the file.
    fn train(&self, context: &Context) -> Result<TextEncoder> {
        let mut trainer = VocabularyTrainer::new(true);
        if let Some(file) = &self.train_vocab_from {
            read_texts(file, &self.text_column, &mut |text| trainer.read(text, context))?;
        }
        TextEncoder::from_pieces(trainer.vocabulary(self.vocab_size, context)?, true)
    }
}

impl InitArgs {
    /// The head with the labels of the command line.
    fn head(&self) -> Result<Head> {
        let mut distinct = HashSet::new();
        match &self.labels[..] {
            [] => Ok(Head::None),
            [only] => {
                Err(Error::Usage(format!("--labels {only}: expected two or more, separated by commas")))
            }
            labels => match labels.iter().find(|label| label.is_empty() || !distinct.insert(*label)) {
                Some(label) => Err(Error::Usage(format!("--labels: {label:?} is empty or given twice"))),
                None => Ok(Head::Classification { labels: labels.to_vec() }),
            },
        }
    }

    /// The sizes of the preset, with those of the command line in their place.
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
