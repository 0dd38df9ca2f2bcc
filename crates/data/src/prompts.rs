//! Prompts before the texts of a sentence encoder.

use crate::task::Example;

/// What stands before every text that a sentence encoder reads, such as E5's `query: `.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextPrompts {
    /// Before the first (or only) sentence.
    pub text: String,
    /// Before the second sentence of a pair.
    pub pair: String,
}

impl TextPrompts {
    /// Puts the prompts before the sentences of `example`.
    pub fn apply(&self, example: &mut Example) {
        example.text.insert_str(0, &self.text);
        if let Some(pair) = &mut example.pair {
            pair.insert_str(0, &self.pair);
        }
    }
}
