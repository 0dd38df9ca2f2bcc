//! Self-attention in int8, one query row of one head at a time.

use crate::attention::{AttentionShape, Context, Heads};
use crate::linear::row_stride;
use crate::math;
use crate::scratch::Scratch;

/// Operands are checked.
pub(crate) fn attention(
    qkv: &[i8],
    shape: AttentionShape,
    coefficient: f32,
    context: Context,
    scratch: Scratch,
) {
    let width = shape.width().max(1);
    match context {
        Context::F32 { out, scale } => {
            for (query, row) in out.chunks_exact_mut(width).enumerate() {
                context_row(qkv, shape, query, coefficient, scale, row, |x| x, scratch.scores);
            }
        }
        Context::I8 { out, scale } => {
            for (query, row) in out.chunks_exact_mut(row_stride(width)).take(shape.queries).enumerate() {
                row.fill(0);
                let quantize = |x| math::quantize(x, 1.0, 0);
                context_row(qkv, shape, query, coefficient, scale, row, quantize, scratch.scores);
            }
        }
    }
}

/// The context of one query over all heads, converted by `store`.
#[allow(clippy::too_many_arguments)]
fn context_row<T>(
    qkv: &[i8],
    shape: AttentionShape,
    query: usize,
    coefficient: f32,
    scale: f32,
    row: &mut [T],
    store: impl Fn(f32) -> T,
    weights: &mut [i32],
) {
    let heads = Heads::new(qkv, shape);
    let Some(weights) = weights.get_mut(..shape.tokens) else { return };
    for (head, columns) in row.chunks_exact_mut(shape.head_dim.max(1)).take(shape.heads).enumerate() {
        let mut largest = i32::MIN;
        for (token, score) in weights.iter_mut().enumerate() {
            *score = dot(heads.query(query, head), heads.key(token, head));
            largest = largest.max(*score);
        }
        let mut total = 0;
        for weight in weights.iter_mut() {
            *weight = i32::from(math::probability((*weight - largest) as f32 * coefficient));
            total += *weight;
        }
        let factor = (1.0 / total as f32) * scale;
        for (column, out) in columns.iter_mut().enumerate() {
            let mut acc = 0;
            for (token, weight) in weights.iter().enumerate() {
                let value = heads.value(token, head).get(column).copied().unwrap_or(0);
                acc += weight * i32::from(value);
            }
            *out = store(acc as f32 * factor);
        }
    }
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}
