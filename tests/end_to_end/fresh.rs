//! Models that `init` makes.

use crate::program::{fails, output};
use crate::toy::{self, ENCODER};

fn with_labels(labels: &str) -> String {
    format!("init --layers 1 --hidden 32 --heads 4 --vocab-from {} --labels {labels}", *ENCODER)
}

#[test]
fn labels_make_a_classifier_that_can_be_quantized() {
    let model = toy::make("fresh-classifier", &with_labels("weather,table,music"));
    let inside = output(&format!("inspect {model}"));
    assert!(inside.contains("sequence classification: weather, table, music"), "{inside}");
    let image = toy::make(
        "fresh-classifier.tbim",
        &format!("quantize --model {model} {} --max-tokens 32", toy::data()),
    );
    let inside = output(&format!("inspect {image}"));
    assert!(inside.contains("Classification: weather, table, music"), "{inside}");
}

#[test]
fn labels_that_make_no_classifier_are_refused() {
    let out = toy::path("no-classifier").display().to_string();
    for (labels, says) in [("music", "two or more"), ("music,", "empty"), ("music,table,music", "music")] {
        fails(&format!("{} --out {out}", with_labels(labels)), 2, &["--labels", says]);
    }
}
