//! Self-attention in int8, and the loop over heads and query rows that its f32 form shares.

use crate::attention::{AttentionOperands, AttentionShape, ContextOutput};
use crate::math;
use crate::scratch::Scratch;

/// `s_j = q·k_j`; `p_j = probability((s_j − max s) · coefficient)`; context = `Σ_j p_j·v_j · ((1 / Σ_j p_j) · scale)`.
pub(crate) fn attention(operands: &AttentionOperands, context: ContextOutput, scratch: Scratch) {
    let Some(weights) = scratch.scores.get_mut(..operands.shape.tokens) else { return };
    each_head(operands.shape, context, Int8 { operands, weights });
}

/// A way of computing attention.
pub(super) trait Attend {
    /// Computes the probabilities of a query's row and returns their sum.
    fn weigh(&mut self, query: usize, head: usize) -> f32;
    /// Returns `Σ_j p_j·v_j` of one column, with the probabilities of the last query.
    fn column(&self, head: usize, column: usize) -> f32;
}

/// Computes the context of every query and computed head.
pub(super) fn each_head(shape: AttentionShape, context: ContextOutput, mut attend: impl Attend) {
    match context {
        ContextOutput::F32 { out, scale } => {
            for (query, row) in out.chunks_exact_mut(shape.width().max(1)).enumerate() {
                context_row(shape, query, scale, &mut attend, row, |x| x);
            }
        }
        ContextOutput::I8 { out, scale } => {
            let rows = out.data.chunks_exact_mut(out.stride.max(1)).take(shape.queries);
            for (query, row) in rows.enumerate() {
                context_row(shape, query, scale, &mut attend, row, |x| math::quantize(x, 1.0, 0));
            }
        }
    }
}

/// Computes the context of one query. `store` converts the values.
fn context_row<T>(
    shape: AttentionShape,
    query: usize,
    scale: f32,
    attend: &mut impl Attend,
    row: &mut [T],
    store: impl Fn(f32) -> T,
) {
    let heads = row.chunks_exact_mut(shape.head_dim.max(1)).enumerate();
    for (head, columns) in heads.skip(shape.first_head).take(shape.computed_heads) {
        let factor = (1.0 / attend.weigh(query, head)) * scale;
        for (column, out) in columns.iter_mut().enumerate() {
            *out = store(attend.column(head, column) * factor);
        }
    }
}

/// Attention in int8 with unnormalised u8 probabilities.
struct Int8<'a> {
    operands: &'a AttentionOperands<'a>,
    /// Scores, then probabilities `[tokens]`.
    weights: &'a mut [i32],
}

impl Attend for Int8<'_> {
    fn weigh(&mut self, query: usize, head: usize) -> f32 {
        let mut largest = i32::MIN;
        for (token, score) in self.weights.iter_mut().enumerate() {
            *score = dot(self.operands.query(query, head), self.operands.key(token, head));
            largest = largest.max(*score);
        }
        let mut total = 0;
        for weight in self.weights.iter_mut() {
            let x = (*weight - largest) as f32 * self.operands.coefficient;
            *weight = i32::from(math::probability(x));
            total += *weight;
        }
        total as f32
    }

    fn column(&self, head: usize, column: usize) -> f32 {
        let mut acc = 0;
        for (token, weight) in self.weights.iter().enumerate() {
            let value = self.operands.value(token, head).get(column).copied().unwrap_or(0);
            acc += weight * i32::from(value);
        }
        acc as f32
    }
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}
