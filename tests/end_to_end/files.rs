//! Data in compressed files and in Parquet, from the command line to the weights.

use std::fs;
use std::path::Path;

use crate::program::{fails, output};
use crate::toy::{self, ENCODER, FRESH};

/// A file that the usual libraries have written.
fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/data/tests/reference/files");
    folder.join(name).display().to_string()
}

#[test]
fn a_compressed_corpus_gives_the_weights_of_its_text() {
    let weights = |name: &str| {
        let line = format!("distill --stage general --teacher {} --student {}", *ENCODER, *FRESH);
        let settings = "--epochs 2 --batch-size 2 --max-tokens 16 --layer-map uniform";
        let out = toy::make(&format!("of-{name}"), &format!("{line} {settings} --corpus {}", file(name)));
        fs::read(Path::new(&out).join("model.safetensors")).expect("the command writes weights")
    };
    let plain = weights("corpus.txt");
    assert_eq!(weights("corpus.txt.gz"), plain);
    assert_eq!(weights("corpus.txt.zst"), plain);
}

#[test]
#[cfg(feature = "parquet")]
fn a_model_learns_from_parquet() {
    let data = file("classes.parquet");
    let line = format!("fine-tune --model {} --train {data} --dev {data}", *ENCODER);
    let out = toy::make("of-parquet", &format!("{line} --epochs 1 --max-tokens 32"));
    let shown = output(&format!("inspect {out}"));
    assert!(shown.contains("music, weather, other"), "{shown}");
    let line = format!("{line} --text-column body --out {}", toy::path("x").display());
    fails(&line, 3, &["classes.parquet", "the columns are id, label, text, score"]);
}

#[test]
#[cfg(not(feature = "parquet"))]
fn a_program_without_parquet_says_so() {
    let data = file("classes.parquet");
    let line = format!("fine-tune --model {} --train {data} --dev {data} --out x", *ENCODER);
    fails(&line, 2, &["built without the feature `parquet`"]);
}

#[test]
fn a_vocabulary_is_learned_from_compressed_plain_text() {
    let sizes = "--layers 2 --hidden 32 --heads 4 --ffn 64 --positions 32 --vocab-size 200";
    let vocabulary = |name: &str| {
        let out =
            toy::make(&format!("words-{name}"), &format!("init {sizes} --train-vocab-from {}", file(name)));
        fs::read_to_string(Path::new(&out).join("vocab.txt")).expect("init writes a vocabulary")
    };
    let plain = vocabulary("corpus.txt");
    assert!(plain.lines().any(|piece| piece == "an"), "{plain}");
    assert_eq!(vocabulary("corpus.txt.zst"), plain);
}
