//! The features of the words of a sentence as 64-bit hashes.

use std::ops::RangeInclusive;

use crate::ngrams::Fnv;
use tinybert_base::random::derive;

/// The distances to the words that are features of a word: two words before it, itself, and two behind it.
const WORDS: RangeInclusive<isize> = -2..=2;
/// The distances to the first words of the neighbouring pairs that are features.
const PAIRS: RangeInclusive<isize> = -1..=0;
/// The lengths of the prefixes and suffixes that are features, in characters.
const AFFIXES: RangeInclusive<usize> = 2..=4;

/// The hashes of the features of each word of a sentence, in which white space separates words. All but the shape are
/// of the lowercased words.
pub fn features(sentence: &str) -> Vec<Vec<u64>> {
    let words = || tinybert_tokenizer::words(sentence).map(|range| &sentence[range]);
    let lowercased: Vec<String> = words().map(str::to_lowercase).collect();
    words().enumerate().map(|(at, word)| of_word(word, &lowercased, at)).collect()
}

/// The features of the word at `at`. Beyond the ends of the sentence, words are empty. Each feature is mixed with its
/// place in the list, so that the same letters in two places are two features.
fn of_word(word: &str, lowercased: &[String], at: usize) -> Vec<u64> {
    let at_distance = |distance: isize| {
        let word = at.checked_add_signed(distance).and_then(|at| lowercased.get(at));
        word.map_or("", String::as_str)
    };
    let hash = |text: &str| Fnv::EMPTY.then(text.as_bytes());
    let words = WORDS.map(|distance| Some(hash(at_distance(distance))));
    let pairs = PAIRS.map(|distance| {
        let [first, second] = [distance, distance + 1].map(at_distance);
        Some(hash(first).then(b" ").then(second.as_bytes()))
    });
    let affixes = AFFIXES.flat_map(|length| affixes(&lowercased[at], length).map(|affix| affix.map(hash)));
    let features = words.chain(pairs).chain(affixes).chain([Some(hash(&shape(word)))]);
    features.enumerate().filter_map(|(place, hash)| Some(derive(hash?.0, place as u64))).collect()
}

/// The prefix and the suffix of `length` characters of a word that is longer.
fn affixes(word: &str, length: usize) -> [Option<&str>; 2] {
    let starts = || word.char_indices().map(|(start, _)| start);
    let prefix = starts().nth(length).map(|end| &word[..end]);
    let suffix = starts().nth_back(length - 1).filter(|start| *start > 0).map(|start| &word[start..]);
    [prefix, suffix]
}

/// A word with `A` for runs of capitals, `a` for runs of other letters and `0` for runs of digits: `Aa` for `Oslo`,
/// `0:0` for `19:30`.
fn shape(word: &str) -> String {
    let mut shape: Vec<char> = word
        .chars()
        .map(|character| match character {
            _ if character.is_numeric() => '0',
            _ if character.is_uppercase() => 'A',
            _ if character.is_alphabetic() => 'a',
            other => other,
        })
        .collect();
    shape.dedup();
    shape.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_tell_capitals_letters_and_digits() {
        let shapes = ["Oslo", "19:30", "iPhone15", "don't", "ÉTÉ", ""].map(shape);
        assert_eq!(shapes, ["Aa", "0:0", "aAa0", "a'a", "A", ""]);
    }

    #[test]
    fn affixes_are_shorter_than_their_word() {
        assert_eq!(affixes("été", 2), [Some("ét"), Some("té")]);
        assert_eq!(affixes("été", 3), [None, None]);
        assert_eq!(affixes("", 2), [None, None]);
    }

    #[test]
    fn words_have_the_features_of_their_places() {
        // Five words, two pairs and the shape; a word of four characters has prefixes and suffixes of two and three.
        let features = features("play Some jazz");
        assert_eq!(features.iter().map(Vec::len).collect::<Vec<_>>(), [12, 12, 12]);
        // The word before "Some" is the word itself at "play": other features.
        assert!(!features[0].contains(&features[1][1]));
        // The same words at the same distances are the same features.
        let longer = super::features("now play some jazz");
        assert_eq!(features[2][..7], longer[3][..7]);
        let shared = |a: &[u64], b: &[u64]| a.iter().filter(|hash| b.contains(hash)).count();
        // Capitals are in the shape alone.
        assert_eq!(shared(&features[1], &longer[2]), 11 - 1);
        assert!(super::features(" ").is_empty());
    }
}
