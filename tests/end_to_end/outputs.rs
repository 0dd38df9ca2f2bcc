//! Outputs that cannot be written are found before any work starts, and an interrupted run leaves a checkpoint.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{fails, output};
use crate::toy::{self, ENCODER, FRESH, STUDENT, TEACHER};

/// Every command that writes, but for `--out`.
fn writers() -> [String; 4] {
    let data = toy::data();
    [
        format!("init --layers 1 --hidden 32 --heads 4 --vocab-from {}", *ENCODER),
        format!("fine-tune --model {} {data} --max-tokens 32", *ENCODER),
        format!("distill --stage task --teacher {} --student {} {data} --max-tokens 32", *TEACHER, *FRESH),
        format!("quantize --model {} {data} --max-tokens 32", *STUDENT),
    ]
}

#[test]
fn an_output_below_a_file_is_refused() {
    let file = toy::write("a-file", "");
    for writer in writers() {
        fails(&format!("{writer} --out {file}/out"), 4, &["a-file/out"]);
    }
    assert_eq!(fs::read(file).expect("the file is still there"), b"");
}

#[test]
fn an_output_that_the_system_refuses_is_named() {
    // Not even root can make files in /proc.
    for writer in writers() {
        fails(&format!("{writer} --out /proc/tinybert-out"), 4, &["/proc/tinybert-out"]);
    }
}

#[test]
fn a_folder_with_other_files_is_not_written_over() {
    let notes = toy::path("precious").join("notes.txt");
    fs::create_dir_all(toy::path("precious")).expect("the target folder can be written");
    fs::write(&notes, "mine").expect("the target folder can be written");
    for writer in &writers()[..3] {
        fails(&format!("{writer} --out {}", toy::path("precious").display()), 2, &["precious", "not empty"]);
    }
    assert_eq!(fs::read_to_string(notes).expect("the notes are still there"), "mine");
}

#[test]
fn ctrl_c_leaves_a_checkpoint_that_loads_and_says_how_to_go_on() {
    let out = toy::path("interrupted").display().to_string();
    let line =
        format!("fine-tune --model {} {} --max-tokens 32 --epochs 100000 --out {out}", *ENCODER, toy::data());
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
    let interrupt = Command::new("kill").args(["-INT", &run.id().to_string()]).status().expect("kill runs");
    assert!(interrupt.success());
    let end = run.wait_with_output().expect("the program ends");
    let said = String::from_utf8_lossy(&end.stderr);
    assert_eq!(end.status.code(), Some(130), "{said}");
    let checkpoint = format!("{out}.run/checkpoint");
    assert!(said.contains(&checkpoint) && said.contains("--model"), "{said}");
    assert!(!Path::new(&out).exists(), "a stopped run has no result");
    assert!(output(&format!("inspect {checkpoint}")).contains("music, table, weather"));
}
