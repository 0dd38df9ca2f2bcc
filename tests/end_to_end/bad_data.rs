//! Wrong data: the program ends with exit code 3 (or 4 if the system refuses to read) and writes no output.

use std::path::Path;

use crate::program::fails;
use crate::toy::{self, ENCODER, FRESH, TEACHER};

/// Fine-tunes the toy encoder on `data`. This must fail with `code` and an error that contains each of
/// `says`, and must leave nothing behind.
fn fine_tune_fails(name: &str, data: &str, code: i32, says: &[&str]) {
    let out = toy::path(name);
    fails(&format!("fine-tune --model {} {data} --out {}", *ENCODER, out.display()), code, says);
    assert!(!out.exists(), "{} was written", out.display());
    assert!(!Path::new(&format!("{}.run", out.display())).exists(), "a working folder was left");
}

/// The toy task with another development set.
fn with_dev(name: &str, dev: impl AsRef<[u8]>) -> (String, String) {
    let dev = toy::write(name, dev);
    (format!("--train {} --dev {dev}", toy::train()), dev)
}

#[test]
fn a_missing_file_is_named() {
    let data = format!("--train {} --dev no-such-file.jsonl", toy::train());
    fine_tune_fails("out-missing", &data, 4, &["no-such-file.jsonl", "No such file"]);
}

#[test]
fn data_with_one_label_teach_nothing() {
    let train = toy::write(
        "one-label.jsonl",
        "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\", \"label\": \"x\"}\n",
    );
    fine_tune_fails(
        "out-one-label",
        &format!("--train {train} --dev {train}"),
        3,
        &["one-label.jsonl", "\"x\""],
    );
}

#[test]
fn a_wrong_column_is_named_with_the_line() {
    let data = format!("{} --text-column sentence", toy::data());
    fine_tune_fails("out-column", &data, 3, &["train.jsonl:1", "sentence"]);
}

#[test]
fn an_empty_data_set_is_refused() {
    let (data, dev) = with_dev("empty.jsonl", "");
    fine_tune_fails("out-empty", &data, 3, &[&dev]);
}

#[test]
fn a_label_that_training_never_saw_is_named_with_the_line() {
    let good = r#"{"text": "play some jazz", "label": "music"}"#;
    let bad = r#"{"text": "order a pizza", "label": "food"}"#;
    let (data, dev) = with_dev("unknown-label.jsonl", format!("{good}\n{bad}\n"));
    fine_tune_fails("out-label", &data, 3, &[&format!("{dev}:2"), "food", "music"]);
}

#[test]
fn text_that_is_not_utf_8_is_named_with_the_line() {
    let (data, dev) = with_dev("latin-1.jsonl", b"{\"text\": \"caf\xe9\", \"label\": \"table\"}\n");
    fine_tune_fails("out-utf-8", &data, 3, &[&format!("{dev}:1"), "UTF-8"]);
}

#[test]
fn a_broken_json_line_is_named() {
    let (data, dev) = with_dev("broken.jsonl", "{\"text\": \"play\", \"label\": \"music\"}\n{\"text\": \n");
    fine_tune_fails("out-json", &data, 3, &[&format!("{dev}:2")]);
}

#[test]
fn an_empty_and_a_very_long_text_are_texts() {
    let long = "play ".repeat(5000);
    let dev =
        format!("{{\"text\": \"\", \"label\": \"music\"}}\n{{\"text\": \"{long}\", \"label\": \"music\"}}\n");
    let (data, _) = with_dev("extremes.jsonl", dev);
    let out = toy::path("out-extremes");
    let line =
        format!("fine-tune --model {} {data} --epochs 1 --max-tokens 32 --out {}", *ENCODER, out.display());
    assert!(crate::program::output(&line).contains("(2 examples"));
}

#[test]
fn a_corpus_without_text_is_refused() {
    let corpus = toy::write("blank.txt", "\n\n\n");
    let out = toy::path("out-corpus");
    let line = format!("distill --stage general --teacher {} --student {}", *TEACHER, *FRESH);
    fails(&format!("{line} --corpus {corpus} --max-tokens 32 --out {}", out.display()), 3, &[&corpus]);
    assert!(!out.exists());
}
