//! A student that is pruned, distilled again, and becomes a smaller image.

use std::fs;

use crate::program::{fails, output, tinybert};
use crate::toy::{self, IMAGE, STUDENT, TEACHER};

fn bytes(path: &str) -> u64 {
    fs::metadata(path).expect("the image is there").len()
}

/// What `run --json` prints for some lines.
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
    // Half of 4 heads of 8 and of 64 neurons, in each of two layers of width 32: 3,072 weights a layer.
    assert!(bytes(&image) + 2 * 3_072 <= bytes(&IMAGE), "{} of {}", bytes(&image), bytes(&IMAGE));
    assert_eq!(answers(&image, ""), answers(&image, "--isa scalar"));
    let evaluated = output(&format!("eval --model {image} {data}"));
    let number = evaluated.split_whitespace().nth(2).and_then(|word| word.parse::<f64>().ok());
    let accuracy = number.expect("split, metric, value");
    assert!(accuracy > 0.6, "{evaluated}");
}

#[test]
fn pieces_that_the_data_does_not_use_are_gone_and_nothing_else_changes() {
    let data = toy::data();
    // The development set has words that the training set has not.
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
    fails(&format!("{line} --heads 0 {}", toy::data()), 2, &["above 0 and at most 1"]);
    fails(&format!("{line} --heads 0.5"), 2, &["no data"]);
    fails(&format!("{line} --vocab --max-pieces 7 {}", toy::data()), 2, &["7 pieces have no room"]);
    fails(&format!("{line} --heads 0.5 --corpus x {}", toy::data()), 2, &["--vocab"]);
}
