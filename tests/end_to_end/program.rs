//! Runs the program and asserts how it ends.

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use predicates::str::contains;

/// The program with the arguments in `line`, which is split at white space.
pub fn tinybert(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tinybert-compress"));
    command.args(line.split_whitespace());
    command
}

/// Runs `line`, which must succeed; gives what it printed.
pub fn output(line: &str) -> String {
    let assert = tinybert(line).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).expect("the program prints UTF-8")
}

/// Asserts that `line` ends with `code` and an error that contains each of `says`.
pub fn fails(line: &str, code: i32, says: &[&str]) {
    error_says(tinybert(line).assert().code(code), says);
}

/// Asserts that standard error is an error of this program that contains each of `says`.
pub fn error_says(assert: Assert, says: &[&str]) {
    says.iter().fold(assert.stderr(contains("error: ")), |assert, part| assert.stderr(contains(*part)));
}
