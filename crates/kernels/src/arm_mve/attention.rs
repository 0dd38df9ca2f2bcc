//! Self-attention around the micro-kernel: a head's keys are the weights of Q·K^T, its values those of P·V.
//!
//! Both products have depths that are padded to 16. A row of scores becomes probabilities in place: `[row][columns]`
//! words of scores, then bytes of probabilities less 128 at the beginning of each row.

use super::linear::{Finish, Output, RowOperands, each_pair};
use super::pack::{self, HeadRows};
use super::softmax::{Softmax, probabilities};
use super::tile_kernels;
use super::tiles::{TileColumns, TileRows, Tiles};
use crate::activation_layout::ActivationLayout;
use crate::attention::{AttentionOperands, ContextOutput, QkvPart};
use crate::linear::RowScale;
use crate::scratch::Scratch;
use crate::{math, scalar};

/// Largest distance of rows at which the values of eight tokens are gathered with offsets of 16 bits.
const MOST_STRIDE: usize = u16::MAX as usize / 7;

/// A scale and a bias that leave every number as it is: `x · 1 + −0`.
static ONE: [f32; 4] = [1.0; 4];
static MINUS_ZERO: [f32; 4] = [-0.0; 4];

/// Computes [`crate::scalar::attention`], head by head, as many query rows at a time as the scratch memory has room
/// for.
///
/// # Safety
/// The CPU must have MVE with f32, and the operands must be checked.
pub(crate) unsafe fn attention(operands: &AttentionOperands, context: ContextOutput, scratch: Scratch) {
    match Softmax::new(operands.coefficient) {
        // SAFETY: as this function requires; the operands fit the vectors.
        Some(softmax) if fits(operands) => unsafe { vectors(operands, &softmax, context, scratch) },
        _ => scalar::attention(ActivationLayout::ROW_MAJOR, operands, context, scratch),
    }
}

/// Returns whether there is anything to compute, the micro-kernel may read every query in whole vectors, and rows are
/// not too long.
fn fits(operands: &AttentionOperands) -> bool {
    let shape = operands.shape;
    let Some(last_head) = shape.heads.checked_sub(1) else { return false };
    let Some(last_row) = (shape.first_query + shape.queries).checked_sub(1) else { return false };
    let begin = last_row * shape.stride + last_head * shape.head_dim;
    shape.queries > 0
        && shape.head_dim > 0
        && begin + shape.head_dim.next_multiple_of(16) <= operands.qkv.len()
        && shape.stride <= MOST_STRIDE
}

/// Computes attention in vectors.
///
/// # Safety
/// As [`attention`], and the operands must fit.
unsafe fn vectors(operands: &AttentionOperands, softmax: &Softmax, context: ContextOutput, scratch: Scratch) {
    let shape = operands.shape;
    let Scratch { scores, key_sums, value_sums, keys, values, .. } = scratch;
    let (output, scale) = match context {
        ContextOutput::F32 { out, scale } => {
            let stride = shape.width() * size_of::<f32>();
            (Output::new(out.as_mut_ptr(), stride, Finish::F32), scale)
        }
        ContextOutput::I8 { out, scale } => {
            (Output::new(out.data.as_mut_ptr(), out.stride, Finish::I8), scale)
        }
    };
    // A row of scores has room for whole vectors of the softmax.
    let columns = shape.tokens.next_multiple_of(8);
    let key_depth = shape.head_dim.next_multiple_of(16);
    let value_depth = shape.tokens.next_multiple_of(16);
    let mut score_tiles = Tiles::new(key_depth, 0, [0.0; 2]);
    let mut context_tiles = Tiles::new(value_depth, 128, [0.0; 2]);
    // Pairs of rows; the factors of all of them are in `key_sums`, because a row has at least 8 columns.
    let most_rows = scores.len().checked_div(columns).unwrap_or_default() & !1;
    if most_rows == 0 {
        return;
    }
    let row_bytes = columns * size_of::<i32>();
    for head in shape.computed() {
        let part = |part| operands.qkv.as_ptr().wrapping_add(operands.column(part, head));
        let rows = HeadRows {
            rows: part(QkvPart::Keys),
            out: keys.as_mut_ptr(),
            stride: shape.stride,
            tokens: shape.tokens,
            columns: shape.head_dim,
            panel: 4 * key_depth,
            sums: core::ptr::null_mut(),
        };
        // SAFETY: the checks say that the head's columns of all rows are there; `keys` has room for all tokens,
        // rounded up to 48, and `values` for all columns, rounded up likewise, each with its depth rounded up to 16.
        // So has `value_sums`.
        unsafe {
            pack::keys(&rows);
            pack::values(&HeadRows {
                rows: part(QkvPart::Values),
                out: values.as_mut_ptr(),
                panel: 4 * value_depth,
                sums: value_sums.as_mut_ptr(),
                ..rows
            });
        }
        let mut first = 0;
        while first < shape.queries {
            let count = most_rows.min(shape.queries - first);
            let queries = part(QkvPart::Queries).wrapping_add((shape.first_query + first) * shape.stride);
            for token in (0..shape.tokens).step_by(4) {
                let weights = keys.as_ptr().wrapping_add(token * key_depth);
                score_tiles.set_columns(TileColumns { weights, ..TileColumns::NONE });
                let pairs = TileRows { rows: queries, stride: shape.stride, pairs: count / 2 };
                let out = scores.as_mut_ptr().wrapping_add(token).cast();
                // SAFETY: `fits` says that a query can be read up to its depth; four words fit into a row of scores.
                unsafe {
                    if count > 1 {
                        score_tiles.set_rows(pairs, core::ptr::null(), out, row_bytes);
                        score_tiles.run(tile_kernels::sums);
                    }
                    if count % 2 == 1 {
                        let last = count - 1;
                        let rows = queries.wrapping_add(last * shape.stride);
                        let pair = TileRows { rows, stride: 0, pairs: 1 };
                        let out = out.wrapping_add(last * row_bytes);
                        score_tiles.set_rows(pair, core::ptr::null(), out, 0);
                        score_tiles.run(tile_kernels::sums);
                    }
                }
            }
            for (row, factor) in key_sums.iter_mut().enumerate().take(count) {
                // SAFETY: the row has this number of scores, rounded up to 8.
                let total = unsafe {
                    probabilities(scores.as_mut_ptr().wrapping_add(row * columns), shape.tokens, softmax)
                };
                let inverse = math::scalar(1.0 / total as f32);
                *factor = math::scalar(inverse * scale).to_bits().cast_signed();
            }
            let probabilities: *const i8 = scores.as_ptr().cast();
            // SAFETY: an f32 has the size and alignment of an i32, and every bit pattern is one.
            let factors = unsafe { core::slice::from_raw_parts(key_sums.as_ptr().cast::<f32>(), count) };
            let rows = RowOperands {
                rows: probabilities,
                stride: row_bytes,
                count,
                scales: RowScale::PerRow(factors),
            };
            for column in (0..shape.head_dim).step_by(4) {
                context_tiles.set_columns(TileColumns {
                    weights: values.as_ptr().wrapping_add(column * value_depth),
                    columns: shape.head_dim - column,
                    scale: ONE.as_ptr(),
                    bias: MINUS_ZERO.as_ptr(),
                    column_sum: value_sums.as_ptr().wrapping_add(column),
                });
                let at = (head * shape.head_dim + column) * output.finish.bytes();
                let to = output.moved(first * output.stride + at);
                // SAFETY: a row of scores has more bytes than tokens, rounded up to 16; the context has the columns.
                unsafe {
                    each_pair(&mut context_tiles, &rows, &to, &mut |row| {
                        for column in column..shape.head_dim.min(column + 4) {
                            let mut acc = 0;
                            for token in 0..shape.tokens {
                                let p = i32::from(*probabilities.add(row * row_bytes + token)) + 128;
                                let value = operands.value(token, head).get(column).copied().unwrap_or(0);
                                acc += p * i32::from(value);
                            }
                            let y = math::scalar(acc as f32 * factors.get(row).copied().unwrap_or(0.0));
                            let at = row * to.stride + (column % 4) * to.finish.bytes();
                            to.finish.store(y, to.out.add(at));
                        }
                    });
                }
            }
            first += count;
        }
    }
}
