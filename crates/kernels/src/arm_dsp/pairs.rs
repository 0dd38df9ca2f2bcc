//! Weights of four outputs as pairs of 16-bit numbers, the form in which SMLAD takes them.

use core::arch::naked_asm;

use tinybert_layout::{INPUTS_PER_MULTIPLIER, PanelWeights};

use super::i8_2x4_smlad::COLUMNS;
use super::instructions::{dsp, even_bytes, odd_bytes, sub_halves};
use crate::Panel;

/// Inputs of a group.
pub(super) const GROUP: usize = 16;
/// Most inputs at a time: the pairs lie on the stack.
pub(super) const MOST_INPUTS: usize = 256;
/// Bytes of a group of weights in four bits: a multiplier per output, and two codes per byte.
const FOUR_BIT_GROUP: usize = COLUMNS + COLUMNS * INPUTS_PER_MULTIPLIER / 2;
/// Inputs of a word of weights.
const WORD: usize = 4;

/// A group: for every four inputs a pair of inputs 0 and 2 for each output, then pairs of inputs 1 and 3.
pub(super) type Group = [u32; GROUP * COLUMNS / 2];

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

    /// Writes the weights of a panel for `inputs` inputs from `first` on, at most [`MOST_INPUTS`]. `first` is a multiple of
    /// that number. Sparse weights cannot be written.
    pub(super) fn write_panel(&mut self, weights: PanelWeights, first: usize, inputs: usize) {
        self.count = 0;
        match weights {
            PanelWeights::Int8(weights) => {
                self.write_int8(weights.get(COLUMNS * first..COLUMNS * (first + inputs)).unwrap_or(&[]));
            }
            PanelWeights::Int4(stored) => {
                let begin = first / INPUTS_PER_MULTIPLIER * FOUR_BIT_GROUP;
                self.write_int4(stored.get(begin..).unwrap_or(&[]), inputs);
            }
            PanelWeights::Sparse { .. } => {}
        }
    }

    /// Writes `[groups][4][16]` weights, whose last group may have 8 inputs.
    fn write_int8(&mut self, weights: &[i8]) {
        let (whole, last) = weights.as_chunks::<{ COLUMNS * GROUP }>();
        let places = self.groups.get_mut(self.count..).unwrap_or_default();
        let whole = whole.get(..places.len()).unwrap_or(whole);
        if !whole.is_empty() {
            // SAFETY: there are no more groups than places for them.
            unsafe { write_groups(whole.as_ptr(), places.as_mut_ptr(), whole.len()) };
        }
        self.count += whole.len();
        if let (Some(last), Some(place)) = (last.first_chunk(), places.get_mut(whole.len())) {
            write_half_group(last, place);
            self.count += 1;
        }
    }

    /// Writes weights in four bits for `inputs` inputs.
    fn write_int4(&mut self, stored: &[u8], inputs: usize) {
        let whole = inputs / INPUTS_PER_MULTIPLIER;
        let (groups, _) = stored.as_chunks::<FOUR_BIT_GROUP>();
        let (places, _) = self.groups.as_chunks_mut::<{ INPUTS_PER_MULTIPLIER / GROUP }>();
        for (place, stored) in places.iter_mut().zip(groups).take(whole) {
            write_four_bits(stored, place);
            self.count += place.len();
        }
        let left = inputs % INPUTS_PER_MULTIPLIER;
        if left > 0 {
            let mut decoded = [0; COLUMNS * INPUTS_PER_MULTIPLIER];
            let decoded = decoded.get_mut(..COLUMNS * left).unwrap_or_default();
            let stored = stored.get(whole * FOUR_BIT_GROUP..).unwrap_or(&[]);
            PanelWeights::Int4(stored).decode(Panel::CORTEX_M, COLUMNS, decoded);
            self.write_int8(decoded);
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

/// Writes four inputs of four outputs, whose words are 16 bytes apart. r0 and r1 point to weights and pairs.
macro_rules! write_four_inputs {
    () => {
        dsp!(
            "ldr r4, [r0, #16]",
            "ldr r5, [r0, #32]",
            "ldr r6, [r0, #48]",
            "ldr r3, [r0], #4",
            "sxtb16 r7, r3, ror #8",
            "sxtb16 r8, r4, ror #8",
            "sxtb16 r9, r5, ror #8",
            "sxtb16 r10, r6, ror #8",
            "sxtb16 r3, r3",
            "sxtb16 r4, r4",
            "sxtb16 r5, r5",
            "sxtb16 r6, r6",
            "stm r1!, {{r3-r10}}",
        )
    };
}
/// Writes groups of weights as pairs.
///
/// # Safety
/// The core must have the DSP extension. `count` groups, at least 1, must be valid for reads at `weights` and for writes at
/// `pairs`.
#[unsafe(naked)]
unsafe extern "C" fn write_groups(weights: *const [i8; COLUMNS * GROUP], pairs: *mut Group, count: usize) {
    naked_asm!(
        dsp!("push {{r4-r10, lr}}", "2:"),
        write_four_inputs!(),
        write_four_inputs!(),
        write_four_inputs!(),
        write_four_inputs!(),
        dsp!("add r0, r0, #48", "subs r2, r2, #1", "bne 2b", "pop {{r4-r10, pc}}"),
    )
}

/// Writes a group with 8 inputs, the other 8 being zero.
#[inline(never)]
fn write_half_group(weights: &[i8; COLUMNS * GROUP / 2], place: &mut Group) {
    const WORDS: usize = GROUP / WORD / 2;
    let (words, _) = weights.as_chunks();
    *place = [0; GROUP * COLUMNS / 2];
    for four in 0..WORDS {
        for output in 0..COLUMNS {
            let word = word_of(words[output * WORDS + four]);
            let at = four * 2 * COLUMNS + output;
            (place[at], place[at + COLUMNS]) = (even_bytes(word), odd_bytes(word));
        }
    }
}

/// Writes two groups of weights in four bits: a multiplier for each output, then codes, of which the lower halves of the
/// bytes are the first group.
#[inline(never)]
fn write_four_bits(stored: &[u8; FOUR_BIT_GROUP], places: &mut [Group; INPUTS_PER_MULTIPLIER / GROUP]) {
    /// One in each half word.
    const ONES: u32 = 0x0001_0001;
    /// The lowest four bits of each half word.
    const CODES: u32 = 0x000f_000f;
    let ([a, b, c, d, codes @ ..], [low, high]) = (stored, places);
    let (words, _) = codes.as_chunks::<WORD>();
    for (output, multiplier) in [a, b, c, d].into_iter().enumerate() {
        let multiplier = u32::from(*multiplier);
        let excess = 8 * ONES * multiplier;
        for four in 0..GROUP / WORD {
            // A code plus 8 is not negative, so that both codes of a pair can be multiplied at once.
            let codes = u32::from_le_bytes(words[output * (GROUP / WORD) + four]) ^ 0x8888_8888;
            let pair = |shift: u32| sub_halves((codes >> shift & CODES) * multiplier, excess);
            let at = four * 2 * COLUMNS + output;
            (low[at], low[at + COLUMNS]) = (pair(0), pair(8));
            (high[at], high[at + COLUMNS]) = (pair(4), pair(12));
        }
    }
}

/// Returns four bytes as a word.
#[inline(always)]
pub(super) fn word_of(bytes: [i8; WORD]) -> u32 {
    u32::from_le_bytes(bytes.map(i8::cast_unsigned))
}
