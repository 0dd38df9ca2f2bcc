//! Answers of token classification: a tag for each word.

use core::ops::Range;

use tinybert_image::Labels;
use tinybert_kernels::math;
use tinybert_tokenizer::{Vocabulary, words};

use crate::Entities;

/// The answer of a token classifier.
#[derive(Clone, Copy, Debug)]
pub struct Tags<'s> {
    /// The text; empty if the input was token ids.
    pub(crate) text: &'s str,
    pub(crate) vocabulary: &'s Vocabulary<'s>,
    /// `[tokens, outputs]`.
    pub(crate) logits: &'s [f32],
    pub(crate) outputs: usize,
    pub(crate) labels: Labels<'s>,
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

impl TaggedWord<'_> {
    /// Returns the probability of the tag, 0 to 1: the softmax of the word's logits.
    pub fn probability(&self) -> f32 {
        math::softmax_at(self.logits, self.tag, 1.0)
    }
}

/// A place between two words of a tagged text, from which words and entities can go on. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TagPlace {
    /// Number of bytes of the text before the place.
    pub bytes: usize,
    /// Number of tokens of these bytes.
    pub tokens: usize,
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
        self.words_from(TagPlace::default())
    }

    /// Returns the words behind a place that [`TaggedWords::place`] or [`Entities::place`] has given for this answer.
    /// There are no words behind a place that is not between two words.
    pub fn words_from(&self, place: TagPlace) -> TaggedWords<'s> {
        TaggedWords { tags: *self, place }
    }

    /// Returns the entities of the text in order. An entity is a run of words whose tags belong together
    /// ([`EntityTags`](crate::EntityTags)).
    pub fn entities(&self) -> Entities<'s> {
        Entities { words: self.words() }
    }

    /// Returns the entities behind a place: see [`words_from`](Self::words_from).
    pub fn entities_from(&self, place: TagPlace) -> Entities<'s> {
        Entities { words: self.words_from(place) }
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
    place: TagPlace,
}

impl<'s> TaggedWords<'s> {
    /// Returns the place behind the last word.
    pub fn place(&self) -> TagPlace {
        self.place
    }

    /// Returns the name of a word's tag; an empty name if the image has none.
    pub(crate) fn tag_name(&self, word: &TaggedWord<'s>) -> &'s str {
        let mut labels = self.tags.labels;
        labels.nth(word.tag).unwrap_or_default()
    }
}

impl<'s> Iterator for TaggedWords<'s> {
    type Item = TaggedWord<'s>;

    fn next(&mut self) -> Option<TaggedWord<'s>> {
        let Tags { text, vocabulary, logits, outputs, .. } = self.tags;
        loop {
            let TagPlace { bytes, tokens } = self.place;
            let word = words(text.get(bytes..)?).next()?;
            let range = bytes.checked_add(word.start)?..bytes.checked_add(word.end)?;
            let count = vocabulary.count(text.get(range.clone())?);
            self.place = TagPlace { bytes: range.end, tokens: tokens.saturating_add(count) };
            if count > 0 {
                // The first row is that of `[CLS]`, the last one that of `[SEP]`.
                let mut rows = logits.chunks_exact(outputs.max(1)).skip(tokens.checked_add(1)?);
                return match (rows.next(), rows.next()) {
                    (Some(logits), Some(_)) => Some(TaggedWord { range, tag: math::argmax(logits), logits }),
                    _ => None,
                };
            }
        }
    }
}
