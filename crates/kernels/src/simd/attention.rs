//! Self-attention around the micro-kernel of the linear layers: a head's keys are packed like the weights
//! `[tokens, head_dim]` of Q·K^T, its values like the weights `[head_dim, tokens]` of P·V. Probabilities are stored as
//! i8, less 128, which the sums of the values put right.

use super::math::{Quantizer, largest_i32, probability, total_i32};
use super::{MR_MAX, MicroKernel, NR_MAX, Rows, RowsMut, partial};
use crate::attention::{Attention, Context};
use crate::linear::{clear_padding, row_stride};
use crate::scratch::Scratch;

/// [`crate::scalar::attention`]. Operands are checked.
#[inline(always)]
pub(crate) fn attention<S: MicroKernel>(s: S, operands: &Attention, context: Context, scratch: Scratch) {
    let (queries, width) = (operands.shape.queries, operands.shape.width());
    match context {
        Context::F32 { out, scale } => {
            let out = RowsMut { data: out, stride: width };
            heads(s, operands, scale, scratch, out, |x, out| s.store(x, out));
        }
        Context::I8 { out, scale } => {
            clear_padding(out, queries, width);
            let quantizer = Quantizer::new(s, 1.0, 0);
            let out = RowsMut { data: out, stride: row_stride(width) };
            heads(s, operands, scale, scratch, out, |x, out| quantizer.store(s, x, out));
        }
    }
}

/// Head by head, a block of query rows at a time.
#[inline(always)]
fn heads<S: MicroKernel, T>(
    s: S,
    operands: &Attention,
    scale: f32,
    mut scratch: Scratch,
    mut out: RowsMut<T>,
    store: impl Fn(S::F, &mut [T]),
) {
    let shape = operands.shape;
    for head in 0..shape.heads {
        pack_keys::<S>(operands, head, scratch.keys);
        pack_values::<S>(operands, head, scratch.values);
        sum_values(operands, head, scratch.value_sums);
        for first in (0..shape.queries).step_by(S::MR) {
            let count = S::MR.min(shape.queries - first);
            copy_queries(operands, head, first, &mut scratch);
            scores(s, operands, count, &mut scratch);
            let mut factors = [0.0; MR_MAX];
            for (row, factor) in factors.iter_mut().take(count).enumerate() {
                let total = probabilities(s, operands, row, &mut scratch);
                *factor = (1.0 / total as f32) * scale;
            }
            let factors = factors.get(..count).unwrap_or(&[]);
            contexts(s, operands, factors, &scratch, |row, column, x| {
                let width = S::LANES.min(shape.head_dim.saturating_sub(column));
                store(x, out.part(first + row, head * shape.head_dim + column, width));
            });
        }
    }
}

/// Packs the head's keys like the weights `[tokens, head_dim]`.
#[inline(always)]
fn pack_keys<S: MicroKernel>(operands: &Attention, head: usize, keys: &mut [i8]) {
    let shape = operands.shape;
    let panel_len = S::PANEL.panel_len(shape.head_dim).unwrap_or(0).max(1);
    for (index, panel) in keys.chunks_exact_mut(panel_len).take(shape.tokens.div_ceil(S::NR)).enumerate() {
        panel.fill(0);
        for (lane, token) in (index * S::NR..shape.tokens).take(S::NR).enumerate() {
            let key = operands.key(token, head).chunks(S::KR);
            for (group, key) in panel.chunks_exact_mut(S::NR * S::KR).zip(key) {
                let Some(place) = group.get_mut(lane * S::KR..(lane + 1) * S::KR) else { return };
                // A whole group's length is known here, so that this is one move.
                if key.len() == place.len() { place.copy_from_slice(key) } else { partial::copy(key, place) }
            }
        }
    }
}

/// Packs the head's values like the weights `[head_dim, tokens]`.
#[inline(always)]
fn pack_values<S: MicroKernel>(operands: &Attention, head: usize, values: &mut [i8]) {
    let shape = operands.shape;
    let panel_len = S::PANEL.panel_len(shape.tokens).unwrap_or(0).max(1);
    let panels = shape.head_dim.div_ceil(S::NR);
    for (index, panel) in values.chunks_exact_mut(panel_len).take(panels).enumerate() {
        panel.fill(0);
        for (group, first) in panel.chunks_exact_mut(S::NR * S::KR).zip((0..shape.tokens).step_by(S::KR)) {
            for (step, token) in (first..shape.tokens).take(S::KR).enumerate() {
                let value = operands.value(token, head).iter().skip(index * S::NR);
                for (place, &v) in group.iter_mut().skip(step).step_by(S::KR).zip(value) {
                    *place = v;
                }
            }
        }
    }
}

/// `128 · Σ_j v_j` of each of the head's columns: what the probabilities' missing 128 would have added.
#[inline(always)]
fn sum_values(operands: &Attention, head: usize, sums: &mut [i32]) {
    sums.fill(0);
    for token in 0..operands.shape.tokens {
        for (sum, &v) in sums.iter_mut().zip(operands.value(token, head)) {
            *sum += 128 * i32::from(v);
        }
    }
}

/// Copies a block of query rows to where a micro-kernel may read whole groups.
#[inline(always)]
fn copy_queries(operands: &Attention, head: usize, first: usize, scratch: &mut Scratch) {
    let rows = scratch.queries.chunks_exact_mut(scratch.query_stride.max(1));
    for (row, token) in rows.zip(first..operands.shape.queries) {
        for (place, &q) in row.iter_mut().zip(operands.query(token, head)) {
            *place = q;
        }
    }
}

/// `q·k_j` of `count` query rows with every token, into `scratch.scores`.
#[inline(always)]
fn scores<S: MicroKernel>(s: S, operands: &Attention, count: usize, scratch: &mut Scratch) {
    let shape = operands.shape;
    let panel_len = S::PANEL.panel_len(shape.head_dim).unwrap_or(0).max(1);
    let rows = Rows { data: scratch.queries, stride: scratch.query_stride, count };
    let mut tile = [[0; NR_MAX]; MR_MAX];
    for (panel, first) in scratch.keys.chunks_exact(panel_len).zip((0..shape.tokens).step_by(S::NR)) {
        s.tile(rows, panel, &mut tile);
        let lines = scratch.scores.chunks_exact_mut(scratch.score_stride.max(1));
        for (line, acc) in lines.zip(&tile).take(count) {
            // The stride leaves room for a whole panel.
            for (place, &score) in line.iter_mut().skip(first).zip(acc.iter().take(S::NR)) {
                *place = score;
            }
        }
    }
}

/// Turns the scores of query row `row` into probabilities; returns their sum.
#[inline(always)]
fn probabilities<S: MicroKernel>(s: S, operands: &Attention, row: usize, scratch: &mut Scratch) -> i32 {
    let tokens = operands.shape.tokens;
    let scores = row * scratch.score_stride;
    let scores = scratch.scores.get(scores..scores + tokens).unwrap_or(&[]);
    let out = row * scratch.probability_stride;
    let out = scratch.probabilities.get_mut(out..out + tokens).unwrap_or(&mut []);

    let mut largest = s.splat_i32(i32::MIN);
    for score in scores.chunks(S::LANES) {
        largest = s.max_i32(s.load_i32(score, i32::MIN), largest);
    }
    let largest = largest_i32(s, largest);

    let coefficient = s.splat(operands.coefficient);
    let mut total = s.splat_i32(0);
    let mut missing = 0;
    for (score, out) in scores.chunks(S::LANES).zip(out.chunks_mut(S::LANES)) {
        // A missing lane counts as the largest score, whose probability is 255.
        missing = S::LANES - score.len();
        let below = s.sub_i32(s.load_i32(score, largest), s.splat_i32(largest));
        let p = probability(s, s.mul(s.to_f32(below), coefficient));
        total = s.add_i32(total, p);
        s.store_i8(s.sub_i32(p, s.splat_i32(128)), out);
    }
    total_i32(s, total) - 255 * missing as i32
}

/// `Σ_j p_j·v_j · factor` of as many query rows as there are factors; `store` gets a row, a column of the head and the
/// vector that begins there.
#[inline(always)]
fn contexts<S: MicroKernel>(
    s: S,
    operands: &Attention,
    factors: &[f32],
    scratch: &Scratch,
    mut store: impl FnMut(usize, usize, S::F),
) {
    let shape = operands.shape;
    let panel_len = S::PANEL.panel_len(shape.tokens).unwrap_or(0).max(1);
    let rows = Rows { data: scratch.probabilities, stride: scratch.probability_stride, count: factors.len() };
    let mut tile = [[0; NR_MAX]; MR_MAX];
    for (panel, first) in scratch.values.chunks_exact(panel_len).zip((0..shape.head_dim).step_by(S::NR)) {
        s.tile(rows, panel, &mut tile);
        for (row, (acc, &factor)) in tile.iter().zip(factors).enumerate() {
            let factor = s.splat(factor);
            let sums = scratch.value_sums.chunks_exact(S::LANES).skip(first / S::LANES);
            let columns = (first..first + S::NR).step_by(S::LANES);
            for ((acc, sum), column) in acc.chunks_exact(S::LANES).zip(sums).zip(columns) {
                let acc = s.add_i32(s.load_i32(acc, 0), s.load_i32(sum, 0));
                store(row, column, s.mul(s.to_f32(acc), factor));
            }
        }
    }
}
