//! `--config run.json`: the options of an earlier run.

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::program::{fails, output, tinybert};
use crate::toy::{self, ENCODER, FRESH, STUDENT, TEACHER};

fn weights(out: &str) -> Vec<u8> {
    fs::read(Path::new(out).join("model.safetensors")).expect("a finished run has weights")
}

fn record(out: &str) -> serde_json::Value {
    let json = fs::read(Path::new(out).join("run.json")).expect("a finished run has a record");
    serde_json::from_slice(&json).expect("run.json is JSON")
}

/// Runs `line`, and then its command with nothing but the record of that run; gives the folder of the first run.
fn replays(name: &str, line: &str) -> String {
    let out = toy::make(name, line);
    let command = line.split(' ').next().expect("a line has a command");
    let again = toy::make(&format!("{name}-again"), &format!("{command} --config {out}/run.json"));
    assert!(weights(&out) == weights(&again), "{line}");
    let [first, second] = [&out, &again].map(|out| record(out));
    assert_eq!(first["options"], second["options"]);
    assert_eq!(first["settings"], second["settings"]);
    out
}

#[test]
fn the_record_of_a_run_gives_its_weights_again() {
    let data = toy::data();
    let corpus =
        toy::write("replay-corpus.txt", "play some jazz in oslo\n\nbook a table for two\n".repeat(20));
    let distill = |stage: &str, teacher: &str| {
        format!("distill --stage {stage} --teacher {teacher} --student {} --max-tokens 32", *FRESH)
    };
    let rates = "--intermediate-epochs 1 --prediction-epochs 2 --prediction-lr 1e-3 --batch-size 16";
    replays(
        "replay-general",
        &format!("{} --corpus {corpus} --epochs 2 --inherit", distill("general", &ENCODER)),
    );
    replays("replay-task", &format!("{} {data} {rates} --layer-weights 1,2,3", distill("task", &TEACHER)));
    let cut = "--dev-share 0.25 --dev-seed 3 --select-by macro-f1";
    let line = format!("fine-tune --model {} --train {} --epochs 1 --lr 1e-3 {cut}", *ENCODER, toy::train());
    let out = replays("replay-fine-tune", &format!("{line} --seed 7"));
    let options = &record(&out)["options"];
    assert_eq!(options["dev-share"][0], "0.25");
    assert_eq!(options["select-by"][0], "macro-f1");
    assert!(options.get("out").is_none() && options.get("quiet").is_none(), "{options}");
    replays("replay-prune", &format!("prune --model {} --heads 0.5 {data}", *STUDENT));
    let rounds = "--heads 0.5 --steps 2 --recovery-epochs 1 --max-tokens 32 --importance-examples 16";
    replays("replay-steps", &format!("prune --model {} --teacher {} {data} {rounds}", *STUDENT, *TEACHER));
}

#[test]
fn options_of_the_command_line_replace_those_of_the_record() {
    let line = format!("fine-tune --model {} --train {} --dev-share 0.25", *ENCODER, toy::train());
    let out = toy::make("replaced", &format!("{line} --epochs 2 --max-tokens 32"));
    let config = format!("--config {out}/run.json");
    let dev = toy::data().split(' ').next_back().expect("a path").to_owned();
    // A development file and a share exclude each other.
    let other = toy::make("replacing", &format!("fine-tune {config} --epochs 1 --dev {dev}"));
    let plain = format!("fine-tune --model {} {} --epochs 1 --max-tokens 32", *ENCODER, toy::data());
    assert!(weights(&other) == weights(&toy::make("replaced-plain", &plain)));
    let options = &record(&other)["options"];
    assert_eq!((&options["epochs"][0], &options["dev"][0]), (&"1".into(), &dev.into()));
    assert!(options.get("dev-share").is_none(), "{options}");
}

#[test]
fn an_input_that_has_changed_is_told() {
    let train = toy::write("changing.jsonl", fs::read(toy::train()).expect("the training file"));
    let dev = toy::data().split(' ').next_back().expect("a path").to_owned();
    let line =
        format!("fine-tune --model {} --train {train} --dev {dev} --epochs 1 --max-tokens 32", *ENCODER);
    let out = toy::make("unchanged", &line);
    let again = format!("fine-tune --config {out}/run.json --out {}", toy::path("changed").display());
    let said = tinybert(&again).assert().success();
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    assert!(!said.contains("warning"), "{said}");
    let lines = fs::read_to_string(&train).expect("the training file");
    toy::write("changing.jsonl", lines.replacen("blues", "polka", 1));
    tinybert(&again).assert().success().stderr(contains("warning: ").and(contains("changing.jsonl")));
}

#[test]
fn a_record_that_does_not_fit_is_refused() {
    let fine_tune = |config: &str| format!("fine-tune --config {config} --out {}", toy::path("no").display());
    let of_teacher = format!("{}/run.json", *TEACHER);
    let distill = format!("distill --config {of_teacher} --out x");
    fails(&distill, 3, &["run.json", "a run of `fine-tune`", "`distill` needs"]);
    fails(&fine_tune(&toy::path("nowhere.json").display().to_string()), 4, &["nowhere.json"]);

    let text = fs::read_to_string(&of_teacher).expect("the teacher's record");
    let cut = toy::write("cut-run.json", &text[..text.len() / 2]);
    fails(&fine_tune(&cut), 3, &["cut-run.json", "not a record of a run"]);
    let unknown = toy::write("unknown-run.json", text.replace("\"epochs\": [", "\"epoch\": ["));
    fails(&fine_tune(&unknown), 3, &["unknown-run.json", "\"epoch\""]);
    fails(&format!("{} --epochs x", fine_tune(&of_teacher)), 2, &["--epochs"]);
    // The options of the record are those of this command line: what is missing is asked for.
    fails(&format!("fine-tune --config {of_teacher}"), 2, &["--out"]);
    assert!(output("fine-tune --help").contains("--config <FILE>"));
}
