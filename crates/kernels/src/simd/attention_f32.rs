//! [`crate::scalar::attention_f32`], four query rows at a time: lanes run over keys, then over columns of the context,
//! so that every sum has the same order whatever the width of a vector is.

use super::Simd;
use super::context::{ContextPlace, ContextSink};
use super::math::{exp2, largest, sum};
use crate::activation_layout::ActivationLayout;
use crate::attention::{AttentionOperands, ContextOutput, QkvPart};
use crate::scratch::{QUERY_BLOCK_F32 as ROWS, ScratchF32};

/// Vectors of a tile: with four rows the sums stay in registers everywhere.
const VECTORS: usize = 2;

/// Sums of a tile.
type TileF32<S> = [[<S as Simd>::F; VECTORS]; ROWS];

/// Computes attention head by head, a block of query rows at a time. Operands are checked; activations lie in `layout`.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
pub(crate) fn attention_f32<S: Simd>(
    s: S,
    layout: ActivationLayout,
    operands: &AttentionOperands<f32>,
    context: ContextOutput,
    scratch: ScratchF32,
) {
    let shape = operands.shape;
    let ScratchF32 { columns, keys, scores } = scratch;
    let (mut sink, scale) = ContextSink::new(context, shape.width(), layout);
    for head in shape.computed() {
        transpose(operands, head, keys, columns);
        for first in (0..shape.queries).step_by(ROWS) {
            let count = ROWS.min(shape.queries - first);
            let mut queries: [&[f32]; ROWS] = [&[]; ROWS];
            for (row, query) in queries.iter_mut().enumerate() {
                // A missing row repeats the last one.
                *query = operands.query(first + row.min(count - 1), head);
            }
            for column in (0..columns).step_by(VECTORS * S::LANES) {
                let keys = keys.get(column..).unwrap_or(&[]);
                store(s, tile(s, queries, keys, columns), scores, columns, column);
            }
            let mut factors = [0.0; ROWS];
            for (row, factor) in scores.chunks_exact_mut(columns.max(1)).zip(&mut factors).take(count) {
                *factor = (1.0 / softmax(s, row, shape.tokens, operands.coefficient)) * scale;
            }
            let block = WeighedQueries { first, count, probabilities: scores, columns, factors };
            write_context(s, operands, head, block, &mut sink);
        }
    }
}

/// Writes the head's keys as columns `[head_dim, columns]`, with zeros beyond the last token.
#[inline(always)]
fn transpose(operands: &AttentionOperands<f32>, head: usize, keys: &mut [f32], columns: usize) {
    let shape = operands.shape;
    let from = operands.qkv.get(operands.column(QkvPart::Keys, head)..).unwrap_or(&[]);
    for (d, row) in keys.chunks_exact_mut(columns.max(1)).enumerate() {
        let (key_places, padding) = row.split_at_mut(shape.tokens.min(columns));
        let column = from.get(d..).unwrap_or(&[]).iter().step_by(shape.stride.max(1));
        for (place, &key) in key_places.iter_mut().zip(column) {
            *place = key;
        }
        padding.fill(0.0);
    }
}

/// Returns `Σ_k a[r][k]·b[k·step + lane]`, each sum in order of `k`, over as many `k` as the rows of `a` have.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
fn tile<S: Simd>(s: S, a: [&[f32]; ROWS], b: &[f32], step: usize) -> TileF32<S> {
    let mut sums = [[s.splat(0.0); VECTORS]; ROWS];
    let depth = a[0].len();
    let mut all_inside = depth > 0 && (depth - 1) * step + VECTORS * S::LANES <= b.len();
    for row in &a {
        all_inside &= row.len() == depth;
    }
    if all_inside {
        for k in 0..depth {
            // SAFETY: `k` is below `depth`, which every row of `a` has and whose last vectors are inside `b`.
            let b = unsafe { b.get_unchecked(k * step..k * step + VECTORS * S::LANES) };
            let mut x = [s.splat(0.0); VECTORS];
            for (vector, x) in x.iter_mut().enumerate() {
                *x = s.load(&b[vector * S::LANES..(vector + 1) * S::LANES]);
            }
            for (row, sums) in a.iter().zip(&mut sums) {
                // SAFETY: as above.
                let factor = s.splat(unsafe { *row.get_unchecked(k) });
                for (sum, &x) in sums.iter_mut().zip(&x) {
                    *sum = s.add(*sum, s.mul(factor, x));
                }
            }
        }
    } else {
        // The last vectors of `b` reach beyond its end, or the rows of `a` are not equally long.
        for k in 0..depth {
            for vector in 0..VECTORS {
                let x = load(s, b, k * step + vector * S::LANES);
                for (row, sums) in a.iter().zip(&mut sums) {
                    let factor = s.splat(row.get(k).copied().unwrap_or(0.0));
                    sums[vector] = s.add(sums[vector], s.mul(factor, x));
                }
            }
        }
    }
    sums
}

/// Returns the vector that begins at `at`; missing lanes are 0.
#[inline(always)]
fn load<S: Simd>(s: S, x: &[f32], at: usize) -> S::F {
    match x.get(at..at + S::LANES) {
        Some(x) => s.load(x),
        None => s.load(x.get(at..).unwrap_or(&[])),
    }
}

/// Puts a tile into rows of `columns` elements, from `column` on.
#[inline(always)]
fn store<S: Simd>(s: S, tile: TileF32<S>, rows: &mut [f32], columns: usize, column: usize) {
    for (row, sums) in rows.chunks_exact_mut(columns.max(1)).zip(tile) {
        for (vector, sum) in sums.into_iter().enumerate() {
            let at = column + vector * S::LANES;
            s.store(sum, row.get_mut(at..at + S::LANES).unwrap_or(&mut []));
        }
    }
}

/// Turns the first `tokens` scores of a row into probabilities; returns their sum.
#[inline(always)]
fn softmax<S: Simd>(s: S, row: &mut [f32], tokens: usize, coefficient: f32) -> f32 {
    if let Some(beyond) = row.get_mut(tokens..) {
        beyond.fill(f32::NEG_INFINITY);
    }
    let mut most = s.splat(f32::NEG_INFINITY);
    for scores in row.chunks_exact(S::LANES) {
        most = s.max(s.load(scores), most);
    }
    let (most, coefficient) = (s.splat(largest(s, most)), s.splat(coefficient));
    for scores in row.chunks_exact_mut(S::LANES) {
        let below = s.sub(s.load(scores), most);
        s.store(exp2(s, s.mul(below, coefficient)), scores);
    }
    sum(s, row.get(..tokens).unwrap_or(&[]))
}

/// A block of query rows of one head with their probabilities.
struct WeighedQueries<'a> {
    /// First query row.
    first: usize,
    /// Query rows, at most [`ROWS`].
    count: usize,
    /// `[ROWS, columns]`, of which the first `tokens` columns are used.
    probabilities: &'a [f32],
    /// Elements from one row of probabilities to the next.
    columns: usize,
    /// The factor of each row's sums.
    factors: [f32; ROWS],
}

/// Writes the context of a block of query rows.
#[inline(always)]
fn write_context<S: Simd>(
    s: S,
    operands: &AttentionOperands<f32>,
    head: usize,
    block: WeighedQueries,
    sink: &mut ContextSink,
) {
    let shape = operands.shape;
    let WeighedQueries { first, count, probabilities, columns, factors } = block;
    let mut rows: [&[f32]; ROWS] = [&[]; ROWS];
    for (row, probabilities) in rows.iter_mut().zip(probabilities.chunks_exact(columns.max(1))) {
        *row = probabilities.get(..shape.tokens).unwrap_or(&[]);
    }
    let first_column = head * shape.head_dim;
    let shift = sink.shift::<S>(first_column);
    let values = operands.qkv.get(operands.column(QkvPart::Values, head) - shift..).unwrap_or(&[]);
    let width = shift + shape.head_dim;
    for column in (0..width).step_by(VECTORS * S::LANES) {
        let sums = tile(s, rows, values.get(column..).unwrap_or(&[]), shape.stride);
        for (vector, column) in (column..width).step_by(S::LANES).take(VECTORS).enumerate() {
            let lanes = shift.saturating_sub(column)..S::LANES.min(width - column);
            for group in (0..count).step_by(S::GROUP) {
                let mut x = [s.splat(0.0); 4];
                for (row, x) in x.iter_mut().enumerate().take(S::GROUP) {
                    *x = s.mul(sums[group + row][vector], s.splat(factors[group + row]));
                }
                let rows = S::GROUP.min(count - group);
                let (row, column) = (first + group, first_column - shift + column);
                sink.put(s, ContextPlace { row, rows, column, lanes: lanes.clone() }, x);
            }
        }
    }
}
