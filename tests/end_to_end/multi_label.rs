//! Texts with any number of labels, from data to the device: the toy task's sentences, joined.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::program::{fails, output, tinybert};
use crate::toy::{self, DEV_FILLERS, ENCODER, FILLERS, FRESH, STUDENT, TEMPLATES};

/// Texts with no, one and two labels of the toy task. Two sentences of different labels make one text.
fn rows(fillers: &[&str]) -> Vec<(String, Vec<&'static str>)> {
    let mut rows = Vec::new();
    for (at, filler) in fillers.iter().enumerate() {
        for distance in 1..4 {
            rows.push((format!("{filler} {}", fillers[(at + distance) % fillers.len()]), Vec::new()));
        }
        for (kind, (label, templates)) in TEMPLATES.iter().enumerate() {
            let (other, others) = TEMPLATES[(kind + 1) % TEMPLATES.len()];
            for (template, second) in templates.iter().zip(others) {
                let first = template.replace("{}", filler);
                rows.push((format!("{first} and {}", second.replace("{}", filler)), vec![*label, other]));
                rows.push((first, vec![*label]));
            }
        }
    }
    rows
}

fn jsonl(fillers: &[&str]) -> String {
    rows(fillers)
        .iter()
        .map(|(text, labels)| json!({ "text": text, "label": labels }).to_string() + "\n")
        .collect()
}

/// A file with the training texts, and one in CSV with the texts for development.
pub static DATA: LazyLock<String> = LazyLock::new(|| {
    let train = toy::write("sets-train.jsonl", jsonl(&FILLERS[DEV_FILLERS..]));
    let dev: String = rows(&FILLERS[..DEV_FILLERS])
        .iter()
        .map(|(text, labels)| format!("{text},{}\n", labels.join("|")))
        .collect();
    let dev = toy::write("sets-dev.csv", format!("text,label\n{dev}"));
    format!("--multi-label --train {train} --dev {dev}")
});

const RATES: &str = "--batch-size 16 --max-tokens 32";

static TEACHER: LazyLock<String> = LazyLock::new(|| {
    let line = format!("fine-tune --model {} {} {RATES}", *ENCODER, *DATA);
    toy::make("set-teacher", &format!("{line} --epochs 24 --lr 2e-3"))
});

pub static SMALL: LazyLock<String> = LazyLock::new(|| {
    let line = format!("distill --stage task --teacher {} --student {} {} {RATES}", *TEACHER, *FRESH, *DATA);
    let rates = "--intermediate-lr 1e-3 --intermediate-epochs 12 --prediction-lr 2e-3 --prediction-epochs 24";
    toy::make("set-student", &format!("{line} {rates} --gold-weight 0.2"))
});

pub static IMAGE: LazyLock<String> = LazyLock::new(|| {
    toy::make("sets.tbim", &format!("quantize --model {} {} --max-tokens 32", *SMALL, *DATA))
});

fn read_json(path: impl AsRef<Path>) -> Value {
    serde_json::from_slice(&fs::read(path).expect("the file is there")).expect("the file is JSON")
}

fn config(model: &str) -> Value {
    read_json(Path::new(model).join("config.json"))
}

/// The metrics of a model on the development set.
fn metrics(model: &str, options: &str) -> Value {
    let printed = output(&format!("eval --model {model} {} --json {options}", *DATA));
    serde_json::from_str(&printed).expect("a JSON object")
}

fn micro_f1(model: &str) -> f64 {
    let found = metrics(model, "");
    assert_eq!(found["primary"], "micro_f1");
    assert!(found["values"]["macro_f1"].is_number() && found["values"]["exact_match"].is_number(), "{found}");
    found["values"]["micro_f1"].as_f64().expect("a number")
}

fn run(model: &str, options: &str, text: &str) -> String {
    let assert = tinybert(&format!("run --model {model} {options}")).write_stdin(text).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("answers are UTF-8")
}

#[test]
fn teacher_student_and_image_find_the_labels() {
    let [teacher, student, image] = [TEACHER.as_str(), &SMALL, &IMAGE].map(micro_f1);
    assert!(teacher > 0.9 && student > 0.85, "teacher {teacher}, student {student}");
    assert!((student - image).abs() < 0.05, "student {student}, image {image}");
    for model in [TEACHER.as_str(), &SMALL] {
        let config = config(model);
        assert_eq!(config["problem_type"], "multi_label_classification");
        assert_eq!(config["label_thresholds"].as_array().expect("a list").len(), 3);
        // What was reported was reached with the thresholds that were kept.
        let recorded = read_json(Path::new(model).join("run.json"));
        assert_eq!(recorded["metrics"]["dev"]["values"], metrics(model, "")["values"]);
    }
    assert!(
        output(&format!("inspect {}", *SMALL)).contains("multi-label classification: music, table, weather")
    );
    let inspected = output(&format!("inspect {}", *IMAGE));
    for part in ["MultiLabel: music, table, weather", "thresholds: music 0.", "self-tests passed on"] {
        assert!(inspected.contains(part), "{inspected}");
    }
}

#[test]
fn every_label_is_printed_with_its_probability() {
    for model in [SMALL.as_str(), &IMAGE] {
        let text = "play some lima and will it rain in lima\nlima blues\n";
        let printed = run(model, "", text);
        let lines: Vec<Vec<&str>> = printed.lines().map(|line| line.split('\t').collect()).collect();
        let [both, none] = lines.as_slice() else { panic!("{printed}") };
        assert_eq!((both[0], both[2], both.len()), ("music", "weather", 4), "{model}: {printed}");
        assert_eq!(none, &["(none)"], "{model}: {printed}");
        let json: Vec<Value> = run(model, "--json", text)
            .lines()
            .map(|line| serde_json::from_str(line).expect("a JSON object"))
            .collect();
        assert_eq!((&json[0]["labels"], &json[1]["labels"]), (&json!(["music", "weather"]), &json!([])));
        let probability = json[0]["probabilities"]["music"].as_f64().expect("a number");
        assert!((both[1].parse::<f64>().expect("a number") - probability).abs() < 1e-4);
        assert!(json[0]["probabilities"]["table"].as_f64().expect("a number") < 0.5);
    }
}

#[test]
fn labels_are_the_same_bits_on_every_instruction_set() {
    let text = "will it rain in oslo and book a table in oslo\nplay xyzzy 12345 now\n\n";
    let expected = run(&IMAGE, "--json --isa scalar", text);
    for isa in ["avx2", "avx-vnni", "avx512-vnni", "neon", "neon-dotprod", "neon-dotprod-a55", "neon-i8mm"] {
        let found =
            tinybert(&format!("run --model {} --json --isa {isa}", *IMAGE)).write_stdin(text).output();
        let found = found.expect("the program runs");
        // 2: this machine has no such instructions.
        assert!(found.status.code() == Some(2) || found.stdout == expected.as_bytes(), "{isa}");
    }
}

#[test]
fn what_run_prints_teaches_a_student_as_soft_labels() {
    let texts: String = rows(&FILLERS[DEV_FILLERS..]).iter().map(|(text, _)| format!("{text}\n")).collect();
    let soft = toy::write("soft-sets.jsonl", run(&TEACHER, "--json", &texts));
    let dev = DATA.split("--dev ").nth(1).expect("there is a development file");
    let line =
        format!("distill --stage task --multi-label --soft-labels probabilities --student {}", *ENCODER);
    let line =
        format!("{line} --train {soft} --dev {dev} --prediction-lr 1e-3 --prediction-epochs 40 {RATES}");
    let student = toy::make("soft-set-student", &line);
    assert!(micro_f1(&student) > 0.85, "{}", micro_f1(&student));
}

#[test]
fn pruning_and_quantization_aware_training_keep_the_kind_and_choose_thresholds() {
    let half = toy::make(
        "half-sets",
        &format!("prune --model {} --heads 0.5 --ffn 0.5 --multiple-of 8 {}", *SMALL, *DATA),
    );
    assert_eq!(config(&half)["label_thresholds"], config(&SMALL)["label_thresholds"], "nothing was trained");
    let line = format!("distill --stage task --teacher {} --student {half} {} {RATES}", *TEACHER, *DATA);
    let recovered = toy::make(
        "half-sets-recovered",
        &format!("{line} --intermediate-epochs 0 --prediction-epochs 8 --prediction-lr 2e-3"),
    );
    let line = format!("distill --stage task --teacher {} --student {recovered} {} {RATES}", *TEACHER, *DATA);
    let aware =
        toy::make("sets-aware", &format!("{line} --quantization-aware --weights int4 --prediction-epochs 1"));
    let image = toy::make("sets-aware.tbim", &format!("quantize --model {aware} {} --max-tokens 32", *DATA));
    // The image computes as the training did, and so reaches what the training has selected by.
    let recorded = read_json(Path::new(&aware).join("run.json"));
    assert_eq!(recorded["metrics"]["dev"]["values"], metrics(&image, "")["values"]);
    assert!(micro_f1(&image) > 0.7, "{}", micro_f1(&image));
}

#[test]
fn a_budget_and_a_report_take_sets_of_labels() {
    let line = format!(
        "compress --teacher {} --student {} {} --flash 45KB --ram 40KB --latency 5ms --board cortex-a53@1.2GHz \
         --recovery-lr 2e-3 --recovery-epochs 4 --prediction-lr 1e-3 {RATES} --select-by macro-f1",
        *TEACHER, *SMALL, *DATA
    );
    let out = toy::make("compressed-sets", &line);
    let image = format!("{out}/model.tbim");
    assert!(fs::metadata(&image).expect("the image is there").len() <= 45_000);
    // Flash is exact before anything is pruned.
    let journal = read_json(Path::new(&out).join("compress.json"));
    assert_eq!(
        journal["found"]["chosen"]["cost"]["flash"],
        fs::metadata(&image).expect("the image is there").len()
    );
    assert!(micro_f1(&image) > 0.7, "{}", micro_f1(&image));
    let page = toy::path("sets.html").display().to_string();
    output(&format!("report {} {} {} --out {page}", *SMALL, *IMAGE, *DATA));
    let page = fs::read_to_string(page).expect("the page was written");
    assert!(page.contains("micro_f1") && page.contains("exact_match"));
}

#[test]
fn weights_and_metrics_of_sets_are_checked() {
    let line = format!("fine-tune --model {} {} --epochs 1 --max-tokens 32", *ENCODER, *DATA);
    let model =
        toy::make("weighted-sets", &format!("{line} --class-weights balanced --select-by exact-match"));
    assert_eq!(read_json(format!("{model}/run.json"))["metrics"]["dev"]["primary"], "exact_match");
    let out = toy::path("sets-refused").display().to_string();
    fails(&format!("{line} --class-weights jazz=2 --out {out}"), 2, &["\"jazz\"", "music, table, weather"]);
    fails(&format!("{line} --select-by accuracy --out {out}"), 2, &["micro-f1, macro-f1 or exact-match"]);
    for option in ["--regression", "--tagging", "--embedding"] {
        fails(&format!("{line} {option} --out {out}"), 2, &["--multi-label", option]);
    }
    fails(
        &format!("{} --out {out}", line.replace("--multi-label ", "")),
        3,
        &["sets-train.jsonl:1", "--multi-label"],
    );
}

#[test]
fn models_and_data_of_different_kinds_do_not_go_together() {
    for model in [SMALL.as_str(), &IMAGE] {
        let of_one = toy::data();
        fails(&format!("eval --model {model} {of_one}"), 3, &["any number of labels", "--multi-label"]);
    }
    fails(&format!("eval --model {} {}", *STUDENT, *DATA), 3, &["leave --multi-label out"]);
    let image = toy::path("sets-refused.tbim");
    fails(
        &format!("quantize --model {} {} --max-tokens 32 --out {}", *STUDENT, *DATA, image.display()),
        3,
        &["leave --multi-label out"],
    );
    assert!(!image.exists(), "the data are compared before the image is made");
    let pruned = toy::path("sets-pruned-refused").display().to_string();
    fails(
        &format!("prune --model {} --heads 0.5 {} --out {pruned}", *STUDENT, *DATA),
        3,
        &["leave --multi-label out"],
    );
    fails(
        &format!("prune --model {} --heads 0.5 {} --out {pruned}", *SMALL, toy::data()),
        3,
        &["--multi-label"],
    );
    let out = toy::path("sets-teacher-refused").display().to_string();
    let line = format!("distill --stage task --teacher {} --student {} {}", *toy::TEACHER, *FRESH, *DATA);
    fails(
        &format!("{line} --max-tokens 32 --out {out}"),
        3,
        &["any number of labels", "fine-tuned on such data"],
    );
}

#[test]
fn bad_thresholds_of_a_folder_are_named() {
    let copy = toy::path("bad-thresholds");
    fs::create_dir_all(&copy).expect("the folder can be made");
    for file in fs::read_dir(&*SMALL).expect("the student is a folder").flatten() {
        fs::copy(file.path(), copy.join(file.file_name())).expect("the file can be copied");
    }
    let mut config_with_a_bar = config(&SMALL);
    config_with_a_bar["id2label"]["0"] = json!("rock|jazz");
    config_with_a_bar["label2id"] = json!({ "rock|jazz": 0, "table": 1, "weather": 2 });
    fs::write(copy.join("config.json"), config_with_a_bar.to_string()).expect("the file can be written");
    fails(&format!("inspect {}", copy.display()), 3, &["config.json", "rock|jazz", "separates labels"]);
    for (thresholds, says) in [(json!([0.5, 1.0, 0.5]), "has 1 for \"table\""), (json!([0.5]), "1 numbers")] {
        let mut config = config(&SMALL);
        config["label_thresholds"] = thresholds;
        fs::write(copy.join("config.json"), config.to_string()).expect("the file can be written");
        fails(&format!("inspect {}", copy.display()), 3, &["config.json", "label_thresholds", says]);
    }
}
