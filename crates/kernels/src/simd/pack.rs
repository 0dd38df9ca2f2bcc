//! Packs a head's keys and values like weights, its queries like activations: four rows of 16 bytes at a time.

use super::{MicroKernel, partial};
use crate::attention::Attention;
use crate::linear::row_stride;
use crate::panel::Lane;

/// Bytes of a row that are moved together.
const BYTES: usize = 16;
/// Rows that are moved together, and bytes of a word.
const WORD: usize = 4;

/// Four rows of bytes.
type Block = [[i8; BYTES]; WORD];

/// 16 bytes of `qkv` from column `column` on, of four tokens that begin with `token`; zeros for tokens from `end` on and
/// beyond the end of `qkv`.
#[inline(always)]
fn block(operands: &Attention, column: usize, token: usize, end: usize) -> Block {
    let (qkv, stride) = (operands.qkv, operands.shape.stride);
    let at = token * stride + column;
    let mut block = [[0; BYTES]; WORD];
    if let (true, Some(rows)) = (token + WORD <= end, qkv.get(at..at + (WORD - 1) * stride + BYTES)) {
        for (row, bytes) in block.iter_mut().enumerate() {
            // SAFETY: the last row's bytes are the last of `rows`.
            let from = unsafe { rows.get_unchecked(row * stride..row * stride + BYTES) };
            bytes.copy_from_slice(from);
        }
    } else {
        for (row, bytes) in block.iter_mut().enumerate().take(end.saturating_sub(token)) {
            partial::copy(qkv.get(at + row * stride..).unwrap_or(&[]), bytes);
        }
    }
    block
}

/// Keys as the weights `[tokens, head_dim]`.
#[inline(always)]
pub(super) fn keys<S: MicroKernel>(s: S, operands: &Attention, head: usize, keys: &mut [i8]) {
    let (tokens, head_dim) = (operands.shape.tokens, operands.shape.head_dim);
    if S::PANEL.packed_len(tokens, head_dim).is_none_or(|bytes| keys.len() < bytes) {
        return;
    }
    let depth = S::PANEL.depth(head_dim);
    for first in (0..head_dim).step_by(BYTES) {
        // What follows the head in a row does not belong to its keys.
        let mut own = [0; BYTES];
        for (index, own) in own.iter_mut().enumerate() {
            *own = if first + index < head_dim { -1 } else { 0 };
        }
        for token in (0..tokens).step_by(WORD) {
            let lane = Lane::new(S::PANEL, token, tokens, head_dim);
            let mut block = block(operands, operands.key_column(head) + first, token, tokens);
            for row in &mut block {
                for (byte, own) in row.iter_mut().zip(&own) {
                    *byte &= own;
                }
            }
            let mut column = first;
            for word in s.transpose_words(block) {
                if column < depth {
                    let (at, step) = (lane.offset(S::PANEL, column), lane.step(S::PANEL, column));
                    // SAFETY: the word is one of four columns that follow each other, which all are inside, as panels
                    // have multiples of four; `depth` is a multiple of four, too.
                    unsafe { s.write_words(word, keys.as_mut_ptr().add(at), step) }
                }
                column += WORD;
            }
        }
    }
}

/// Values as the weights `[shift + head_dim, tokens]`; the first `shift` rows hold what stands before the values.
#[inline(always)]
pub(super) fn values<S: MicroKernel>(
    s: S,
    operands: &Attention,
    head: usize,
    shift: usize,
    values: &mut [i8],
) {
    let (tokens, rows) = (operands.shape.tokens, shift + operands.shape.head_dim);
    if S::PANEL.packed_len(rows, tokens).is_none_or(|bytes| values.len() < bytes) {
        return;
    }
    let (columns, depth) = (S::PANEL.columns(rows), S::PANEL.depth(tokens));
    for first in (0..rows).step_by(BYTES) {
        let lane = |word: usize| Lane::new(S::PANEL, first + WORD * word, rows, tokens);
        let lanes = [lane(0), lane(1), lane(2), lane(3)];
        let count = (columns - first) / WORD;
        for token in (0..depth).step_by(WORD) {
            let block = block(operands, operands.value_column(head) - shift + first, token, tokens);
            for (word, lane) in s.transpose_bytes(block).iter().zip(&lanes).take(count) {
                let (at, step) = (lane.offset(S::PANEL, token), lane.step(S::PANEL, token));
                // SAFETY: as in `keys`, with rows for columns.
                unsafe { s.write_words(*word, values.as_mut_ptr().add(at), step) }
            }
        }
    }
}

/// The queries of `count` tokens from the query `first` on as activations `[count, head_dim]`.
#[inline(always)]
pub(super) fn queries<S: MicroKernel>(
    s: S,
    operands: &Attention,
    head: usize,
    first: usize,
    count: usize,
    queries: &mut [i8],
) {
    let (stride, first) = (row_stride(operands.shape.head_dim), operands.shape.first_query + first);
    if queries.len() < count.next_multiple_of(S::LAYOUT.rows) * stride {
        return;
    }
    for row in (0..count).step_by(WORD) {
        for column in (0..operands.shape.head_dim).step_by(BYTES) {
            let mut block = block(operands, operands.query_column(head) + column, first + row, first + count);
            if S::LAYOUT.rows == 1 {
                for (row, bytes) in (row..count).zip(&mut block) {
                    for byte in bytes.iter_mut() {
                        *byte ^= S::LAYOUT.flip();
                    }
                    let place = queries.get_mut(row * stride + column..);
                    if let Some(place) = place.and_then(|place| place.first_chunk_mut::<BYTES>()) {
                        *place = *bytes;
                    }
                }
            } else {
                let mut column = column;
                for word in s.transpose_words(block) {
                    let at = S::LAYOUT.offset(row, column, stride);
                    // SAFETY: a block of the layout has a multiple of four rows, which are inside, and so is every word of
                    // a row, whose bytes are a multiple of 16.
                    unsafe { s.write_words(word, queries.as_mut_ptr().add(at), S::LAYOUT.depth) }
                    column += WORD;
                }
            }
        }
    }
}
