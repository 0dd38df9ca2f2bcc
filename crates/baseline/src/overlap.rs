//! How much the two texts of a pair have in common.

/// Number of measures.
pub const MEASURES: usize = 6;

/// Each n-gram once, with how often it is there, in ascending order.
type Counted = [(u64, u32)];

/// The measures of a pair, each from 0 to 1: of words, of word n-grams and of character n-grams the shared ones as a
/// part of all (Jaccard); of words and of character n-grams the shared ones as a part of the smaller text's; and the
/// length of the shorter text as a part of the longer one's. Without words or n-grams a measure is 0.
pub fn measures(
    words: [&Counted; 2],
    word_ngrams: [&Counted; 2],
    character_ngrams: [&Counted; 2],
) -> [f32; MEASURES] {
    let shared = |[first, second]: [&Counted; 2]| {
        let is_shared = |hash: &u64| second.binary_search_by_key(hash, |&(hash, _)| hash).is_ok();
        first.iter().filter(|(hash, _)| is_shared(hash)).count()
    };
    let jaccard = |pair: [&Counted; 2]| share(shared(pair), pair[0].len() + pair[1].len() - shared(pair));
    let contained = |pair: [&Counted; 2]| share(shared(pair), pair[0].len().min(pair[1].len()));
    let [first, second] = words.map(|words| words.iter().map(|(_, count)| *count as usize).sum::<usize>());
    [
        jaccard(words),
        jaccard(word_ngrams),
        jaccard(character_ngrams),
        contained(words),
        contained(character_ngrams),
        share(first.min(second), first.max(second)),
    ]
}

fn share(part: usize, whole: usize) -> f32 {
    if whole == 0 { 0.0 } else { part as f32 / whole as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_sets() {
        let [first, second] = [[(1, 2), (2, 1), (3, 1)].as_slice(), &[(2, 1), (9, 1)]];
        // One of four is shared, and one of the two of the smaller text; the lengths are 4 and 2 words.
        let found = measures([first, second], [first, first], [first, &[]]);
        assert_eq!(found, [0.25, 1.0, 0.0, 0.5, 0.0, 0.5]);
    }
}
