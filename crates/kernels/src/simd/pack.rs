//! Packing of a head's keys and values like weights, and of its queries like activations. Four rows of 16 bytes are
//! moved at a time.

use super::{MicroKernel, partial};
use crate::attention::{AttentionOperands, QkvPart};
use crate::linear::row_stride;

/// Bytes of a row that are moved together.
const BYTES: usize = 16;
/// Rows that are moved together, and bytes of a word.
const WORD: usize = 4;

/// Four rows of bytes.
type FourRows = [[i8; BYTES]; WORD];

/// Returns 16 bytes from column `column` on of each of the four tokens from `token` on, and the distance between the
/// tokens' bytes. They are in `qkv`, or copied to `room` with zeros for tokens from `end` on and beyond the end of
/// `qkv`.
#[inline(always)]
fn block<'a>(
    operands: &AttentionOperands<'a>,
    column: usize,
    token: usize,
    end: usize,
    room: &'a mut FourRows,
) -> (&'a [i8], usize) {
    let stride = operands.shape.stride;
    let at = token * stride + column;
    let last = (WORD - 1) * stride + BYTES;
    if let (true, Some(rows)) = (token + WORD <= end, operands.qkv.get(at..at + last)) {
        return (rows, stride);
    }
    *room = [[0; BYTES]; WORD];
    for (row, bytes) in room.iter_mut().enumerate().take(end.saturating_sub(token)) {
        partial::copy(operands.qkv.get(at + row * stride..).unwrap_or(&[]), bytes);
    }
    (room.as_flattened(), BYTES)
}

/// Returns whether words of four bytes and words of four rows lie inside a panel, a block of rows, or a run.
const fn takes_words<S: MicroKernel>() -> bool {
    let (panel, layout) = (S::PANEL, S::LAYOUT);
    let blocked = layout.rows.is_multiple_of(WORD) && layout.depth.is_multiple_of(WORD);
    let packed = panel.output_padding().is_multiple_of(WORD) && panel.input_padding().is_multiple_of(WORD);
    packed && (layout.rows == 1 || blocked)
}

/// Packs the keys as the weights `[tokens, head_dim]`.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
pub(super) fn keys<S: MicroKernel>(s: S, operands: &AttentionOperands, head: usize, keys: &mut [i8]) {
    const { assert!(takes_words::<S>()) };
    let (tokens, head_dim) = (operands.shape.tokens, operands.shape.head_dim);
    let Some(matrix) = S::PANEL.matrix(tokens, head_dim).filter(|matrix| matrix.weights() <= keys.len())
    else {
        return;
    };
    // The mask removes bytes after the head's columns, which do not belong to its keys.
    let mut own = [0; BYTES];
    for (index, own) in own.iter_mut().enumerate() {
        *own = if index % WORD < head_dim % WORD { -1 } else { 0 };
    }
    let mut room = [[0; BYTES]; WORD];
    for first in (0..head_dim).step_by(BYTES) {
        for token in (0..tokens).step_by(WORD) {
            let lane = matrix.lane(token);
            let (rows, stride) =
                block(operands, operands.column(QkvPart::Keys, head) + first, token, tokens, &mut room);
            let mut column = first;
            // SAFETY: a block has four rows of 16 bytes.
            for mut word in unsafe { s.transpose_words(rows.as_ptr(), stride) } {
                if column >= head_dim {
                    word = [0; BYTES];
                } else if column + WORD > head_dim {
                    for (byte, own) in word.iter_mut().zip(&own) {
                        *byte &= own;
                    }
                }
                if column < matrix.depth() {
                    let (at, step) = (matrix.offset(lane, column), matrix.run(column));
                    // SAFETY: the word is one of four columns that follow each other, which all are inside, as panels
                    // have multiples of four; the depth is a multiple of four, too.
                    unsafe { s.write_words(word, keys.as_mut_ptr().add(at), step) }
                }
                column += WORD;
            }
        }
    }
}

/// Packs the values as the weights `[shift + head_dim, tokens]`. The first `shift` rows are the columns before the
/// values.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
pub(super) fn values<S: MicroKernel>(
    s: S,
    operands: &AttentionOperands,
    head: usize,
    shift: usize,
    values: &mut [i8],
) {
    const { assert!(takes_words::<S>()) };
    let (tokens, rows) = (operands.shape.tokens, shift + operands.shape.head_dim);
    let Some(matrix) = S::PANEL.matrix(rows, tokens).filter(|matrix| matrix.weights() <= values.len()) else {
        return;
    };
    let mut room = [[0; BYTES]; WORD];
    for first in (0..rows).step_by(BYTES) {
        let lane = |word: usize| matrix.lane(first + WORD * word);
        let lanes = [lane(0), lane(1), lane(2), lane(3)];
        let (column, count) =
            (operands.column(QkvPart::Values, head) - shift + first, (matrix.columns() - first) / WORD);
        for token in (0..matrix.depth()).step_by(WORD) {
            let (rows, stride) = block(operands, column, token, tokens, &mut room);
            // SAFETY: a block has four rows of 16 bytes.
            let words = unsafe { s.transpose_bytes(rows.as_ptr(), stride) };
            for (word, &lane) in words.iter().zip(&lanes).take(count) {
                let (at, step) = (matrix.offset(lane, token), matrix.run(token));
                // SAFETY: as in `keys`, with rows for columns.
                unsafe { s.write_words(*word, values.as_mut_ptr().add(at), step) }
            }
        }
    }
}

/// Packs the queries of `count` tokens from the query `first` on as activations `[count, head_dim]`.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
pub(super) fn queries<S: MicroKernel>(
    s: S,
    operands: &AttentionOperands,
    head: usize,
    first: usize,
    count: usize,
    queries: &mut [i8],
) {
    const { assert!(takes_words::<S>()) };
    let (stride, first) = (row_stride(operands.shape.head_dim), operands.shape.first_query + first);
    if queries.len() < count.next_multiple_of(S::LAYOUT.rows) * stride {
        return;
    }
    let mut room = [[0; BYTES]; WORD];
    for row in (0..count).step_by(WORD) {
        for column in (0..operands.shape.head_dim).step_by(BYTES) {
            let from = operands.column(QkvPart::Queries, head) + column;
            let (rows, step) = block(operands, from, first + row, first + count, &mut room);
            if S::LAYOUT.rows == 1 {
                for (index, row) in (row..count).take(WORD).enumerate() {
                    let bytes = rows.get(index * step..).and_then(|rows| rows.first_chunk::<BYTES>());
                    let place = queries.get_mut(row * stride + column..);
                    let place = place.and_then(|place| place.first_chunk_mut::<BYTES>());
                    if let (Some(place), Some(bytes)) = (place, bytes) {
                        for (place, byte) in place.iter_mut().zip(bytes) {
                            *place = byte ^ S::LAYOUT.flip();
                        }
                    }
                }
            } else {
                let mut column = column;
                // SAFETY: a block has four rows of 16 bytes.
                for word in unsafe { s.transpose_words(rows.as_ptr(), step) } {
                    let at = S::LAYOUT.offset(row, column, stride);
                    // SAFETY: a block of the layout has a multiple of four rows, which are inside, and so is
                    // every word of a row, whose bytes are a multiple of 16.
                    unsafe { s.write_words(word, queries.as_mut_ptr().add(at), S::LAYOUT.depth) }
                    column += WORD;
                }
            }
        }
    }
}
