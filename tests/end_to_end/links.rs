//! Links and files of others where a command needs a folder of its own: nothing of theirs is emptied, cut off or
//! removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::program::{error_says, fails, tinybert};
use crate::toy::{self, ENCODER};

/// A short training that writes the folder `out`.
fn training(out: &str) -> String {
    let out = toy::path(out).display().to_string();
    format!("fine-tune --model {} {} --max-tokens 16 --epochs 1 --out {out}", *ENCODER, toy::data())
}

/// A folder with a file of somebody else; gives the file.
fn theirs(name: &str, file: &str) -> PathBuf {
    fs::create_dir_all(toy::path(name)).expect("the target folder can be written");
    let file = toy::path(name).join(file);
    fs::write(&file, "mine").expect("the target folder can be written");
    file
}

fn is_untouched(file: &PathBuf) -> bool {
    fs::read_to_string(file).is_ok_and(|contents| contents == "mine")
}

#[test]
fn a_link_to_nothing_is_no_output_and_is_found_before_training() {
    symlink("nowhere", toy::path("links-dangling")).expect("links can be made");
    let assert = tinybert(&training("links-dangling")).assert().code(2);
    error_says(
        assert.stderr(predicates::str::contains("epoch").count(0)),
        &["links-dangling", "link to nothing"],
    );
}

#[test]
fn what_has_the_name_of_a_working_folder_is_left_alone() {
    let run = theirs("links-a.run", "notes.txt");
    let partial = theirs("links-elsewhere", "step.txt");
    symlink(toy::path("links-elsewhere"), toy::path(".links-b.partial")).expect("links can be made");
    symlink(toy::path("links-elsewhere"), toy::path("links-c.run")).expect("links can be made");
    for (out, named) in
        [("links-a", "links-a.run"), ("links-b", ".links-b.partial"), ("links-c", "links-c.run")]
    {
        fails(&training(out), 2, &[named, "folder of its own"]);
        assert!(!toy::path(out).exists());
    }
    assert!(is_untouched(&run) && is_untouched(&partial));
}

#[test]
fn a_users_file_in_the_folder_of_a_run_outlives_the_run() {
    // A run that is interrupted at its first checkpoint leaves its folder.
    let line = format!("{} --checkpoint-steps 1", training("links-log"));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_tinybert-compress"))
        .args(line.split_whitespace())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let run = toy::path("links-log.run");
    while !run.join("step-00000001").exists() && child.try_wait().expect("it can be waited for").is_none() {
        std::thread::yield_now();
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it can be waited for");
    let log = run.join("log.txt");
    fs::write(&log, "mine").expect("the folder is there");
    tinybert(&format!("{line} --resume")).assert().success();
    assert!(is_untouched(&log));
    let left: Vec<_> =
        fs::read_dir(&run).expect("the folder is there").map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
