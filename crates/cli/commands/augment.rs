//! `augment`: more task data, with words replaced.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use tinybert_base::{Error, Result};
use tinybert_data::{Split, read_rows};
use tinybert_distill::augment::{AugmentSettings, Sources, WordVectors, augment, copy_splits};
use tinybert_model::Checkpoint;

use crate::args::{DataArgs, Global};
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Writes task data with variants of every sentence, words replaced by what a masked LM or word vectors put near them.
#[derive(ClapArgs)]
pub struct Args {
    /// Model folder: its tokenizer, and its masked-LM head for words of one piece (see fine-tune --objective mlm).
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// Word vectors as text, a word and its numbers a line (GloVe), for words of several pieces.
    #[arg(long, value_name = "FILE")]
    vectors: Option<PathBuf>,
    /// Variants of each sentence, all different; fewer where there are no more.
    #[arg(long, value_name = "N", default_value_t = AugmentSettings::default().variants)]
    variants: usize,
    /// Probability that a word is replaced.
    #[arg(long, value_name = "P", default_value_t = AugmentSettings::default().probability)]
    probability: f64,
    /// Candidates of each word.
    #[arg(long, value_name = "K", default_value_t = AugmentSettings::default().candidates)]
    candidates: usize,
    /// Share of the masked LM's input that is masked in one pass, at least one word; 0 masks one word at a time, slower.
    #[arg(long, value_name = "P", default_value_t = AugmentSettings::default().masked_share)]
    masked_share: f64,
    /// File to write, of the format of --train; for a GLUE task the folder to write, with the other splits as they are.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Go on where an interrupted run stopped, to the same output.
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    let file = args.file()?;
    if global.is_first() {
        let inputs = args.data.inputs().and("--model", [&args.model]).and("--vectors", &args.vectors);
        match args.data.data {
            Some(_) => {
                inputs.check("--out", &file)?;
                output::probe_folder(&args.out, &inputs)?;
            }
            None => output::check_file("--out", &file, &inputs)?,
        }
    }
    let watch = Watch::new(global)?;
    let context = watch.context();
    let rows = read_rows(&args.data.spec(&[])?, Split::Train, context.progress)?;
    let model = Checkpoint::load(&args.model)?;
    let vectors = args.vectors.as_deref().map(WordVectors::read).transpose()?;
    let settings = AugmentSettings {
        variants: args.variants,
        probability: args.probability,
        candidates: args.candidates,
        masked_share: args.masked_share,
        seed: global.seed,
    };
    let sources = Sources { model: &model, vectors: vectors.as_ref(), vectors_file: args.vectors.clone() };
    // Before the training set, so that a folder that has one is complete.
    if let Some(folder) = args.data.data.as_ref().filter(|_| global.is_first()) {
        copy_splits(folder, &args.out)?;
    }
    let report = augment(&settings, &sources, &rows, &file, args.resume, &context)?;
    if !global.is_first() {
        return Ok(());
    }
    print_line(format_args!("candidates: {}", report.candidates))?;
    print_line(format_args!(
        "{} rows became {}, {:.1} rows per second",
        report.rows, report.written, report.rows_per_second
    ))?;
    print_line(format_args!("wrote {}", args.out.display()))
}

impl Args {
    /// The file that rows are written to.
    fn file(&self) -> Result<PathBuf> {
        if self.data.data.is_some() {
            return Ok(self.out.join("train.tsv"));
        }
        let extension = |path: &Path| path.extension().map(|extension| extension.to_ascii_lowercase());
        match &self.data.train {
            Some(train) if extension(train) == extension(&self.out) => Ok(self.out.clone()),
            Some(train) => Err(Error::Usage(format!(
                "--out {}: rows are written in the format of {}; give it the same extension",
                self.out.display(),
                train.display()
            ))),
            None => Err(Error::Usage("no data: give --task NAME --data FOLDER, or --train FILE".into())),
        }
    }
}
