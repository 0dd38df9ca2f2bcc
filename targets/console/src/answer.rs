//! An answer as a line.

use core::fmt::{self, Write};

use tinybert_runtime::kernels::math::sigmoid;
use tinybert_runtime::{Answer, Model};

/// Writes an answer as three columns with tabs between them, without the end of the line.
pub struct AnswerLine<'a> {
    /// The model, which knows the labels.
    pub model: &'a Model<'a>,
    /// The line that was answered.
    pub text: &'a str,
    /// The answer.
    pub answer: &'a Answer<'a>,
}

impl fmt::Display for AnswerLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_name(f)?;
        for (index, output) in self.answer.outputs().iter().enumerate() {
            let before = if index == 0 { '\t' } else { ' ' };
            write!(f, "{before}{:08x}", output.to_bits())?;
        }
        f.write_char('\t')?;
        self.write_readable(f)
    }
}

impl AnswerLine<'_> {
    /// The first column: the labels, or the kind of the answer.
    fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.answer {
            Answer::Label { index, .. } => f.write_str(self.label(*index)),
            Answer::Labels(labels) => {
                separated(f, '|', labels.labels(), |f, label| f.write_str(self.label(label)))
            }
            Answer::Tags(_) => f.write_str("tags"),
            Answer::Embedding(_) => f.write_str("embedding"),
            _ => f.write_str("score"),
        }
    }

    /// The third column: what a person reads.
    fn write_readable(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.answer {
            Answer::Label { probability, accepted, .. } => {
                let rejected = if *accepted { "" } else { " (not accepted)" };
                write!(f, "{}{rejected}", Decimal(*probability))
            }
            Answer::Labels(labels) => separated(f, '|', labels.labels(), |f, label| {
                let logit = labels.logits().get(label).copied().unwrap_or_default();
                write!(f, "{}", Decimal(sigmoid(logit)))
            }),
            Answer::Tags(tags) => separated(f, ' ', tags.words(), |f, word| {
                write!(f, "{}/{}", self.text.get(word.range).unwrap_or_default(), self.label(word.tag))
            }),
            Answer::Score(score) => write!(f, "{}", Decimal(*score)),
            _ => Ok(()),
        }
    }

    fn label(&self, index: usize) -> &str {
        self.model.label(index).unwrap_or_default()
    }
}

/// Writes `items` with `separator` between them.
fn separated<I: Iterator>(
    f: &mut fmt::Formatter<'_>,
    separator: char,
    items: I,
    write: impl Fn(&mut fmt::Formatter<'_>, I::Item) -> fmt::Result,
) -> fmt::Result {
    for (place, item) in items.enumerate() {
        if place > 0 {
            f.write_char(separator)?;
        }
        write(f, item)?;
    }
    Ok(())
}

/// A number with four decimals. Rust's own decimals of floating-point numbers would take 20 KB of a firmware and could
/// panic.
struct Decimal(f32);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The conversion saturates, and makes 0 of what is no number.
        let shifted = (self.0.abs() * 1e4 + 0.5) as u32;
        let sign = if self.0 < 0.0 && shifted > 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:04}", shifted / 10_000, shifted % 10_000)
    }
}
