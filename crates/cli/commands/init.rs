//! `init`: a fresh student folder.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use tinybert_host::Result;

use crate::args::Global;
use crate::output;

/// Writes a student folder with random weights: sizes of a preset or your own, the vocabulary of a teacher.
#[derive(ClapArgs)]
pub struct Args {
    /// Sizes by name: tinybert-4l-312 or tinybert-6l-768; sizes given beside it replace single ones.
    #[arg(long, value_name = "NAME", required_unless_present_all = ["layers", "hidden", "heads", "ffn"])]
    preset: Option<String>,
    /// Encoder layers.
    #[arg(long, value_name = "N", help_heading = "Sizes")]
    layers: Option<usize>,
    /// Width of the hidden states.
    #[arg(long, value_name = "N", help_heading = "Sizes")]
    hidden: Option<usize>,
    /// Attention heads per layer; must be the teacher's number for the attention loss.
    #[arg(long, value_name = "N", help_heading = "Sizes")]
    heads: Option<usize>,
    /// Width of the feed-forward network.
    #[arg(long, value_name = "N", help_heading = "Sizes")]
    ffn: Option<usize>,
    /// Longest sequence in tokens [default: 512].
    #[arg(long, value_name = "N", help_heading = "Sizes")]
    positions: Option<usize>,
    /// Vocabulary: a model folder, or a vocab.txt.
    #[arg(
        long,
        value_name = "PATH",
        required_unless_present = "train_vocab_from",
        help_heading = "Vocabulary"
    )]
    vocab_from: Option<PathBuf>,
    /// Learn a WordPiece vocabulary from this text: a plain-text file, or the "text" of a .jsonl.
    #[arg(long, value_name = "FILE", conflicts_with = "vocab_from", help_heading = "Vocabulary")]
    train_vocab_from: Option<PathBuf>,
    /// Pieces of the learnt vocabulary.
    #[arg(long, value_name = "N", default_value_t = 4096, help_heading = "Vocabulary")]
    vocab_size: usize,
    /// Start the embeddings from this teacher's, projected to the student's width.
    #[arg(long, value_name = "FOLDER")]
    embeddings_from: Option<PathBuf>,
    /// Folder to write.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

pub fn run(args: &Args, _global: &Global) -> Result<()> {
    output::check_folder(&args.out)?;
    Ok(())
}
