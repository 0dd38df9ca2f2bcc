//! `eval`, `run`, `inspect` and `bench` on the toy task's student, as a folder and as an image.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{error_says, output, tinybert};
use crate::toy::{self, IMAGE, STUDENT};

/// The JSON objects that a command printed, one per line.
fn json_lines(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).expect("each line is a JSON object")).collect()
}

/// The output of `run` for the lines of `input`.
fn answers(model: &str, options: &str, input: impl Into<Vec<u8>>) -> String {
    let assert = tinybert(&format!("run --model {model} {options}")).write_stdin(input).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("answers are UTF-8")
}

#[test]
fn the_image_evaluates_nearly_as_the_folder_does() {
    let accuracy = |model: &str| {
        let printed = output(&format!("eval --model {model} {} --json", toy::data()));
        json_lines(&printed)[0]["values"]["accuracy"].as_f64().expect("accuracy is a number")
    };
    let (float, int8) = (accuracy(&STUDENT), accuracy(&IMAGE));
    assert!(float > 0.8 && (float - int8).abs() < 0.06, "float {float}, int8 {int8}");
}

#[test]
fn a_text_is_answered_with_label_and_probability() {
    for model in [STUDENT.as_str(), IMAGE.as_str()] {
        let assert = tinybert(&format!("run --model {model}")).arg("play some jazz").assert().success();
        let printed = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        let (label, probability) = printed.trim_end().split_once('\t').expect("label, tab, probability");
        assert_eq!(label, "music", "{model}");
        assert!(probability.parse::<f32>().expect("probability is a number") > 0.34, "{printed}");
    }
}

#[test]
fn json_has_every_label_and_the_probabilities_sum_to_one() {
    let printed = answers(&IMAGE, "--json", "will it rain in oslo\n");
    let answer = &json_lines(&printed)[0];
    let probabilities = answer["probabilities"].as_object().expect("an object by label");
    assert_eq!(probabilities.keys().collect::<Vec<_>>(), ["music", "table", "weather"]);
    let sum: f64 = probabilities.values().filter_map(Value::as_f64).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{printed}");
    assert_eq!(answer["label"], "weather");
    assert_eq!(answer["tokens"], 7);
}

#[test]
fn answers_are_the_same_bits_on_every_instruction_set() {
    let input = "play some jazz\n\nwill it rain in oslo\nxyzzy 12345 ÄÖÜ 日本\n";
    assert_eq!(answers(&IMAGE, "--json", input), answers(&IMAGE, "--json --isa scalar", input));
}

#[test]
fn every_line_of_standard_input_gets_an_answer_an_empty_and_a_very_long_one_too() {
    let input = format!("play some jazz\n\n{}\n", "play ".repeat(5000));
    for model in [STUDENT.as_str(), IMAGE.as_str()] {
        let found = json_lines(&answers(model, "--json --max-tokens 32", input.as_str()));
        let told: Vec<_> = found.iter().map(|answer| (&answer["tokens"], &answer["truncated"])).collect();
        assert_eq!(
            told,
            [(&5.into(), &false.into()), (&2.into(), &false.into()), (&32.into(), &true.into())]
        );
    }
}

#[test]
fn the_line_that_is_not_utf_8_is_named_after_the_answers_before_it() {
    let mut run = tinybert(&format!("run --model {}", *IMAGE));
    let assert = run.write_stdin(b"play\n\xff\xfe\n".as_slice()).assert().code(3);
    assert_eq!(String::from_utf8_lossy(&assert.get_output().stdout).lines().count(), 1);
    error_says(assert, &["standard input:2", "UTF-8"]);
}

#[test]
fn pairs_are_separated_by_a_tab() {
    let mut run = tinybert(&format!("run --model {} --json", *IMAGE));
    let assert = run.args(["play some jazz", "--pair", "in oslo"]).assert().success();
    let by_option = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    let lines = answers(&IMAGE, "--json", "play some jazz\tin oslo\nplay some jazz\n");
    let (pair, single) = lines.split_once('\n').expect("two answers");
    assert_eq!(pair, by_option.trim_end());
    assert_eq!(json_lines(single)[0]["pair"], Value::Null);
}

#[test]
fn a_reader_that_stops_reading_is_no_error() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_tinybert-compress"))
        .args(["run", "--model", &IMAGE])
        .stdin(Stdio::from(
            std::fs::File::open(toy::write("many.txt", "play some jazz\n".repeat(20_000))).unwrap(),
        ))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(run.stdout.take().expect("piped")).read_line(&mut line).expect("an answer comes");
    // The reader is dropped here, which closes its end of the pipe.
    let end = run.wait_with_output().expect("the program ends");
    assert!(end.status.success(), "{end:?}");
    assert_eq!(String::from_utf8_lossy(&end.stderr), "");
}

#[test]
fn inspect_shows_what_is_inside_and_proves_the_self_tests() {
    let image = output(&format!("inspect {}", *IMAGE));
    for part in [
        "2 layers, hidden 32",
        "music, table, weather",
        "workspace RAM",
        "self-tests passed on",
        "embeddings",
        "attention in ",
    ] {
        assert!(image.contains(part), "{part} is missing in:\n{image}");
    }
    let folder = output(&format!("inspect {}", *STUDENT));
    for part in ["2 layers, hidden 32", "sequence classification: music, table, weather", "parameters"] {
        assert!(folder.contains(part), "{part} is missing in:\n{folder}");
    }
}

#[test]
fn attention_in_f32_is_there_for_the_asking() {
    let image = toy::path("f32.tbim");
    let options = format!("{} --max-tokens 24 --attention f32", toy::data());
    output(&format!("quantize --model {} {options} --out {}", *STUDENT, image.display()));
    let inside = output(&format!("inspect {}", image.display()));
    assert_eq!(inside.matches("attention in f32").count(), 2, "both layers:\n{inside}");
    assert!(inside.contains("self-tests passed on"), "{inside}");
    assert!(inside.contains("24 positions"), "no more than the longest input has:\n{inside}");
    let answer = answers(&image.display().to_string(), "", "play some jazz\n");
    assert!(answer.starts_with("music\t"), "{answer}");
}

#[test]
fn bench_prints_a_json_line_per_length() {
    for threads in [1, 2] {
        let line = format!("bench {} --seq 4,16 --threads {threads} --min-time 0.02 --json", *IMAGE);
        let printed = output(&line);
        let lines = json_lines(&printed);
        assert_eq!(lines.iter().map(|line| line["seq"].as_u64()).collect::<Vec<_>>(), [Some(4), Some(16)]);
        assert!(lines.iter().all(|line| line["median_ms"].as_f64().is_some_and(|ms| ms > 0.0)), "{printed}");
    }
    // The image has 32 positions, so the longer lengths are left out.
    let printed = output(&format!("bench {} --min-time 0.02 --json", *IMAGE));
    assert_eq!(
        json_lines(&printed).iter().filter_map(|line| line["seq"].as_u64()).collect::<Vec<_>>(),
        [16, 32]
    );
}
