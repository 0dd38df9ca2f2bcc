//! [`crate::scalar::embed`], a vector at a time.

use super::Simd;
use crate::embedding::Embedding;

/// Sum of a token's three embeddings.
#[inline(always)]
pub(crate) fn embed<S: Simd>(s: S, row: &Embedding, out: &mut [f32]) {
    let (word_scale, position_scale) = (s.splat(row.word_scale), s.splat(row.position_scale));
    let rows = row.word.chunks(S::LANES).zip(row.position.chunks(S::LANES)).zip(row.kind.chunks(S::LANES));
    for (out, ((word, position), kind)) in out.chunks_mut(S::LANES).zip(rows) {
        let word = s.mul(s.to_f32(s.load_i8(word)), word_scale);
        let position = s.mul(s.to_f32(s.load_i8(position)), position_scale);
        s.store(s.add(s.add(word, position), s.load(kind)), out);
    }
}
