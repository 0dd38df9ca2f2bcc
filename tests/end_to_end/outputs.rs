//! Outputs that cannot be written are found before any work starts.

use std::fs;

use crate::program::fails;
use crate::toy::{self, ENCODER, FRESH, STUDENT, TEACHER};

/// The commands that write, without `--out`.
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
    // Nobody can make files in /proc, not even root.
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
fn a_file_is_no_output_folder() {
    let file = toy::write("no-folder", "mine");
    for writer in &writers()[..3] {
        fails(&format!("{writer} --out {file}"), 2, &["--out", "no-folder", "is a file"]);
    }
    assert_eq!(fs::read_to_string(file).expect("the file is still there"), "mine");
}

/// Makes a folder with one file in the folder of the test run; gives its path. The commands must refuse it
/// before they read the file.
fn guarded(name: &str, file: &str) -> String {
    fs::create_dir_all(toy::path(name)).expect("the target folder can be written");
    toy::write(&format!("{name}/{file}"), "mine");
    toy::path(name).display().to_string()
}

#[test]
fn what_a_command_reads_is_not_written_over() {
    let [model, student] = ["guarded", "guarded-student"].map(|name| guarded(name, "config.json"));
    let glue = guarded("guarded-glue", "train.tsv");
    let [text, dev, key] =
        ["text.jsonl", "dev.jsonl", "key.pem"].map(|name| toy::write(&format!("guarded-{name}"), "mine"));
    let data = format!("--train {text} --dev {dev}");
    let page = toy::path("guarded.html").display().to_string();
    let task = format!("distill --stage task --teacher {model} --student {student} {data}");
    let general = format!("distill --stage general --teacher {model} --student {student} --corpus {text}");
    for (line, out, taken) in [
        (format!("quantize --model {model} {data}"), &text, "--train"),
        (format!("quantize --model {model} {data} --sign {key}"), &key, "--sign"),
        (format!("quantize --model {model} {data} --word-rows {page}"), &page, "--word-rows"),
        (format!("sign --model {text} --key {key}"), &key, "--key"),
        (format!("sign --model {text} --key {key}"), &text, "--model"),
        (format!("report {model} --json {page}"), &page, "--json"),
        (format!("report {model} --json {model}/config.json"), &page, "PLACE"),
        (format!("fine-tune --model {model} {data}"), &model, "--model"),
        (format!("fine-tune --objective mlm --model {model} --corpus {text}"), &text, "--corpus"),
        (task.clone(), &model, "--teacher"),
        (task, &student, "--student"),
        (format!("compress --teacher {model} {data}"), &model, "--teacher"),
        (general, &text, "--corpus"),
        (format!("ablations --teacher {model} --student {student} {data}"), &student, "--student"),
        (format!("prune --heads 0.5 --model {model} {data}"), &model, "--model"),
        (format!("prune --vocab --model {model} --corpus {page} {data}"), &page, "--corpus"),
        (format!("init --vocab-from {model}"), &model, "--vocab-from"),
        (format!("augment --model {model} {data}"), &text, "--train"),
        (format!("augment --model {model} --task rte --data {glue}"), &glue, "--data"),
    ] {
        fails(&format!("{line} --out {out}"), 2, &["would write over", taken]);
    }
    for file in [text, dev, key, format!("{model}/config.json"), format!("{glue}/train.tsv")] {
        assert_eq!(fs::read_to_string(file).expect("the file is still there"), "mine");
    }
}

#[test]
fn images_pages_and_the_demo_replace_nothing_but_their_like() {
    let notes = toy::write("notes", "mine");
    fails(
        &format!("quantize --model {} {} --out {notes}", *STUDENT, toy::data()),
        2,
        &["notes", "not an image"],
    );
    fails(&format!("report {} --out {notes}", *STUDENT), 2, &["notes", "not an HTML page"]);
    let config = format!("{}/config.json", guarded("guarded-place", "config.json"));
    fails(
        &format!("report {} --out {config}", toy::path("guarded-place").display()),
        2,
        &["not an HTML page"],
    );
    assert_eq!(fs::read_to_string(notes).expect("the notes are still there"), "mine");

    guarded("no-demo/teacher", "config.json");
    fails(&format!("demo --out {}", toy::path("no-demo").display()), 2, &["teacher/config.json", "demo's"]);
    assert!(!toy::path("no-demo/clinc150").exists());
}

#[test]
fn a_report_in_json_replaces_nothing_but_its_like() {
    let precious = toy::write("precious.json", "[1, 2]");
    let page = toy::path("precious.html").display().to_string();
    fails(
        &format!("report {} --out {page} --json {precious}", *STUDENT),
        2,
        &["--json", "precious.json", "a report"],
    );
    assert_eq!(fs::read_to_string(&precious).expect("the file is there"), "[1, 2]");
}
