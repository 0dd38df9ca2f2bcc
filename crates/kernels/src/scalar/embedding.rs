//! Sum of a token's three embeddings.

use crate::embedding::Embedding;
use crate::math;

/// `(word · word scale + position · position scale) + type`.
pub(crate) fn embed(row: &Embedding, out: &mut [f32]) {
    for (((out, &word), &position), &kind) in out.iter_mut().zip(row.word).zip(row.position).zip(row.kind) {
        *out =
            math::scalar(f32::from(word) * row.word_scale + f32::from(position) * row.position_scale) + kind;
    }
}
