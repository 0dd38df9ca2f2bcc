//! Self-attention in int8, one query row of one head at a time.

use crate::attention::{Attention, Context};
use crate::math;
use crate::scratch::Scratch;

/// `s_j = q·k_j`; `p_j = probability((s_j − max s) · coefficient)`; context = `Σ_j p_j·v_j · ((1 / Σ_j p_j) · scale)`.
pub(crate) fn attention(operands: &Attention, context: Context, scratch: Scratch) {
    let width = operands.shape.width();
    let queries = operands.shape.queries;
    match context {
        Context::F32 { out, scale } => {
            for (query, row) in out.chunks_exact_mut(width.max(1)).enumerate() {
                context_row(operands, query, scale, scratch.scores, row, |x| x);
            }
        }
        Context::I8 { out, scale } => {
            for (query, row) in out.data.chunks_exact_mut(out.stride.max(1)).take(queries).enumerate() {
                context_row(operands, query, scale, scratch.scores, row, |x| math::quantize(x, 1.0, 0));
            }
        }
    }
}

/// The context of one query over all heads, converted by `store`; `weights` `[tokens]` is scratch memory.
fn context_row<T>(
    operands: &Attention,
    query: usize,
    scale: f32,
    weights: &mut [i32],
    row: &mut [T],
    store: impl Fn(f32) -> T,
) {
    let shape = operands.shape;
    let Some(weights) = weights.get_mut(..shape.tokens) else { return };
    for (head, columns) in row.chunks_exact_mut(shape.head_dim.max(1)).take(shape.heads).enumerate() {
        let mut largest = i32::MIN;
        for (token, score) in weights.iter_mut().enumerate() {
            *score = dot(operands.query(query, head), operands.key(token, head));
            largest = largest.max(*score);
        }
        let mut total = 0;
        for weight in weights.iter_mut() {
            let x = (*weight - largest) as f32 * operands.coefficient;
            *weight = i32::from(math::probability(x));
            total += *weight;
        }
        let factor = (1.0 / total as f32) * scale;
        for (column, out) in columns.iter_mut().enumerate() {
            let mut acc = 0;
            for (token, weight) in weights.iter().enumerate() {
                let value = operands.value(token, head).get(column).copied().unwrap_or(0);
                acc += weight * i32::from(value);
            }
            *out = store(acc as f32 * factor);
        }
    }
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}
