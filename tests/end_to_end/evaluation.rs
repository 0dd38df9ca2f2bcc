//! `eval` in full: intervals, the scores of each label, the answer to every example, and two models beside each other.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use crate::program::{fails, output};
use crate::toy::{self, FRESH, IMAGE, STUDENT};
use crate::{embedding, multi_label, tagging};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("a JSON object")
}

/// What `eval --json --per-class` prints, and the lines of its file of predictions.
fn judged(model: &str, data: &str, options: &str) -> (Value, Vec<Value>) {
    let file =
        toy::path("predictions.jsonl").with_extension(format!("{:?}.jsonl", std::thread::current().id()));
    let line = format!("eval --model {model} {data} --json --predictions {} {options}", file.display());
    let printed = parsed(&output(&line));
    let lines = fs::read_to_string(&file).expect("the file was written").lines().map(parsed).collect();
    (printed, lines)
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn near(found: &Value, wanted: f64) {
    assert!((number(found) - wanted).abs() < 1e-9, "{found} {wanted}");
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name")).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Makes sure that every metric lies in its interval.
fn check_intervals(printed: &Value) {
    assert_eq!(keys(&printed["intervals"]), keys(&printed["values"]));
    for (name, value) in printed["values"].as_object().expect("an object") {
        let interval = &printed["intervals"][name];
        assert!(number(&interval[0]) <= number(value) && number(value) <= number(&interval[1]), "{printed}");
    }
}

#[test]
fn labels_have_scores_a_confusion_matrix_and_a_line_for_every_example() {
    for model in [STUDENT.as_str(), &IMAGE] {
        let (printed, lines) = judged(model, &toy::data(), "--per-class");
        check_intervals(&printed);
        assert_eq!((&printed["primary"], &printed["samples"]), (&json!("accuracy"), &json!(36)));
        // Everything follows from the lines.
        let mut counts = BTreeMap::<(&str, &str), u64>::new();
        for line in &lines {
            let of = |name: &str| line[name].as_str().expect("a label");
            *counts.entry((of("gold"), of("predicted"))).or_default() += 1;
            let [probabilities, logits] =
                ["probabilities", "logits"].map(|name| line[name].as_object().expect("an object by label"));
            assert!((probabilities.values().map(number).sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
            for values in [probabilities, logits] {
                let largest =
                    values.iter().max_by(|a, b| number(a.1).total_cmp(&number(b.1))).expect("labels");
                assert_eq!(largest.0, of("predicted"));
            }
        }
        let labels = names(&printed["labels"]);
        assert_eq!(labels, ["music", "table", "weather"]);
        let count = |gold: &str, predicted: &str| counts.get(&(gold, predicted)).copied().unwrap_or(0);
        let rows: Vec<Vec<u64>> = labels
            .iter()
            .map(|gold| labels.iter().map(|predicted| count(gold, predicted)).collect())
            .collect();
        assert_eq!(printed["confusion_matrix"], json!(rows));
        let report = &printed["classification_report"];
        assert_eq!(keys(report), ["accuracy", "macro avg", "music", "table", "weather", "weighted avg"]);
        let right: u64 = labels.iter().map(|label| count(label, label)).sum();
        near(&report["accuracy"], right as f64 / 36.0);
        near(&printed["values"]["accuracy"], right as f64 / 36.0);
        for label in &labels {
            assert_eq!(keys(&report[label]), ["f1-score", "precision", "recall", "support"]);
            let there: u64 = labels.iter().map(|predicted| count(label, predicted)).sum();
            assert_eq!(report[label]["support"], there);
            near(&report[label]["recall"], count(label, label) as f64 / there as f64);
        }
    }
}

#[test]
fn tables_are_printed_and_threads_change_nothing() {
    let line = format!("eval --model {} {} --per-class", *IMAGE, toy::data());
    let printed = output(&line);
    for part in
        ["(36 examples, 95 % intervals)", "precision", "weighted avg", "true \\ predicted", "3 weather"]
    {
        assert!(printed.contains(part), "{part} is missing in:\n{printed}");
    }
    let line = format!("eval --model {} {} --select-by macro-f1 --json", *STUDENT, toy::data());
    assert_eq!(output(&format!("{line} --threads 1")), output(&format!("{line} --threads 2")));
}

#[test]
fn sets_of_labels_have_scores_and_a_line_for_every_example() {
    for model in [multi_label::SMALL.as_str(), &multi_label::IMAGE] {
        let (printed, lines) = judged(model, &multi_label::DATA, "--per-class");
        check_intervals(&printed);
        let report = &printed["classification_report"];
        let averages = ["macro avg", "micro avg", "samples avg", "weighted avg"];
        assert!(averages.iter().all(|name| report[name].is_object()), "{report}");
        assert!(report["accuracy"].is_null() && printed["confusion_matrix"].is_null());
        near(&report["micro avg"]["f1-score"], number(&printed["values"]["micro_f1"]));
        near(&report["macro avg"]["f1-score"], number(&printed["values"]["macro_f1"]));
        let exact = lines.iter().filter(|line| line["gold"] == line["predicted"]).count();
        near(&printed["values"]["exact_match"], exact as f64 / lines.len() as f64);
        let with_music = lines.iter().filter(|line| names(&line["gold"]).contains(&"music")).count();
        assert_eq!(report["music"]["support"], with_music);
        for line in &lines {
            for (label, logit) in line["logits"].as_object().expect("an object by label") {
                let probability = 1.0 / (1.0 + (-number(logit)).exp());
                assert!((number(&line["probabilities"][label]) - probability).abs() < 1e-5, "{line}");
            }
        }
    }
}

#[test]
fn types_of_entities_have_scores_and_every_word_its_tag() {
    let sentence = json!({ "tokens": ["play", "jazz", "\u{200b}"], "tags": ["O", "B-music", "O"] });
    let one = format!("--tagging --dev {}", toy::write("tags-one.jsonl", format!("{sentence}\n")));
    for model in [tagging::STUDENT.as_str(), &tagging::IMAGE] {
        let (printed, lines) = judged(model, &tagging::DATA, "--per-class");
        check_intervals(&printed);
        let report = &printed["classification_report"];
        assert_eq!(keys(report), ["macro avg", "micro avg", "music", "place", "weighted avg"]);
        near(&report["micro avg"]["f1-score"], number(&printed["values"]["f1"]));
        assert!(printed["confusion_matrix"].is_null());
        let begun =
            lines.iter().flat_map(|line| names(&line["gold"])).filter(|tag| *tag == "B-music").count();
        assert_eq!(report["music"]["support"], begun);
        // A word without a token has no tag, no probabilities and no logits.
        let (_, lines) = judged(model, &one, "");
        assert_eq!(
            (&lines[0]["text"], &lines[0]["predicted"][2]),
            (&json!("play jazz \u{200b}"), &Value::Null)
        );
        for name in ["probabilities", "logits"] {
            let words = lines[0][name].as_array().expect("a list by word");
            assert!(words.len() == 3 && words[1]["B-music"].is_number() && words[2].is_null(), "{lines:?}");
        }
    }
}

#[test]
fn scores_have_intervals_and_lines_but_no_classes() {
    for model in [embedding::SENTENCES.as_str(), &embedding::IMAGE] {
        let (printed, lines) = judged(model, &embedding::DATA, "");
        check_intervals(&printed);
        assert!(lines.iter().all(|line| line["pair"].is_string() && line["predicted"].is_number()));
        assert!(lines.iter().all(|line| keys(line) == ["gold", "pair", "predicted", "text"]), "{}", lines[0]);
        let line = format!("eval --model {model} {} --per-class", *embedding::DATA);
        fails(&line, 2, &["--per-class", "scores have no classes", "--predictions"]);
    }
}

#[test]
fn two_models_are_compared_example_by_example() {
    let (both, of_student) = judged(&STUDENT, &toy::data(), &format!("--against {}", *IMAGE));
    let (of_image, lines) = judged(&IMAGE, &toy::data(), "");
    let against = &both["against"];
    assert_eq!((&against["values"], &against["model"]), (&of_image["values"], &json!(*IMAGE)));
    let mut counts = [0; 4];
    for (student, image) in of_student.iter().zip(&lines) {
        let is_right = |line: &Value| usize::from(line["gold"] == line["predicted"]);
        counts[2 * is_right(student) + is_right(image)] += 1;
    }
    let found =
        ["neither", "only_against", "only_model", "both"].map(|name| against["mcnemar"][name].clone());
    assert_eq!(found, counts.map(|count| json!(count)));
    let printed = output(&format!("eval --model {} {} --against {}", *STUDENT, toy::data(), *IMAGE));
    assert!(printed.contains(against["conclusion"].as_str().expect("a sentence")), "{printed}");
    assert!(printed.contains("Of 36 examples, A alone is right on"), "{printed}");

    let (same, _) = judged(&STUDENT, &toy::data(), &format!("--against {} --select-by mcc", *STUDENT));
    assert_eq!(same["against"]["mcnemar"]["p_value"], 1.0);
    assert_eq!(
        same["against"]["difference"],
        json!({ "metric": "matthews", "value": 0.0, "interval": [0.0, 0.0] })
    );
    let [small, image] = [multi_label::SMALL.as_str(), &multi_label::IMAGE];
    let printed = output(&format!("eval --model {small} {} --against {image}", *multi_label::DATA));
    assert!(printed.contains("the micro_f1 of A minus that of B is"), "{printed}");
}

#[test]
fn models_with_other_labels_are_not_compared() {
    let line =
        format!("init --layers 1 --hidden 32 --heads 4 --ffn 32 --positions 32 --vocab-from {}", *FRESH);
    let other = toy::make("labels-to-compare", &format!("{line} --labels music,sport"));
    fails(
        &format!("eval --model {} {} --against {other}", *STUDENT, toy::data()),
        2,
        &["--against", &other, "music, sport", &STUDENT, "music, table, weather"],
    );
    let sentences = embedding::SENTENCES.as_str();
    fails(
        &format!("eval --model {} {} --against {sentences}", *STUDENT, toy::data()),
        2,
        &["--against", "no labels", "music, table, weather"],
    );
    let sets = multi_label::SMALL.as_str();
    fails(
        &format!("eval --model {} {} --against {sets}", *STUDENT, toy::data()),
        3,
        &["any number of labels"],
    );
}

#[test]
fn predictions_replace_nothing_that_is_read() {
    let dev = toy::write("guarded-eval.jsonl", fs::read(toy::train()).expect("the training file is there"));
    let line = format!("eval --model {} --dev {dev} --against {}", *IMAGE, *STUDENT);
    let config = format!("{}/config.json", *STUDENT);
    for (file, option) in [(dev.as_str(), "--dev"), (&IMAGE, "--model"), (&config, "--against")] {
        let before = fs::read(file).expect("the file is there");
        fails(&format!("{line} --predictions {file}"), 2, &["--predictions", "would write over", option]);
        assert_eq!(fs::read(file).expect("the file is still there"), before);
    }
    fails(&format!("{line} --predictions /proc/tinybert-out"), 4, &["/proc/tinybert-out"]);
}

#[test]
#[cfg(unix)]
fn a_file_that_cannot_be_written_loses_no_metrics() {
    let file = toy::path("no-room.jsonl");
    let line = format!("eval --model {} {} --predictions {}", *IMAGE, toy::data(), file.display());
    // No file may grow, as on a full disk.
    let program = env!("CARGO_BIN_EXE_tinybert-compress");
    let found = std::process::Command::new("sh")
        .args(["-c", &format!("trap '' XFSZ; ulimit -f 0; exec {program} {line}")])
        .output()
        .expect("there is a shell");
    let printed = String::from_utf8_lossy(&found.stdout);
    assert_eq!(found.status.code(), Some(4), "{found:?}");
    assert!(printed.contains("dev accuracy ") && !printed.contains("wrote"), "{printed}");
    assert!(!file.exists());
}

#[test]
fn few_examples_have_no_interval_of_resamples() {
    let rows = |count: usize| -> String {
        let text = fs::read_to_string(toy::train()).expect("the training file");
        text.lines().step_by(9).take(count).map(|line| line.to_owned() + "\n").collect()
    };
    let few = toy::write("few.jsonl", rows(9));
    let line = format!("eval --model {} --train {} --dev {few} --select-by macro-f1", *IMAGE, toy::train());
    let printed = output(&line);
    assert!(
        printed.contains("(9 examples") && printed.contains("too few for bootstrap intervals"),
        "{printed}"
    );
    let printed = output(&format!("{line} --against {}", *STUDENT));
    assert!(!printed.contains("the macro_f1 of A minus that of B"), "{printed}");
    let ten = toy::write("ten.jsonl", rows(10));
    assert!(!output(&line.replace(&few, &ten)).contains("too few"), "{line}");
}

#[test]
fn errors_of_a_second_model_name_it() {
    let damaged = toy::write("rival.tbim", "no image");
    let line = format!("eval --model {} {} --against {damaged}", *STUDENT, toy::data());
    fails(&line, 3, &[&format!("--against {damaged}")]);
}
