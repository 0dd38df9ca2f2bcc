//! `prune --vocab`: removes the word pieces that the task's text does not use.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;
use tinybert_base::{FileHash, Result};
use tinybert_data::task::Dataset;
use tinybert_data::{Corpus, Split};
use tinybert_model::Checkpoint;
use tinybert_prune::{Characters, Coverage, PieceCounts, VocabularySettings};

use super::PruneRun;

/// Which word pieces stay.
#[derive(Args)]
#[command(next_help_heading = "Vocabulary")]
pub struct VocabularyPruningArgs {
    /// Keep the pieces that the training data and --corpus use, special pieces and single characters. This is
    /// the last step before quantize.
    #[arg(long)]
    pub vocab: bool,
    /// Text like the device will read, in addition to the training data.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "vocab")]
    pub corpus: Vec<PathBuf>,
    /// Keep pieces that occur at least so often.
    #[arg(long, value_name = "N", default_value_t = VocabularySettings::default().min_count)]
    min_count: u64,
    /// Keep at most so many pieces, the most frequent ones [default: no limit].
    #[arg(long, value_name = "N")]
    max_pieces: Option<usize>,
    /// Characters that stay although the text does not use them.
    #[arg(long, value_name = "WHICH", default_value = "all")]
    characters: CharacterSet,
}

/// Characters by name.
#[derive(Clone, Copy, ValueEnum)]
enum CharacterSet {
    /// All characters of the vocabulary: every word stays readable.
    All,
    /// ASCII characters: a word with another character that the text does not use becomes unknown.
    Ascii,
}

impl VocabularyPruningArgs {
    /// Removes the other pieces of the model that is written to `out`.
    pub fn prune(&self, model: &Checkpoint, out: &Path, run: &mut PruneRun) -> Result<Checkpoint> {
        let train = run.train()?;
        let mut counts = PieceCounts::new(&model.text);
        counts.add(&texts(&train))?;
        Corpus::open(&self.corpus, out)?.read_texts(|texts| counts.add(texts))?;
        let settings = VocabularySettings {
            min_count: self.min_count,
            max_pieces: self.max_pieces,
            characters: match self.characters {
                CharacterSet::All => Characters::All,
                CharacterSet::Ascii => Characters::Ascii,
            },
        };
        let pruned = counts.keep(&settings)?.prune(model)?;
        run.record.inputs.extend(FileHash::of_files(&self.corpus)?);
        run.record.settings["vocabulary"] = json!(settings);
        run.record.metrics["pieces"] = json!(pruned.text.vocab_size());
        run.lines.push(format!("{} of {} pieces kept", pruned.text.vocab_size(), model.text.vocab_size()));
        // The development set was not counted, so it shows what unseen text costs.
        if run.data.has_dev() {
            let unseen = run.data.load(&run.spec()?, Split::Dev, run.terminal.context().progress)?;
            let coverage = Coverage::measure(&texts(&unseen), &model.text, &pruned.text)?;
            run.record.metrics["unseen"] = json!(coverage);
            run.lines.push(describe(&coverage));
        }
        Ok(pruned)
    }
}

/// Both sentences of every example.
fn texts(data: &Dataset) -> Vec<&str> {
    let both =
        data.examples.iter().flat_map(|example| [Some(example.text.as_str()), example.pair.as_deref()]);
    both.flatten().collect()
}

/// Describes how well the kept pieces cover unseen text.
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
