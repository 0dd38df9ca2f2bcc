//! Labels that are not one gold label for each text: soft labels, text without labels, weights, and a development
//! set that is cut from the training file.

use std::fs;
use std::path::Path;

use crate::program::{fails, output, tinybert};
use crate::toy::{self, ENCODER, FRESH, TEACHER};

/// The record of the run that made `model`: its run.json.
fn record(model: &str) -> serde_json::Value {
    let json = fs::read(Path::new(model).join("run.json")).expect("every model folder has a run.json");
    serde_json::from_slice(&json).expect("run.json is JSON")
}

/// The accuracy on the development set that the record of `model` has.
fn accuracy(model: &str) -> f64 {
    record(model)["metrics"]["dev"]["values"]["accuracy"].as_f64().expect("accuracy is a number")
}

/// The toy task's training texts, a text on each line.
fn texts() -> String {
    let lines = fs::read_to_string(toy::train()).expect("the training file can be read");
    lines
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("rows are JSON");
            format!("{}\n", row["text"].as_str().expect("every row has a text"))
        })
        .collect()
}

/// How the students of these tests are trained.
const RATES: &str = "--prediction-lr 1e-3 --prediction-epochs 40 --batch-size 16 --max-tokens 32";

#[test]
fn what_run_prints_teaches_a_student_as_soft_labels() {
    let answers =
        tinybert(&format!("run --model {} --json", *TEACHER)).write_stdin(texts()).assert().success();
    let train = toy::write("soft.jsonl", &answers.get_output().stdout);
    let dev = toy::data().split("--dev ").nth(1).expect("there is a development file").to_owned();
    let line = format!("distill --stage task --soft-labels probabilities --student {}", *FRESH);
    let student = toy::make("soft-student", &format!("{line} --train {train} --dev {dev} {RATES}"));
    assert!(accuracy(&student) > 0.9, "{:#}", record(&student));
    assert!(record(&student)["metrics"]["teacher"].is_null());
    let out = toy::path("soft-refused").display().to_string();
    let line = format!("{line} --train {train} --dev {dev} --out {out}");
    fails(&format!("{line} --intermediate-epochs 2"), 2, &["answers alone"]);
    for option in
        ["--regression", "--layer-map top", "--teacher-cache 1G", "--allow-weak-teacher", "--hidden-weight 2"]
    {
        let name = option.split(' ').next().expect("an option has a name");
        fails(&format!("{line} {option}"), 2, &["--soft-labels", name]);
    }
    fails(&format!("{line} --teacher {}", *TEACHER), 2, &["--soft-labels", "--teacher"]);
    fails(&line.replace("probabilities", "scores"), 3, &["soft.jsonl:1", "\"scores\""]);
}

#[test]
fn text_without_labels_joins_the_training_set_of_a_teacher() {
    let text = toy::write("unlabelled.txt", texts());
    let first = fs::read_to_string(toy::train()).expect("the training file can be read");
    let few =
        toy::write("few.jsonl", first.lines().step_by(7).map(|line| format!("{line}\n")).collect::<String>());
    let dev = toy::data().split("--dev ").nth(1).expect("there is a development file").to_owned();
    let line =
        format!("distill --stage task --teacher {} --student {} --train {few} --dev {dev}", *TEACHER, *FRESH);
    let line = format!("{line} --intermediate-epochs 0 {RATES}");
    let student = toy::make("unlabelled-student", &format!("{line} --unlabelled {text} --gold-weight 0.3"));
    assert!(accuracy(&student) > 0.9, "{:#}", record(&student));
    let run = record(&student);
    assert_eq!(run["settings"]["gold_weight"], 0.3);
    let read = run["inputs"].as_array().expect("inputs are a list");
    assert!(read.iter().any(|input| input["path"] == text.as_str()), "{run:#}");
    let out = toy::path("unlabelled-refused").display().to_string();
    fails(&format!("{line} --gold-weight 1.5 --out {out}"), 2, &["gold weight 1.5"]);
    fails(&format!("{line} --gold-weight 0.5 --class-weights jazz=2 --out {out}"), 2, &["\"jazz\"", "music"]);
    fails(&format!("{line} --unlabelled {text}.txt --out {out}"), 4, &["unlabelled.txt.txt"]);
}

#[test]
fn weights_of_classes_and_the_metric_that_selects_are_recorded() {
    let line = format!("fine-tune --model {} {} --epochs 1 --max-tokens 32", *ENCODER, toy::data());
    let model = toy::make("weighted", &format!("{line} --class-weights music=3 --select-by macro-f1"));
    let run = record(&model);
    assert_eq!(run["settings"]["class_weights"]["by_label"]["music"], 3.0);
    assert_eq!(run["metrics"]["dev"]["primary"], "macro_f1");
    let balanced = toy::make("balanced", &format!("{line} --class-weights balanced"));
    assert_eq!(record(&balanced)["settings"]["class_weights"], "balanced");
    let out = toy::path("weights-refused").display().to_string();
    let fails = |options: &str, words: &[&str]| fails(&format!("{line} {options} --out {out}"), 2, words);
    fails("--class-weights jazz=2", &["\"jazz\"", "music"]);
    fails("--class-weights music=-1", &["music=-1", "at least 0"]);
    fails("--select-by f1", &["macro-f1", "3"]);
    fails("--select-by pearson", &["accuracy"]);
    fails("--select-by loss", &["accuracy", "spearman"]);
    fails("--class-weights balanced --objective mlm", &["--class-weights"]);
}

#[test]
fn a_development_set_is_cut_from_the_training_file_in_every_command() {
    let train = toy::train();
    let line = format!("fine-tune --model {} --train {train} --epochs 6 --lr 1e-3 --max-tokens 32", *ENCODER);
    let model = toy::make("cut", &format!("{line} --dev-share 0.25 --seed 7"));
    let dev = record(&model)["metrics"]["dev"].clone();
    assert_eq!(dev["samples"], 27);
    let judged = output(&format!("eval --model {model} --train {train} --dev-share 0.25 --split dev --json"));
    let judged: serde_json::Value = serde_json::from_str(&judged).expect("eval prints JSON");
    assert_eq!(judged["values"], dev["values"]);
    let out = toy::path("cut-refused").display().to_string();
    let fails = |options: &str, words: &[&str]| fails(&format!("{line} {options} --out {out}"), 2, words);
    fails("--dev-share 1.5", &["above 0 and below 1"]);
    fails("--dev-share 0.1 --objective mlm", &["--dev-share"]);
    fails(&format!("--dev-share 0.25 --dev {train}"), &["--dev-share"]);
}
