//! Finding the words of a sentence that may be replaced.

use std::collections::HashSet;
use std::sync::LazyLock;

use tinybert_base::Result;
use tinybert_model::{EncodedWord, TextEncoder};

/// English function words. Replacing them would change the grammar of a sentence but not its topic.
static STOP_WORDS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("stop_words.txt").split_whitespace().collect());

/// A sentence and its words.
pub struct Sentence<'a> {
    /// The sentence as the data have it.
    pub text: &'a str,
    /// All words.
    pub words: Vec<EncodedWord>,
    /// Indices of the words that may be replaced.
    pub replaceable: Vec<usize>,
}

impl<'a> Sentence<'a> {
    /// Splits a sentence into words.
    ///
    /// # Errors
    /// Returns the errors of [`TextEncoder::words`].
    pub fn new(text: &'a str, encoder: &TextEncoder) -> Result<Self> {
        let words = encoder.words(text)?;
        let may = |word: &EncodedWord| {
            let spelling = &text[word.span.clone()];
            let letters = |c: char| c.is_ascii_lowercase() || (encoder.lowercase() && c.is_ascii_uppercase());
            spelling.chars().all(letters) && !STOP_WORDS.contains(spelling.to_ascii_lowercase().as_str())
        };
        let replaceable = (0..words.len()).filter(|&at| may(&words[at])).collect();
        Ok(Self { text, words, replaceable })
    }

    /// A word in lower case.
    pub fn spelling(&self, word: usize) -> String {
        self.text[self.words[word].span.clone()].to_ascii_lowercase()
    }
}

/// Whether a word has only the letters a to z.
pub fn is_plain(spelling: &str) -> bool {
    !spelling.is_empty() && spelling.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Whether a word may replace another one: it has only the letters a to z and is no function word.
pub fn is_candidate(spelling: &str) -> bool {
    is_plain(spelling) && !STOP_WORDS.contains(spelling)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Spellings of the words of `text` that may be replaced, and the pieces of each.
    fn replaceable(text: &str, lowercase: bool) -> Vec<(String, usize)> {
        let pieces =
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "film", "##s", "good", "GOOD", ",", "naive"];
        let encoder = TextEncoder::from_pieces(pieces.map(String::from).into(), lowercase).unwrap();
        let sentence = Sentence::new(text, &encoder).unwrap();
        let of = |&word: &usize| {
            (text[sentence.words[word].span.clone()].to_owned(), sentence.words[word].ids.len())
        };
        sentence.replaceable.iter().map(of).collect()
    }

    #[test]
    fn words_of_letters_may_be_replaced_but_for_stop_words() {
        let text = "The GOOD films, na\u{ef}ve 2nd film's [SEP] unknown\u{2014}good";
        let words = |list: &[(&str, usize)]| -> Vec<(String, usize)> {
            list.iter().map(|&(word, pieces)| (word.to_owned(), pieces)).collect()
        };
        let lower = [("GOOD", 1), ("films", 2), ("film", 1), ("unknown", 1), ("good", 1)];
        assert_eq!(replaceable(text, true), words(&lower));
        // A cased vocabulary's capitals would be lost in a lower-case candidate.
        assert_eq!(replaceable(text, false), words(&lower[1..]));
        assert!(replaceable("", true).is_empty());
    }
}
