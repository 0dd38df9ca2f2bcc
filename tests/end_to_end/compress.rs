//! `compress` makes an image within a budget from a teacher and data.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{fails, output, tinybert};
use crate::toy::{self, ENCODER, FRESH, IMAGE, STUDENT, TEACHER};

pub const RATES: &str =
    "--intermediate-lr 1e-3 --prediction-lr 1e-3 --recovery-lr 1e-3 --batch-size 16 --max-tokens 32";

pub fn bytes(path: &Path) -> u64 {
    fs::metadata(path).expect("the image is there").len()
}

/// The journal of the run in `out`.
pub fn journal(out: &str) -> Value {
    read_json(out, "compress.json")
}

/// Reads a JSON file of a folder.
pub fn read_json(folder: &str, file: &str) -> Value {
    let text = fs::read_to_string(Path::new(folder).join(file)).expect("the folder has the file");
    serde_json::from_str(&text).expect("the file is JSON")
}

/// Whether `value` lies in the interval, which has a width.
pub fn is_around(value: f64, interval: &Value) -> bool {
    let [low, high] = [0, 1].map(|end| interval[end].as_f64().expect("the end of an interval"));
    low < high && (low..=high).contains(&value)
}

fn accuracy(image: &Path) -> f64 {
    let evaluated = output(&format!("eval --model {} {}", image.display(), toy::data()));
    evaluated.split_whitespace().nth(2).and_then(|word| word.parse().ok()).expect("split, metric, value")
}

#[test]
fn a_bare_encoder_becomes_an_image_within_its_budget() {
    let line = format!(
        "compress --teacher {} {} {RATES} --teacher-epochs 8 --teacher-lr 1e-3 --intermediate-epochs 16 \
         --prediction-epochs 24 --recovery-epochs 6 --flash 45KB --ram 40KB --latency 5ms --board cortex-a53@1.2GHz",
        *ENCODER,
        toy::data()
    );
    let out = toy::make("compressed", &line);
    let image = Path::new(&out).join("model.tbim");
    assert!(bytes(&image) <= 45_000);
    // The predicted size is that of the image.
    let journal = journal(&out);
    assert_eq!(journal["found"]["chosen"]["cost"]["flash"], bytes(&image));
    assert!(journal["outcome"]["cost"]["ram"].as_u64().expect("bytes") <= 40_000);
    let report = read_json(&out, "report.json");
    assert_eq!(report["baseline"], journal["outcome"]["baseline"]);
    assert!(report["baseline"]["splits"]["dev"]["values"]["accuracy"].as_f64().expect("a number") > 0.6);
    let rows = |part: &str| report[part].as_array().expect("a list").clone();
    assert!(rows("candidates").iter().any(|candidate| candidate["chosen"] == true));
    let measured: Vec<Value> =
        rows("candidates").into_iter().filter(|candidate| candidate["measured"].is_number()).collect();
    assert!(!measured.is_empty());
    for of in &measured {
        assert!(is_around(of["measured"].as_f64().expect("a metric"), &of["interval"]), "{of}");
    }
    // The board of the run has no name, and comes before the boards with names.
    assert_eq!(report["latencies"][0]["board"], "cortex-a53@1.2GHz");
    assert_eq!(report["image"]["latency_ms"], journal["outcome"]["cost"]["latency_ms"]);
    // Each layer has four linears; the word rows come on top.
    let layers =
        read_json(&format!("{out}/student"), "config.json")["num_hidden_layers"].as_u64().expect("layers");
    assert_eq!(rows("sensitivity").len() as u64, 4 * layers + 1);
    let trained: Vec<_> = rows("stages").into_iter().filter(|stage| stage["curves"] != json!([])).collect();
    let names: Vec<_> = trained.iter().filter_map(|stage| stage["name"].as_str()).collect();
    assert!(names.starts_with(&["teacher", "student-general", "student"]), "{names:?}");
    assert!(names.ends_with(&["quantization-aware"]), "{names:?}");
    let judged = journal["outcome"]["metrics"].as_array().expect("teacher and image");
    assert!(judged.iter().all(|of| of["metrics"]["intervals"]["accuracy"][1].is_number()), "{judged:?}");
    let last = rows("stages").pop().expect("the image comes last");
    assert_eq!(last["intervals"], judged[1]["metrics"]["intervals"]);
    let inspected = output(&format!("inspect {}", image.display()));
    let workspace = &journal["outcome"]["cost"]["ram"];
    assert!(inspected.contains(&workspace.to_string()), "{workspace}: {inspected}");
    for stage in ["teacher", "student-fresh", "student-general", "student"] {
        output(&format!("inspect {}", Path::new(&out).join(stage).display()));
    }
    assert!(accuracy(&image) > 0.6);
}

#[test]
fn a_model_pruned_in_rounds_and_trained_as_its_image_computes_is_what_was_costed() {
    // The unpruned student is too slow for this limit, and its vocabulary and encodings do not change the
    // latency.
    let line = format!(
        "compress --teacher {} --student {} {} {RATES} --recovery-epochs 4 --prune-steps 2 --latency 0.09ms \
         --quantization-aware-lr 1e-5 --board cortex-a53@1.2GHz",
        *TEACHER,
        *STUDENT,
        toy::data()
    );
    let out = toy::make("rounds", &line);
    let folder = |name: &str| Path::new(&out).join(name);
    let sizes = |name: &str| {
        let config = read_json(folder(name).to_str().expect("a path"), "config.json");
        let heads = 8 - config["pruned_heads"].as_object().map_or(0, |layers| {
            layers.values().filter_map(|heads| Some(heads.as_array()?.len())).sum::<usize>()
        });
        (heads, fs::metadata(folder(name).join("model.safetensors")).expect("weights").len())
    };
    let (first, second) = (sizes("pruned-1-recovered"), sizes("pruned-recovered"));
    assert!(first.0 >= second.0 && first.1 > second.1, "{first:?} {second:?}");

    let journal = journal(&out);
    let image = fs::read(folder("model.tbim")).expect("an image");
    let cost = &journal["found"]["chosen"]["cost"];
    assert_eq!((&journal["outcome"]["cost"], cost["flash"].as_u64()), (cost, Some(image.len() as u64)));
    // The image is made of the last stage's model, whose plan says how it was trained.
    let notes = journal["outcome"]["notes"].to_string();
    assert!(notes.contains("Trained as it computes"), "{notes}");
    let metrics: Vec<f64> =
        notes.split([' ', '"']).filter_map(|word| word.trim_end_matches('.').parse().ok()).collect();
    assert!(matches!(metrics[..], [with, without] if with >= without), "{notes}");
    // Each has its interval.
    assert_eq!(notes.matches(" [0.").count(), 2, "{notes}");
    let again = toy::path("rounds.tbim");
    let max_tokens = &journal["found"]["max_tokens"];
    let line = format!(
        "quantize --model {} --out {} {} --layout neon --max-tokens {max_tokens}",
        folder("quantization-aware").display(),
        again.display(),
        toy::data()
    );
    assert!(output(&line).contains("quantized as it was trained to be"));
    assert_eq!(fs::read(&again).expect("an image"), image);
}

#[test]
fn the_last_stage_and_rounds_can_be_left_out() {
    let line = format!("compress --teacher {} --student {} {} {RATES}", *TEACHER, *STUDENT, toy::data());
    let options = "--recovery-epochs 1 --prune-steps 1 --latency 0.09ms --quantization-aware-epochs 0";
    let out = toy::make("one-cut", &format!("{line} {options} --board cortex-a53@1.2GHz"));
    let there = |name: &str| Path::new(&out).join(name).exists();
    assert!(there("pruned-recovered") && !there("pruned-1") && !there("quantization-aware"));
    assert_eq!(journal(&out)["outcome"]["notes"], json!([]));
}

#[test]
fn a_finished_student_whose_image_answers_as_well_is_left_as_it_is() {
    let line = format!("compress --teacher {} --student {} {}", *TEACHER, *STUDENT, toy::data());
    let out = toy::make("as-given", &format!("{line} --max-tokens 32"));
    let image = toy::path("as-given.tbim");
    let settings = format!("--max-tokens {} --layout dotprod", journal(&out)["found"]["max_tokens"]);
    output(&format!("quantize --model {} {} {settings} --out {}", *STUDENT, toy::data(), image.display()));
    let bytes = |path: &Path| fs::read(path).expect("an image");
    assert_eq!(bytes(&Path::new(&out).join("model.tbim")), bytes(&image));
    assert!(!Path::new(&out).join("quantization-aware").exists());
}

#[test]
fn a_student_that_cannot_learn_is_refused_before_the_teacher_is_trained() {
    let student = toy::student("two-heads", "--hidden 32 --heads 2", &ENCODER);
    let out = toy::path("refused-student").display().to_string();
    let line = format!("compress --teacher {} --student {student} {} --max-tokens 32", *ENCODER, toy::data());
    fails(&format!("{line} --out {out}"), 2, &["2 attention heads", "the teacher 4"]);
    assert!(!Path::new(&out).exists());
}

#[test]
fn a_teacher_with_other_labels_is_fine_tuned() {
    let row = |text: String, label: &str| json!({ "text": text, "label": label }).to_string() + "\n";
    let rows = |fillers: &[&str]| -> String {
        fillers
            .iter()
            .map(|filler| {
                row(format!("play some {filler}"), "sound") + &row(format!("rain in {filler}"), "sky")
            })
            .collect()
    };
    let train = toy::write("other-labels-train.jsonl", rows(&toy::FILLERS));
    let dev = toy::write("other-labels-dev.jsonl", rows(&toy::FILLERS[..4]));
    let line = format!(
        "compress --teacher {} --student {} --train {train} --dev {dev} --max-tokens 32",
        *TEACHER, *FRESH
    );
    let rates =
        "--teacher-epochs 6 --teacher-lr 1e-3 --intermediate-epochs 1 --prediction-epochs 1 --batch-size 16";
    let out = toy::make("other-labels", &format!("{line} {rates}"));
    let labels = read_json(&format!("{out}/teacher"), "config.json")["id2label"].to_string();
    assert!(labels.contains("sound") && labels.contains("sky") && !labels.contains("music"), "{labels}");
}

#[test]
fn a_budget_that_cannot_be_met_says_what_could_be() {
    let line = format!("compress --teacher {} --student {} {} --quick", *TEACHER, *FRESH, toy::data());
    let line = format!("{line} --max-tokens 32");
    let out = toy::path("impossible").display().to_string();
    // The smallest image is all in four bits, which take time to decode: it is not the fastest.
    let board = "--board cortex-a53@1MHz";
    let said = tinybert(&format!("{line} --flash 1KB --latency 1us {board} --out {out}")).assert().code(2);
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    let least = |before: &str, after: &str| {
        let (_, rest) = said.split_once(before).expect("the message has the least");
        rest.split_once(after).and_then(|(number, _)| number.parse::<f64>().ok()).expect("a number")
    };
    let flash = least("the least is an image of ", " bytes");
    let latency = least("modelled), the least is ", " ms") + 0.01;
    assert!(!Path::new(&out).exists(), "{said}");
    let student = format!("--student {out}/student");
    let said = ["can be met", "the least is", "nearest: ", "--ram can be met", "--resume", &student];
    let limits = format!("--flash {flash} --latency {latency:.2}ms --ram 1MB");
    fails(&format!("{line} {limits} {board} --out {out}"), 2, &said);

    // A resumed run may change the budget and the board and keeps the trained models; nothing else may change.
    let weights = || fs::read(Path::new(&out).join("student/model.safetensors")).expect("a student");
    let trained = weights();
    fails(&format!("{line} --flash 1MB --out {out}"), 2, &["--resume"]);
    fails(&format!("{line} --flash 1MB --seed 7 --out {out} --resume"), 2, &["not the same run", "seed"]);
    output(&format!("{line} --flash 1MB --board raspberry-pi-3 --out {out} --resume"));
    assert_eq!(weights(), trained);
    assert_eq!(read_json(&out, "report.json")["settings"]["limits"]["flash"], 1_000_000);
    // The search was already made for that budget.
    let other = format!("{line} --flash 2MB --board raspberry-pi-3 --out {out} --resume");
    let assert = tinybert(&other).assert().code(2);
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("limits.flash: it began with 1000000, now 2000000"), "{said}");
    assert!(!said.contains("interrupted"), "{said}");
    fails(&format!("{line} --flash much --out {out}"), 2, &["2.5MB"]);
    fails(&format!("{line} --board pdp-11 --out {out}"), 2, &["raspberry-pi-4", "cortex-a53"]);
}

#[test]
fn a_run_killed_anywhere_and_resumed_makes_the_same_image() {
    let flash = bytes(Path::new(&*IMAGE)) * 3 / 4;
    killed_and_resumed("compress-killed", &format!("--recovery-epochs 3 --flash {flash}"));
}

/// Runs `compress` with `options` at once, and with interruptions; the image has to be the same. Gives the folder of
/// the run at once.
pub fn killed_and_resumed(name: &str, options: &str) -> String {
    let line = format!(
        "compress --teacher {} --student {} {} {RATES} {options} --quiet --checkpoint-steps 3",
        *TEACHER,
        *STUDENT,
        toy::data()
    );
    let start = |out: &str, threads: usize| {
        Command::new(env!("CARGO_BIN_EXE_tinybert-compress"))
            .args(format!("{line} --out {out} --threads {threads} --resume").split_whitespace())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program starts")
    };
    let image = |out: &str| fs::read(Path::new(out).join("model.tbim")).expect("a finished run has an image");
    let whole = toy::path(&format!("{name}-whole")).display().to_string();
    let begun = Instant::now();
    assert!(start(&whole, 2).wait().expect("the program ends").success());
    let once = begun.elapsed();

    let out = toy::path(name).display().to_string();
    for part in 1..=6u32 {
        let mut run = start(&out, 1 + part as usize % 2);
        std::thread::sleep(once * part / 8);
        run.kill().expect("the program can be killed");
        run.wait().expect("the program can be waited for");
    }
    let mut run = start(&out, 2);
    let begun = Instant::now();
    loop {
        if let Some(status) = run.try_wait().expect("the program can be waited for") {
            assert!(status.success());
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(600), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(image(&out), image(&whole));
    whole
}
