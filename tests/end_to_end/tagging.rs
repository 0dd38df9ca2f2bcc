//! Token tagging, from data to the device, on a toy task whose entities are music and places.

use std::sync::LazyLock;

use serde_json::Value;

use crate::program::{error_says, fails, output, tinybert};
use crate::toy::{self, DEV_FILLERS, ENCODER, FILLERS, FRESH, TEMPLATES};

/// The toy task's sentences with tagged fillers. Every second filler, from index `first` on, is an entity of
/// two words, of which the second one has several tokens.
fn sentences(fillers: &[&str], first: usize) -> String {
    let mut lines = String::new();
    for (at, filler) in fillers.iter().enumerate() {
        for (label, templates) in TEMPLATES {
            let kind = if label == "music" { "music" } else { "place" };
            for template in templates {
                let (mut words, mut tags) = (Vec::new(), Vec::new());
                for word in template.split(' ') {
                    if word != "{}" {
                        words.push(word);
                        tags.push("O".to_owned());
                        continue;
                    }
                    words.push(filler);
                    tags.push(format!("B-{kind}"));
                    if at % 2 == first {
                        words.push("club");
                        tags.push(format!("I-{kind}"));
                    }
                }
                lines += &serde_json::json!({ "tokens": words, "tags": tags }).to_string();
                lines.push('\n');
            }
        }
    }
    lines
}

pub static DATA: LazyLock<String> = LazyLock::new(|| {
    // The development set has the same words in other sentences.
    let train = toy::write("tags-train.jsonl", sentences(&FILLERS, 1));
    let dev = toy::write("tags-dev.jsonl", sentences(&FILLERS[..DEV_FILLERS], 0));
    format!("--tagging --train {train} --dev {dev}")
});

static TEACHER: LazyLock<String> = LazyLock::new(|| {
    let options = "--max-tokens 32 --epochs 12 --lr 3e-3 --batch-size 8";
    toy::make("tag-teacher", &format!("fine-tune --model {} {} {options}", *ENCODER, *DATA))
});

pub static STUDENT: LazyLock<String> = LazyLock::new(|| {
    let line = format!("distill --stage task --teacher {} --student {} {}", *TEACHER, *FRESH, *DATA);
    let rates = "--intermediate-lr 1e-3 --intermediate-epochs 16 --prediction-lr 1e-3 --prediction-epochs 24";
    toy::make("tag-student", &format!("{line} {rates} --batch-size 8 --max-tokens 32 --teacher-cache 64M"))
});

pub static IMAGE: LazyLock<String> = LazyLock::new(|| {
    toy::make("tags.tbim", &format!("quantize --model {} {} --max-tokens 32", *STUDENT, *DATA))
});

fn run(model: &str, options: &str, text: &str) -> String {
    let mut command = tinybert(&format!("run --model {model} {options}"));
    let assert = command.write_stdin(text).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("answers are UTF-8")
}

fn f1(model: &str) -> f64 {
    let printed = output(&format!("eval --model {model} {} --json", *DATA));
    let metrics: Value = serde_json::from_str(&printed).expect("a JSON object");
    assert_eq!(metrics["primary"], "f1");
    metrics["values"]["f1"].as_f64().expect("f1 is a number")
}

#[test]
fn teacher_student_and_image_find_the_entities() {
    let [teacher, student, image] = [TEACHER.as_str(), &STUDENT, &IMAGE].map(f1);
    assert!(teacher > 0.9 && student > 0.8, "teacher {teacher}, student {student}");
    assert!((student - image).abs() < 0.06, "student {student}, image {image}");
}

#[test]
fn words_are_printed_with_tags_and_entities_with_their_text() {
    for model in [STUDENT.as_str(), &IMAGE] {
        let printed = run(model, "", "play some  jazz\n\n");
        assert_eq!(printed, "play/O some/O jazz/B-music\tmusic: jazz\n\n", "{model}");
        let json: Value = serde_json::from_str(&run(model, "--json", "put jazz club on")).expect("JSON");
        assert_eq!(json["words"][1]["tag"], "B-music");
        assert_eq!(json["words"][3]["start"], 14);
        assert!(json["words"][1]["probability"].as_f64().expect("a number") > 0.3);
        let entity = &json["entities"][0];
        assert_eq!((&entity["type"], &entity["text"]), (&"music".into(), &"jazz club".into()));
        assert_eq!((&entity["start"], &entity["end"]), (&4.into(), &13.into()));
    }
}

#[test]
fn folder_and_image_tag_the_same_words() {
    let text = format!("how cold, is it?  in paris!\n{}\n\u{200b} play \u{200b}\n", "play club ".repeat(40));
    let words = |model: &str| -> Vec<(Vec<Value>, Value)> {
        run(model, "--json --max-tokens 32", &text)
            .lines()
            .map(|line| {
                let mut json: Value = serde_json::from_str(line).expect("a JSON object");
                let words = json["words"].as_array().expect("a list").iter();
                (words.map(|word| word["start"].clone()).collect(), json["truncated"].take())
            })
            .collect()
    };
    let found = words(&IMAGE);
    assert_eq!(found, words(&STUDENT));
    let counts: Vec<_> =
        found.iter().map(|(words, truncated)| (words.len(), truncated == &Value::Bool(true))).collect();
    // "play" has one token and "club" has four; six times both leave no room for another word.
    assert_eq!(counts, [(6, false), (12, true), (1, false)]);
}

#[test]
fn a_sentence_without_tokens_is_judged_alike_and_not_learned_from() {
    let empty = "{\"tokens\": [\"\\u200b\"], \"tags\": [\"O\"]}\n";
    let alone = toy::write("no-tokens.jsonl", empty);
    let mixed = toy::write("some-tokens.jsonl", format!("{}{empty}", sentences(&FILLERS[..2], 0)));
    for file in [&alone, &mixed] {
        let [folder, image] = [STUDENT.as_str(), &IMAGE].map(|model| {
            let printed = output(&format!("eval --model {model} --tagging --dev {file} --json"));
            let metrics: Value = serde_json::from_str(&printed).expect("a JSON object");
            metrics["samples"].clone()
        });
        assert_eq!(folder, image);
        let options = format!("--tagging --train {file} --dev {file} --out {}", toy::path("none").display());
        fails(&format!("fine-tune --model {} {options}", *ENCODER), 3, &["training example", "has a token"]);
    }
}

#[test]
fn tags_are_the_same_bits_on_every_instruction_set() {
    let text = "will it rain in oslo\nplay xyzzy 12345 now\n\n";
    assert_eq!(run(&IMAGE, "--json", text), run(&IMAGE, "--json --isa scalar", text));
    assert!(output(&format!("inspect {}", *IMAGE)).contains("self-tests passed on"));
}

#[test]
fn a_tagger_takes_no_pairs_and_no_other_data() {
    for model in [STUDENT.as_str(), &IMAGE] {
        let mut command = tinybert(&format!("run --model {model}"));
        let assert = command.write_stdin("a b\na\tb\n").assert().code(3);
        error_says(assert, &["standard input:2", "single texts"]);
        fails(&format!("eval --model {model} {}", toy::data()), 3, &[]);
    }
}

#[test]
fn files_of_words_and_tags_are_read_too() {
    let sentence = "play O\nsome O\njazz B-music\nclub I-music\n\n";
    let file = toy::write("tags.conll", format!("-DOCSTART- O\n\n{}", sentence.repeat(12)));
    let printed = output(&format!("eval --model {} --tagging --dev {file}", *IMAGE));
    assert!(printed.contains("f1 ") && printed.contains("(12 examples, 95 % intervals)"), "{printed}");
    fails(&format!("eval --model {} --dev {file}", *IMAGE), 3, &["give --tagging"]);
}
