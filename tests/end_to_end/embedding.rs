//! Sentence embeddings, from a bare encoder to the device: the student learns its teacher's vectors without
//! labels.

use std::sync::LazyLock;

use serde_json::Value;

use crate::program::{fails, output, tinybert};
use crate::toy::{self, ENCODER, FILLERS, FRESH, STUDENT, TEMPLATES};

/// Pairs each sentence with another one and scores their similarity: 5 for the same template, 2 for the same
/// label, 0 otherwise.
fn pairs(fillers: &[&str]) -> String {
    let templates: Vec<_> =
        TEMPLATES.iter().flat_map(|(label, all)| all.iter().map(move |t| (label, *t))).collect();
    let mut lines = String::new();
    for (at, filler) in fillers.iter().enumerate() {
        for (index, (label, template)) in templates.iter().enumerate() {
            let (other_label, other) = templates[(index + [0, 1, 4][(at + index) % 3]) % templates.len()];
            let score = if *template == other { 5 } else { 2 * i32::from(*label == other_label) };
            let pair = other.replace("{}", fillers[(at + 1) % fillers.len()]);
            let text = template.replace("{}", filler);
            lines += &serde_json::json!({ "text": text, "pair": pair, "label": score }).to_string();
            lines.push('\n');
        }
    }
    lines
}

pub static DATA: LazyLock<String> = LazyLock::new(|| {
    let train = toy::write("pairs-train.jsonl", pairs(&FILLERS[4..]));
    let dev = toy::write("pairs-dev.jsonl", pairs(&FILLERS[..4]));
    format!("--embedding --pair-column pair --train {train} --dev {dev}")
});

/// A student of [`ENCODER`], whose vectors are the means of its tokens.
pub static SENTENCES: LazyLock<String> = LazyLock::new(|| {
    let line = format!("distill --stage task --teacher {} --student {} {}", *ENCODER, *FRESH, *DATA);
    let rates = "--intermediate-lr 1e-3 --intermediate-epochs 4 --prediction-lr 2e-3 --prediction-epochs 8";
    toy::make("sentences", &format!("{line} {rates} --batch-size 16 --max-tokens 32 --teacher-cache 64M"))
});

pub static IMAGE: LazyLock<String> = LazyLock::new(|| {
    toy::make("sentences.tbim", &format!("quantize --model {} {} --max-tokens 32", *SENTENCES, *DATA))
});

fn run(line: &str, text: &str) -> String {
    let assert = tinybert(&format!("run {line}")).write_stdin(text).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("answers are UTF-8")
}

fn spearman(model: &str) -> f64 {
    let printed = output(&format!("eval --model {model} {} --json", *DATA));
    let metrics: Value = serde_json::from_str(&printed).expect("a JSON object");
    assert_eq!(metrics["primary"], "spearman");
    metrics["values"]["spearman"].as_f64().expect("a number")
}

#[test]
fn student_and_image_rank_pairs_nearly_as_the_teacher_does() {
    let [teacher, student, image] = [ENCODER.as_str(), &SENTENCES, &IMAGE].map(spearman);
    assert!(teacher > 0.2 && student > teacher - 0.15, "teacher {teacher}, student {student}");
    assert!((student - image).abs() < 0.06, "student {student}, image {image}");
}

#[test]
fn quantize_says_how_near_the_vectors_are() {
    for model in [SENTENCES.as_str(), &ENCODER] {
        let out = toy::path("near.tbim").display().to_string();
        let printed = output(&format!("quantize --model {model} {} --max-tokens 32 --out {out}", *DATA));
        let (_, rest) = printed.split_once("mean ").expect("the mean cosine is printed");
        let mean: f32 = rest.split(',').next().and_then(|mean| mean.parse().ok()).expect("a number");
        assert!(mean > 0.98, "{printed}");
    }
}

#[test]
fn a_text_has_a_vector_of_length_1_and_a_pair_a_cosine() {
    for model in [SENTENCES.as_str(), &IMAGE] {
        let printed = run(&format!("--model {model}"), "play some jazz\nplay some rock\n");
        let vectors: Vec<Vec<f32>> = printed
            .lines()
            .map(|line| line.split(' ').map(|value| value.parse().expect("a number")).collect())
            .collect();
        assert!(vectors.iter().all(|vector| vector.len() == 48), "the teacher's size");
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        assert!((dot(&vectors[0], &vectors[0]) - 1.0).abs() < 1e-5);

        let printed = run(&format!("--model {model} --json"), "play some jazz\tplay some rock\n");
        let json: Value = serde_json::from_str(&printed).expect("a JSON object");
        let cosine = json["cosine"].as_f64().expect("a number") as f32;
        assert!((cosine - dot(&vectors[0], &vectors[1])).abs() < 1e-5, "{printed}");
    }
}

#[test]
fn vectors_are_the_same_bits_on_every_instruction_set() {
    let text = "will it rain in oslo\nplay xyzzy 12345 now\n\n";
    let line = format!("--model {} --json", *IMAGE);
    assert_eq!(run(&line, text), run(&format!("{line} --isa scalar"), text));
    assert!(output(&format!("inspect {}", *IMAGE)).contains("self-tests passed on"));
    assert!(output(&format!("inspect {}", *SENTENCES)).contains("sentence embedding"));
}

/// The development set of [`DATA`] with this text before both sentences of every pair.
fn prompted_dev(prompt: &str) -> String {
    let prompted = |line: &str| {
        let mut row: Value = serde_json::from_str(line).expect("an object");
        for key in ["text", "pair"] {
            row[key] = Value::from(format!("{prompt}{}", row[key].as_str().expect("a text")));
        }
        row.to_string() + "\n"
    };
    toy::write("pairs-dev-prompted.jsonl", pairs(&FILLERS[..4]).lines().map(prompted).collect::<String>())
}

#[test]
fn a_prompt_stands_before_every_text() {
    const PROMPT: &str = "play: ";
    let encoder = toy::path("prompted-encoder");
    std::fs::create_dir_all(&encoder).unwrap();
    for file in std::fs::read_dir(&*ENCODER).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, encoder.join(file.file_name().unwrap())).unwrap();
    }
    let list = serde_json::json!({ "prompts": { "order": PROMPT, "none": "" }, "default_prompt_name": null });
    std::fs::write(encoder.join("config_sentence_transformers.json"), list.to_string()).unwrap();
    let encoder = encoder.display();
    let eval = |rest: &str, prompt: Option<&str>| {
        let line = format!("eval --model {rest} --json");
        let mut command = tinybert(&line);
        if let Some(prompt) = prompt {
            command.args(["--prompt", prompt]);
        }
        String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
    };
    for model in [encoder.to_string(), IMAGE.clone()] {
        let dev = prompted_dev(PROMPT);
        let written = eval(&format!("{model} --embedding --pair-column pair --dev {dev}"), None);
        assert_eq!(eval(&format!("{model} {}", *DATA), Some(PROMPT)), written);
        assert_ne!(eval(&format!("{model} {}", *DATA), None), written, "the prompt moves the vectors");
    }
    let by_name = eval(&format!("{encoder} {}", *DATA), Some("order"));
    assert_eq!(by_name, eval(&format!("{encoder} {}", *DATA), Some(PROMPT)));
    fails(&format!("eval --model {encoder} {} --prompt odrer", *DATA), 2, &["odrer", "order (\"play: \")"]);
    fails(&format!("eval --model {} {} --prompt order", *IMAGE, *DATA), 2, &["lists no prompts by name"]);

    let line = format!("run --model {} --prompt", *IMAGE);
    let asked = tinybert(&line).args([PROMPT, "some jazz"]).assert().success();
    let written = tinybert(&format!("run --model {}", *IMAGE)).arg("play: some jazz").assert().success();
    assert_eq!(asked.get_output().stdout, written.get_output().stdout);
}

#[test]
fn what_has_no_embedding_is_refused() {
    let out = toy::path("no-embedding").display().to_string();
    fails(
        &format!("fine-tune --model {} {} --max-tokens 32 --out {out}", *ENCODER, *DATA),
        2,
        &["distil them"],
    );
    fails(&format!("eval --model {} {}", *STUDENT, *DATA), 3, &["ask for sentence embeddings"]);
    // The error must not advise fine-tuning, which helps other tasks but not this one.
    let line = format!("distill --stage task --teacher {} --student {} {}", *STUDENT, *FRESH, *DATA);
    fails(&format!("{line} --out {out}"), 3, &[&STUDENT, "bare sentence encoder"]);
    let unpaired = DATA.replace("--pair-column pair", "");
    fails(&format!("eval --model {} {unpaired}", *ENCODER), 3, &["--pair-column"]);
}

/// The vectors that `run --json` gives for two texts.
fn vectors(model: &str) -> Vec<Vec<f64>> {
    let printed = run(&format!("--model {model} --json"), "play some jazz\nhow cold is it in rome\n");
    let vector = |line: &str| {
        let answer: Value = serde_json::from_str(line).expect("a JSON object");
        let numbers = answer["embedding"].as_array().expect("a vector").iter();
        numbers.map(|number| number.as_f64().expect("a number")).collect()
    };
    printed.lines().map(vector).collect()
}

#[test]
fn encoders_that_pool_in_another_way_are_images_that_do_the_same() {
    let modules = |last: &str| {
        format!(
            "[{{\"path\": \"\", \"type\": \"m.Transformer\"}}, {{\"path\": \"1_Pooling\", \"type\": \"m.Pooling\"}}{last}]"
        )
    };
    let normalize = ", {\"path\": \"2_Normalize\", \"type\": \"m.Normalize\"}";
    let mut found = Vec::new();
    for (name, pooling, last) in
        [("cls", "cls_token", normalize), ("max", "max_tokens", ""), ("mean", "mean_tokens", normalize)]
    {
        let folder = toy::path(&format!("pooled-{name}"));
        std::fs::create_dir_all(folder.join("1_Pooling")).expect("the target folder can be written");
        for entry in std::fs::read_dir(&*ENCODER).expect("the encoder is a folder") {
            let entry = entry.expect("the folder can be read");
            if entry.file_name() != "run.json" {
                std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("files can be copied");
            }
        }
        toy::write(&format!("pooled-{name}/modules.json"), modules(last));
        let config = format!("{{\"pooling_mode_{pooling}\": true, \"pooling_mode_lasttoken\": false}}");
        toy::write(&format!("pooled-{name}/1_Pooling/config.json"), config);
        let folder = folder.display().to_string();
        let image = toy::path(&format!("pooled-{name}.tbim")).display().to_string();
        let line = format!("quantize --model {folder} {} --max-tokens 32 --out {image}", *DATA);
        let printed = output(&line);
        let (_, rest) = printed.split_once("mean ").expect("the mean cosine is printed");
        let mean: f32 = rest.split(',').next().and_then(|mean| mean.parse().ok()).expect("a number");
        assert!(mean > 0.97, "{name}: {printed}");
        let vectors = vectors(&image);
        for vector in &vectors {
            let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
            assert_eq!((length - 1.0).abs() < 1e-3, !last.is_empty(), "{name}: {length}");
        }
        found.push(vectors);
        let student = toy::path(&format!("student-{name}")).display().to_string();
        let line = format!("distill --stage task --teacher {folder} --student {} {}", *FRESH, *DATA);
        let epochs = "--intermediate-epochs 1 --prediction-epochs 1 --allow-weak-teacher --max-tokens 32";
        tinybert(&format!("{line} {epochs} --out {student}")).assert().success();
        let config = std::fs::read_to_string(format!("{student}/config.json")).expect("the student is there");
        assert!(config.contains(&format!("\"{name}\"")), "{config}");
    }
    assert!(found[0] != found[1] && found[1] != found[2] && found[0] != found[2]);
}

/// A sentence of the development pairs teaches nothing, wherever it stands in a pair.
#[test]
fn plain_text_joins_the_pairs_without_that_of_the_development_pairs() {
    let pair: Value =
        serde_json::from_str(pairs(&FILLERS[..4]).lines().next().expect("a pair")).expect("JSON");
    let known = ["text", "pair"].map(|side| pair[side].as_str().expect("a sentence"));
    let more = toy::write("more.txt", format!("{}\nstop that noise\n{}\n", known[0], known[1]));
    let out = toy::path("more-sentences").display().to_string();
    let line = format!("distill --stage task --teacher {} --student {} {}", *ENCODER, *FRESH, *DATA);
    let line =
        format!("{line} --unlabelled {more} --intermediate-epochs 0 --prediction-epochs 1 --out {out}");
    let assert = tinybert(&line).assert().success();
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("left out 2 of 3 texts"), "{said}");
}

/// sentence-transformers puts the default prompt before every text. An image cannot, and a student's folder records it.
#[test]
fn a_default_prompt_is_chosen_for_an_image_and_recorded_for_a_student() {
    let folder = toy::path("default-prompt");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    for entry in std::fs::read_dir(&*ENCODER).expect("the encoder is a folder") {
        let entry = entry.expect("the folder can be read");
        std::fs::copy(entry.path(), folder.join(entry.file_name())).expect("files can be copied");
    }
    toy::write(
        "default-prompt/config_sentence_transformers.json",
        r#"{"prompts": {"query": "query: "}, "default_prompt_name": "query"}"#,
    );
    let folder = folder.display().to_string();
    let image = toy::path("default-prompt.tbim").display().to_string();
    let line = format!("quantize --model {folder} {} --max-tokens 32 --out {image}", *DATA);
    fails(&line, 3, &["config_sentence_transformers.json", "default_prompt_name", "--prompt query"]);
    tinybert(&line).args(["--prompt", "query"]).assert().success();

    let student = toy::path("prompted-student").display().to_string();
    let line = format!("distill --stage task --teacher {folder} --student {} {}", *FRESH, *DATA);
    let epochs = "--intermediate-epochs 0 --prediction-epochs 1 --allow-weak-teacher --max-tokens 32";
    tinybert(&format!("{line} {epochs} --out {student}")).assert().success();
    let by_default = run(&format!("--model {student} --json"), "play jazz\n");
    let mut without = tinybert(&format!("run --model {student} --json --prompt"));
    without.args(["", "query: play jazz"]);
    let without = String::from_utf8(without.output().expect("it runs").stdout).expect("text");
    let vector =
        |answer: &str| serde_json::from_str::<Value>(answer).expect("a JSON object")["embedding"].clone();
    assert_eq!(vector(&by_default), vector(&without));
}

#[test]
fn a_prompt_is_for_sentence_encoders_alone() {
    fails(&format!("run --model {} --prompt query: play", *STUDENT), 2, &["--prompt", "sentence encoders"]);
}
