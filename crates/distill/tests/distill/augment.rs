//! Augmentation from file to file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use tinybert_base::progress::{Progress, Silent};
use tinybert_base::{Context, Error, Result, own_folder};
use tinybert_data::task::TaskKind;
use tinybert_data::{
    Batch, ColumnNames, DataSpec, GlueTask, RawRow, RawRows, Source, Split, TableFiles, read_rows,
};
use tinybert_distill::augment::{AugmentSettings, CandidateSources, WordVectors, augment, copy_splits};
use tinybert_model::{BertConfig, Checkpoint, Head, TextEncoder};
use tinybert_nn::{MaskedLm, init_parameters};
use tinybert_testing::toy;

/// Words that the toy vocabulary has as one piece, in the masked LM's vocabulary, and with vectors.
const ONE_PIECE: [&str; 14] = [
    "the", "film", "was", "a", "play", "we", "saw", "today", "dull", "bad", "slow", "good", "bright", "fine",
];

fn masked_lm(place: &Path) -> Checkpoint {
    toy::model(&place.join("masked-lm"), &toy::config(1, 16), &Head::MaskedLm)
}

/// Vectors of some words; the toy vocabulary lacks "thrilling" and "gripping".
fn vectors(place: &Path) -> (WordVectors, PathBuf) {
    let path = place.join("vectors.txt");
    fs::write(
        &path,
        "film 1 0\nmovie 1 0.1\nthrilling 0 1\ngripping 0.1 1\nplay 0.9 0.2\ngood -1 0\nfine -1 0.1\n",
    )
    .unwrap();
    (WordVectors::read(&path).unwrap(), path)
}

fn columns(pair: bool) -> ColumnNames {
    ColumnNames {
        text: "text".into(),
        pair: pair.then(|| "pair".into()),
        label: Some("label".into()),
        soft_labels: None,
    }
}

fn table(train: PathBuf, pair: bool) -> DataSpec {
    let columns = columns(pair);
    let kind = TaskKind::Classification;
    let source = Source::Table(TableFiles {
        train: Some(train),
        dev: None,
        test: None,
        format: None,
        columns,
        kind,
        dev_share: None,
    });
    DataSpec { source, labels: None }
}

fn rows(spec: &DataSpec) -> RawRows {
    read_rows(spec, Split::Train, &Silent).unwrap()
}

/// 300 rows, more than a chunk.
fn sentences(place: &Path) -> RawRows {
    let path = place.join("train.jsonl");
    let line = |text: &str, label: usize| {
        format!("{{\"text\": \"{text}\", \"label\": \"class{label}\", \"more\": [1]}}\n")
    };
    let data = toy::sentences(300, 4);
    let lines = data.examples.iter().enumerate().map(|(at, example)| line(&example.text, at % 2));
    fs::write(&path, lines.collect::<String>()).unwrap();
    rows(&table(path, false))
}

fn settings() -> AugmentSettings {
    AugmentSettings { variants: 5, candidates: 6, ..AugmentSettings::default() }
}

fn run(settings: &AugmentSettings, rows: &RawRows, place: &Path, name: &str) -> Result<String> {
    let out = place.join(name);
    let model = masked_lm(place);
    let (vectors, file) = vectors(place);
    let sources = CandidateSources { model: &model, vectors: Some(&vectors), vectors_file: Some(file) };
    augment(settings, &sources, rows, &out, false, &Context::default())?;
    Ok(fs::read_to_string(out).unwrap())
}

#[test]
fn every_row_is_followed_by_distinct_variants_of_itself() {
    let place = tempfile::tempdir().unwrap();
    let rows = sentences(place.path());
    let text = run(&settings(), &rows, place.path(), "out.jsonl").unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut lines = lines.iter().peekable();
    for RawRow { text, label, .. } in &rows.rows {
        let original = lines.next().unwrap();
        assert_eq!(original["text"].as_str(), Some(text.as_str()));
        let words: Vec<&str> = text.split(' ').collect();
        let mut seen = BTreeSet::from([text.as_str()]);
        let mut variants = 0;
        while let Some(variant) = lines.next_if(|line| {
            line["text"].as_str().unwrap().split(' ').count() == words.len()
                && !seen.contains(line["text"].as_str().unwrap())
                && variants < 5
        }) {
            assert_eq!(variant["label"].as_str(), label.as_deref());
            let changed: Vec<&str> = variant["text"].as_str().unwrap().split(' ').collect();
            for (old, new) in words.iter().zip(&changed).filter(|(old, new)| old != new) {
                assert!(!["the", "was", "a", "we"].contains(old), "{old} is a stop word");
                assert!(ONE_PIECE.contains(new), "{new} is no word of the vocabulary");
            }
            seen.insert(variant["text"].as_str().unwrap());
            variants += 1;
        }
        assert_eq!(variants, 5, "{text}");
    }
    assert!(lines.next().is_none());
    // The usual reader understands the file.
    let again =
        tinybert_data::load(&table(place.path().join("out.jsonl"), false), Split::Train, &Silent).unwrap();
    assert_eq!((again.examples.len(), again.labels.len()), (300 * 6, 2));
    let record: Value =
        serde_json::from_slice(&fs::read(place.path().join("out.jsonl.run.json")).unwrap()).unwrap();
    assert_eq!((&record["command"], &record["metrics"]["written"]), (&"augment".into(), &1800.into()));
}

#[test]
fn one_seed_gives_one_output_on_any_number_of_threads() {
    let place = tempfile::tempdir().unwrap();
    let rows = sentences(place.path());
    let output = |threads: usize, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings = AugmentSettings { seed, ..settings() };
        pool.install(|| run(&settings, &rows, place.path(), "out.jsonl")).unwrap()
    };
    let one = output(1, 1);
    assert_eq!(one, output(3, 1));
    assert_ne!(one, output(3, 2));
}

/// Asks to stop once `rows` rows are done.
struct StopAtRow(std::sync::atomic::AtomicBool);

impl Progress for StopAtRow {
    fn advance(&self, _done: u64, _note: &str) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

impl StopAtRow {
    fn context(&self) -> Context<'_> {
        Context { progress: self, stop: &self.0, ..Context::default() }
    }
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bytes_and_refuses_another() {
    let place = tempfile::tempdir().unwrap();
    let rows = sentences(place.path());
    let whole = run(&settings(), &rows, place.path(), "whole.jsonl").unwrap();
    let (model, (vectors, file)) = (masked_lm(place.path()), vectors(place.path()));
    let sources = CandidateSources { model: &model, vectors: Some(&vectors), vectors_file: Some(file) };
    let out = place.path().join("out.jsonl");
    let go = |settings: &AugmentSettings, resume: bool, context: &Context| {
        augment(settings, &sources, &rows, &out, resume, context)
    };
    // There is nothing to resume yet: it begins.
    let error = go(&settings(), true, &StopAtRow(false.into()).context()).unwrap_err();
    assert!(matches!(&error, Error::Interrupted(what) if what.contains("after 256 of 300")), "{error}");
    assert!(!out.exists());
    let error = go(&settings(), false, &Context::default()).unwrap_err();
    assert!(error.to_string().contains("--resume"), "{error}");
    let other = AugmentSettings { variants: 6, ..settings() };
    let error = go(&other, true, &Context::default()).unwrap_err();
    assert!(error.to_string().contains("variants: it began with 5, now 6"), "{error}");
    let mut fewer = sentences(place.path());
    fewer.rows.pop();
    let error = augment(&settings(), &sources, &fewer, &out, true, &Context::default()).unwrap_err();
    assert!(error.to_string().contains("other rows"), "{error}");
    // A killed process may have written this after its last state.
    let unfinished = place.path().join("out.jsonl.run").join("rows");
    fs::write(&unfinished, fs::read_to_string(&unfinished).unwrap() + "{\"te").unwrap();
    go(&settings(), true, &Context::default()).unwrap();
    assert_eq!(fs::read_to_string(&out).unwrap(), whole);
    assert!(!place.path().join("out.jsonl.run").exists());
}

#[test]
fn a_run_by_word_vectors_alone_hears_that_it_is_to_stop() {
    let place = tempfile::tempdir().unwrap();
    let rows = sentences(place.path());
    let model = toy::model(&place.path().join("bare"), &toy::config(1, 16), &Head::None);
    let (vectors, file) = vectors(place.path());
    let sources = CandidateSources { model: &model, vectors: Some(&vectors), vectors_file: Some(file) };
    let out = place.path().join("out.jsonl");
    let stop = toy::StopAfter::new(0);
    let error = augment(&settings(), &sources, &rows, &out, false, &stop.context()).unwrap_err();
    assert!(matches!(&error, Error::Interrupted(what) if what.contains("after 0 of 300")), "{error}");
    // The run also stops between two blocks of words.
    let error =
        augment(&settings(), &sources, &rows, &out, true, &toy::StopAfter::new(1).context()).unwrap_err();
    assert!(matches!(&error, Error::Interrupted(_)), "{error}");
    augment(&settings(), &sources, &rows, &out, true, &Context::default()).unwrap();
    assert!(out.exists());
}

#[test]
fn a_run_killed_before_its_last_step_is_complete() {
    let place = tempfile::tempdir().unwrap();
    let rows = sentences(place.path());
    let text = run(&settings(), &rows, place.path(), "out.jsonl").unwrap();
    // The output has its name, and the state of the run is still there.
    let left = place.path().join("out.jsonl.run");
    own_folder::open(&left).unwrap();
    fs::write(left.join("state.json"), "{}").unwrap();
    let out = place.path().join("out.jsonl");
    let model = masked_lm(place.path());
    let sources = CandidateSources { model: &model, vectors: None, vectors_file: None };
    let error = augment(&settings(), &sources, &rows, &out, true, &Context::default()).unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("is complete")), "{error}");
    assert_eq!((left.exists(), fs::read_to_string(&out).unwrap()), (false, text));
}

#[test]
fn other_splits_are_copied_and_never_replaced() {
    let place = tempfile::tempdir().unwrap();
    let [from, to] = ["task", "augmented"].map(|name| place.path().join(name));
    fs::create_dir(&from).unwrap();
    for (name, content) in [("train.tsv", "a"), ("dev.tsv", "b"), ("test.tsv", "c"), ("notes.txt", "d")] {
        fs::write(from.join(name), content).unwrap();
    }
    copy_splits(&from, &to).unwrap();
    copy_splits(&from, &to).unwrap();
    let names: BTreeSet<_> = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, BTreeSet::from(["dev.tsv".into(), "test.tsv".into()]));
    fs::write(to.join("test.tsv"), "mine").unwrap();
    fs::remove_file(to.join("dev.tsv")).unwrap();
    let error = copy_splits(&from, &to).unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("test.tsv")), "{error}");
    assert_eq!(fs::read_to_string(to.join("test.tsv")).unwrap(), "mine");
    assert!(!to.join("dev.tsv").exists());
}

#[test]
fn of_a_pair_one_side_changes_at_a_time() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("train.csv");
    fs::write(&path, "label,text,pair\nyes,\"the film, \"\"bad\"\"\",good play\n").unwrap();
    run(&settings(), &rows(&table(path, true)), place.path(), "out.csv").unwrap();
    let out = rows(&table(place.path().join("out.csv"), true));
    let original = RawRow {
        text: "the film, \"bad\"".into(),
        pair: Some("good play".into()),
        label: Some("yes".into()),
    };
    assert_eq!(out.rows[0], original);
    let (first, second): (Vec<&RawRow>, Vec<_>) =
        out.rows[1..].iter().partition(|row| row.text != original.text);
    assert_eq!((first.len(), second.len()), (5, 5));
    assert!(first.iter().all(|row| row.pair == original.pair && row.text.contains(", \"")));
    assert!(second.iter().all(|row| row.pair != original.pair));
}

#[test]
fn glue_layouts_are_read_again_as_what_they_were() {
    let place = tempfile::tempdir().unwrap();
    for (task, content) in [
        (GlueTask::Cola, "src\t0\t*\tthe film was good\n"),
        (GlueTask::Mrpc, "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t2\t3\tgood film\tbad \"play\n"),
        (GlueTask::Stsb, "index\tsentence1\tsentence2\tscore\n0\tgood film\tbad play\t3.25\n"),
    ] {
        let folder = place.path().join(task.name());
        fs::create_dir_all(folder.join("out")).unwrap();
        fs::write(folder.join("train.tsv"), content).unwrap();
        let spec = |folder: PathBuf| DataSpec { source: Source::Glue { task, folder }, labels: None };
        let out = folder.join("out/train.tsv").strip_prefix(place.path()).unwrap().display().to_string();
        run(&settings(), &rows(&spec(folder.clone())), place.path(), &out).unwrap();
        let before = tinybert_data::load(&spec(folder.clone()), Split::Train, &Silent).unwrap().examples;
        let after = tinybert_data::load(&spec(folder.join("out")), Split::Train, &Silent).unwrap().examples;
        assert_eq!(before[0], after[0]);
        assert!(
            after.len() > 5 && after.iter().all(|example| example.target == before[0].target),
            "{after:?}"
        );
    }
}

/// The replacements of each word of the only row, over many variants.
fn replacements(
    sources: &CandidateSources,
    place: &Path,
    text: &str,
) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let path = place.join("one.tsv");
    fs::write(&path, format!("text\tlabel\n{text}\tx\n")).unwrap();
    let out = place.join("replaced.tsv");
    let settings = AugmentSettings { variants: 200, candidates: 3, ..settings() };
    augment(&settings, sources, &rows(&table(path, false)), &out, false, &Context::default())?;
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in &rows(&table(out, false)).rows {
        for (old, new) in text.split(' ').zip(row.text.split(' ')).filter(|(old, new)| old != new) {
            found.entry(old.into()).or_default().insert(new.into());
        }
    }
    Ok(found)
}

/// [`masked_lm`] over a vocabulary that spells "thrilling" in two pieces.
fn masked_lm_of_pieces(place: &Path) -> Checkpoint {
    let pieces = toy::text().pieces().into_iter().chain(["thri".into(), "##lling".into()]);
    let text = TextEncoder::from_pieces(pieces.collect(), true).unwrap();
    let config = BertConfig { vocab_size: text.vocab_size(), ..toy::config(1, 16) };
    let tensors = init_parameters(&config, &Head::MaskedLm, 5).unwrap();
    let folder = place.join("pieces");
    tinybert_model::save(&folder, &config, &Head::MaskedLm, &tensors, &text, &toy::record()).unwrap();
    Checkpoint::load(&folder).unwrap()
}

#[test]
fn words_of_one_piece_ask_the_masked_lm_and_others_the_vectors() {
    let place = tempfile::tempdir().unwrap();
    // "thrilling" is an unknown word to the first, and two pieces to the second.
    for model in [masked_lm(place.path()), masked_lm_of_pieces(place.path())] {
        check_who_is_asked(&model, place.path());
    }
}

fn check_who_is_asked(model: &Checkpoint, place: &Path) {
    let (vectors, _) = vectors(place);
    let text = "a thrilling film 2day";
    let of = |vectors| CandidateSources { model, vectors, vectors_file: None };
    let found = replacements(&of(Some(&vectors)), place, text).unwrap();
    assert_eq!(found["thrilling"], ["gripping", "movie", "play"].map(String::from).into());
    // The vectors would give movie, play and thrilling.
    assert_eq!(found["film"].len(), 3);
    let one_piece = |word: &String| ONE_PIECE.contains(&word.as_str()) || word == "thri";
    assert!(found["film"].iter().all(one_piece));
    assert_eq!(found.len(), 2, "stop words and words with digits stay");

    let without = replacements(&of(None), place, text).unwrap();
    assert_eq!(without.keys().collect::<Vec<_>>(), ["film"]);
    assert_eq!(without["film"], found["film"]);
}

#[test]
fn without_a_masked_lm_head_the_vectors_serve_all_words_and_without_both_nothing_goes() {
    let place = tempfile::tempdir().unwrap();
    let model = toy::model(&place.path().join("bare"), &toy::config(1, 16), &Head::None);
    let (vectors, _) = vectors(place.path());
    let sources = CandidateSources { model: &model, vectors: Some(&vectors), vectors_file: None };
    let found = replacements(&sources, place.path(), "a thrilling film").unwrap();
    assert_eq!(found["film"], ["movie", "play", "gripping"].map(String::from).into());
    let sources = CandidateSources { vectors: None, ..sources };
    let error = replacements(&sources, place.path(), "a film").unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("--objective mlm")), "{error}");
}

#[test]
fn a_sentence_longer_than_the_model_is_augmented_all_over() {
    let place = tempfile::tempdir().unwrap();
    let model = masked_lm(place.path());
    // 40 words; the model has 16 positions, of which a copy of the sentence may take 6.
    let text = ["film", "play", "dull", "bright"].repeat(10).join(" ");
    let path = place.path().join("one.tsv");
    fs::write(&path, format!("text\tlabel\n{text}\tx\n")).unwrap();
    let sources = CandidateSources { model: &model, vectors: None, vectors_file: None };
    let out = place.path().join("out.tsv");
    augment(&settings(), &sources, &rows(&table(path, false)), &out, false, &Context::default()).unwrap();
    let last = &rows(&table(out, false)).rows[1..];
    assert_eq!(last.len(), 5);
    let words: Vec<&str> = text.split(' ').collect();
    let mut changed = BTreeSet::new();
    for row in last {
        changed.extend((0..40).filter(|&at| row.text.split(' ').nth(at) != Some(words[at])));
    }
    // Five draws at 0.4 miss a place once in 13.
    assert!(changed.len() > 25 && changed.iter().any(|&at| at > 35), "{changed:?}");
}

#[test]
fn a_candidate_is_what_the_masked_lm_finds_likeliest_before_the_sentence_itself() {
    let place = tempfile::tempdir().unwrap();
    let model = masked_lm(place.path());
    let id = |word: &str| model.text.pieces().iter().position(|piece| piece == word).unwrap() as u32;
    // [CLS] the [MASK] was [SEP] the film was [SEP]
    let masked = ["[CLS]", "the", "[MASK]", "was", "[SEP]"].map(id);
    let original = ["the", "film", "was", "[SEP]"].map(id);
    let batch = Batch {
        ids: [&masked[..], &original[..]].concat(),
        type_ids: vec![0, 0, 0, 0, 0, 1, 1, 1, 1],
        lengths: vec![9],
        samples: vec![0],
        tokens: 9,
        words: None,
    };
    let logits = MaskedLm::frozen(&model.config, &model.tensors).unwrap().logits(&batch, &[2]).unwrap();
    let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
    let words = ["play", "saw", "today", "dull", "bad", "slow", "good", "bright", "fine"];
    let best = words.into_iter().max_by(|a, b| logits[id(a) as usize].total_cmp(&logits[id(b) as usize]));

    let path = place.path().join("one.tsv");
    fs::write(&path, "text\tlabel\nthe film was\tx\n").unwrap();
    let sources = CandidateSources { model: &model, vectors: None, vectors_file: None };
    let settings = AugmentSettings { variants: 1, probability: 1.0, candidates: 1, ..settings() };
    let out = place.path().join("out.tsv");
    augment(&settings, &sources, &rows(&table(path, false)), &out, false, &Context::default()).unwrap();
    assert_eq!(rows(&table(out, false)).rows[1].text, format!("the {} was", best.unwrap()));
}

#[test]
fn one_word_at_a_time_and_several_agree_where_there_is_one_word() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("one.jsonl");
    fs::write(&path, "{\"text\": \"the film was\", \"label\": \"x\"}\n").unwrap();
    let rows = rows(&table(path, false));
    let one = run(&AugmentSettings { masked_share: 0.0, ..settings() }, &rows, place.path(), "a.jsonl");
    assert_eq!(one.unwrap(), run(&settings(), &rows, place.path(), "b.jsonl").unwrap());
}

#[test]
fn a_file_of_someone_elses_is_not_replaced_but_our_own_is() {
    let place = tempfile::tempdir().unwrap();
    let rows = sentences(place.path());
    let error = run(&settings(), &rows, place.path(), "train.jsonl").unwrap_err();
    assert!(matches!(&error, Error::Usage(what) if what.contains("not written by this command")), "{error}");
    let first = run(&settings(), &rows, place.path(), "out.jsonl").unwrap();
    assert_ne!(
        first,
        run(&AugmentSettings { seed: 1, ..settings() }, &rows, place.path(), "out.jsonl").unwrap()
    );
}

#[test]
fn what_cannot_be_is_refused_with_a_reason() {
    let place = tempfile::tempdir().unwrap();
    let rows = sentences(place.path());
    for (settings, part) in [
        (AugmentSettings { variants: 0, ..settings() }, "at least 1"),
        (AugmentSettings { probability: 0.0, ..settings() }, "probability 0"),
        (AugmentSettings { masked_share: 1.5, ..settings() }, "masked share 1.5"),
    ] {
        let error = run(&settings, &rows, place.path(), "out.jsonl").unwrap_err();
        assert!(matches!(&error, Error::Usage(what) if what.contains(part)), "{error}");
    }
}
