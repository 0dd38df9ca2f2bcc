//! The command line as a library: commands run in the process of the caller, one after the other.

use std::fs;

use crate::toy::{self, ENCODER};

/// Runs `line` in this process; gives the exit code.
fn run(line: &str) -> u8 {
    tinybert_compress::run(line.split_whitespace().map(Into::into))
}

#[test]
fn a_call_runs_its_own_arguments_in_this_process_and_returns_the_exit_code() {
    let out = toy::path("by-library").display().to_string();
    let init = format!("front-end init --layers 1 --hidden 32 --heads 4 --vocab-from {}", *ENCODER);
    assert_eq!(run(&format!("{init} --threads 2 --out {out}")), 0);
    assert_eq!(run(&format!("{init} --seed 7 --out {out}-7")), 0);
    let weights =
        |folder: &str| fs::read(format!("{folder}/model.safetensors")).expect("weights are written");
    assert_ne!(weights(&out), weights(&format!("{out}-7")));
    let by_program = toy::make("by-program", init.trim_start_matches("front-end "));
    assert_eq!(weights(&out), weights(&by_program));
}

#[test]
fn an_error_is_an_exit_code_and_not_the_end_of_the_process() {
    assert_eq!(run("front-end"), 2);
    assert_eq!(run("front-end --version"), 0);
    assert_eq!(run("front-end init --presett x"), 2);
    assert_eq!(run("front-end inspect no-such-place"), 4);
    let stage = "--stage general --teacher t --student s --corpus c --temperature 2";
    assert_eq!(run(&format!("front-end distill {stage} --out {}", toy::path("no").display())), 2);
}
