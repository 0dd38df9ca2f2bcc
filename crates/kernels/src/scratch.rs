//! Scratch memory of attention, carved from the caller's bytes.

use crate::attention::QUERY_BLOCK;

/// A multiple of every panel's `nr`.
const COLUMNS: usize = 48;
/// A multiple of every panel's `kr`.
const DEPTH: usize = 16;

/// Bytes that aligning the caller's buffer may cost.
const SLACK: usize = align_of::<i32>() - 1;

/// Lengths of the parts, in elements, for any kernel family.
#[derive(Clone, Copy)]
pub(crate) struct Lengths {
    scores: usize,
    value_sums: usize,
    keys: usize,
    values: usize,
    queries: usize,
    probabilities: usize,
}

impl Lengths {
    /// `tokens` and `head_dim` at most 2^15.
    pub(crate) const fn new(tokens: usize, head_dim: usize) -> Lengths {
        let token_columns = tokens.next_multiple_of(COLUMNS);
        let token_depth = tokens.next_multiple_of(DEPTH);
        let head_columns = head_dim.next_multiple_of(COLUMNS);
        let head_depth = head_dim.next_multiple_of(DEPTH);
        Lengths {
            scores: QUERY_BLOCK * token_columns,
            value_sums: head_columns,
            keys: token_columns * head_depth,
            values: head_columns * token_depth,
            queries: QUERY_BLOCK * head_depth,
            probabilities: QUERY_BLOCK * token_depth,
        }
    }

    /// Bytes to ask the caller for; `None` on overflow.
    pub(crate) const fn bytes(&self) -> Option<usize> {
        let words = 4 * (self.scores + self.value_sums) + self.queries + self.probabilities + SLACK;
        let Some(packed) = self.keys.checked_add(self.values) else { return None };
        packed.checked_add(words)
    }
}

/// What attention keeps for one head, and for one block of query rows of it.
pub(crate) struct Scratch<'a> {
    /// q·k of a block of query rows.
    pub scores: &'a mut [i32],
    /// Σ_j v_j of each column.
    pub value_sums: &'a mut [i32],
    /// The head's keys, packed like weights `[tokens, head_dim]`.
    pub keys: &'a mut [i8],
    /// The head's values, packed like weights `[head_dim, tokens]`.
    pub values: &'a mut [i8],
    /// A block of query rows, padded with zeros.
    pub queries: &'a mut [i8],
    /// Probabilities of a block of query rows, less 128.
    pub probabilities: &'a mut [i8],
}

impl<'a> Scratch<'a> {
    /// Cuts the parts out of `buffer`; `None` if it is shorter than `lengths.bytes()`.
    pub(crate) fn carve(buffer: &'a mut [u8], lengths: Lengths) -> Option<Scratch<'a>> {
        // SAFETY: every bit pattern is an i32, and align_to_mut yields only the aligned middle of the buffer.
        let (_, words, _) = unsafe { buffer.align_to_mut::<i32>() };
        let (scores, rest) = words.split_at_mut_checked(lengths.scores)?;
        let (value_sums, rest) = rest.split_at_mut_checked(lengths.value_sums)?;
        // SAFETY: every bit pattern is an i8, and i8 needs no alignment.
        let (_, bytes, _) = unsafe { rest.align_to_mut::<i8>() };
        let (keys, rest) = bytes.split_at_mut_checked(lengths.keys)?;
        let (values, rest) = rest.split_at_mut_checked(lengths.values)?;
        let (queries, rest) = rest.split_at_mut_checked(lengths.queries)?;
        let (probabilities, _) = rest.split_at_mut_checked(lengths.probabilities)?;
        Some(Scratch { scores, value_sums, keys, values, queries, probabilities })
    }
}
