//! Training on the toy task: what the commands write and print.

use std::fs;
use std::path::Path;

use crate::program::output;
use crate::toy::{self, ENCODER, FRESH, STUDENT, TEACHER};

/// The record of the run that made `model`: its run.json.
fn record(model: &str) -> serde_json::Value {
    let json = fs::read(Path::new(model).join("run.json")).expect("every model folder has a run.json");
    serde_json::from_slice(&json).expect("run.json is JSON")
}

#[test]
fn fine_tuning_learns_the_toy_task_and_records_how() {
    let run = record(&TEACHER);
    assert_eq!(run["command"], "fine-tune");
    assert_eq!(run["settings"]["epochs"], 8);
    assert_eq!(run["settings"]["optimizer"]["method"], "adamw");
    assert_eq!(run["settings"]["optimizer"]["clip_norm"], 1.0);
    assert_eq!(run["settings"]["schedule"]["linear"]["warmup"], 0.1);
    assert_eq!(run["settings"]["device"], "cpu");
    assert_eq!(run["seed"], 42);
    assert!(
        run["metrics"]["dev"]["values"]["accuracy"].as_f64().expect("accuracy is a number") > 0.9,
        "{run:#}"
    );
    let hashed = run["inputs"].as_array().expect("inputs are a list");
    assert!(
        hashed.iter().any(|input| input["path"] == toy::train() && input["sha256"].is_string()),
        "{run:#}"
    );
}

#[test]
fn what_is_asked_of_the_optimizer_is_done_and_recorded() {
    let options = "--optimizer paper --weight-decay 0 --schedule cosine --warmup 0.5 --micro-batch 3";
    let line = format!("fine-tune --model {} {} {options} --epochs 1 --max-tokens 32", *ENCODER, toy::data());
    let run = record(&toy::make("cosine", &line));
    let settings = &run["settings"];
    assert_eq!(settings["optimizer"]["method"], "paper");
    assert_eq!(settings["optimizer"]["weight_decay"], 0.0);
    assert_eq!(settings["schedule"]["cosine"]["warmup"], 0.5);
    assert_eq!(settings["micro_batch"], 3);
    let line = format!("{} --out {}", line.replace("0.5", "1.5"), toy::path("warmup").display());
    crate::program::fails(&line, 2, &["warm-up 1.5"]);
}

#[test]
fn task_distillation_brings_the_student_near_its_teacher() {
    let run = record(&STUDENT);
    let accuracy =
        |of: &str| run["metrics"][of]["values"]["accuracy"].as_f64().expect("accuracy is a number");
    assert!(accuracy("dev") >= accuracy("teacher") - 0.1, "{run:#}");
}

#[test]
fn the_general_stage_writes_an_encoder_without_a_head() {
    let corpus = toy::write(
        "corpus.txt",
        "play some jazz in oslo\nhow cold is it\n\nbook a table for two\n".repeat(20),
    );
    let line =
        format!("distill --stage general --teacher {} --student {} --corpus {corpus}", *ENCODER, *FRESH);
    let out = toy::make("general", &format!("{line} --epochs 2 --batch-size 8 --max-tokens 32"));
    let weights = fs::read(Path::new(&out).join("model.safetensors")).expect("the stage writes weights");
    let header = String::from_utf8_lossy(&weights[..weights.len().min(1 << 14)]);
    assert!(header.contains("bert.encoder.layer.1.") && !header.contains("classifier"));
}

#[test]
fn ablations_print_a_row_for_each_part_left_out() {
    let line = format!("ablations --teacher {} --student {} {}", *TEACHER, *FRESH, toy::data());
    let line = format!("{line} --max-tokens 32 --intermediate-epochs 1 --prediction-epochs 1");
    let out = toy::path("ablations").display().to_string();
    let table = output(&format!("{line} --rows full,no-hidden --seeds 1,2 --out {out}"));
    assert!(table.starts_with("| row | dev accuracy | from full | seeds |"), "{table}");
    assert!(table.contains("| full |") && table.contains("| no-hidden |"), "{table}");
    assert_eq!(record(&format!("{out}/no-hidden-2"))["settings"]["transfer"]["hidden_weight"], 0.0);
    crate::program::fails(&format!("{line} --rows no-general --out {out}-2"), 2, &["--fresh"]);
    crate::program::fails(&format!("{line} --rows no-thing --out {out}-2"), 2, &["no-transformer"]);
}

#[test]
fn without_max_tokens_a_model_is_trained_for_the_positions_it_has() {
    let line = format!("fine-tune --model {} {} --epochs 1", *ENCODER, toy::data());
    assert_eq!(record(&toy::make("few-positions", &line))["settings"]["max_tokens"], 32);
}

#[test]
fn more_tokens_than_a_model_has_positions_are_refused_before_any_work() {
    let data = toy::data();
    let corpus = toy::write("positions.txt", "play some jazz\n");
    let (encoder, teacher, student) = (ENCODER.as_str(), TEACHER.as_str(), STUDENT.as_str());
    let out = toy::path("too-long");
    let taught = format!("--teacher {teacher} --student {student}");
    for line in [
        format!("fine-tune --model {encoder} {data}"),
        format!("fine-tune --objective mlm --model {encoder} --corpus {corpus}"),
        format!("distill --stage general --teacher {encoder} --student {student} --corpus {corpus}"),
        format!("distill --stage task {taught} {data}"),
        format!("ablations {taught} {data}"),
        format!("prune --heads 0.5 --model {student} {data}"),
        format!("prune --heads 0.5 --steps 2 --teacher {teacher} --model {student} {data}"),
        format!("compress {taught} {data}"),
        format!("quantize --model {student} {data}"),
    ] {
        let line = format!("{line} --max-tokens 33 --out {}", out.display());
        crate::program::fails(&line, 2, &["--max-tokens 33", "expected 3 to 32", "the positions of"]);
        assert!(!out.exists(), "{line}");
    }
    for line in [format!("eval --model {student} {data}"), format!("run --model {student} jazz")] {
        crate::program::fails(&format!("{line} --max-tokens 33"), 2, &["--max-tokens 33", student]);
    }
}

#[test]
fn every_training_leaves_its_metrics_by_step() {
    let lines =
        fs::read_to_string(Path::new(TEACHER.as_str()).join("metrics.jsonl")).expect("metrics are kept");
    assert!(lines.lines().any(|line| line.contains("\"loss\"")), "{lines}");
}

#[test]
fn one_seed_gives_one_result_on_any_number_of_threads() {
    let weights = |name: &str, threads: usize| {
        let line = format!(
            "fine-tune --model {} {} --epochs 1 --max-tokens 32 --threads {threads}",
            *ENCODER,
            toy::data()
        );
        fs::read(Path::new(&toy::make(name, &line)).join("model.safetensors")).expect("weights are written")
    };
    assert_eq!(weights("one-thread", 1), weights("three-threads", 3));
}

#[test]
fn without_a_terminal_nothing_but_lines_is_printed_and_quiet_prints_no_progress() {
    let out = toy::path("quiet").display().to_string();
    let line = format!(
        "fine-tune --model {} {} --epochs 1 --max-tokens 32 --quiet --out {out}",
        *ENCODER,
        toy::data()
    );
    let assert = crate::program::tinybert(&line).assert().success();
    assert_eq!(String::from_utf8_lossy(&assert.get_output().stderr), "");
    assert!(output(&format!("{line}-2")).contains("dev accuracy"));
}

#[test]
fn patience_and_a_search_of_the_rate_are_recorded_and_printed() {
    let line = format!("fine-tune --model {} {} --max-tokens 32 --batch-size 16", *ENCODER, toy::data());
    let out = toy::path("patient").display().to_string();
    let patient = format!("{line} --epochs 9 --lr 1e-9 --patience 2 --out {out}");
    let said = crate::program::tinybert(&patient).assert().success();
    let said = String::from_utf8_lossy(&said.get_output().stderr).into_owned();
    // 108 sentences are 7 steps.
    assert!(said.contains("ends at step 21: no evaluation of the last 2"), "{said}");
    let run = record(&out);
    assert_eq!((&run["settings"]["patience"], &run["metrics"]["training"]["steps"]), (&2.into(), &21.into()));

    let out = toy::path("searched").display().to_string();
    let table = output(&format!("{line} --epochs 2 --lr 1e-3 --tune 3 --quiet --out {out}"));
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).take(6).collect();
    assert_eq!(rows[0], ["round", "learning", "rate", "steps", "dev", "accuracy"]);
    assert_eq!(rows[1][..3], ["1", "1e-4", "3"]);
    assert_eq!(rows[3][..3], ["1", "1e-2", "3"]);
    assert_eq!(rows[5][..1], ["2"]);
    assert!(table.contains("dev accuracy"), "{table}");
    let run = record(&out);
    let tried = run["settings"]["tuning"].as_array().expect("all trials are recorded");
    assert_eq!(tried.len(), 5);
    assert!(
        tried[3..].iter().any(|trial| trial["learning_rate"] == run["settings"]["learning_rate"]),
        "{run:#}"
    );
    assert!(!toy::path("searched.run").exists());
}

#[test]
fn events_for_tensorboard_stand_beside_the_metrics() {
    let events = toy::path("events").display().to_string();
    let line = format!("fine-tune --model {} {} --epochs 1 --max-tokens 32", *ENCODER, toy::data());
    toy::make("with-events", &format!("{line} --tensorboard {events}"));
    let files: Vec<_> = fs::read_dir(&events).expect("the folder of events").collect();
    assert_eq!(files.len(), 1);
    let name = files[0].as_ref().expect("the folder can be read").file_name();
    let bytes = fs::read(Path::new(&events).join(&name)).expect("the events");
    assert!(name.to_string_lossy().contains("tfevents"), "{name:?}");
    for tag in ["fine-tune/loss", "fine-tune/learning_rate", "fine-tune/dev/values/accuracy"] {
        assert!(bytes.windows(tag.len()).any(|part| part == tag.as_bytes()), "{tag}");
    }
    let rounds = "--heads 0.5 --steps 2 --recovery-epochs 1 --max-tokens 32 --importance-examples 16";
    let prune = format!("prune --model {} --teacher {} {} {rounds}", *STUDENT, *TEACHER, toy::data());
    toy::make("pruned-with-events", &format!("{prune} --tensorboard {events}-of-rounds"));
    for round in ["round-1", "round-2"] {
        assert!(Path::new(&format!("{events}-of-rounds/{round}")).is_dir());
    }
}
