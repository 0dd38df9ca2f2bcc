//! Self-attention around the micro-kernel of the linear layers: a head's keys are packed like the weights
//! `[tokens, head_dim]` of Q·K^T, its values like the weights `[head_dim, tokens]` of P·V. A few query rows at a time;
//! nowhere stands a matrix of tokens by tokens.

use super::math::{Quantizer, largest_i32, probability, total_i32};
use super::{Columns, MR_MAX, MicroKernel, Rows, Tile, VECTORS_MAX, pack, partial};
use crate::attention::{Attention, Context, QUERY_BLOCK};
use crate::linear::row_stride;
use crate::scratch::Scratch;

/// [`crate::scalar::attention`]. Operands are checked.
#[inline(always)]
pub(crate) fn attention<S: MicroKernel>(s: S, operands: &Attention, context: Context, scratch: Scratch) {
    let width = operands.shape.width();
    match context {
        Context::F32 { out, scale } => heads(s, operands, scale, scratch, |row, column, len, x| {
            let start = row * width + column;
            s.store(x, out.get_mut(start..start + len).unwrap_or(&mut []));
        }),
        Context::I8 { out, scale } => {
            let quantizer = Quantizer::new(s, 1.0, 0);
            heads(s, operands, scale, scratch, |row, column, len, x| {
                let mut bytes = [0; 16];
                s.store_i8([quantizer.apply(s, x)], S::LAYOUT.flip(), &mut bytes, 0, 0);
                for (column, &byte) in (column..).zip(bytes.iter().take(len)) {
                    if let Some(place) = out.data.get_mut(S::LAYOUT.offset(row, column, out.stride)) {
                        *place = byte;
                    }
                }
            });
        }
    }
}

/// Head by head, a block of query rows at a time. `store` gets a row, a column of the context, and how much of the vector
/// that begins there belongs to the head.
#[inline(always)]
fn heads<S: MicroKernel>(
    s: S,
    operands: &Attention,
    scale: f32,
    mut scratch: Scratch,
    mut store: impl FnMut(usize, usize, usize, S::F),
) {
    let shape = operands.shape;
    for head in 0..shape.heads {
        pack::keys::<S>(operands, head, scratch.keys);
        pack::values::<S>(operands, head, scratch.values);
        // Queries stand there plus the layout's bias, probabilities less 128 plus the bias: what the sums of a column
        // have too much or lack.
        let bias = i32::from(S::LAYOUT.bias);
        let (tokens, head_dim) = (shape.tokens, shape.head_dim);
        corrections(s, scratch.keys, [tokens, head_dim], -bias, scratch.probabilities, scratch.key_sums);
        corrections(
            s,
            scratch.values,
            [head_dim, tokens],
            128 - bias,
            scratch.probabilities,
            scratch.value_sums,
        );
        for first in (0..shape.queries).step_by(QUERY_BLOCK) {
            let count = QUERY_BLOCK.min(shape.queries - first);
            pack::queries::<S>(operands, head, first, count, scratch.queries);
            let Scratch { queries, keys, key_sums, scores, score_stride, .. } = &mut scratch;
            product(s, queries, keys, key_sums, [count, tokens, head_dim], |row, column, acc| {
                let start = row * *score_stride + column;
                s.store_i32(acc, scores.get_mut(start..start + S::LANES).unwrap_or(&mut []));
            });
            let mut factors = [0.0; QUERY_BLOCK];
            probabilities(s, operands, count, &mut scratch, &mut factors);
            for factor in &mut factors {
                *factor *= scale;
            }
            let Scratch { probabilities, values, value_sums, .. } = &mut scratch;
            product(s, probabilities, values, value_sums, [count, head_dim, tokens], |row, column, acc| {
                let factor = factors.get(row).copied().unwrap_or(0.0);
                let len = S::LANES.min(head_dim.saturating_sub(column));
                let x = s.mul(s.to_f32(acc), s.splat(factor));
                store(first + row, head * head_dim + column, len, x);
            });
        }
    }
}

/// `Σ_k a[m,k]·w[n,k] + init[n]`, a vector at a time, of `[m, n, k]`; `m` is at most [`QUERY_BLOCK`].
#[inline(always)]
fn product<S: MicroKernel>(
    s: S,
    a: &[i8],
    weights: &[i8],
    init: &[i32],
    [m, n, k]: [usize; 3],
    mut each: impl FnMut(usize, usize, S::I),
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
                for (row, acc) in (row..m).zip(&tile).take(S::MR) {
                    for (vector, &acc) in acc.iter().enumerate().take(vectors) {
                        each(row, column + vector * S::LANES, acc);
                    }
                }
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
    product(s, ones, weights, &[], [1, n, k], |_, column, acc| {
        let mut sums = [0; 16];
        s.store_i32(acc, &mut sums);
        for (out, sum) in out.iter_mut().skip(column).zip(sums).take(S::LANES) {
            *out = factor * sum;
        }
    });
}

/// Turns the scores of `count` query rows into probabilities; their `factors` become `1 / Σ p`.
#[inline(always)]
fn probabilities<S: MicroKernel>(
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

/// [`probabilities`] of `R` rows. Rows that no query has may hold anything.
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
    let largest = rows.map(|row| largest_of(s, row));
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
