//! Sentences per second of `augment` against the procedure of TinyBERT's authors, on the same sentences and
//! models.
//!
//! ```sh
//! cargo bench --bench augmentation -- MODEL VECTORS SST-2-FOLDER [SENTENCES]
//! ```
//!
//! The authors' procedure is written out here as their code has it: one word at a time, each with a forward
//! pass of its own, logits of every token, a full sort of the vocabulary, and for words of several pieces a
//! full sort of all word vectors; candidates are not kept for the next sentence. Both use as many threads as
//! `RAYON_NUM_THREADS` says.

use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::D;
use rand_chacha::rand_core::RngCore;
use tinybert_base::progress::Silent;
use tinybert_base::{Context, random};
use tinybert_data::{DataSpec, GlueTask, RawRows, Source, Split, collate, read_rows};
use tinybert_distill::augment::{AugmentSettings, CandidateSources, WordVectors, augment};
use tinybert_model::{Checkpoint, EncodedInput, EncodedWord, TextEncoder};
use tinybert_nn::MaskedLm;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CANDIDATES: usize = 15;
const TRIES: usize = 20;

fn main() -> tinybert_base::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [model, vectors, data, rest @ ..] = args.as_slice() else {
        println!("augmentation is not measured without models: give MODEL VECTORS SST-2-FOLDER [SENTENCES]");
        return Ok(());
    };
    let count: usize = rest.first().and_then(|count| count.parse().ok()).unwrap_or(512);
    let model = Checkpoint::load(Path::new(model))?;
    let table = WordVectors::read(Path::new(vectors))?;
    let source = Source::Glue { task: GlueTask::Sst2, folder: PathBuf::from(data) };
    let mut rows = read_rows(&DataSpec { source, labels: None }, Split::Train, &Silent)?;
    // Spread over the file: its phrases of one sentence stand together.
    let step = (rows.rows.len() / count).max(1);
    rows.rows = rows.rows.into_iter().step_by(step).take(count).collect();

    let sources = CandidateSources { model: &model, vectors: Some(&table), vectors_file: None };
    let out = std::env::temp_dir().join(format!("augment-speed-{}.tsv", std::process::id()));
    for share in [0.0, AugmentSettings::default().masked_share] {
        let settings = AugmentSettings { masked_share: share, ..AugmentSettings::default() };
        let (begun, cpu) = (Instant::now(), cpu_seconds());
        augment(&settings, &sources, &rows, &out, false, &Context::default())?;
        report(&format!("augment, masked share {share}"), rows.rows.len(), begun, cpu);
    }
    // A part of them is enough for the slow one.
    rows.rows = rows.rows.into_iter().step_by(8).collect();
    let unit_vectors = all_vectors(Path::new(vectors))?;
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    one_at_a_time(&model, &unit_vectors, &rows)?;
    report("one at a time", rows.rows.len(), begun, cpu);
    Ok(())
}

fn report(what: &str, sentences: usize, begun: Instant, cpu: f64) {
    let n = sentences as f64;
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    println!("{what}: {:.2} sentences/s, {:.2} per CPU second", n / wall, n / cpu);
}

/// Seconds of CPU time that this process has taken: a fair measure on a machine that does other work too.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Fields 14 and 15, user and system time in hundredths; the name before them is in brackets.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Every word of the file with its unit vector.
type Table = Vec<(String, Vec<f32>)>;

fn all_vectors(path: &Path) -> tinybert_base::Result<Table> {
    let text = std::fs::read_to_string(path).map_err(tinybert_base::Error::io(path))?;
    let parse = |line: &str| {
        let (word, numbers) = line.split_once(' ')?;
        let vector: Vec<f32> = numbers.split(' ').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        Some((word.to_owned(), vector.iter().map(|v| v / norm).collect()))
    };
    Ok(text.lines().filter_map(parse).collect())
}

/// The nearest words, from all cosines, all of them sorted.
fn nearest(vectors: &Table, word: &str) -> Vec<String> {
    let Some((_, own)) = vectors.iter().find(|(other, _)| other == word) else { return Vec::new() };
    let cosine = |other: &[f32]| own.iter().zip(other).map(|(a, b)| a * b).sum::<f32>();
    let mut order: Vec<(f32, &String)> =
        vectors.iter().map(|(other, vector)| (cosine(vector), other)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    order.into_iter().skip(1).take(CANDIDATES).map(|(_, other)| other.clone()).collect()
}

/// The authors' procedure.
fn one_at_a_time(model: &Checkpoint, vectors: &Table, rows: &RawRows) -> tinybert_base::Result<()> {
    let masked_lm = MaskedLm::frozen(&model.config, &model.tensors)?;
    let pieces = model.text.pieces();
    let mut rng = random::generator(1, "one at a time");
    let mut variants = 0;
    for row in &rows.rows {
        let text = &row.text;
        let words = model.text.words(text)?;
        let mut replaceable = Vec::new();
        for (at, word) in words.iter().enumerate() {
            let spelling = &text[word.span.clone()];
            if !spelling.bytes().all(|byte| byte.is_ascii_lowercase()) || spelling.len() < 4 {
                continue;
            }
            let candidates = match word.ids[..] {
                [_] => most_likely(&masked_lm, &model.text, &pieces, text, at)?,
                _ => nearest(vectors, spelling),
            };
            replaceable.push((word.span.clone(), candidates));
        }
        for _ in 0..TRIES {
            let mut variant = text.clone();
            for (span, candidates) in
                replaceable.iter().rev().filter(|(_, candidates)| !candidates.is_empty())
            {
                if rng.next_u32() % 10 < 4 {
                    variant
                        .replace_range(span.clone(), &candidates[rng.next_u32() as usize % candidates.len()]);
                }
            }
            variants += usize::from(variant != *text);
        }
    }
    println!("({variants} variants one at a time)");
    Ok(())
}

/// Candidates of a word of one piece, from a pass for itself.
fn most_likely(
    model: &MaskedLm,
    encoder: &TextEncoder,
    pieces: &[String],
    text: &str,
    at: usize,
) -> tinybert_base::Result<Vec<String>> {
    let words = encoder.words(text)?;
    let special = encoder.special();
    let before: usize = words[..at].iter().map(|EncodedWord { ids, .. }| ids.len()).sum();
    let original: Vec<u32> = words.into_iter().flat_map(|word| word.ids).collect();
    let mut masked = original.clone();
    masked[before] = special.mask.unwrap_or(special.unk);
    let ids = [vec![special.cls], masked, vec![special.sep], original.clone(), vec![special.sep]].concat();
    let mut type_ids = vec![0; original.len() + 2];
    type_ids.resize(ids.len(), 1);
    let every: Vec<u32> = (0..ids.len() as u32).collect();
    let batch = collate(&[EncodedInput { ids, type_ids }], &[0], special.pad);
    let logits = model.logits(&batch, &every)?;
    let order = logits.get(before + 1)?.arg_sort_last_dim(false)?.narrow(D::Minus1, 0, CANDIDATES)?;
    let best = order.to_vec1::<u32>()?.into_iter().map(|id| pieces[id as usize].clone());
    Ok(best.filter(|piece| !piece.starts_with("##")).collect())
}
