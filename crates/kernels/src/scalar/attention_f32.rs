//! Self-attention in f32.

use super::attention::{Attend, each_head};
use crate::activation_layout::ActivationLayout;
use crate::attention::{AttentionOperands, ContextOutput};
use crate::math;
use crate::scratch::ScratchF32;

/// `s_j = Σ_d q_d·k_jd`, in order of `d`; `p_j = exp2((s_j − max s) · coefficient)`; context =
/// `Σ_j p_j·v_j · ((1 / Σ_j p_j) · scale)`, the first sum in order of `j`, the second in that of [`math::sum`].
/// An int8 context lies in `layout`, whose bias is 0.
pub(crate) fn attention_f32(
    layout: ActivationLayout,
    operands: &AttentionOperands<f32>,
    context: ContextOutput,
    scratch: ScratchF32,
) {
    let Some(weights) = scratch.scores.get_mut(..operands.shape.tokens) else { return };
    each_head(layout, operands.shape, context, F32 { operands, weights });
}

struct F32<'a> {
    operands: &'a AttentionOperands<'a, f32>,
    /// Scores, then probabilities `[tokens]`.
    weights: &'a mut [f32],
}

impl Attend for F32<'_> {
    fn weigh(&mut self, query: usize, head: usize) -> f32 {
        let mut largest = f32::NEG_INFINITY;
        for (token, score) in self.weights.iter_mut().enumerate() {
            let terms = self.operands.query(query, head).iter().zip(self.operands.key(token, head));
            *score = terms.fold(0.0, |sum, (q, k)| math::scalar(sum) + q * k);
            largest = math::max(*score, largest);
        }
        for weight in self.weights.iter_mut() {
            *weight = math::exp2((*weight - largest) * self.operands.coefficient);
        }
        math::sum(self.weights.iter().copied())
    }

    fn column(&self, head: usize, column: usize) -> f32 {
        let mut acc = 0.0;
        for (token, weight) in self.weights.iter().enumerate() {
            acc = math::scalar(acc)
                + weight * self.operands.value(token, head).get(column).copied().unwrap_or(0.0);
        }
        acc
    }
}
