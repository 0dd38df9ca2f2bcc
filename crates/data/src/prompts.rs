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
    /// A text or a pair with the prompts before them.
    #[must_use]
    pub fn before(&self, text: String, pair: Option<String>) -> (String, Option<String>) {
        (self.text.clone() + &text, pair.map(|pair| self.pair.clone() + &pair))
    }

    /// Puts the prompts before the sentences of `example`.
    pub fn apply(&self, example: &mut Example) {
        let (text, pair) = (std::mem::take(&mut example.text), example.pair.take());
        (example.text, example.pair) = self.before(text, pair);
    }
}
