//! Models and data of different kinds: every command refuses the pair before it computes anything, names both kinds,
//! and writes nothing.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use candle_core::{Device, safetensors};

use crate::program::{fails, output};
use crate::toy::{self, ENCODER, FRESH, TEACHER};

/// Options for data of one kind each, as messages call it.
fn data_of_each_kind() -> [(&'static str, String); 4] {
    let data = |options: &str, name: &str, rows: &str| {
        let file = toy::write(&format!("kinds-{name}.jsonl"), rows);
        format!("{options} --train {file} --dev {file}")
    };
    [
        ("one label per text", toy::data()),
        (
            "any number of labels per text",
            data(
                "--multi-label",
                "sets",
                "{\"text\": \"play jazz\", \"label\": [\"music\"]}\n{\"text\": \"rome\", \"label\": [\"table\", \"weather\"]}\n",
            ),
        ),
        (
            "a score",
            data(
                "--regression",
                "scores",
                "{\"text\": \"play jazz\", \"label\": 0.5}\n{\"text\": \"rome\", \"label\": 1.5}\n",
            ),
        ),
        (
            "a tag for each word",
            data(
                "--tagging",
                "tags",
                "{\"tokens\": [\"play\", \"jazz\"], \"tags\": [\"O\", \"B-X\"]}\n{\"tokens\": [\"rome\"], \"tags\": [\"O\"]}\n",
            ),
        ),
    ]
}

/// A model of each kind, in the order of [`data_of_each_kind`].
static MODELS: LazyLock<[String; 4]> = LazyLock::new(|| {
    let mut kinds = data_of_each_kind().into_iter().skip(1);
    let mut tuned = |name: &str| {
        let (_, data) = kinds.next().expect("there are three more kinds");
        toy::make(name, &format!("fine-tune --model {} {data} --epochs 1 --max-tokens 16", *ENCODER))
    };
    [TEACHER.clone(), tuned("kinds-sets"), tuned("kinds-scorer"), tuned("kinds-tagger")]
});

#[test]
fn a_model_answers_no_data_of_another_kind() {
    let kinds = data_of_each_kind();
    let out = toy::path("kinds-out").display().to_string();
    for (model, (answers, _)) in MODELS.iter().zip(&kinds) {
        for (asked, data) in kinds.iter().filter(|(asked, _)| asked != answers) {
            for line in [
                format!("eval --model {model} {data}"),
                format!("quantize --model {model} {data} --out {out}"),
                format!("prune --model {model} {data} --heads 0.5 --out {out}"),
                format!("distill --stage task --teacher {model} --student {} {data} --out {out}", *FRESH),
                format!("compress --teacher {model} {data} --quick --out {out}"),
            ] {
                fails(&line, 3, &[answers, asked]);
                assert!(!toy::path("kinds-out").exists(), "{line}");
            }
        }
    }
}

/// Takes the second of the token types that every model of `init` has.
fn with_one_token_type(model: &str) {
    let folder = Path::new(model);
    let (config, weights) = (folder.join("config.json"), folder.join("model.safetensors"));
    let text = fs::read_to_string(&config).expect("the model was written");
    fs::write(config, text.replace("\"type_vocab_size\": 2", "\"type_vocab_size\": 1"))
        .expect("it can be written");
    let mut tensors = safetensors::load(&weights, &Device::Cpu).expect("the model was written");
    for (name, tensor) in &mut tensors {
        if name.ends_with("token_type_embeddings.weight") {
            *tensor = tensor.narrow(0, 0, 1).expect("it has two rows");
        }
    }
    safetensors::save(&tensors, weights).expect("it can be written");
}

#[test]
fn a_model_with_one_token_type_reads_no_pairs() {
    let model = toy::student("kinds-one-type", "--hidden 32 --labels yes,no", &ENCODER);
    with_one_token_type(&model);
    let pairs = toy::write(
        "kinds-pairs.jsonl",
        "{\"text\": \"play\", \"b\": \"jazz\", \"label\": \"yes\"}\n{\"text\": \"rome\", \"b\": \"oslo\", \"label\": \"no\"}\n",
    );
    let data = format!("--pair-column b --train {pairs} --dev {pairs}");
    let out = toy::path("kinds-pairs-out").display().to_string();
    for line in [
        format!("eval --model {model} {data}"),
        format!("fine-tune --model {model} {data} --epochs 1 --out {out}"),
        format!("quantize --model {model} {data} --out {out}"),
        format!("run --model {model} --pair jazz play"),
    ] {
        fails(&line, 3, &["no pairs", "type_vocab_size"]);
        assert!(!toy::path("kinds-pairs-out").exists(), "{line}");
    }
    output(&format!("run --model {model} play"));
}

#[test]
fn labels_that_only_count_have_the_names_of_the_data() {
    let model = toy::student("kinds-counted", "--hidden 32 --labels LABEL_0,LABEL_1,LABEL_2", &ENCODER);
    let data = toy::data();
    output(&format!("eval --model {model} {data}"));
    let image = toy::make("kinds-counted.tbim", &format!("quantize --model {model} {data} --max-tokens 32"));
    output(&format!("eval --model {image} {data}"));
    let answer = output(&format!("run --model {image} jazz"));
    assert!(["music", "weather", "table"].iter().any(|name| answer.starts_with(name)), "{answer}");
}

#[test]
fn labels_reach_a_terminal_on_one_line_without_control_characters() {
    let model = toy::student("kinds-control", "--hidden 32 --labels one,two", &ENCODER);
    let path = toy::path("kinds-control").join("config.json");
    let config = fs::read_to_string(&path).expect("the model was written");
    let names = [("\"one\"", r#""new\nline""#), ("\"two\"", r#""\u001b[2Jgone""#)];
    let config = names.iter().fold(config, |config, (from, to)| config.replace(from, to));
    fs::write(&path, config).expect("the target folder can be written");
    let answers =
        crate::program::tinybert(&format!("run --model {model}")).write_stdin("play\njazz\n").assert();
    let printed = String::from_utf8(answers.success().get_output().stdout.clone()).expect("UTF-8");
    assert_eq!(printed.lines().count(), 2, "{printed}");
    assert!(!printed.contains('\u{1b}'), "{printed}");
    let shown = output(&format!("inspect {model}"));
    assert!(shown.contains(r"new\nline") && shown.contains(r"\u{1b}[2Jgone"), "{shown}");
    let json = output(&format!("run --json --model {model} play"));
    let answer: serde_json::Value = serde_json::from_str(&json).expect("JSON stays exact");
    assert!(answer["probabilities"].get("new\nline").is_some(), "{json}");
}
