//! The n-grams of a text as 64-bit hashes.

/// Longest n-gram of characters. The shortest has 2.
const LONGEST: usize = 5;

/// The FNV-1a hash of some bytes, which can be continued with more bytes.
#[derive(Clone, Copy)]
pub struct Fnv(pub u64);

impl Fnv {
    /// The hash of no bytes.
    pub const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    /// The hash of the bytes so far and these.
    pub fn then(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)))
    }
}

/// The words of a lowercased text: what has neither white space nor punctuation inside.
fn split(lowercased: &str) -> impl Iterator<Item = &str> {
    lowercased.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// The hash of each word of a lowercased text, in order.
pub fn words(lowercased: &str) -> Vec<u64> {
    split(lowercased).map(|word| Fnv::EMPTY.then(word.as_bytes()).0).collect()
}

/// The hash of each word and of each two neighbouring words of a lowercased text. A word is what has neither white
/// space nor punctuation inside.
pub fn word_ngrams(lowercased: &str) -> Vec<u64> {
    let mut hashes = Vec::new();
    let mut before: Option<Fnv> = None;
    for word in split(lowercased) {
        let single = Fnv::EMPTY.then(word.as_bytes());
        hashes.push(single.0);
        hashes.extend(before.map(|before| before.then(b" ").then(word.as_bytes()).0));
        before = Some(single);
    }
    hashes
}

/// The hash of each n-gram of 2 to 5 characters of a lowercased text. White space separates words; each word has a
/// space at both ends, and no n-gram goes beyond them.
pub fn character_ngrams(lowercased: &str) -> Vec<u64> {
    let mut hashes = Vec::new();
    let mut padded = String::new();
    for word in lowercased.split_whitespace() {
        padded.clear();
        padded.extend([" ", word, " "]);
        for (start, _) in padded.char_indices() {
            let mut hash = Fnv::EMPTY;
            for (length, character) in padded[start..].chars().take(LONGEST).enumerate() {
                hash = hash.then(character.encode_utf8(&mut [0; 4]).as_bytes());
                hashes.extend((length > 0).then_some(hash.0));
            }
        }
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashes<const N: usize>(ngrams: [&str; N]) -> Vec<u64> {
        sorted(ngrams.map(|ngram| Fnv::EMPTY.then(ngram.as_bytes()).0).to_vec())
    }

    fn sorted(mut hashes: Vec<u64>) -> Vec<u64> {
        hashes.sort_unstable();
        hashes
    }

    #[test]
    fn hashes_are_fnv_1a() {
        // From the test vectors of draft-eastlake-fnv.
        assert_eq!(Fnv::EMPTY.then(b"a").0, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Fnv::EMPTY.then(b"foo").then(b"bar").0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn words_end_at_punctuation_and_neighbours_are_pairs() {
        let expected = hashes(["don", "t", "stop", "don t", "t stop"]);
        assert_eq!(sorted(word_ngrams("don't -- stop!")), expected);
        assert_eq!(sorted(words("don't -- stop!")), hashes(["don", "t", "stop"]));
        assert!(word_ngrams("…!").is_empty());
    }

    #[test]
    fn characters_stay_within_the_boundaries_of_words() {
        let expected = hashes([" é", "é'", "' ", " é'", "é' ", " é' ", " a", "a ", " a "]);
        assert_eq!(sorted(character_ngrams(" é'\ta\n")), expected);
        // " abcd " has 5, 4, 3 and 2 n-grams of 2 to 5 characters.
        assert_eq!(character_ngrams("abcd").len(), 5 + 4 + 3 + 2);
    }
}
