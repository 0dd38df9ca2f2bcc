//! `prune`: a smaller model folder.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;
use tinybert_host::Result;
use tinybert_host::checkpoint::{self, Checkpoint, FileHash, RunRecord};
use tinybert_host::data::{self, Corpus, Split};
use tinybert_host::prune::{Characters, Coverage, PieceCounts, VocabularySettings};
use tinybert_host::task::Dataset;

use crate::args::{DataArgs, Global};
use crate::output::{self, print_line};
use crate::watch::Watch;

/// Writes a smaller model folder: with --vocab, without the word pieces that the task's text does not use.
#[derive(ClapArgs)]
pub struct Args {
    /// Model folder.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    #[command(flatten)]
    vocabulary: Vocabulary,
    /// Folder to write.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(ClapArgs)]
#[command(next_help_heading = "Vocabulary")]
struct Vocabulary {
    /// Keep the pieces that the training data and --corpus use, special pieces and single characters.
    #[arg(long, required = true)]
    vocab: bool,
    /// Text like that of the device's future, besides the training data.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    corpus: Vec<PathBuf>,
    /// Keep pieces that occur at least so often.
    #[arg(long, value_name = "N", default_value_t = VocabularySettings::default().min_count)]
    min_count: u64,
    /// Keep so many pieces at most, the most frequent ones [default: no limit].
    #[arg(long, value_name = "N")]
    max_pieces: Option<usize>,
    /// Characters that stay although the text does not use them.
    #[arg(long, value_name = "WHICH", default_value = "all")]
    characters: CharacterSet,
}

/// Characters by name.
#[derive(Clone, Copy, ValueEnum)]
enum CharacterSet {
    /// All of the vocabulary: no word becomes unreadable.
    All,
    /// ASCII: a word with another character that the text does not use becomes [UNK].
    Ascii,
}

pub fn run(args: &Args, global: &Global) -> Result<()> {
    output::check_folder(&args.out)?;
    let watch = Watch::new(global.quiet)?;
    let model = Checkpoint::load(&args.model)?;
    let spec = args.data.spec(model.head.labels())?;
    let train = data::load(&spec, Split::Train, &watch)?;

    let mut counts = PieceCounts::new(&model.text);
    counts.add(&texts(&train))?;
    counts.add(&Corpus::open(&args.vocabulary.corpus)?.texts().collect::<Vec<_>>())?;
    let settings = args.vocabulary.settings();
    let pruned = counts.keep(&settings)?.prune(&model)?;
    // The development set was not counted: it shows what unseen text costs.
    let unseen = if args.data.has_dev() { Some(data::load(&spec, Split::Dev, &watch)?) } else { None };
    let coverage =
        unseen.as_ref().map(|unseen| Coverage::of(&texts(unseen), &model.text, &pruned.text)).transpose()?;

    let mut inputs = model.hashes()?;
    let files = train.sources.iter().chain(&args.vocabulary.corpus);
    inputs.extend(files.map(|path| FileHash::of(path)).collect::<Result<Vec<_>>>()?);
    let record = RunRecord {
        command: "prune".into(),
        settings: json!({ "vocabulary": settings, "corpus": args.vocabulary.corpus }),
        seed: global.seed,
        inputs,
        metrics: json!({ "pieces": pruned.text.vocab_size(), "unseen": coverage }),
    };
    checkpoint::save(&args.out, &pruned.config, &pruned.head, &pruned.tensors, &pruned.text, &record)?;
    let (before, after) = (model.text.vocab_size(), pruned.text.vocab_size());
    print_line(format_args!("{after} of {before} pieces kept"))?;
    if let Some(coverage) = coverage {
        print_line(describe(&coverage))?;
    }
    print_line(format_args!("wrote {}", args.out.display()))
}

/// Both sentences of every example.
fn texts(data: &Dataset) -> Vec<&str> {
    data.examples
        .iter()
        .flat_map(|example| [Some(example.text.as_str()), example.pair.as_deref()])
        .flatten()
        .collect()
}

fn describe(coverage: &Coverage) -> String {
    let share = |part: usize| 100.0 * part as f64 / coverage.words.max(1) as f64;
    let longer = coverage.pieces_after as f64 / coverage.pieces_before.max(1) as f64;
    format!(
        "development set, not counted: {:.2} % of {} words have the same pieces, {:.2} % became [UNK], {:.2} % more pieces",
        share(coverage.same),
        coverage.words,
        share(coverage.lost),
        100.0 * (longer - 1.0)
    )
}

impl Vocabulary {
    fn settings(&self) -> VocabularySettings {
        let characters = match self.characters {
            CharacterSet::All => Characters::All,
            CharacterSet::Ascii => Characters::Ascii,
        };
        VocabularySettings { min_count: self.min_count, max_pieces: self.max_pieces, characters }
    }
}
