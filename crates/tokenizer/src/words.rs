//! Words as token classification counts them. White space separates them.

use core::ops::Range;

use crate::unicode::class;

/// Returns the byte ranges of the words of `text`: the runs between white space, punctuation included. No token reaches
/// across two words, so that the tokens of a text are those of its words, one after the other.
pub fn words(text: &str) -> Words<'_> {
    Words { text, end: 0 }
}

/// The iterator of [`words`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words<'t> {
    text: &'t str,
    /// The byte at which the last word ended.
    end: usize,
}

impl Iterator for Words<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.text.get(self.end..)?;
        let start = self.end + rest.find(|c| !is_space(c))?;
        let word = self.text.get(start..)?;
        self.end = start + word.find(is_space).unwrap_or(word.len());
        Some(start..self.end)
    }
}

/// Returns whether a character is white space for BERT's normalisation, which removes other controls than these.
pub(crate) fn is_space(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | ' ' => true,
        '\0'..='\x7f' => false,
        _ => class(c).is_space(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(text: &str) -> impl Iterator<Item = &str> {
        words(text).filter_map(|range| text.get(range))
    }

    #[test]
    fn white_space_separates_and_punctuation_does_not() {
        assert!(words_of(" play jazz,\tnow!\r\n").eq(["play", "jazz,", "now!"]));
        assert!(words_of("a\u{a0}b\u{3000}\u{2028}c").eq(["a", "b", "c"]));
        // A vertical tab is a control and U+200B is no white space: both are cleaned away.
        assert!(words_of("a\u{b}b \u{200b}").eq(["a\u{b}b", "\u{200b}"]));
        assert_eq!(words_of(" \n ").count() + words_of("").count(), 0);
    }
}
