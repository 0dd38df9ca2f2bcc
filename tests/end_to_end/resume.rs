//! A run that is killed at any moment and resumed ends with the same bytes as an uninterrupted run.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{fails, output, tinybert};
use crate::toy::{self, ENCODER, FRESH, TEACHER};

/// The training commands, without `--out`. Each runs for a second or less.
fn commands() -> [String; 4] {
    let data = toy::data();
    let corpus =
        toy::write("resume-corpus.txt", "play some jazz in oslo\n\nbook a table for two\n".repeat(20));
    let distill = |stage: &str| format!("distill --stage {stage} --student {} --max-tokens 32", *FRESH);
    [
        format!("fine-tune --model {} {data} --max-tokens 32 --epochs 3 --batch-size 8", *ENCODER),
        format!(
            "fine-tune --objective mlm --train-encoder --model {} --corpus {corpus} --epochs 4 --batch-size 4 \
             --max-tokens 32",
            *ENCODER
        ),
        format!("{} --teacher {} --corpus {corpus} --epochs 4 --batch-size 4", distill("general"), *ENCODER),
        format!(
            "{} --teacher {} {data} --intermediate-epochs 2 --prediction-epochs 2 --batch-size 8",
            distill("task"),
            *TEACHER
        ),
    ]
}

fn start(line: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tinybert-compress"))
        .args(line.split_whitespace())
        .args(["--quiet", "--checkpoint-steps", "3"])
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the program starts")
}

/// Waits for `run` for this time, then kills it with SIGKILL. True if the run ended by itself, which must be
/// a success.
fn ends_within(mut run: Child, time: Duration) -> bool {
    let begun = Instant::now();
    loop {
        if let Some(status) = run.try_wait().expect("the program can be waited for") {
            assert!(status.success(), "{status}");
            return true;
        }
        if begun.elapsed() >= time {
            run.kill().expect("the program can be killed");
            run.wait().expect("the program can be waited for");
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn weights(out: &str) -> Vec<u8> {
    fs::read(Path::new(out).join("model.safetensors")).expect("a finished run has weights")
}

/// The lines of the metrics with loss and learning rate of each step.
fn curve(out: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(out).join("metrics.jsonl")).expect("a finished run has metrics");
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut line: serde_json::Value = serde_json::from_str(line).expect("every line is JSON");
        line.as_object_mut().expect("every line is an object").remove("seconds");
        lines.push(line.to_string());
    }
    lines
}

#[test]
fn a_run_killed_at_any_moment_and_resumed_ends_with_the_same_bytes() {
    let mut random = 7u64;
    let mut kills = 0;
    for (at, command) in commands().into_iter().enumerate() {
        let whole = toy::path(&format!("whole-{at}")).display().to_string();
        let begun = Instant::now();
        assert!(ends_within(start(&format!("{command} --threads 2 --out {whole}")), Duration::MAX));
        let once = begun.elapsed();

        // Each command gets a quarter of the kills. A run that finishes before its kill starts again under
        // another name.
        let mut attempt = 0;
        let goal = kills + 5;
        while kills < goal {
            let out = toy::path(&format!("killed-{at}-{attempt}")).display().to_string();
            attempt += 1;
            loop {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let share = (random >> 33) as f64 / (1u64 << 31) as f64;
                let moment = if kills < goal { once.mul_f64(share) } else { Duration::MAX };
                let threads = 1 + kills % 2;
                if ends_within(start(&format!("{command} --threads {threads} --out {out} --resume")), moment)
                {
                    break;
                }
                kills += 1;
                if Path::new(&out).exists() && !Path::new(&format!("{out}.run")).exists() {
                    break;
                }
            }
            assert_eq!(weights(&out), weights(&whole), "{command}");
            assert_eq!(curve(&out), curve(&whole), "{command}");
        }
    }
    assert!(kills >= 20);
}

#[test]
fn ctrl_c_and_sigterm_leave_a_checkpoint_and_say_how_to_go_on() {
    for signal in ["-INT", "-TERM"] {
        let out = toy::path(&format!("interrupted{signal}")).display().to_string();
        let line = format!(
            "fine-tune --model {} {} --max-tokens 32 --epochs 100000 --out {out}",
            *ENCODER,
            toy::data()
        );
        let run = Command::new(env!("CARGO_BIN_EXE_tinybert-compress"))
            .args(line.split_whitespace())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let metrics = format!("{out}.run/metrics.jsonl");
        let begun = Instant::now();
        while fs::metadata(&metrics).map_or(0, |file| file.len()) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(120), "training does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        let kill = Command::new("kill").args([signal, &run.id().to_string()]).status().expect("kill runs");
        assert!(kill.success());
        let end = run.wait_with_output().expect("the program ends");
        let said = String::from_utf8_lossy(&end.stderr);
        assert_eq!(end.status.code(), Some(130), "{said}");
        assert!(said.contains("--resume goes on from"), "{said}");
        assert!(!Path::new(&out).exists(), "a stopped run has no result");

        let checkpoint = fs::read_dir(format!("{out}.run"))
            .expect("a stopped run leaves its folder")
            .map(|entry| entry.expect("it can be read").path())
            .find(|path| path.is_dir())
            .expect("there is a checkpoint");
        assert!(output(&format!("inspect {}", checkpoint.display())).contains("music, table, weather"));
        fails(&line, 2, &["give --resume", ".run"]);
        let other = line.replace("--epochs 100000", "--epochs 99999");
        fails(&format!("{other} --resume"), 2, &["epochs: it began with 100000, now 99999"]);
    }
}

#[test]
fn resuming_nothing_begins_and_says_so() {
    let out = toy::path("resumed-nothing").display().to_string();
    let line = format!(
        "fine-tune --model {} {} --max-tokens 32 --epochs 1 --out {out} --resume",
        *ENCODER,
        toy::data()
    );
    let assert = tinybert(&line).assert().success();
    assert!(String::from_utf8_lossy(&assert.get_output().stderr).contains("beginning anew"));
    fails(&line, 2, &["is complete"]);
}
