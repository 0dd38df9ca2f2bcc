//! Outputs that cannot be written are found before any work starts.

use std::fs;

use crate::program::fails;
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
