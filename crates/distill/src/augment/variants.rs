//! Drawing distinct variants of a sentence.

use std::collections::HashSet;
use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;

use tinybert_data::shuffle::below;

/// Draws per wanted variant. A short sentence has few variants, and the last of them are drawn rarely.
const TRIES: usize = 10;

/// A word with its candidates.
pub struct ReplaceableWord<'a> {
    /// The bytes of the word in the sentence.
    pub span: Range<usize>,
    /// At least one candidate.
    pub candidates: &'a [String],
}

/// At most `count` sentences that differ from `text` and from each other. Each of the `words`, which are in
/// the order of the text, is replaced with `probability`; everything else stays as it is.
pub fn draw_variants(
    text: &str,
    words: &[ReplaceableWord],
    probability: f64,
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Vec<String> {
    let mut seen = HashSet::from([text.to_owned()]);
    let mut variants = Vec::new();
    if words.is_empty() {
        return variants;
    }
    for _ in 0..count.saturating_mul(TRIES) {
        if variants.len() == count {
            break;
        }
        let variant = draw_variant(text, words, probability, rng);
        if seen.insert(variant.clone()) {
            variants.push(variant);
        }
    }
    variants
}

fn draw_variant(text: &str, words: &[ReplaceableWord], probability: f64, rng: &mut ChaCha8Rng) -> String {
    let mut variant = String::with_capacity(text.len() + 16);
    let mut end = 0;
    for word in words {
        // The high 53 bits are a uniform number in [0, 1).
        let chance = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        if chance < probability {
            variant.push_str(&text[end..word.span.start]);
            variant.push_str(&word.candidates[below(rng, word.candidates.len())]);
            end = word.span.end;
        }
    }
    variant.push_str(&text[end..]);
    variant
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinybert_base::random::keyed;

    const TEXT: &str = "A  good film, isn't it?";

    fn run(candidates: &[Vec<String>], probability: f64, count: usize) -> Vec<String> {
        let words: Vec<_> = [3..7, 8..12]
            .into_iter()
            .zip(candidates)
            .map(|(span, candidates)| ReplaceableWord { span, candidates })
            .collect();
        draw_variants(TEXT, &words, probability, count, &mut keyed([1, 2, 3, 4]))
    }

    fn candidates(lists: [&[&str]; 2]) -> Vec<Vec<String>> {
        lists.map(|list| list.iter().map(|word| word.to_string()).collect()).into()
    }

    #[test]
    fn a_sentence_gives_all_its_variants_once_and_not_itself() {
        let lists = candidates([&["bad", "fine"], &["movie", "play", "book"]]);
        let mut found = run(&lists, 0.4, 1000);
        // Each word stays or takes one of its candidates: 3 · 4 combinations but for the sentence itself.
        assert_eq!(found.len(), 3 * 4 - 1);
        assert!(found.contains(&"A  fine play, isn't it?".to_owned()), "{found:?}");
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 11);
        assert!(!found.contains(&TEXT.to_owned()));
        assert_eq!(run(&lists, 0.4, 5).len(), 5);
    }

    #[test]
    fn words_are_replaced_as_often_as_asked() {
        let many: Vec<String> = (0..1000).map(|i| format!("word{i}")).collect();
        let found = run(&[many.clone(), many], 0.3, 2000);
        let replaced = found.iter().filter(|variant| !variant.contains("good")).count();
        // 1 - 0.7² = 0.51 of the draws differ from the sentence, and 0.3 / 0.51 of these replace the first word.
        assert!((replaced as f64 / 2000.0 - 0.588).abs() < 0.05, "{replaced}");
    }

    #[test]
    fn without_candidates_there_are_no_variants() {
        assert!(run(&[], 0.4, 5).is_empty());
        assert!(run(&candidates([&["bad"], &["play"]]), 0.0, 5).is_empty());
    }
}
