//! A teacher with pieces of its own, from its folder to the student's image, and what is refused.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};
use tinybert_model::{Architecture, BertConfig, Head, RunRecord, TextEncoder};

use crate::program::{fails, output};
use crate::toy;

/// A fresh RoBERTa of 2 layers with the byte-level BPE tokenizer of the reference values.
static ROBERTA: LazyLock<String> = LazyLock::new(|| {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/testing/reference/own_pieces.json");
    let reference: Value = serde_json::from_slice(&fs::read(source).expect("it is there")).expect("JSON");
    let files = toy::path("roberta-tokenizer");
    fs::create_dir_all(&files).expect("the target folder can be written");
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs::write(files.join(file), reference["bpe"][file].to_string()).expect("it can be written");
    }
    let text = TextEncoder::from_folder(&files).expect("a tokenizer");
    let config = BertConfig {
        architecture: Architecture::Roberta(text.special()),
        vocab_size: text.vocab_size(),
        hidden_size: 48,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        intermediate_size: 96,
        max_position_embeddings: 64,
        type_vocab_size: 1,
        ..tinybert_model::preset("tinybert-4l-312").expect("a preset")
    };
    let tensors = tinybert_nn::init_parameters(&config, &Head::None, 1).expect("weights");
    let record = RunRecord::new("test", Value::Null, 1, Vec::new());
    let folder = toy::path("roberta");
    tinybert_model::save(&folder, &config, &Head::None, &tensors, &text, &record).expect("it can be saved");
    folder.display().to_string()
});

/// [`ROBERTA`], fine-tuned.
static TEACHER: LazyLock<String> = LazyLock::new(|| {
    let options = "--max-tokens 48 --epochs 16 --lr 1e-3 --batch-size 16";
    toy::make("roberta-teacher", &format!("fine-tune --model {} {} {options}", *ROBERTA, toy::data()))
});

/// A fresh student with a vocabulary of WordPiece.
static FRESH: LazyLock<String> = LazyLock::new(|| {
    let vocabulary = toy::vocabulary("vocabulary-of-a-student", usize::MAX);
    toy::make(
        "student-of-roberta",
        &format!("init --layers 2 --heads 4 --hidden 32 --ffn 64 --positions 64 --vocab-from {vocabulary}"),
    )
});

fn accuracy(model: &str) -> f64 {
    let printed = output(&format!("eval --model {model} {} --json", toy::data()));
    let metrics: Value = serde_json::from_str(&printed).expect("a JSON object");
    metrics["values"]["accuracy"].as_f64().expect("a number")
}

#[test]
fn a_student_learns_word_by_word_from_a_teacher_with_pieces_of_its_own() {
    let line = format!("distill --stage task --teacher {} --student {} {}", *TEACHER, *FRESH, toy::data());
    let rates = "--intermediate-lr 1e-3 --intermediate-epochs 8 --prediction-lr 1e-3 --prediction-epochs 24";
    let options = format!("{rates} --batch-size 16 --max-tokens 48 --teacher-cache 64M");
    let student = toy::make("learned-from-roberta", &format!("{line} {options}"));
    let (teacher, learned) = (accuracy(&TEACHER), accuracy(&student));
    assert!(teacher > 0.7 && learned > teacher - 0.15, "teacher {teacher}, student {learned}");
    let image = toy::make(
        "learned-from-roberta.tbim",
        &format!("quantize --model {student} {} --max-tokens 32", toy::data()),
    );
    assert!(accuracy(&image) > learned - 0.1);

    let said = line + " --out " + &toy::path("x").display().to_string();
    fails(&format!("{said} --max-tokens 48 --align pieces"), 3, &["BPE", "--align words"]);
    fails(&format!("{said} --max-tokens 48 --align lines"), 2, &["pieces or words"]);
}

#[test]
fn the_general_stage_compares_words_too() {
    let text = "Play some jazz. Will it rain in Oslo?\nBook a table, please.\n\nPut metal on!\n".repeat(8);
    let corpus = toy::write("corpus-of-roberta.txt", text);
    let line =
        format!("distill --stage general --teacher {} --student {} --corpus {corpus}", *ROBERTA, *FRESH);
    let options = "--max-tokens 48 --epochs 1 --batch-size 4";
    let student = toy::make("general-from-roberta", &format!("{line} {options}"));
    assert!(Path::new(&student).join("model.safetensors").exists());
    let said = format!("{line} {options} --out {}", toy::path("x").display());
    fails(&format!("{said} --inherit"), 3, &["BPE"]);
    fails(&format!("{said} --align pieces"), 3, &["BPE"]);
}

#[test]
fn what_a_teacher_cannot_be_is_said_before_any_work() {
    let out = toy::path("x").display().to_string();
    let (data, model) = (toy::data(), &*TEACHER);
    fails(&format!("init --vocab-from {model} --out {out}"), 3, &["WordPiece", "--train-vocab-from"]);
    fails(&format!("quantize --model {model} {data} --out {out}"), 2, &["RoBERTa", "distil a student"]);
    fails(
        &format!("prune --model {model} {data} --layers 1 --out {out}"),
        2,
        &["RoBERTa", "prune the student"],
    );
    let line = format!("distill --stage task --teacher {model} --student {model} {data} --out {out}");
    fails(&format!("{line} --max-tokens 48"), 2, &["RoBERTa", "init"]);
}

#[test]
fn a_decoder_is_refused_with_the_way_in_which_it_can_teach() {
    let folder = toy::path("decoder");
    fs::create_dir_all(&folder).expect("the target folder can be written");
    let refused = |config: Value, parts: &[&str]| {
        fs::write(folder.join("config.json"), config.to_string()).expect("it can be written");
        let line = format!("fine-tune --model {} {}", folder.display(), toy::data());
        fails(&format!("{line} --out {}", toy::path("x").display()), 3, parts);
    };
    let ways = ["\"bert\"", "\"xlm-roberta\"", "--soft-labels COLUMN"];
    refused(json!({ "model_type": "llama" }), &ways);
    refused(json!({ "model_type": "new", "architectures": ["NewForCausalLM"] }), &ways);
    refused(json!({ "model_type": "t5" }), &["\"distilbert\"", "t5"]);
}
