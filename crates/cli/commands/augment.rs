//! `augment`: makes more task data by replacing words.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use tinybert_base::{Error, Result};
use tinybert_data::{Split, read_rows, written_extension};
use tinybert_distill::augment::{AugmentSettings, CandidateSources, WordVectors, augment, copy_splits};

use crate::args::{DataArgs, ModelAnswers, ModelFolder};
use crate::invocation::Invocation;
use crate::output_paths;
use crate::standard_output::print_line;
use crate::terminal::Terminal;

/// Writes task data with variants of every sentence, in which words are replaced by those that a masked LM or
/// word vectors put near them.
#[derive(Args)]
pub struct AugmentArgs {
    /// Model folder: its tokenizer, and its masked-LM head for words of one piece (see fine-tune --objective
    /// mlm).
    #[arg(long, value_name = ModelFolder::NAME)]
    model: ModelFolder,
    /// Word vectors as text, with a word and its numbers on each line (GloVe), for words of several pieces.
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// Different variants of each sentence; fewer if no more can be made.
    #[arg(long, value_name = "N", default_value_t = AugmentSettings::default().variants)]
    variants: usize,
    /// Probability that a word is replaced.
    #[arg(long, value_name = "P", default_value_t = AugmentSettings::default().probability)]
    probability: f64,
    /// Candidates of each word.
    #[arg(long, value_name = "K", default_value_t = AugmentSettings::default().candidates)]
    candidates: usize,
    /// Share of the masked LM's input that is masked in one pass, at least one word; 0 masks one word at a
    /// time, which is slower.
    #[arg(long, value_name = "P", default_value_t = AugmentSettings::default().masked_share)]
    masked_share: f64,
    /// File to write, in the format of --train, not compressed (.jsonl for Parquet); for a GLUE task, the folder to
    /// write, which gets the other splits unchanged.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Continue where an interrupted run stopped; the output is the same.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &AugmentArgs, invocation: &Invocation) -> Result<()> {
    if args.data.dev_share.is_some() {
        return Err(Error::Usage(
            "--dev-share: a later command would cut the variants in another way; give --train a file without the \
             development rows".into(),
        ));
    }
    if args.data.prompt.is_some() {
        return Err(Error::Usage(
            "--prompt: variants are written without prompts; give it to the commands that read them".into(),
        ));
    }
    if args.data.select_by.is_some() {
        return Err(Error::Usage("--select-by: augmentation judges no model; leave it out".into()));
    }
    let file = args.file()?;
    if invocation.is_first() {
        let inputs = args.data.inputs().with("--model", [&args.model]).with("--vectors", &args.vectors);
        match args.data.data {
            Some(_) => {
                inputs.check("--out", &file)?;
                output_paths::probe_folder(&args.out, &inputs)?;
            }
            None => output_paths::check_file("--out", &file, &inputs)?,
        }
    }
    let terminal = Terminal::open(invocation)?;
    let context = terminal.context();
    let rows = read_rows(&args.data.spec(&ModelAnswers::default())?, Split::Train, context.progress)?;
    let model = args.model.load(&context)?;
    let vectors = args.vectors.as_deref().map(WordVectors::read).transpose()?;
    let settings = AugmentSettings {
        variants: args.variants,
        probability: args.probability,
        candidates: args.candidates,
        masked_share: args.masked_share,
        seed: invocation.global.seed,
    };
    let sources =
        CandidateSources { model: &model, vectors: vectors.as_ref(), vectors_file: args.vectors.clone() };
    // The other splits come first, so that a folder with a training set is complete.
    if let Some(folder) = args.data.data.as_ref().filter(|_| invocation.is_first()) {
        copy_splits(folder, &args.out)?;
    }
    let report = augment(&settings, &sources, &rows, &file, args.resume, &context)?;
    if !invocation.is_first() {
        return Ok(());
    }
    print_line(format_args!("candidates: {}", report.candidates))?;
    print_line(format_args!(
        "{} rows became {}, {:.1} rows per second",
        report.rows, report.written, report.rows_per_second
    ))?;
    print_line(format_args!("wrote {}", args.out.display()))
}

impl AugmentArgs {
    /// The file that rows are written to.
    fn file(&self) -> Result<PathBuf> {
        if self.data.data.is_some() {
            return Ok(self.out.join("train.tsv"));
        }
        let extension = self.out.extension().map(|extension| extension.to_ascii_lowercase());
        match &self.data.train {
            Some(train) if written_extension(train).map(OsString::from) == extension => Ok(self.out.clone()),
            Some(train) => Err(Error::Usage(format!(
                "--out {}: rows are written in the format of {}; give it the same extension, .{}",
                self.out.display(),
                train.display(),
                written_extension(train).unwrap_or_default()
            ))),
            None => Err(Error::Usage("no data: give --task NAME --data FOLDER, or --train FILE".into())),
        }
    }
}
