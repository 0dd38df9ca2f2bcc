//! Quantization-aware training, and how `quantize` stores the trained student; sensitivity.

use std::sync::LazyLock;

use crate::program::{fails, output};
use crate::toy::{self, STUDENT, TEACHER};

/// The toy student, trained for four bits.
static AWARE: LazyLock<String> = LazyLock::new(|| {
    let line = format!(
        "distill --stage task --teacher {} --student {} {} --quantization-aware --weights int4 \
         --prediction-epochs 1 --max-tokens 32",
        *TEACHER,
        *STUDENT,
        toy::data()
    );
    toy::make("quantization-aware", &line)
});

fn quantize(model: &str, options: &str) -> String {
    let image = toy::path("quantization-aware.tbim");
    format!("quantize --model {model} --out {} {} --max-tokens 32 {options}", image.display(), toy::data())
}

#[test]
fn what_was_trained_is_what_is_stored() {
    let said = output(&quantize(&AWARE, ""));
    assert!(said.contains("quantized as it was trained to be"), "{said}");
    let run = std::fs::read_to_string(format!("{}/run.json", *AWARE)).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(run["settings"]["quantization_aware"]["precision"]["weights"], "int4");
    assert_eq!(run["settings"]["intermediate"]["epochs"], 0);
    let accuracy = run["metrics"]["dev"]["values"]["accuracy"].as_f64().unwrap();
    let image = format!("{accuracy:.4}");
    let last = said.lines().rev().find(|line| line.contains(" dev ")).unwrap();
    assert!(last.contains(&image), "the image's accuracy is the one that selected: {image} in {last}");
}

#[test]
fn options_that_say_otherwise_are_refused() {
    for option in ["--weights int8", "--embeddings int8", "--attention f32", "--calibration-examples 8"] {
        fails(&quantize(&AWARE, option), 2, &[option.split(' ').next().unwrap(), "quantization.json"]);
    }
    let shorter = quantize(&AWARE, "").replace("--max-tokens 32", "--max-tokens 24");
    fails(&shorter, 2, &["--max-tokens 24", "quantization.json"]);
    let default = quantize(&AWARE, "").replace("--max-tokens 32", "");
    assert!(output(&default).contains("quantized as it was trained to be"));
    let line = format!("distill --stage task --teacher {} --student {} {}", *TEACHER, *STUDENT, toy::data());
    let out = toy::path("never").display().to_string();
    fails(&format!("{line} --out {out} --weights int4"), 2, &["--weights is for --quantization-aware"]);
    let line = format!("{line} --out {out} --quantization-aware --intermediate-epochs 1 --max-tokens 32");
    fails(&line, 2, &["--intermediate-epochs 0"]);
}

#[test]
fn scales_need_an_example() {
    let line = format!("distill --stage task --teacher {} --student {} {}", *TEACHER, *STUDENT, toy::data());
    let aware = format!("{line} --out never --quantization-aware");
    for line in [quantize(&STUDENT, ""), aware] {
        fails(&format!("{line} --calibration-examples 0"), 2, &["--calibration-examples"]);
    }
}

#[test]
fn sensitivity_is_a_table_and_auto_follows_it() {
    let said = output(&quantize(&STUDENT, "--weights auto --logit-error 0"));
    for part in ["qkv", "attention output", "up", "down", "attention", "embeddings", "head"] {
        assert!(said.lines().any(|line| line.contains(part)), "{part}: {said}");
    }
    assert!(said.contains("layer 1: qkv int8, attention output int8, up int8, down int8"), "{said}");
    let said = output(&quantize(&STUDENT, "--weights auto --logit-error 1000 --sensitivity"));
    assert_eq!(said.matches("logits moved").count(), 1, "{said}");
    assert!(said.contains("layer 1: qkv int4, attention output int4, up int4, down int4"), "{said}");
    assert!(output(&quantize(&STUDENT, "--sensitivity")).contains("logits moved"));
}
