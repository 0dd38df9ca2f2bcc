//! Scratch memory of attention, carved from the caller's bytes.

/// Most query rows that a kernel works on together.
pub(crate) const QUERY_BLOCK: usize = 8;

/// A multiple of every panel's `nr`.
const COLUMNS: usize = 48;
/// A multiple of every panel's `kr`.
const DEPTH: usize = 16;

/// Most columns before a head's values that are computed so that its context begins with a whole word.
const MOST_SHIFT: usize = 3;

/// Bytes that aligning the caller's buffer may cost, at its beginning and its end.
const SLACK: usize = 2 * (align_of::<i32>() - 1);

/// Sizes of the parts, in elements, large enough for any kernel family.
#[derive(Clone, Copy)]
pub(crate) struct ScratchSizes {
    token_columns: usize,
    token_depth: usize,
    head_columns: usize,
    head_depth: usize,
}

impl ScratchSizes {
    /// `tokens` and `head_dim` at most 2^15.
    pub(crate) const fn new(tokens: usize, head_dim: usize) -> ScratchSizes {
        ScratchSizes {
            token_columns: tokens.next_multiple_of(COLUMNS),
            token_depth: tokens.next_multiple_of(DEPTH),
            head_columns: (head_dim + MOST_SHIFT).next_multiple_of(COLUMNS),
            head_depth: head_dim.next_multiple_of(DEPTH),
        }
    }

    /// Returns the number of bytes to ask the caller for, or `None` on overflow.
    pub(crate) const fn bytes(&self) -> Option<usize> {
        let words = (QUERY_BLOCK + 1) * self.token_columns + self.head_columns;
        let blocks = QUERY_BLOCK * (self.head_depth + self.token_depth);
        let Some(keys) = self.token_columns.checked_mul(self.head_depth) else { return None };
        let Some(values) = self.head_columns.checked_mul(self.token_depth) else { return None };
        let Some(packed) = keys.checked_add(values) else { return None };
        packed.checked_add(size_of::<i32>() * words + blocks + SLACK)
    }
}

/// Memory of attention for one head and for one block of its query rows.
// Other architectures have only the scalar kernel, which needs only the scores; no kernel of Cortex-M needs all parts.
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64", all(arm_dsp, arm_mve))),
    expect(dead_code)
)]
pub(crate) struct Scratch<'a> {
    /// q·k of a block of query rows, with room for `[QUERY_BLOCK, tokens]` in whole tiles.
    pub scores: &'a mut [i32],
    /// The part of every score that a token's key adds because queries are stored with a bias.
    pub key_sums: &'a mut [i32],
    /// The part of every context that a column of the values adds because probabilities are stored with a bias.
    pub value_sums: &'a mut [i32],
    /// The head's keys, packed like weights `[tokens, head_dim]`.
    pub keys: &'a mut [i8],
    /// The head's values, packed like weights `[head_dim, tokens]`.
    pub values: &'a mut [i8],
    /// A block of query rows, laid out like activations `[QUERY_BLOCK, head_dim]`.
    pub queries: &'a mut [i8],
    /// Probabilities of a block of query rows, like activations `[QUERY_BLOCK, tokens]`.
    pub probabilities: &'a mut [i8],
}

impl<'a> Scratch<'a> {
    /// Cuts the parts out of `buffer`; `None` if it is shorter than `sizes.bytes()`.
    pub(crate) fn carve(buffer: &'a mut [u8], sizes: ScratchSizes) -> Option<Scratch<'a>> {
        let ScratchSizes { token_columns, token_depth, head_columns, head_depth } = sizes;
        if buffer.len() < sizes.bytes()? {
            return None;
        }
        // SAFETY: every bit pattern is an i32, and align_to_mut yields only the aligned middle of the buffer.
        let (_, words, _) = unsafe { buffer.align_to_mut::<i32>() };
        let (scores, rest) = words.split_at_mut_checked(QUERY_BLOCK * token_columns)?;
        let (key_sums, rest) = rest.split_at_mut_checked(token_columns)?;
        let (value_sums, rest) = rest.split_at_mut_checked(head_columns)?;
        // SAFETY: every bit pattern is an i8, and i8 needs no alignment.
        let (_, bytes, _) = unsafe { rest.align_to_mut::<i8>() };
        let (keys, rest) = bytes.split_at_mut_checked(token_columns * head_depth)?;
        let (values, rest) = rest.split_at_mut_checked(head_columns * token_depth)?;
        let (queries, rest) = rest.split_at_mut_checked(QUERY_BLOCK * head_depth)?;
        let (probabilities, _) = rest.split_at_mut_checked(QUERY_BLOCK * token_depth)?;
        Some(Scratch { scores, key_sums, value_sums, keys, values, queries, probabilities })
    }
}

/// A row of keys or scores in f32 has room for a multiple of this number of tokens: two vectors of any width.
pub(crate) const COLUMNS_F32: usize = 32;
/// Query rows that a kernel in f32 works on together.
pub(crate) const QUERY_BLOCK_F32: usize = 4;

/// Sizes of the parts in f32, in elements.
#[derive(Clone, Copy)]
pub(crate) struct ScratchSizesF32 {
    columns: usize,
    head_dim: usize,
}

impl ScratchSizesF32 {
    /// `tokens` and `head_dim` at most 2^15.
    pub(crate) const fn new(tokens: usize, head_dim: usize) -> ScratchSizesF32 {
        ScratchSizesF32 { columns: tokens.next_multiple_of(COLUMNS_F32), head_dim }
    }

    /// Returns the number of bytes to ask the caller for, or `None` on overflow.
    pub(crate) const fn bytes(&self) -> Option<usize> {
        let Some(elements) = self.columns.checked_mul(self.head_dim + QUERY_BLOCK_F32) else { return None };
        let Some(bytes) = elements.checked_mul(size_of::<f32>()) else { return None };
        bytes.checked_add(SLACK)
    }
}

/// Memory of attention in f32 for one head and for one block of its query rows.
pub(crate) struct ScratchF32<'a> {
    /// Elements of a row, `tokens` or a little more.
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), expect(dead_code))]
    pub columns: usize,
    /// The head's keys, `[head_dim, columns]`.
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), expect(dead_code))]
    pub keys: &'a mut [f32],
    /// Scores, then probabilities of a block of query rows, `[QUERY_BLOCK_F32, columns]`.
    pub scores: &'a mut [f32],
}

impl<'a> ScratchF32<'a> {
    /// Cuts the parts out of `buffer`; `None` if it is shorter than `sizes.bytes()`.
    pub(crate) fn carve(buffer: &'a mut [u8], sizes: ScratchSizesF32) -> Option<ScratchF32<'a>> {
        let ScratchSizesF32 { columns, head_dim } = sizes;
        if buffer.len() < sizes.bytes()? {
            return None;
        }
        // SAFETY: every bit pattern is an f32, and align_to_mut yields only the aligned middle of the buffer.
        let (_, elements, _) = unsafe { buffer.align_to_mut::<f32>() };
        let (keys, rest) = elements.split_at_mut_checked(head_dim * columns)?;
        let (scores, _) = rest.split_at_mut_checked(QUERY_BLOCK_F32 * columns)?;
        Some(ScratchF32 { columns, keys, scores })
    }
}
