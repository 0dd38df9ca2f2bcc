//! A student that is pruned, distilled again, and becomes a smaller image.

use std::fs;

use crate::program::{fails, output, tinybert};
use crate::toy::{self, IMAGE, STUDENT, TEACHER};

fn bytes(path: &str) -> u64 {
    fs::metadata(path).expect("the image is there").len()
}

/// The output of `run --json` for some lines.
fn answers(model: &str, options: &str) -> String {
    let input = "play some jazz\nwill it rain in oslo\ndinner for two at opera\n";
    let line = format!("run --model {model} --json {options}");
    let assert = tinybert(&line).write_stdin(input).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("answers are UTF-8")
}

#[test]
fn half_of_heads_and_neurons_are_gone_from_folder_and_image() {
    let data = toy::data();
    let half = format!("prune --model {} --heads 0.5 --ffn 0.5 --multiple-of 8 {data}", *STUDENT);
    let half = toy::make("half", &half);
    let inspected = output(&format!("inspect {half}"));
    assert!(inspected.contains("layer 1: ") && inspected.contains("layer 2: "), "{inspected}");

    let line = format!("distill --stage task --teacher {} --student {half} {data}", *TEACHER);
    let rates = "--intermediate-lr 1e-3 --intermediate-epochs 2 --prediction-lr 1e-3 --prediction-epochs 8";
    let recovered = toy::make("half-recovered", &format!("{line} {rates} --batch-size 16 --max-tokens 32"));
    let quantize = format!("quantize --model {recovered} {data} --max-tokens 32");
    let image = toy::make("half.tbim", &quantize);
    // Half of 4 heads of 8 and half of 64 neurons, in each of two layers of width 32, are 3,072 weights per
    // layer.
    assert!(bytes(&image) + 2 * 3_072 <= bytes(&IMAGE), "{} of {}", bytes(&image), bytes(&IMAGE));
    assert_eq!(answers(&image, ""), answers(&image, "--isa scalar"));
    let evaluated = output(&format!("eval --model {image} {data}"));
    let number = evaluated.split_whitespace().nth(2).and_then(|word| word.parse::<f64>().ok());
    let accuracy = number.expect("split, metric, value");
    assert!(accuracy > 0.6, "{evaluated}");
}

#[test]
fn steps_recover_and_tell_what_each_cost() {
    let out = toy::path("stepped").display().to_string();
    let line = format!("prune --model {} --teacher {} {}", *STUDENT, *TEACHER, toy::data());
    let rates =
        "--recovery-epochs 4 --recover-lr 1e-3 --batch-size 16 --max-tokens 32 --importance-examples 32";
    let said =
        output(&format!("{line} {rates} --heads 0.5 --ffn 0.25 --multiple-of 8 --steps 2 --out {out}"));
    // 16 of 64 neurons stay in each of two layers; the first round keeps half.
    assert!(
        said.contains("round 1: ") && said.contains(" 64 neurons") && said.contains(" 32 neurons"),
        "{said}"
    );
    assert!(!toy::path("stepped.run").exists());
    let record = fs::read_to_string(toy::path("stepped").join("run.json")).expect("a record");
    assert!(record.contains("\"recovered\"") && record.contains("\"recovery\""), "{record}");
    let [page, json] = ["stepped.html", "stepped.json"].map(|name| toy::path(name).display().to_string());
    output(&format!("report {out} --out {page} --json {json}"));
    let report = fs::read(&json).expect("a report");
    let report: serde_json::Value = serde_json::from_slice(&report).expect("the report is JSON");
    let record: serde_json::Value = serde_json::from_str(&record).expect("the record is JSON");
    let stage = &report["stages"][0];
    assert_eq!(stage["metrics"]["accuracy"], record["metrics"]["steps"][1]["recovered"]);
    assert!(stage["metrics"]["accuracy"].is_f64() && stage["minutes"].as_f64() > Some(0.0), "{stage}");
    let evaluated = output(&format!("eval --model {out} {}", toy::data()));
    let number = evaluated.split_whitespace().nth(2).and_then(|word| word.parse::<f64>().ok());
    assert!(number.expect("split, metric, value") > 0.6, "{evaluated}");
    fails(&format!("{line} {rates} --heads 0.5 --steps 2 --out {out} --resume"), 2, &["is complete"]);
}

#[test]
fn zeros_by_the_command_line_are_those_of_the_folder() {
    let line = format!("distill --stage task --teacher {} --student {} {}", *TEACHER, *STUDENT, toy::data());
    let rates =
        "--intermediate-epochs 0 --prediction-lr 1e-3 --prediction-epochs 6 --batch-size 16 --max-tokens 32";
    let zeros = "--sparsity 0.5 --sparsity-method movement --sparsity-pattern 2:4";
    let sparse = toy::make("sparse", &format!("{line} {rates} {zeros}"));
    let record = fs::read_to_string(toy::path("sparse").join("run.json")).expect("a record");
    assert!(record.contains("\"zero_weights\": 0.5") && record.contains("\"pattern\": \"2:4\""), "{record}");
    output(&format!("eval --model {sparse} {}", toy::data()));
    let out = toy::path("no").display().to_string();
    fails(&format!("{line} {rates} --out {out} --sparsity 0.6 --sparsity-pattern 2:4"), 2, &["share of 0.5"]);
    fails(&format!("{line} {rates} --out {out} --sparsity-method movement"), 2, &["--sparsity"]);
}

#[test]
fn layers_that_stay_make_a_smaller_image() {
    let two = format!("prune --model {} --layers 1", *STUDENT);
    let one = toy::make("one-layer", &two);
    let image =
        toy::make("one-layer.tbim", &format!("quantize --model {one} {} --max-tokens 32", toy::data()));
    assert!(bytes(&image) < bytes(&IMAGE));
    assert_eq!(answers(&image, ""), answers(&image, "--isa scalar"));
}

#[test]
fn pieces_that_the_data_does_not_use_are_gone_and_nothing_else_changes() {
    let data = toy::data();
    // The development set has words that the training set does not have.
    let small = toy::path("small-vocabulary").display().to_string();
    let said = output(&format!("prune --vocab --model {} {data} --out {small}", *STUDENT));
    assert!(said.contains("pieces kept") && said.contains("0.00 % became [UNK]"), "{said}");
    let image = toy::make("small.tbim", &format!("quantize --model {small} {data} --max-tokens 32"));
    assert!(bytes(&image) < bytes(&IMAGE));
    let labels = |model: &str| -> Vec<String> {
        let label = |line: &str| line.split('"').nth(3).map(String::from).expect("a label");
        answers(model, "").lines().map(label).collect()
    };
    assert_eq!(labels(&small), labels(&STUDENT));
    assert_eq!(answers(&image, ""), answers(&image, "--isa scalar"));
}

#[test]
fn what_cannot_be_pruned_is_refused() {
    let line = format!("prune --model {} --out {}", *STUDENT, toy::path("no").display());
    fails(&line, 2, &["nothing to prune", "--heads", "--vocab"]);
    fails(&format!("{line} --layers 3"), 2, &["some of 1 to 2"]);
    fails(&format!("{line} --heads 0.5 --resume {}", toy::data()), 2, &["without --steps"]);
    fails(&format!("{line} --heads 0.5 --steps 2 {}", toy::data()), 2, &["--teacher"]);
    fails(&format!("{line} --heads 0 {}", toy::data()), 2, &["above 0 and at most 1"]);
    fails(&format!("{line} --heads 0.5"), 2, &["no data"]);
    fails(&format!("{line} --vocab --max-pieces 7 {}", toy::data()), 2, &["7 pieces have no room"]);
    fails(&format!("{line} --heads 0.5 --corpus x {}", toy::data()), 2, &["--vocab"]);
}
