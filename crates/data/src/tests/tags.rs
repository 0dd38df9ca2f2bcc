use std::path::PathBuf;

use super::{Folder, fault, load_and_listen, table, targets, texts};
use crate::metrics::MetricSet;
use crate::task::{Target, TaskKind};
use crate::{ColumnNames, DataSpec, Split, read_rows};
use tinybert_base::progress::Silent;

fn spec(train: PathBuf, dev: Option<PathBuf>) -> DataSpec {
    let columns =
        ColumnNames { text: "tokens".into(), pair: None, label: Some("tags".into()), soft_labels: None };
    table(Some(train), dev, columns, TaskKind::Tagging)
}

fn train_fault(name: &str, content: &str) -> String {
    let folder = Folder::new();
    fault(&spec(folder.write(name, content), None), Split::Train)
}

/// Every layout of the same two sentences.
const FILES: [(&str, &str); 5] = [
    (
        "lists.jsonl",
        "{\"tokens\": [\"play\", \"some\", \"jazz\"], \"tags\": [\"O\", \"O\", \"B-x\"], \"text\": 1}\n{\"tokens\": [\"go\"], \"tags\": [\"O\"]}\n",
    ),
    (
        "strings.jsonl",
        "{\"tokens\": \"play some jazz\", \"tags\": \"O O B-x\"}\n{\"tokens\": \"go\", \"tags\": \"O\"}\n",
    ),
    ("a.csv", "tags,tokens\nO O B-x,play some jazz\nO,go\n"),
    ("a.tsv", "tokens\ttags\nplay some jazz\tO O B-x\ngo\tO\n"),
    ("a.conll", "-DOCSTART- -X- O\n\nplay VB O\nsome DT O\njazz NN B-x\n\n\ngo\tO"),
];

#[test]
fn every_layout_gives_the_same_words_and_tags() {
    for (name, content) in FILES {
        let folder = Folder::new();
        let spec = spec(folder.write(name, content), None);
        let (data, _) = load_and_listen(&spec, Split::Train);
        assert_eq!(texts(&data), ["play some jazz", "go"], "{name}");
        assert_eq!(targets(&data), [Target::Tags(vec![1, 1, 0]), Target::Tags(vec![1])], "{name}");
        assert_eq!(data.labels, ["B-x", "O"], "{name}");
        assert_eq!((spec.kind(), spec.metrics()), (TaskKind::Tagging, MetricSet::Entities));
    }
}

#[test]
fn rows_are_written_so_that_they_read_the_same() {
    for (name, content) in FILES {
        let folder = Folder::new();
        let first = spec(folder.write(name, content), None);
        let rows = read_rows(&first, Split::Train, &Silent).unwrap();
        let lines: String = rows.rows.iter().map(|row| rows.layout.line(row)).collect();
        let second = spec(folder.write(&format!("copy-{name}"), rows.layout.header() + &lines), None);
        let [first, second] = [first, second].map(|spec| load_and_listen(&spec, Split::Train).0.examples);
        assert_eq!(first, second, "{name}");
    }
}

#[test]
fn an_inside_tag_needs_no_beginning_before_it() {
    let folder = Folder::with("a.conll", "jazz I-x\n");
    let (data, _) = load_and_listen(&spec(folder.path().join("a.conll"), None), Split::Train);
    assert_eq!(targets(&data), [Target::Tags(vec![0])]);
}

#[test]
fn what_does_not_fit_is_named_with_its_line() {
    let cases = [
        (
            "a.jsonl",
            "{\"tokens\": [\"a\"], \"tags\": [\"O\", \"O\"]}",
            &["a.jsonl:1", "1 words, but 2 tags"][..],
        ),
        (
            "a.jsonl",
            "{\"tokens\": [\"New York\"], \"tags\": [\"O\"]}",
            &["a.jsonl:1", "white space", "New York"],
        ),
        ("a.jsonl", "{\"tokens\": [\"\"], \"tags\": [\"O\"]}", &["without white space", "\"\""]),
        ("a.jsonl", "{\"tokens\": [1], \"tags\": [\"O\"]}", &["list of words", "1"]),
        ("a.jsonl", "{\"tokens\": [], \"tags\": []}", &["a.jsonl:1", "no words"]),
        ("a.jsonl", "{\"tokens\": 7, \"tags\": []}", &["list of strings, found 7"]),
        ("a.jsonl", "{\"words\": [\"a\"], \"tags\": [\"O\"]}", &["no key \"tokens\"", "words"]),
        ("a.tsv", "tokens\ttags\na b\tO\n", &["a.tsv:2", "2 words, but 1 tags"]),
        ("a.tsv", "tokens\ttags\na b\tO NOUN\n", &["a.tsv:2", "\"NOUN\" is no BIO tag"]),
        ("a.conll", "a O\nb\n", &["a.conll:2", "\"b\" has no tag"]),
        // The tokenizer splits words at every white space, so that such a word could not have one tag.
        ("a.conll", "a\tO\nNew\u{a0}York\tB-X\n", &["a.conll:2", "New\\u{a0}York", "white space in it"]),
        ("a.conll", "a\tO\n\u{a0}\nb\tO\n", &["a.conll:2", "has no tag"]),
        ("a.tsv", "tokens\ttags\nNew\u{3000}York\tB-X\n", &["a.tsv:2", "white space in it"]),
        ("a.tsv", "tokens\ttags\nNew\u{a0}York\tB-X I-X\n", &["a.tsv:2", "white space in it"]),
        (
            "a.jsonl",
            "{\"tokens\": \"New\u{a0}York\", \"tags\": \"B-X\"}",
            &["a.jsonl:1", "white space in it"],
        ),
        ("a.jsonl", "{\"tokens\": [\"a\"], \"tags\": [\"B-\\u0007\"]}", &["a.jsonl:1", "control character"]),
        ("a.conll", "\n\n", &["no examples"]),
    ];
    for (name, content, says) in cases {
        let message = train_fault(name, content);
        assert!(says.iter().all(|part| message.contains(part)), "{message}");
    }
}

#[test]
fn a_tag_that_training_has_not_seen_is_an_error() {
    let folder = Folder::new();
    let train = folder.write("train.conll", "a B-x\nb O\n");
    let dev = folder.write("dev.conll", "a O\n\na I-x\n");
    let message = fault(&spec(train, Some(dev)), Split::Dev);
    let says = ["dev.conll:3", "\"I-x\" is unknown", "train.conll", "B-x, O"];
    assert!(says.iter().all(|part| message.contains(part)), "{message}");
}
