//! Answers of token classification: a tag for each word.

use core::ops::Range;

use tinybert_tokenizer::{Vocabulary, Words, words};

use crate::argmax::argmax;

/// The answer of a token classifier.
#[derive(Clone, Copy, Debug)]
pub struct Tags<'s> {
    /// The text; empty if the input was token ids.
    pub(crate) text: &'s str,
    pub(crate) vocabulary: &'s Vocabulary<'s>,
    /// `[tokens, outputs]`.
    pub(crate) logits: &'s [f32],
    pub(crate) outputs: usize,
}

/// A word and its tag.
#[derive(Clone, Debug, PartialEq)]
pub struct TaggedWord<'s> {
    /// The word's bytes in the text.
    pub range: Range<usize>,
    /// The label with the largest logit, or the first such label.
    pub tag: usize,
    /// Logits of its first token, `[outputs]`.
    pub logits: &'s [f32],
}

impl<'s> Tags<'s> {
    /// Returns the logits of all tokens, `[CLS]` and `[SEP]` included: `[tokens, outputs]`.
    pub fn logits(&self) -> &'s [f32] {
        self.logits
    }

    /// Returns the words of the text in order, each with the tag of its first token. White space separates the words.
    /// Words that were cut off and words without tokens have no tag and are left out. There are no words if the input
    /// was token ids.
    pub fn words(&self) -> TaggedWords<'s> {
        TaggedWords { tags: *self, words: words(self.text), token: 1 }
    }
}

impl PartialEq for Tags<'_> {
    fn eq(&self, other: &Self) -> bool {
        (self.text, self.logits, self.outputs) == (other.text, other.logits, other.outputs)
    }
}

/// The iterator of [`Tags::words`]. It tokenizes the text again, word by word, so that it needs no memory for the
/// places where words begin.
#[derive(Clone, Copy, Debug)]
pub struct TaggedWords<'s> {
    tags: Tags<'s>,
    words: Words<'s>,
    /// The next word's first token.
    token: usize,
}

impl<'s> Iterator for TaggedWords<'s> {
    type Item = TaggedWord<'s>;

    fn next(&mut self) -> Option<TaggedWord<'s>> {
        let Tags { text, vocabulary, logits, outputs } = self.tags;
        loop {
            let range = self.words.next()?;
            let token = self.token;
            self.token = token.saturating_add(vocabulary.count(text.get(range.clone())?));
            if self.token > token {
                let mut rows = logits.chunks_exact(outputs.max(1)).skip(token);
                // The last row is that of `[SEP]`.
                return match (rows.next(), rows.next()) {
                    (Some(logits), Some(_)) => Some(TaggedWord { range, tag: argmax(logits), logits }),
                    _ => None,
                };
            }
        }
    }
}
