//! An encoder becomes a masked LM, which augments data that a student learns from.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use crate::program::{fails, output, tinybert};
use crate::toy::{self, ENCODER, FRESH, TEACHER};

/// [`ENCODER`] with a masked-LM head.
static MASKED_LM: LazyLock<String> = LazyLock::new(|| {
    let corpus = toy::write(
        "mlm.txt",
        "play some jazz in oslo\nwill it rain in rome\n\nbook a table in lima\n".repeat(30),
    );
    let line = format!(
        "fine-tune --objective mlm --model {} --corpus {corpus} --epochs 2 --max-tokens 32",
        *ENCODER
    );
    toy::make("masked-lm", &line)
});

#[test]
fn a_masked_lm_augments_data_that_distillation_reads() {
    let out = toy::path("augmented.jsonl").display().to_string();
    let line = format!("augment --model {} --train {} --variants 3 --out {out}", *MASKED_LM, toy::train());
    let said = output(&line);
    assert!(said.contains("108 rows became"), "{said}");
    let rows = fs::read_to_string(&out).expect("the output is there").lines().count();
    assert!(rows > 300, "{rows} rows");
    assert!(Path::new(&format!("{out}.run.json")).exists());

    let data = toy::data().replace(toy::train(), &out);
    let line = format!("distill --stage task --teacher {} --student {} {data}", *TEACHER, *FRESH);
    toy::make(
        "of-augmented",
        &format!("{line} --intermediate-epochs 1 --prediction-epochs 1 --max-tokens 32"),
    );
}

#[test]
fn what_is_missing_is_said_and_nothing_at_all_is_refused() {
    let vectors = toy::write("vectors.txt", "jazz 1 0\nblues 0.9 0.1\nrock 0.8 0.3\n");
    let out = toy::path("by-vectors.jsonl").display().to_string();
    let line = format!("augment --model {} --train {} --out {out}", *ENCODER, toy::train());
    fails(&line, 2, &["no head", "--objective mlm", "--vectors"]);
    let assert = tinybert(&format!("{line} --vectors {vectors}")).assert().success();
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("NOTE") && said.contains("no masked-LM head"), "{said}");
    fails(&format!("{line} --vectors {vectors} --resume"), 2, &["nothing to resume"]);
    fails(&format!("{line}.csv --vectors {vectors}"), 2, &["same extension"]);
}

#[test]
fn options_of_the_other_objective_are_refused() {
    let line = format!("fine-tune --model {} --out {}", *ENCODER, toy::path("no").display());
    fails(&format!("{line} {} --whole-words", toy::data()), 2, &["--objective task"]);
    fails(&format!("{line} --objective mlm --corpus x {}", toy::data()), 2, &["--objective mlm"]);
}
