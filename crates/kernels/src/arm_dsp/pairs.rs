//! Weights of four outputs as pairs of 16-bit numbers, the form in which SMLAD takes them.

use super::i8_2x4_smlad::COLUMNS;
use super::instructions::{even_bytes, odd_bytes};

/// Inputs of a group.
pub(super) const GROUP: usize = 16;
/// Most inputs at a time: the pairs lie on the stack.
pub(super) const MOST_INPUTS: usize = 256;
/// Inputs of a word of weights.
const WORD: usize = 4;

/// A group: for every four inputs a pair of inputs 0 and 2 for each output, then pairs of inputs 1 and 3.
type Group = [u32; GROUP * COLUMNS / 2];

/// The weights of four outputs for up to [`MOST_INPUTS`] inputs.
pub(super) struct Pairs {
    groups: [Group; MOST_INPUTS / GROUP],
    count: usize,
}

impl Pairs {
    /// Returns no weights.
    pub(super) const fn new() -> Self {
        Pairs { groups: [[0; GROUP * COLUMNS / 2]; MOST_INPUTS / GROUP], count: 0 }
    }

    /// Returns the groups that have been written.
    #[inline(always)]
    pub(super) fn groups(&self) -> &[Group] {
        self.groups.get(..self.count).unwrap_or(&[])
    }

    /// Writes the weights of a panel, `[groups][4][16]`, whose last group may have 8 inputs.
    pub(super) fn write_panel(&mut self, weights: &[i8]) {
        let mut groups = weights.chunks(COLUMNS * GROUP);
        self.count = 0;
        for (place, weights) in self.groups.iter_mut().zip(groups.by_ref()) {
            let (words, _) = weights.as_chunks::<WORD>();
            match <&[[i8; WORD]; COLUMNS * GROUP / WORD]>::try_from(words) {
                Ok(words) => write_group::<{ GROUP / WORD }>(place, words),
                Err(_) => {
                    *place = [0; GROUP * COLUMNS / 2];
                    if let Ok(words) = <&[[i8; WORD]; COLUMNS * GROUP / WORD / 2]>::try_from(words) {
                        write_group::<{ GROUP / WORD / 2 }>(place, words);
                    }
                }
            }
            self.count += 1;
        }
    }

    /// Writes the words that `word(four, output)` returns for groups of four inputs and four outputs, `inputs` inputs
    /// in all.
    #[inline(always)]
    pub(super) fn write_words(&mut self, inputs: usize, word: impl Fn(usize, usize) -> u32) {
        self.count = inputs.div_ceil(GROUP).min(MOST_INPUTS / GROUP);
        for (index, group) in self.groups.iter_mut().enumerate().take(self.count) {
            for (four, place) in group.as_chunks_mut::<{ 2 * COLUMNS }>().0.iter_mut().enumerate() {
                let four = index * (GROUP / WORD) + four;
                for output in 0..COLUMNS {
                    let word = word(four, output);
                    (place[output], place[COLUMNS + output]) = (even_bytes(word), odd_bytes(word));
                }
            }
        }
    }

    /// Writes the transposed words that `words(four)` returns for inputs `4 · four` to `4 · four + 3`: the weights of an
    /// input for four outputs. `inputs` inputs in all.
    #[inline(always)]
    pub(super) fn write_columns(&mut self, inputs: usize, words: impl Fn(usize) -> [u32; WORD]) {
        self.count = inputs.div_ceil(GROUP).min(MOST_INPUTS / GROUP);
        for (index, group) in self.groups.iter_mut().enumerate().take(self.count) {
            for (four, place) in group.as_chunks_mut::<{ 2 * COLUMNS }>().0.iter_mut().enumerate() {
                let [a, b, c, d] = words(index * (GROUP / WORD) + four);
                let (low, high) = place.split_at_mut(COLUMNS);
                write_transposed(low, a, c);
                write_transposed(high, b, d);
            }
        }
    }
}

/// Writes the pairs of two inputs for four outputs, whose weights are the bytes of `first` and `second`.
#[inline(always)]
fn write_transposed(out: &mut [u32], first: u32, second: u32) {
    let (first_even, first_odd) = (even_bytes(first), odd_bytes(first));
    let (second_even, second_odd) = (even_bytes(second), odd_bytes(second));
    let low = |first: u32, second: u32| first & 0xffff | second << 16;
    let high = |first: u32, second: u32| first >> 16 | second & 0xffff_0000;
    let pairs = [
        low(first_even, second_even),
        low(first_odd, second_odd),
        high(first_even, second_even),
        high(first_odd, second_odd),
    ];
    out.iter_mut().zip(pairs).for_each(|(out, pair)| *out = pair);
}

/// Writes a group whose outputs have `WORDS` words each.
#[inline(always)]
fn write_group<const WORDS: usize>(place: &mut Group, words: &[[i8; WORD]]) {
    for four in 0..WORDS {
        for output in 0..COLUMNS {
            let word = words.get(output * WORDS + four).map_or(0, |bytes| word_of(*bytes));
            let at = four * 2 * COLUMNS + output;
            (place[at], place[at + COLUMNS]) = (even_bytes(word), odd_bytes(word));
        }
    }
}

/// Returns four bytes as a word.
#[inline(always)]
pub(super) fn word_of(bytes: [i8; WORD]) -> u32 {
    u32::from_le_bytes(bytes.map(i8::cast_unsigned))
}
