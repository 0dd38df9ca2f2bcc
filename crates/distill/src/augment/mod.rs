//! Augmentation of task data (arXiv 1909.10351, algorithm 1): variants of every sentence in which words are
//! replaced by candidates of a masked LM or by near words of a table of word vectors.
//!
//! Rows are processed in chunks. For each chunk, the candidates of all words are found first, in batches of
//! near-equal length. Then the variants are drawn, with a random generator of its own for each sentence, so
//! that the output depends only on the inputs, the settings and the seed. Several ranks process one chunk
//! each at a time, and rank 0 writes the chunks in their order.

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
use self::journal::AugmentJournal;
use self::masked::{MaskedCandidates, WordPosition};
pub use self::splits::copy_splits;
use self::variants::{ReplaceableWord, draw_variants};
use self::words::Sentence;
use tinybert_base::random::keyed;
use tinybert_base::{Context, Error, FileHash, Result};
use tinybert_data::{RawRow, RawRows};
use tinybert_model::{Checkpoint, Head, RunRecord};
use tinybert_train::Identity;

/// Settings of [`augment`]; the defaults are the paper's.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AugmentSettings {
    /// Variants of each sentence, N. A sentence with fewer different variants gets fewer.
    pub variants: usize,
    /// Probability p that a word is replaced.
    pub probability: f64,
    /// Number K of candidates for each word.
    pub candidates: usize,
    /// Share of the masked LM's input that a pass masks; it masks at least one word. The input has the
    /// sentence twice. With 0 a pass masks one word, as in the authors' code. More words per pass are faster,
    /// and masked LMs are trained with a share of 0.15.
    pub masked_share: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for AugmentSettings {
    fn default() -> Self {
        Self { variants: 20, probability: 0.4, candidates: 15, masked_share: 0.15, seed: 42 }
    }
}

/// The sources of candidates.
pub struct CandidateSources<'a> {
    /// A model whose tokenizer says how many pieces a word has. Its masked-LM head, if it has one, gives
    /// candidates for words of one piece.
    pub model: &'a Checkpoint,
    /// Word vectors for words of several pieces, and for all words if the model has no masked-LM head.
    pub vectors: Option<&'a WordVectors>,
    /// The file of the vectors, for the record.
    pub vectors_file: Option<PathBuf>,
}

/// The result of augmentation.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AugmentReport {
    /// Rows read, including those of an interrupted run.
    pub rows: usize,
    /// Rows written: the rows that were read, and their variants.
    pub written: usize,
    /// Rows read per second in this process.
    pub rows_per_second: f64,
    /// The sources of the candidates, in words.
    pub candidates: &'static str,
}

/// Number of rows whose candidates are found together: enough sentences for full batches of every length.
const CHUNK_ROWS: usize = 256;

/// Key of the random numbers of augmentation, which no other use of the same seed has.
const STREAM: u64 = u64::from_be_bytes(*b"augment\0");

/// Writes every row of `rows` to `out`, each followed by its variants. For a pair these are first the
/// variants of its first sentence, then those of its second. With `resume` the run continues where an
/// interrupted run stopped.
///
/// # Errors
/// [`Error::Usage`] for impossible settings, without any source of candidates, or if `OUT.run` holds another
/// run; [`Error::Interrupted`] if the user asks to stop; [`Error::Input`]; [`Error::Io`].
pub fn augment(
    settings: &AugmentSettings,
    sources: &CandidateSources,
    rows: &RawRows,
    out: &Path,
    resume: bool,
    context: &Context,
) -> Result<AugmentReport> {
    check(settings)?;
    if sources.model.text.has_own_pieces() {
        return Err(Error::Usage(format!(
            "{}: {} reads pieces of its own, and words are replaced by WordPiece: give --model a BERT model",
            sources.model.folder.display(),
            sources.model.config.architecture.name()
        )));
    }
    let candidates = describe_sources(sources, context)?;
    let mut inputs = sources.model.hashes()?;
    let files = [Some(&rows.source), sources.vectors_file.as_ref()];
    inputs.extend(FileHash::of_files(files.into_iter().flatten())?);
    let record = RunRecord::new("augment", json!(settings), settings.seed, inputs);
    let identity = Identity::new(&record).with_digest("rows", rows.digest());
    let ranks = context.ranks;
    identity.check_ranks(ranks)?;
    let mut journal = AugmentJournal::open(out, resume, identity, context)?;
    let masked = match sources.model.head {
        Head::MaskedLm => {
            Some(MaskedCandidates::new(sources.model, settings.candidates, settings.masked_share)?)
        }
        _ => None,
    };
    let near = sources.vectors.map(|vectors| Neighbours::new(vectors, settings.candidates));
    let mut finder = CandidateFinder { model: sources.model, masked, near };

    let (begun, first) = (Instant::now(), journal.rows());
    context.progress.begin("augment", rows.rows.len() as u64);
    context.progress.resume(first as u64);
    if journal.is_new() {
        journal.append(&rows.layout.header(), 0, 0)?;
    }
    while journal.rows() < rows.rows.len() {
        // Each rank has a chunk. Some ranks have no rows left at the end.
        let at = journal.rows();
        let [begin, end] = [0, 1].map(|next| rows.rows.len().min(at + (ranks.rank() + next) * CHUNK_ROWS));
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

/// The error that ends a chunk. [`augment`] replaces it by a message with the number of finished rows.
fn interrupted() -> Error {
    Error::Interrupted("augment interrupted".into())
}

/// Describes the sources of candidates, and tells the user which source is missing.
fn describe_sources(sources: &CandidateSources, context: &Context) -> Result<&'static str> {
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

/// Finds the candidates of words.
struct CandidateFinder<'a> {
    model: &'a Checkpoint,
    masked: Option<MaskedCandidates>,
    near: Option<Neighbours<'a>>,
}

impl CandidateFinder<'_> {
    /// Candidates by the position of the word.
    fn find(
        &mut self,
        sentences: &[Sentence],
        context: &Context,
    ) -> Result<HashMap<WordPosition, Vec<String>>> {
        let mut found: HashMap<_, _> = match &self.masked {
            Some(masked) => masked.candidates(sentences, context)?.into_iter().collect(),
            None => HashMap::new(),
        };
        if let Some(near) = &mut self.near {
            let open: Vec<(WordPosition, String)> = sentences
                .iter()
                .enumerate()
                .flat_map(|(at, sentence)| {
                    sentence.replaceable.iter().map(move |&word| ((at, word), sentence.spelling(word)))
                })
                .filter(|(word, _)| !found.contains_key(word))
                .collect();
            near.prepare(open.iter().map(|(_, spelling)| spelling.clone()).collect(), context)?;
            found.extend(open.into_iter().map(|(word, spelling)| (word, near.of_word(&spelling).to_vec())));
        }
        Ok(found)
    }
}

/// The output for the rows of a chunk, and its number of rows. The chunk begins with row `first` of the input.
fn augment_chunk(
    settings: &AugmentSettings,
    finder: &mut CandidateFinder,
    chunk: &[RawRow],
    first: usize,
    rows: &RawRows,
    context: &Context,
) -> Result<(String, usize)> {
    if context.should_stop() {
        return Err(interrupted());
    }
    // The two sentences of a pair are augmented separately: (row, side, text).
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
            let words: Vec<ReplaceableWord> = sentence
                .replaceable
                .iter()
                .filter_map(|&word| {
                    Some((word, candidates.get(&(at, word)).filter(|list| !list.is_empty())?))
                })
                .map(|(word, candidates)| ReplaceableWord {
                    span: sentence.words[word].span.clone(),
                    candidates,
                })
                .collect();
            let mut rng = keyed([settings.seed, (first + row) as u64, side, STREAM]);
            draw_variants(sentence.text, &words, settings.probability, settings.variants, &mut rng)
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
                // The other sentence of a pair is always the original.
                write(&match side {
                    0 => RawRow { text: variant, ..row.clone() },
                    _ => RawRow { pair: Some(variant), ..row.clone() },
                });
            }
        }
    }
    Ok((output, written))
}
