//! Chosen texts, and truncation of all small sizes.

use crate::both::{Both, SPECIAL};
use tinybert_tokenizer::{MIN_TOKENS, Options, pack};

const WORDS: [&str; 12] = ["a", "b", "##b", "##c", "été", "ete", "東", "[", "]", "sep", "unk", "."];
const ROOM: usize = 512;

fn compare_all(pieces: &[&str], texts: &[&str]) {
    let pieces: Vec<&str> = SPECIAL.iter().chain(pieces).copied().collect();
    for options in [Options::UNCASED, Options::CASED] {
        let packed = pack(&pieces, options).unwrap();
        let mut both = Both::new(&pieces, &packed);
        texts.iter().for_each(|text| both.compare(text, None, ROOM));
    }
}

#[test]
fn literal_special_pieces_are_special() {
    let texts = [
        "[SEP]",
        "a[SEP]b",
        "a [CLS] b",
        "[MASK][PAD][UNK]",
        "[sep]",
        "[SEP",
        "SEP]",
        "[[SEP]]",
        "[S EP]",
        "[S\u{301}EP]",
        "[\0SEP]",
        "[SEP]\u{301}",
        "\u{301}[SEP]",
        "a[UNK]b",
        "ab[MASK]bc",
        "[CLS][SEP",
        "[",
    ];
    compare_all(&WORDS, &texts);
}

#[test]
fn words_without_pieces_and_the_limit_of_100_characters() {
    let (limit, over) = ("a".to_owned() + &"b".repeat(99), "a".to_owned() + &"b".repeat(100));
    let accents = "a".to_owned() + &"b\u{301}".repeat(99);
    let long = "b".repeat(100_000);
    let spaced = format!("{over} {limit}.{over}.{limit}東{over}");
    compare_all(&WORDS, &["", " ", "abx", "xab", "abcabc a", &limit, &over, &accents, &long, &spaced]);
}

/// U+302E is a mark of class 224, U+1D165 one of class 216, and neither is stripped: they are reordered, but not across
/// a starter, not even one that is stripped (U+0CBF).
#[test]
fn kept_marks_are_reordered() {
    let sorted = "a\u{1d165}\u{302e}";
    let unsorted = "a\u{302e}\u{1d165}";
    let pieces = [sorted, unsorted, "a", "##\u{302e}", "##\u{1d165}"];
    let barrier = "a\u{302e}\u{cbf}\u{1d165}";
    let many = "a".to_owned() + &"\u{302e}\u{1d165}".repeat(49);
    let too_many = "a".to_owned() + &"\u{302e}\u{1d165}".repeat(50);
    compare_all(&pieces, &[sorted, unsorted, barrier, &many, &too_many, "\u{302e}\u{1d165}"]);
}

/// Capital sigma has one lower case wherever it stands; U+0130 has two characters; Hangul falls apart into jamo.
#[test]
fn letters_with_rules_of_their_own() {
    let pieces = ["οδοσ", "οδος", "i", "##\u{307}", "\u{1100}", "##\u{1161}", "##\u{11a8}", "각", "ss", "ß"];
    compare_all(&pieces, &["ΟΔΟΣ", "οδος", "İ", "I\u{307}", "각", "가", "ẞ ß"]);
}

/// Every combination of small lengths: `longest_first` is a matter of off-by-one.
#[test]
fn truncation() {
    let pieces: Vec<&str> = SPECIAL.iter().chain(&WORDS).copied().collect();
    let packed = pack(&pieces, Options::UNCASED).unwrap();
    let mut both = Both::new(&pieces, &packed);
    for first in 0..14 {
        let text = "a ".repeat(first);
        for max_tokens in MIN_TOKENS..18 {
            both.compare(&text, None, max_tokens);
            for second in 0..14 {
                both.compare(&text, Some(&"b.".repeat(second).replace('.', " ")), max_tokens);
            }
        }
    }
}

/// A word that does not fit as a whole may still turn out to be `[UNK]`.
#[test]
fn a_word_at_the_limit() {
    let pieces: Vec<&str> = SPECIAL.iter().chain(&WORDS).copied().collect();
    let packed = pack(&pieces, Options::UNCASED).unwrap();
    let mut both = Both::new(&pieces, &packed);
    for max_tokens in MIN_TOKENS..12 {
        for text in ["a abbbx", "a abbb", "abbbbbbbbx", "a [SEP] abbx"] {
            both.compare(text, None, max_tokens);
            both.compare(text, Some("abbbbbb abx"), max_tokens);
            both.compare("abbbbbb abx", Some(text), max_tokens);
        }
    }
}

/// Hugging Face reads a `vocab.txt` into a map, line by line.
#[test]
fn of_a_piece_that_occurs_twice_the_last_one_counts() {
    compare_all(&["twice", "once", "", "twice", "[SEP]"], &["once twice", "[SEP]"]);
}

#[test]
fn special_pieces_that_are_missing_are_text() {
    let pieces = ["[UNK]", "[CLS]", "[SEP]", "[", "mask"];
    let packed = pack(&pieces, Options::CASED).unwrap();
    Both::new(&pieces, &packed).compare("[MASK] mask [SEP] [PAD]", None, ROOM);
}
