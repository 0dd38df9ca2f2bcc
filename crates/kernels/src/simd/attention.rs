//! Self-attention around the micro-kernel of the linear layers: a head's keys are packed like the weights
//! `[tokens, head_dim]` of Q·K^T, its values like the weights `[head_dim, tokens]` of P·V. A few query rows at a time;
//! nowhere stands a matrix of tokens by tokens.

use core::ops::Range;

use super::math::{Quantizer, largest_i32, probability, total_i32};
use super::{Columns, MR_MAX, MicroKernel, Rows, Tile, VECTORS_MAX, pack, partial};
use crate::attention::{Attention, Context, QUERY_BLOCK};
use crate::linear::{ActivationsMut, row_stride};
use crate::scratch::Scratch;

/// [`crate::scalar::attention`]. Operands are checked.
#[inline(always)]
pub(crate) fn attention<S: MicroKernel>(s: S, operands: &Attention, context: Context, scratch: Scratch) {
    let width = operands.shape.width();
    match context {
        Context::F32 { out, scale } => heads(s, operands, 1, scale, scratch, |at, x| {
            for (row, x) in x.into_iter().enumerate().take(at.rows) {
                let start = (at.row + row) * width + at.column;
                s.store(x, out.get_mut(start..start + at.lanes.end).unwrap_or(&mut []));
            }
        }),
        Context::I8 { out, scale } => {
            let quantizer = Quantizer::new(s, 1.0, 0);
            let ActivationsMut { data, stride } = out;
            // In a blocked layout a vector must not begin inside a word of four columns.
            let alignment = if S::LAYOUT.rows == 1 { 1 } else { S::LANES };
            heads(s, operands, alignment, scale, scratch, |at, x| {
                let q = quantizer.apply(s, x);
                let place = S::LAYOUT.offset(at.row, at.column, stride);
                // Columns behind the head's are those of the next head, which comes later, or padding.
                if at.lanes.start == 0 && at.rows == S::GROUP && at.column + S::LANES <= stride {
                    if S::GROUP == 4 {
                        s.store_i8(q, S::LAYOUT.flip(), data, place, S::LAYOUT.step(stride));
                    } else {
                        s.store_i8([q[0]], S::LAYOUT.flip(), data, place, S::LAYOUT.step(stride));
                    }
                    return;
                }
                for (row, q) in q.into_iter().enumerate().take(at.rows) {
                    let mut bytes = [0; 16];
                    s.store_i8([q], S::LAYOUT.flip(), &mut bytes, 0, 0);
                    for lane in at.lanes.clone() {
                        let place = S::LAYOUT.offset(at.row + row, at.column + lane, stride);
                        if let (Some(place), Some(&byte)) = (data.get_mut(place), bytes.get(lane)) {
                            *place = byte;
                        }
                    }
                }
            });
        }
    }
}

/// Where vectors of the context belong.
struct Place {
    /// First of the rows.
    row: usize,
    /// How many there are.
    rows: usize,
    /// Column of the first lane.
    column: usize,
    /// Lanes that belong to the head.
    lanes: Range<usize>,
}

/// Head by head, a block of query rows at a time. The vectors of the context that `store` gets begin at multiples of
/// `alignment` columns.
#[inline(always)]
fn heads<S: MicroKernel>(
    s: S,
    operands: &Attention,
    alignment: usize,
    scale: f32,
    mut scratch: Scratch,
    mut store: impl FnMut(Place, [S::F; 4]),
) {
    let shape = operands.shape;
    // Queries stand there plus the layout's bias, probabilities less 128 plus the bias: what the sums of a column have too
    // much or lack.
    let bias = i32::from(S::LAYOUT.bias);
    for head in 0..shape.heads {
        let first_column = head * shape.head_dim;
        let shift = first_column % alignment;
        let (tokens, columns) = (shape.tokens, shift + shape.head_dim);
        let Scratch { keys, values, key_sums, value_sums, probabilities, .. } = &mut scratch;
        pack::keys(s, operands, head, keys);
        pack::values(s, operands, head, shift, values);
        corrections(s, keys, [tokens, shape.head_dim], -bias, probabilities, key_sums);
        corrections(s, values, [columns, tokens], 128 - bias, probabilities, value_sums);
        for first in (0..shape.queries).step_by(QUERY_BLOCK) {
            let count = QUERY_BLOCK.min(shape.queries - first);
            let Scratch { queries, keys, key_sums, scores, score_stride, .. } = &mut scratch;
            pack::queries(s, operands, head, first, count, queries);
            product(
                s,
                queries,
                keys,
                key_sums,
                [count, tokens, shape.head_dim],
                |row, column, vectors, tile| {
                    for (row, acc) in (row..count).zip(tile) {
                        let start = row * *score_stride + column;
                        let place = scores.get_mut(start..start + vectors * S::LANES).unwrap_or(&mut []);
                        for (place, &acc) in place.chunks_exact_mut(S::LANES).zip(acc) {
                            s.store_i32(acc, place);
                        }
                    }
                },
            );
            let mut factors = [0.0; QUERY_BLOCK];
            probabilities_of(s, operands, count, &mut scratch, &mut factors);
            for factor in &mut factors {
                *factor *= scale;
            }
            let Scratch { probabilities, values, value_sums, .. } = &mut scratch;
            product(
                s,
                probabilities,
                values,
                value_sums,
                [count, columns, tokens],
                |row, column, vectors, tile| {
                    for vector in 0..vectors {
                        let column = column + vector * S::LANES;
                        let lanes =
                            shift.saturating_sub(column)..S::LANES.min(columns.saturating_sub(column));
                        for group in (0..S::MR.min(count - row)).step_by(S::GROUP) {
                            let row = row + group;
                            // Beyond the tile, which a last group may reach, any row will do.
                            let mut x = [s.splat(0.0); 4];
                            for (r, x) in x.iter_mut().enumerate().take(S::GROUP) {
                                let factor = factors.get(row + r).copied().unwrap_or(0.0);
                                *x = s.mul(s.to_f32(tile[(group + r) % MR_MAX][vector]), s.splat(factor));
                            }
                            let (row, rows) = (first + row, S::GROUP.min(count - row));
                            let column = first_column + column - shift;
                            store(Place { row, rows, column, lanes: lanes.clone() }, x);
                        }
                    }
                },
            );
        }
    }
}

/// `Σ_k a[m,k]·w[n,k] + init[n]` of `[m, n, k]`, a tile at a time; `m` is at most [`QUERY_BLOCK`]. `each` gets a tile's first
/// row and column, and how many vectors of columns it has.
#[inline(always)]
fn product<S: MicroKernel>(
    s: S,
    a: &[i8],
    weights: &[i8],
    init: &[i32],
    [m, n, k]: [usize; 3],
    mut each: impl FnMut(usize, usize, usize, &Tile<S::I>),
) {
    let (depth, stride) = (S::PANEL.depth(k), row_stride(k));
    let (nr, all) = (usize::from(S::PANEL.nr), S::PANEL.columns(n));
    let mut tile: Tile<S::I> = [[s.splat_i32(0); VECTORS_MAX]; MR_MAX];
    for panel in (0..all).step_by(nr) {
        let width = nr.min(all - panel);
        let weights = weights.get(panel * depth..(panel + width) * depth).unwrap_or(&[]);
        for first in (0..width).step_by(S::VECTORS * S::LANES) {
            let vectors = S::VECTORS.min((width - first).div_ceil(S::LANES));
            let columns = Columns { panel: weights, width, first, vectors };
            let column = panel + first;
            let mut start = [s.splat_i32(0); VECTORS_MAX];
            for (start, init) in start.iter_mut().zip(init.get(column..).unwrap_or(&[]).chunks(S::LANES)) {
                *start = s.load_i32(init, 0);
            }
            for row in (0..m).step_by(S::MR) {
                let data = a.get(row * stride..).unwrap_or(&[]);
                s.tile(Rows { data, stride, count: S::MR.min(m - row) }, columns, start, &mut tile);
                each(row, column, vectors, &tile);
            }
        }
    }
}

/// `factor · Σ_k w[n,k]` of packed weights `[n, k]`: the product with a row of ones, for which `ones` lends its place.
#[inline(always)]
fn corrections<S: MicroKernel>(
    s: S,
    weights: &[i8],
    [n, k]: [usize; 2],
    factor: i32,
    ones: &mut [i8],
    out: &mut [i32],
) {
    if factor == 0 {
        return out.fill(0);
    }
    // With the layout's bias added to it, too: 1 is what the micro-kernel reads.
    let bytes = (S::LAYOUT.rows * row_stride(k)).min(ones.len());
    let ones = ones.get_mut(..bytes).unwrap_or(&mut []);
    ones.fill(1);
    product(s, ones, weights, &[], [1, n, k], |_, column, vectors, [tile, ..]| {
        for (vector, &acc) in tile.iter().enumerate().take(vectors) {
            let mut sums = [0; 16];
            s.store_i32(acc, &mut sums);
            let column = column + vector * S::LANES;
            for (out, sum) in out.iter_mut().skip(column).zip(sums).take(S::LANES) {
                *out = factor * sum;
            }
        }
    });
}

/// Turns the scores of `count` query rows into probabilities; their `factors` become `1 / Σ p`.
#[inline(always)]
fn probabilities_of<S: MicroKernel>(
    s: S,
    operands: &Attention,
    count: usize,
    scratch: &mut Scratch,
    factors: &mut [f32; QUERY_BLOCK],
) {
    for first in (0..count).step_by(S::GROUP) {
        if S::GROUP == 4 {
            group::<S, 4>(s, operands, first, scratch, factors);
        } else {
            group::<S, 1>(s, operands, first, scratch, factors);
        }
    }
}

/// [`probabilities_of`] `R` rows. Rows that no query has may hold anything.
#[inline(always)]
fn group<S: MicroKernel, const R: usize>(
    s: S,
    operands: &Attention,
    first: usize,
    scratch: &mut Scratch,
    factors: &mut [f32; QUERY_BLOCK],
) {
    let tokens = operands.shape.tokens;
    let rows: [&[i32]; R] = core::array::from_fn(|row| {
        let start = (first + row) * scratch.score_stride;
        scratch.scores.get(start..start + tokens).unwrap_or(&[])
    });
    let mut largest = [0; R];
    for (largest, row) in largest.iter_mut().zip(rows) {
        *largest = largest_of(s, row);
    }
    let coefficient = s.splat(operands.coefficient);
    let mut totals = [s.splat_i32(0); R];
    let whole = tokens / S::LANES * S::LANES;
    let flip = S::LAYOUT.flip() ^ i8::MIN;
    let stride = row_stride(tokens);
    for column in (0..tokens).step_by(S::LANES) {
        let mut p = totals;
        for (row, p) in p.iter_mut().enumerate() {
            let most = s.splat_i32(largest[row]);
            let scores = if column < whole {
                s.load_i32(rows[row].get(column..column + S::LANES).unwrap_or(&[0; 16]), 0)
            } else {
                // A missing lane counts as the largest score, whose probability is 255.
                s.load_i32(rows[row].get(column..).unwrap_or(&[]), largest[row])
            };
            *p = probability(s, s.mul(s.to_f32(s.sub_i32(scores, most)), coefficient));
        }
        for (total, &p) in totals.iter_mut().zip(&p) {
            *total = s.add_i32(*total, p);
        }
        let (at, step) = (S::LAYOUT.offset(first, column, stride), S::LAYOUT.step(stride));
        s.store_u8(p, flip, scratch.probabilities, at, step);
    }
    let missing = 255 * (tokens.next_multiple_of(S::LANES) - tokens) as i32;
    for (factor, total) in factors.iter_mut().skip(first).zip(totals) {
        *factor = 1.0 / (total_i32(s, total) - missing) as f32;
    }
}

/// Largest of a row of scores.
#[inline(always)]
fn largest_of<S: MicroKernel>(s: S, scores: &[i32]) -> i32 {
    let mut largest = s.splat_i32(i32::MIN);
    let mut vectors = scores.chunks_exact(S::LANES);
    for score in &mut vectors {
        largest = s.max_i32(s.load_i32(score, 0), largest);
    }
    let mut rest = [i32::MIN; 16];
    partial::copy(vectors.remainder(), &mut rest);
    largest_i32(s, s.max_i32(s.load_i32(&rest, 0), largest))
}
