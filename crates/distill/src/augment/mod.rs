//! Augmentation of task data (arXiv 1909.10351, algorithm 1): variants of every sentence, with words replaced by what a
//! masked LM or a table of word vectors puts near them.
//!
//! Rows are taken in chunks. In each, candidates of all words are found first, in batches of near-equal length; then the
//! variants are drawn, by a generator of their own for each sentence. So the output depends on the inputs, the settings
//! and the seed alone. Several ranks take a chunk each at a time, and the first writes them in their order.

mod glove;
mod journal;
mod masked;
mod splits;
mod top;
mod variants;
mod words;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use serde_json::json;

use self::glove::Neighbours;
pub use self::glove::WordVectors;
use self::journal::Journal;
use self::masked::MaskedCandidates;
pub use self::splits::copy_splits;
use self::variants::{Replaceable, variants};
use self::words::Sentence;
use tinybert_base::Context;
use tinybert_base::FileHash;
use tinybert_base::random::keyed;
use tinybert_base::{Error, Result};
use tinybert_data::{RawRow, RawRows};
use tinybert_model::{Checkpoint, Head, RunRecord};
use tinybert_train::Identity;

/// Settings of [`augment`]; the defaults are the paper's.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentSettings {
    /// Variants of each sentence, N; fewer where so many different ones do not exist.
    pub variants: usize,
    /// Probability that a word is replaced, p.
    pub probability: f64,
    /// Candidates of each word, K.
    pub candidates: usize,
    /// Share of the masked LM's input that is masked in one pass, at least one word. The input holds the sentence twice.
    /// 0 masks one word at a time, as the authors do; more words a pass are faster, and 0.15 is what masked LMs are
    /// trained with.
    pub masked_share: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for AugmentSettings {
    fn default() -> Self {
        Self { variants: 20, probability: 0.4, candidates: 15, masked_share: 0.15, seed: 42 }
    }
}

/// Where candidates come from.
pub struct Sources<'a> {
    /// Its tokenizer says how many pieces a word has; its masked-LM head, if it has one, gives candidates for words of
    /// one piece.
    pub model: &'a Checkpoint,
    /// For words of several pieces, and for all words where the model has no masked-LM head.
    pub vectors: Option<&'a WordVectors>,
    /// The file of the vectors, for the record.
    pub vectors_file: Option<PathBuf>,
}

/// What augmentation did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AugmentReport {
    /// Rows read, those of an interrupted run included.
    pub rows: usize,
    /// Rows written: each row read, then its variants.
    pub written: usize,
    /// Rows read per second in this process.
    pub rows_per_second: f64,
    /// In words: where candidates came from.
    pub candidates: &'static str,
}

/// Rows whose candidates are found together: enough sentences for full batches of every length.
const CHUNK: usize = 256;

/// Apart from every other use of the same numbers.
const STREAM: u64 = u64::from_be_bytes(*b"augment\0");

/// Writes every row of `rows` to `out`, each followed by its variants: of a pair first those with another first sentence,
/// then those with another second one. With `resume` it goes on where an interrupted run stopped.
///
/// # Errors
/// [`Error::Usage`] for settings that cannot be, without any source of candidates, or if `OUT.run` holds another run;
/// [`Error::Interrupted`] when the user asks to stop; [`Error::Input`]; [`Error::Io`].
pub fn augment(
    settings: &AugmentSettings,
    sources: &Sources,
    rows: &RawRows,
    out: &Path,
    resume: bool,
    context: &Context,
) -> Result<AugmentReport> {
    check(settings)?;
    let candidates = origin(sources, context)?;
    let mut inputs = sources.model.hashes()?;
    let files = [Some(&rows.source), sources.vectors_file.as_ref()];
    inputs.extend(files.into_iter().flatten().map(|path| FileHash::of(path)).collect::<Result<Vec<_>>>()?);
    let record = RunRecord {
        command: "augment".into(),
        settings: json!(settings),
        seed: settings.seed,
        inputs,
        metrics: json!(null),
    };
    let identity = Identity::new(&record).with_digest("rows", rows.digest());
    let ranks = context.ranks;
    identity.check_ranks(ranks)?;
    let mut journal = Journal::open(out, resume, identity, context)?;
    let masked = match sources.model.head {
        Head::MaskedLm => {
            Some(MaskedCandidates::new(sources.model, settings.candidates, settings.masked_share)?)
        }
        _ => None,
    };
    let near = sources.vectors.map(|vectors| Neighbours::new(vectors, settings.candidates));
    let mut finder = Finder { model: sources.model, masked, near };

    let (begun, first) = (Instant::now(), journal.rows());
    context.progress.begin("augment", rows.rows.len() as u64);
    context.progress.resume(first as u64);
    if journal.is_new() {
        journal.append(&rows.layout.header(), 0, 0)?;
    }
    while journal.rows() < rows.rows.len() {
        // A chunk for each rank; the last ones may find nothing left.
        let at = journal.rows();
        let [begin, end] = [0, 1].map(|next| rows.rows.len().min(at + (ranks.rank() + next) * CHUNK));
        let chunk = &rows.rows[begin..end];
        let mine = match augment_chunk(settings, &mut finder, chunk, begin, rows, context) {
            Err(Error::Interrupted(_)) => None,
            done => Some(done?),
        };
        let all = ranks.gather_values(mine.map(|(text, written)| (text, chunk.len(), written)))?;
        let Some(all) = all.into_iter().collect::<Option<Vec<_>>>() else {
            journal.save()?;
            ranks.wait()?;
            return Err(Error::Interrupted(format!(
                "augment interrupted after {at} of {} rows; give --resume to go on from there",
                rows.rows.len()
            )));
        };
        for (text, rows, written) in all {
            journal.append(&text, rows, written)?;
        }
        context.progress.advance(journal.rows() as u64, &format!("{} written", journal.written()));
    }
    context.progress.end();
    let report = AugmentReport {
        rows: rows.rows.len(),
        written: journal.written(),
        rows_per_second: (rows.rows.len() - first) as f64 / begun.elapsed().as_secs_f64(),
        candidates,
    };
    journal.finish(&RunRecord { metrics: json!(report), ..record })?;
    Ok(report)
}

fn check(settings: &AugmentSettings) -> Result<()> {
    if settings.variants == 0 || settings.candidates == 0 {
        return Err(Error::Usage("variants and candidates must be at least 1".into()));
    }
    let AugmentSettings { probability, masked_share, .. } = settings;
    if !(*probability > 0.0 && *probability <= 1.0) {
        return Err(Error::Usage(format!("probability {probability}: it must be above 0 and at most 1")));
    }
    if !(0.0..=1.0).contains(masked_share) {
        return Err(Error::Usage(format!("masked share {masked_share}: it must be from 0 to 1")));
    }
    Ok(())
}

/// Ends a chunk; [`augment`] says how far it had come.
fn interrupted() -> Error {
    Error::Interrupted("augment interrupted".into())
}

/// Where candidates will come from; what is missing is said.
fn origin(sources: &Sources, context: &Context) -> Result<&'static str> {
    let folder = sources.model.folder.display();
    match (&sources.model.head, sources.vectors) {
        (Head::MaskedLm, Some(_)) => Ok("masked LM and word vectors"),
        (Head::MaskedLm, None) => {
            context
                .progress
                .say("NOTE: no word vectors were given: words of several pieces stay as they are");
            Ok("masked LM only; words of several pieces stay as they are")
        }
        (_, Some(_)) => {
            context.progress.say(&format!(
                "NOTE: {folder} has no masked-LM head: candidates of ALL words come from the word vectors, which know \
                 nothing of the sentence; `fine-tune --objective mlm` makes a head"
            ));
            Ok("word vectors only, without a masked-LM head")
        }
        (head, None) => Err(Error::Usage(format!(
            "{folder}: its head is: {}, which gives no candidates, and no word vectors were given; make a masked-LM head \
             with `fine-tune --objective mlm`, or give --vectors",
            head.kind()
        ))),
    }
}

/// Finds candidates.
struct Finder<'a> {
    model: &'a Checkpoint,
    masked: Option<MaskedCandidates>,
    near: Option<Neighbours<'a>>,
}

impl Finder<'_> {
    /// Candidates by sentence and index of the word.
    fn find(
        &mut self,
        sentences: &[Sentence],
        context: &Context,
    ) -> Result<HashMap<(usize, usize), Vec<String>>> {
        let mut found: HashMap<_, _> = match &self.masked {
            Some(masked) => masked.answers(sentences, context)?.into_iter().collect(),
            None => HashMap::new(),
        };
        if let Some(near) = &mut self.near {
            let open: Vec<((usize, usize), String)> = sentences
                .iter()
                .enumerate()
                .flat_map(|(at, sentence)| {
                    sentence.replaceable.iter().map(move |&word| ((at, word), sentence.spelling(word)))
                })
                .filter(|(word, _)| !found.contains_key(word))
                .collect();
            near.prepare(open.iter().map(|(_, spelling)| spelling.clone()).collect(), context)?;
            found.extend(open.into_iter().map(|(word, spelling)| (word, near.of(&spelling).to_vec())));
        }
        Ok(found)
    }
}

/// The output of some rows, the first of which is row `first` of the input, and how many rows it is.
fn augment_chunk(
    settings: &AugmentSettings,
    finder: &mut Finder,
    chunk: &[RawRow],
    first: usize,
    rows: &RawRows,
    context: &Context,
) -> Result<(String, usize)> {
    if context.should_stop() {
        return Err(interrupted());
    }
    // Both sentences of a pair are sentences of their own: (row, side, text).
    let sides = |(at, row): (usize, &RawRow)| {
        [Some((at, 0, row.text.clone())), row.pair.clone().map(|pair| (at, 1, pair))]
    };
    let texts: Vec<(usize, u64, String)> = chunk.iter().enumerate().flat_map(sides).flatten().collect();
    let text = &finder.model.text;
    let sentences =
        texts.par_iter().map(|(_, _, side)| Sentence::new(side, text)).collect::<Result<Vec<_>>>()?;
    let candidates = finder.find(&sentences, context)?;
    let drawn: Vec<Vec<String>> = sentences
        .par_iter()
        .enumerate()
        .map(|(at, sentence)| {
            let (row, side, _) = texts[at];
            let words: Vec<Replaceable> = sentence
                .replaceable
                .iter()
                .filter_map(|&word| {
                    Some((word, candidates.get(&(at, word)).filter(|list| !list.is_empty())?))
                })
                .map(|(word, candidates)| Replaceable { span: sentence.words[word].span.clone(), candidates })
                .collect();
            let mut rng = keyed([settings.seed, (first + row) as u64, side, STREAM]);
            variants(sentence.text, &words, settings.probability, settings.variants, &mut rng)
        })
        .collect();

    let (mut output, mut written) = (String::new(), 0);
    let mut write = |row: &RawRow| {
        output += &rows.layout.line(row);
        written += 1;
    };
    let mut drawn = texts.iter().zip(drawn).peekable();
    for (at, row) in chunk.iter().enumerate() {
        write(row);
        while let Some(((_, side, _), variants)) = drawn.next_if(|((of, ..), _)| *of == at) {
            for variant in variants {
                // The other sentence is always the original one.
                write(&match side {
                    0 => RawRow { text: variant, ..row.clone() },
                    _ => RawRow { pair: Some(variant), ..row.clone() },
                });
            }
        }
    }
    Ok((output, written))
}
