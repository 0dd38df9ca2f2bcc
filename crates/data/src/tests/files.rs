//! Parquet and compressed files, as the usual libraries write them: `tests/reference/files.py`.

use std::path::{Path, PathBuf};

use super::{Folder, fault, load_and_listen, targets, texts};
use crate::task::{Target, TaskKind};
use crate::{ColumnNames, Corpus, DataSpec, Source, Split, TableFiles, WindowSettings};
use tinybert_base::Context;
use tinybert_model::TextEncoder;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/files").join(name)
}

/// A spec whose training file is `path`, with these columns.
fn spec(path: PathBuf, [text, label]: [&str; 2], kind: TaskKind) -> DataSpec {
    let columns = ColumnNames { text: text.into(), pair: None, label: Some(label.into()), soft_labels: None };
    let (train, format, dev_share) = (Some(path), None, None);
    let source = Source::Table(TableFiles { train, dev: None, test: None, format, columns, kind, dev_share });
    DataSpec { source, labels: None }
}

fn classes(path: PathBuf) -> DataSpec {
    spec(path, ["text", "label"], TaskKind::Classification)
}

/// The message about the first `bytes` bytes of a file.
fn fault_of_a_part(name: &str, bytes: usize) -> String {
    let content = std::fs::read(file(name)).expect("the file is there");
    let folder = Folder::new();
    fault(&classes(folder.write(name, &content[..bytes])), Split::Train)
}

fn windows(name: &str) -> Vec<Vec<u32>> {
    windows_of(file(name))
}

fn windows_of(path: PathBuf) -> Vec<Vec<u32>> {
    let letters = ('a'..='z').flat_map(|letter| [letter.to_string(), format!("##{letter}")]);
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "."].map(String::from);
    let text =
        TextEncoder::from_pieces(special.into_iter().chain(letters).collect(), true).expect("a vocabulary");
    let folder = Folder::new();
    let mut corpus = Corpus::open(&[path], &folder.path()).expect("a corpus");
    let settings = WindowSettings { max_tokens: 16, limit: None, seed: 0 };
    let set = corpus.windows(&text, settings, &Context::default()).expect("windows");
    (0..set.len()).map(|window| set.ids(window).expect("ids")).collect()
}

#[test]
fn compressed_tables_are_read_by_the_extension_before_that_of_the_compression() {
    let (rows, _) = load_and_listen(&classes(file("rows.jsonl.gz")), Split::Train);
    assert_eq!((rows.examples.len(), rows.labels.join(" ").as_str()), (2000, "a b"));
    assert_eq!(rows.examples[1999].text, "line 1999");
    let (rows, _) = load_and_listen(&classes(file("rows.csv.gz")), Split::Train);
    assert_eq!(texts(&rows), ["one, two", "three"]);
    let (rows, _) = load_and_listen(&classes(file("rows.tsv.zst")), Split::Train);
    assert_eq!(texts(&rows), ["one", "two"]);
}

#[test]
fn a_cut_compressed_file_is_named_with_the_row() {
    let whole = std::fs::metadata(file("rows.jsonl.gz")).expect("the file is there").len() as usize;
    let said = fault_of_a_part("rows.jsonl.gz", whole * 3 / 4);
    let line: usize = said.split(':').nth(1).and_then(|line| line.parse().ok()).expect("a line");
    assert!((1001..2000).contains(&line) && said.contains("the file is cut"), "{said}");
    let said = fault_of_a_part("rows.tsv.zst", 12);
    assert!(said.contains("rows.tsv.zst:1") && said.contains("the file is cut"), "{said}");
    let whole = std::fs::metadata(file("rows.csv.gz")).expect("the file is there").len() as usize;
    for part in [whole - 1, whole - 9, whole / 2, 11] {
        let said = fault_of_a_part("rows.csv.gz", part);
        assert!(said.contains("rows.csv.gz:") && said.contains("the file is cut"), "{part}: {said}");
    }
    let damaged = Folder::new();
    let path = damaged.write("a.jsonl.gz", "this is no gzip file");
    assert!(fault(&classes(path), Split::Train).contains("a.jsonl.gz:1: the compressed data are damaged"));
}

#[test]
fn a_compressed_corpus_gives_the_windows_of_its_text() {
    let plain = windows("corpus.txt");
    assert!(plain.len() > 2);
    assert_eq!(windows("corpus.txt.gz"), plain);
    assert_eq!(windows("corpus.txt.zst"), plain);
    let folder = Folder::new();
    let content = std::fs::read(file("corpus.txt.zst")).expect("the file is there");
    let cut = folder.write("cut.txt.zst", &content[..content.len() - 5]);
    let error = Corpus::open(&[cut], &folder.path()).err().expect("a fault").to_string();
    assert!(error.contains("cut.txt.zst:") && error.contains("the file is cut"), "{error}");
}

#[cfg(feature = "parquet")]
mod parquet {
    use super::*;

    #[test]
    fn classes_have_the_names_that_the_file_gives_them() {
        let (rows, _) = load_and_listen(&classes(file("classes.parquet")), Split::Train);
        assert_eq!(rows.labels, ["music", "weather", "other"]);
        assert_eq!(targets(&rows), [1, 0, 2, 0].map(Target::Class));
        assert_eq!(texts(&rows), ["say \"hi\", you", "", "über 东京\tand more", "play jazz"]);
        let scores = spec(file("classes.parquet"), ["text", "score"], TaskKind::Regression);
        assert_eq!(
            targets(&load_and_listen(&scores, Split::Train).0),
            [0.5, -1.0, 2.25, 3.0].map(Target::Score)
        );
    }

    #[test]
    fn labels_without_a_description_are_taken_as_they_are() {
        let (rows, _) = load_and_listen(&classes(file("numbers.parquet")), Split::Train);
        assert_eq!((rows.labels.join(" ").as_str(), rows.examples.len()), ("0 1 2", 4));
        assert_eq!(targets(&rows), [1, 0, 2, 0].map(Target::Class));
        let (rows, _) = load_and_listen(&classes(file("names.parquet")), Split::Train);
        assert_eq!(rows.labels, ["music", "other", "weather"]);
    }

    #[test]
    fn lists_hold_words_and_tags() {
        let tags = spec(file("tags.parquet"), ["tokens", "tags"], TaskKind::Tagging);
        let (rows, _) = load_and_listen(&tags, Split::Train);
        assert_eq!(texts(&rows), ["in New York", "jazz"]);
        assert_eq!(rows.labels, ["O", "B-PLACE", "I-PLACE"]);
        assert_eq!(targets(&rows), [Target::Tags(vec![0, 1, 2]), Target::Tags(vec![0])]);
    }

    #[test]
    fn every_row_of_a_corpus_is_a_document() {
        assert_eq!(windows("corpus.parquet"), windows("corpus.txt"));
    }

    #[test]
    fn a_corpus_may_be_a_table_of_texts() {
        let table = "{\"text\": \"a b.\"}\n{\"text\": \"c.\\n\\nd.\", \"id\": 1}\n";
        let folder = Folder::new();
        let found = ["corpus.jsonl", "corpus.txt"].map(|name| {
            let content = if name.ends_with("txt") { "a b.\n\nc.\nd.\n" } else { table };
            windows_of(folder.write(name, content))
        });
        assert_eq!(found[0], found[1]);
        assert!(!found[0].is_empty());
    }

    #[test]
    fn a_model_that_counts_its_labels_has_the_classes_by_their_numbers() {
        let mut spec = classes(file("classes.parquet"));
        spec.labels = Some(["LABEL_0", "LABEL_1", "LABEL_2"].map(String::from).into());
        let (rows, said) = load_and_listen(&spec, Split::Train);
        assert_eq!(targets(&rows), [1, 0, 2, 0].map(Target::Class));
        assert!(said.contains("LABEL_1 = weather, LABEL_2 = other"), "{said}");
    }

    #[test]
    fn a_parquet_file_in_another_compression_is_refused() {
        let folder = Folder::new();
        let said = fault(&classes(folder.write("a.parquet.gz", "")), Split::Train);
        assert!(said.contains("a.parquet.gz: Parquet files are compressed inside"), "{said}");
    }

    /// Whatever byte is damaged, the file is read or refused.
    #[test]
    fn no_damage_stops_the_program() {
        let tags = |path| spec(path, ["tokens", "tags"], TaskKind::Tagging);
        let specs: [(&str, &dyn Fn(PathBuf) -> DataSpec); 2] =
            [("classes.parquet", &classes), ("tags.parquet", &tags)];
        let folder = Folder::new();
        for (name, spec) in specs {
            let content = std::fs::read(file(name)).expect("the file is there");
            for at in 0..content.len() {
                let mut damaged = content.clone();
                damaged[at] ^= 0xff;
                let path = folder.write("damaged.parquet", &damaged);
                if let Err(error) = crate::load(&spec(path), Split::Train, &tinybert_base::progress::Silent) {
                    assert!(error.to_string().contains("damaged.parquet"), "{name}, byte {at}: {error}");
                }
            }
        }
    }

    #[test]
    fn faults_name_the_file_and_the_row() {
        let whole = std::fs::metadata(file("classes.parquet")).expect("the file is there").len() as usize;
        for part in [0, 3, whole / 2, whole - 1] {
            let said = fault_of_a_part("classes.parquet", part);
            assert!(said.contains("classes.parquet: not a complete Parquet file"), "{part}: {said}");
        }
        let said =
            fault(&spec(file("classes.parquet"), ["body", "label"], TaskKind::Classification), Split::Train);
        assert!(said.contains("no column \"body\"; the columns are id, label, text, score"), "{said}");
        let said = fault(&classes(file("wrong-type.parquet")), Split::Train);
        assert!(said.contains("wrong-type.parquet:1: \"text\" should be a string, found 1"), "{said}");
        let said = fault(&classes(file("null.parquet")), Split::Train);
        assert!(said.contains("null.parquet:2: \"text\" should be a string, found null"), "{said}");
        let said = fault(&classes(file("no-class.parquet")), Split::Train);
        assert!(
            said.contains("no-class.parquet:2: \"label\" is -1, which says that the row has no label"),
            "{said}"
        );
    }
}
