//! Learning a WordPiece vocabulary from text.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};

use super::special_pieces::SpecialPieces;
use tinybert_base::{Context, Error, Result};

/// Marks a piece that continues a word.
const CONTINUES: &str = "##";
/// Words longer than this become `[UNK]` whatever the vocabulary.
const LONGEST_WORD: usize = 100;

/// Learns a vocabulary from texts that are read one after the other. What it takes in memory grows with the
/// number of different words and not with that of the texts.
pub struct VocabularyTrainer {
    normalizer: BertNormalizer,
    lowercase: bool,
    /// How often each word occurs.
    counts: HashMap<String, u64>,
}

impl VocabularyTrainer {
    /// A trainer that has read nothing. With `lowercase`, words are lower-cased first.
    pub fn new(lowercase: bool) -> Self {
        let normalizer = BertNormalizer::new(true, true, None, lowercase);
        Self { normalizer, lowercase, counts: HashMap::new() }
    }

    /// Reads a text: words as BERT's normalisation and pre-tokenisation find them.
    ///
    /// # Errors
    /// [`Error::Input`] for a text that the tokenizer refuses; [`Error::Interrupted`] when the user asks to stop.
    pub fn read(&mut self, text: &str, context: &Context) -> Result<()> {
        check_stop(context)?;
        // The normalisation of a character depends on no other one beyond white space.
        for part in text.split([' ', '\t', '\n', '\r']) {
            if part.is_ascii() { self.read_ascii(part) } else { self.read_any(part)? }
        }
        Ok(())
    }

    /// [`VocabularyTrainer::read`] for ASCII without white space, many times faster: control characters are dropped,
    /// and punctuation stands alone.
    fn read_ascii(&mut self, part: &str) {
        let mut word = String::with_capacity(part.len());
        for character in part.chars().filter(|character| !character.is_ascii_control()) {
            let is_punctuation = character.is_ascii_punctuation();
            if is_punctuation {
                self.count(&word);
                word.clear();
            }
            word.push(if self.lowercase { character.to_ascii_lowercase() } else { character });
            if is_punctuation {
                self.count(&word);
                word.clear();
            }
        }
        self.count(&word);
    }

    /// [`VocabularyTrainer::read`] for any text, by the tokenizer itself.
    fn read_any(&mut self, text: &str) -> Result<()> {
        let mut normalized = NormalizedString::from(text);
        let words = self.normalizer.normalize(&mut normalized).and_then(|()| {
            let mut words = PreTokenizedString::from(normalized);
            BertPreTokenizer.pre_tokenize(&mut words).map(|()| words)
        });
        let words = words.map_err(|error| Error::Input(format!("the tokenizer refused a text: {error}")))?;
        for (word, _, _) in words.get_splits(OffsetReferential::Normalized, OffsetType::Byte) {
            self.count(word);
        }
        Ok(())
    }

    fn count(&mut self, word: &str) {
        if word.is_empty() || word.chars().count() > LONGEST_WORD {
            return;
        }
        match self.counts.get_mut(word) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(word.to_owned(), 1);
            }
        }
    }

    /// Learns a vocabulary of at most `size` pieces: the special ones, characters, and the pieces that merging
    /// the most frequent pair of neighbours gives, over and over, until no pair occurs twice.
    ///
    /// This is the algorithm of Hugging Face's trainer, except that the ids of the pieces break ties, so that one text
    /// gives one vocabulary. ASCII letters, digits and punctuation are always in it, so that any plain English can be
    /// spelled.
    ///
    /// # Errors
    /// [`Error::Usage`] when `size` is too small for the special pieces and ASCII characters; [`Error::Interrupted`]
    /// when the user asks to stop.
    pub fn vocabulary(&self, size: usize, context: &Context) -> Result<Vec<String>> {
        // An order that does not depend on hashes.
        let counts = self.counts.iter().map(|(word, count)| (word.clone(), *count)).collect();
        let mut merger = Merger::new(alphabet(&counts, size, self.lowercase)?, &counts);
        while merger.pieces.len() < size && merger.merge_most_frequent() {
            check_stop(context)?;
        }
        Ok(merger.pieces)
    }
}

fn check_stop(context: &Context) -> Result<()> {
    match context.should_stop() {
        true => Err(Error::Interrupted("learning the vocabulary was stopped; nothing was written".into())),
        false => Ok(()),
    }
}

/// Special pieces, then single characters: ASCII, and of the others that occur, the most frequent until a
/// quarter of the vocabulary is used.
fn alphabet(counts: &BTreeMap<String, u64>, size: usize, lowercase: bool) -> Result<Vec<String>> {
    let ascii = ('!'..='~').filter(|character| !(lowercase && character.is_ascii_uppercase()));
    let mut pieces: Vec<String> = SpecialPieces::BERT.all().map(str::to_owned).to_vec();
    pieces.extend(ascii.clone().map(String::from));
    // Punctuation is always a word by itself.
    pieces
        .extend(ascii.filter(char::is_ascii_alphanumeric).map(|character| format!("{CONTINUES}{character}")));
    if size < pieces.len() {
        return Err(Error::Usage(format!(
            "a vocabulary of {size} pieces is too small; special pieces and ASCII characters alone are {}",
            pieces.len()
        )));
    }
    let mut others: BTreeMap<String, u64> = BTreeMap::new();
    for (word, count) in counts {
        for (character, piece) in word.chars().zip(characters(word)) {
            if !character.is_ascii() {
                *others.entry(piece).or_insert(0) += count;
            }
        }
    }
    let mut others: Vec<_> = others.into_iter().collect();
    others.sort_by(|(one, one_count), (two, two_count)| two_count.cmp(one_count).then_with(|| one.cmp(two)));
    let room = (size / 4).saturating_sub(pieces.len());
    pieces.extend(others.into_iter().take(room).map(|(piece, _)| piece));
    Ok(pieces)
}

/// A word in pieces of one character.
fn characters(word: &str) -> impl Iterator<Item = String> {
    word.char_indices().map(|(at, c)| if at == 0 { c.to_string() } else { format!("{CONTINUES}{c}") })
}

/// Two neighbouring pieces by id.
type Pair = (u32, u32);

/// Distinct words as sequences of pieces, with what is needed to merge the most frequent pair without looking
/// at all words again.
struct Merger {
    pieces: Vec<String>,
    ids: HashMap<String, u32>,
    words: Vec<(Vec<u32>, u64)>,
    counts: HashMap<Pair, u64>,
    /// Words in which a pair occurs or once occurred.
    places: HashMap<Pair, BTreeSet<usize>>,
    /// Counts that were true when they were pushed; the smallest ids come first among equals.
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

impl Merger {
    fn new(pieces: Vec<String>, counts: &BTreeMap<String, u64>) -> Self {
        let ids: HashMap<String, u32> = pieces.iter().cloned().zip(0..).collect();
        let spell = |word: &str| -> Option<Vec<u32>> {
            characters(word).map(|piece| ids.get(&piece).copied()).collect()
        };
        // A word with a character outside the alphabet is `[UNK]` in any case.
        let words = counts.iter().filter_map(|(word, count)| Some((spell(word)?, *count))).collect();
        let mut merger = Self {
            pieces,
            ids,
            words,
            counts: HashMap::new(),
            places: HashMap::new(),
            queue: BinaryHeap::new(),
        };
        for word in 0..merger.words.len() {
            merger.count_pairs(word);
        }
        merger.queue = merger.counts.iter().map(|(pair, count)| (*count, Reverse(*pair))).collect();
        merger
    }

    /// Adds a word's pairs to the counts; returns them.
    fn count_pairs(&mut self, word: usize) -> Vec<Pair> {
        let (pieces, count) = &self.words[word];
        let pairs: Vec<Pair> = pieces.windows(2).map(|pair| (pair[0], pair[1])).collect();
        for pair in &pairs {
            *self.counts.entry(*pair).or_insert(0) += count;
            self.places.entry(*pair).or_default().insert(word);
        }
        pairs
    }

    fn uncount_pairs(&mut self, word: usize) {
        let (pieces, count) = &self.words[word];
        for pair in pieces.windows(2) {
            if let Some(total) = self.counts.get_mut(&(pair[0], pair[1])) {
                *total -= count;
            }
        }
    }

    /// Makes one piece of the most frequent pair; false when no pair occurs twice.
    fn merge_most_frequent(&mut self) -> bool {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            let true_count = self.counts.get(&pair).copied().unwrap_or(0);
            if true_count < 2 {
                continue;
            }
            if true_count == count {
                self.merge(pair);
                return true;
            }
            self.queue.push((true_count, Reverse(pair)));
        }
        false
    }

    fn merge(&mut self, pair: Pair) {
        let [left, right] = [pair.0, pair.1].map(|id| &self.pieces[id as usize]);
        let text = format!("{left}{}", right.strip_prefix(CONTINUES).unwrap_or(right));
        let merged = *self.ids.entry(text).or_insert_with_key(|text| {
            self.pieces.push(text.clone());
            self.pieces.len() as u32 - 1
        });
        let mut changed = BTreeSet::new();
        for word in self.places.remove(&pair).unwrap_or_default() {
            self.uncount_pairs(word);
            let pieces = &mut self.words[word].0;
            let mut at = 0;
            while at + 1 < pieces.len() {
                if (pieces[at], pieces[at + 1]) == pair {
                    pieces[at] = merged;
                    pieces.remove(at + 1);
                }
                at += 1;
            }
            changed.extend(self.count_pairs(word));
        }
        for pair in changed {
            self.queue.push((self.counts[&pair], Reverse(pair)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TextEncoder;

    fn train_vocabulary<'t>(texts: impl IntoIterator<Item = &'t str>, size: usize) -> Result<Vec<String>> {
        let mut trainer = VocabularyTrainer::new(true);
        texts.into_iter().try_for_each(|text| trainer.read(text, &Context::default()))?;
        trainer.vocabulary(size, &Context::default())
    }

    proptest::proptest! {
        /// The tokenizer reads the whole text at once.
        #[test]
        fn words_are_those_of_the_tokenizer(
            text in "([ -~]|[\\x00-\\x7f]|[ÀéßΣ中\u{301}\u{3000}\u{a0}\u{fffd}\u{200b}]){0,60}",
            lowercase in proptest::bool::ANY,
        ) {
            let (mut fast, mut slow) = (VocabularyTrainer::new(lowercase), VocabularyTrainer::new(lowercase));
            fast.read(&text, &Context::default()).unwrap();
            slow.read_any(&text).unwrap();
            proptest::prop_assert_eq!(fast.counts, slow.counts);
        }
    }

    const TEXTS: [&str; 3] =
        ["low low low low low", "lower lower", "newest newest newest newest newest newest widest"];

    /// Pieces beyond the special ones and ASCII.
    fn learnt(texts: &[&str], merges: usize) -> Vec<String> {
        let fixed = alphabet(&BTreeMap::new(), 1000, true).unwrap().len();
        train_vocabulary(texts.iter().copied(), fixed + merges).unwrap().split_off(fixed)
    }

    #[test]
    fn merges_follow_the_counts_worked_out_by_hand() {
        // The pairs and their counts: ##e##s 7, ##s##t 7, l##o 7, ##o##w 7, ##w##e 8 (lower 2, newest 6), n##e 6.
        // ##w##e is merged first, and ##e##s is left once, in widest. l##o comes next, because ##s##t has the same
        // count 7 and a larger id; lo##w then has 5 and lo##we 2. ##s##t follows and makes ##we##st 6. n##e has the
        // same count 6, and the ids of its letters are smaller, so that n##e is merged before; ne##west has 6.
        assert_eq!(learnt(&TEXTS, 6), ["##we", "lo", "##st", "ne", "##west", "newest"]);
    }

    #[test]
    fn learning_ends_when_no_pair_occurs_twice() {
        let pieces = learnt(&["ab ab", "cd"], 100);
        assert_eq!(pieces, ["ab"]);
    }

    #[test]
    fn words_are_found_as_bert_finds_them() {
        assert_eq!(learnt(&["\u{c9}t\u{e9}! \u{e9}t\u{e9}!", "ete,ETE"], 2), ["et", "ete"]);
    }

    #[test]
    fn the_order_of_the_texts_does_not_matter() {
        let backwards: Vec<_> = TEXTS.into_iter().rev().collect();
        assert_eq!(learnt(&TEXTS, 20), learnt(&backwards, 20));
    }

    #[test]
    fn characters_beyond_ascii_are_taken_by_their_counts() {
        let counts = [("ßa", 1), ("中", 3), ("aß", 2)].map(|(word, count)| (word.to_owned(), count)).into();
        let fixed = alphabet(&BTreeMap::new(), 1000, true).unwrap();
        let pieces = alphabet(&counts, 4 * (fixed.len() + 2), true).unwrap();
        assert_eq!(pieces[fixed.len()..], ["中", "##ß"]);
    }

    #[test]
    fn a_learnt_vocabulary_encodes_its_text_without_unknown_pieces() {
        let pieces = train_vocabulary(TEXTS, 200).unwrap();
        assert!(pieces.len() <= 200);
        let encoder = TextEncoder::from_pieces(pieces, true).unwrap();
        for text in TEXTS.into_iter().chain(["Quick brown FOX, 42!"]) {
            let encoded = encoder.encode(text, None, 100).unwrap();
            assert!(!encoded.ids.contains(&encoder.special().unk), "{text}");
        }
    }

    #[test]
    fn a_size_below_the_alphabet_is_refused() {
        assert_eq!(train_vocabulary(TEXTS, 50).unwrap_err().exit_code(), 2);
    }
}
