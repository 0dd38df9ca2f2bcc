//! The line protocol of all targets. A program reads a text and writes the label (several with `|` between them), a
//! tab, and the outputs' bits in hexadecimal, so that machines can be compared. A tab in the text separates the two
//! texts of a pair.
#![no_std]

mod board;
mod firmware;
pub mod stack;

pub use board::{Board, ConsoleWriter, serve};

use core::fmt;

use tinybert_runtime::{Answer, Input};

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

/// Writes an answer as a line, without its end.
pub struct AnswerLine<'a>(pub &'a Model<'a>, pub &'a Answer<'a>);

impl fmt::Display for AnswerLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(model, answer) = self;
        let name = match answer {
            Answer::Label { index, .. } => model.label(*index).unwrap_or_default(),
            Answer::Labels(labels) => {
                for (place, label) in labels.labels().enumerate() {
                    f.write_str(if place == 0 { "" } else { "|" })?;
                    f.write_str(model.label(label).unwrap_or_default())?;
                }
                ""
            }
            Answer::Tags(_) => "tags",
            Answer::Embedding(_) => "embedding",
            _ => "score",
        };
        f.write_str(name)?;
        for (index, output) in answer.outputs().iter().enumerate() {
            let before = if index == 0 { '\t' } else { ' ' };
            write!(f, "{before}{:08x}", output.to_bits())?;
        }
        Ok(())
    }
}
