//! Packs a head's keys and values like weights, its queries like activations: four rows of 16 bytes at a time.

use super::{MicroKernel, partial};
use crate::attention::Attention;
use crate::linear::row_stride;

/// Bytes of a row that are moved together.
const BYTES: usize = 16;
/// Rows that are moved together, and bytes of a word.
const WORD: usize = 4;

/// 16 bytes of the rows from `at` on; zeros beyond the end.
#[inline(always)]
fn bytes(qkv: &[i8], at: usize) -> [i8; BYTES] {
    match qkv.get(at..).and_then(|rest| rest.first_chunk::<BYTES>()) {
        Some(bytes) => *bytes,
        None => {
            let mut bytes = [0; BYTES];
            partial::copy(qkv.get(at..).unwrap_or(&[]), &mut bytes);
            bytes
        }
    }
}

/// Column `column` and the 15 after it of four tokens' part of a head, beginning with `token`; zeros for tokens from `end`
/// on.
#[inline(always)]
fn rows(operands: &Attention, start: usize, token: usize, end: usize, column: usize) -> [[i8; BYTES]; WORD] {
    let stride = operands.shape.stride;
    core::array::from_fn(|row| {
        let token = token + row;
        if token < end { bytes(operands.qkv, token * stride + start + column) } else { [0; BYTES] }
    })
}

/// Keys as the weights `[tokens, head_dim]`.
#[inline(always)]
pub(super) fn keys<S: MicroKernel>(s: S, operands: &Attention, head: usize, keys: &mut [i8]) {
    let (tokens, head_dim) = (operands.shape.tokens, operands.shape.head_dim);
    let (kr, depth) = (usize::from(S::PANEL.kr), S::PANEL.depth(head_dim));
    for token in (0..tokens).step_by(WORD) {
        for column in (0..head_dim).step_by(BYTES) {
            // What follows the head in a row does not belong to its keys.
            let own: [i8; BYTES] = core::array::from_fn(|i| if column + i < head_dim { -1 } else { 0 });
            let rows = rows(operands, operands.key_column(head), token, tokens, column)
                .map(|row| core::array::from_fn(|i| row[i] & own[i]));
            for (word, bytes) in s.transpose_words(rows).into_iter().enumerate() {
                let column = column + WORD * word;
                if column < depth {
                    let step = kr.min(depth - column / kr * kr);
                    s.store_words(bytes, keys, S::PANEL.offset(token, column, tokens, head_dim), step);
                }
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
    let (tokens, rows_count) = (operands.shape.tokens, shift + operands.shape.head_dim);
    let (kr, columns) = (usize::from(S::PANEL.kr), S::PANEL.columns(rows_count));
    let depth = S::PANEL.depth(tokens);
    for token in (0..depth).step_by(WORD) {
        let step = kr.min(depth - token / kr * kr);
        for first in (0..rows_count).step_by(BYTES) {
            let rows = rows(operands, operands.value_column(head) - shift, token, tokens, first);
            for (word, bytes) in s.transpose_bytes(rows).into_iter().enumerate() {
                let row = first + WORD * word;
                if row < columns {
                    s.store_words(bytes, values, S::PANEL.offset(row, token, rows_count, tokens), step);
                }
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
    for row in (0..count).step_by(WORD) {
        for column in (0..operands.shape.head_dim).step_by(BYTES) {
            let rows = rows(operands, operands.query_column(head), first + row, first + count, column)
                .map(|row| row.map(|q| q ^ S::LAYOUT.flip()));
            if S::LAYOUT.rows == 1 {
                for (row, bytes) in (row..count).zip(rows) {
                    let place = queries.get_mut(row * stride + column..);
                    if let Some(place) = place.and_then(|place| place.first_chunk_mut::<BYTES>()) {
                        *place = bytes;
                    }
                }
            } else {
                for (word, bytes) in s.transpose_words(rows).into_iter().enumerate() {
                    let at = S::LAYOUT.offset(row, column + WORD * word, stride);
                    s.store_words(bytes, queries, at, S::LAYOUT.depth);
                }
            }
        }
    }
}
