//! The line protocol of all targets. A program reads a text and writes the label (several with `|` between them), a
//! tab, the outputs' bits in hexadecimal, so that machines can be compared, a tab, and what a person wants to read: the
//! probability of each label, each word with its tag, or the score. A tab in the text separates the two texts of a
//! pair.
#![no_std]

mod answer;
mod board;
mod firmware;
pub mod stack;

pub use answer::AnswerLine;
pub use board::{Board, ConsoleWriter, serve};

use tinybert_runtime::Input;

pub use tinybert_runtime::{Error, Model};

/// Returns the input that a line asks for.
pub fn input(line: &str) -> Input<'_> {
    line.split_once('\t').map_or(Input::text(line), |(text, pair)| Input::pair(text, pair))
}

/// The line is too long or not UTF-8.
pub struct UnreadableLine;

/// Returns the text of a line without its end.
///
/// # Errors
/// The line is not UTF-8.
pub fn line_text(line: &[u8]) -> Result<&str, UnreadableLine> {
    core::str::from_utf8(line).map(|line| line.trim_end_matches('\r')).map_err(|_| UnreadableLine)
}
