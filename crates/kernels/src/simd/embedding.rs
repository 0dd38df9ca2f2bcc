//! [`crate::scalar::embed`], a vector at a time.

use super::Simd;
use crate::embedding::Embedding;

/// Sums a token's three embeddings.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
pub(crate) fn embed<S: Simd>(s: S, row: &Embedding, out: &mut [f32]) {
    let (word_scale, position_scale) = (s.splat(row.word_scale), s.splat(row.position_scale));
    let tail = out.len() / S::LANES * S::LANES;
    let parts = row.word.chunks_exact(S::LANES).zip(row.position.chunks_exact(S::LANES));
    let parts = parts.zip(row.kind.chunks_exact(S::LANES)).zip(out.chunks_exact_mut(S::LANES));
    for (((word, position), kind), out) in parts {
        part(s, (word, word_scale), (position, position_scale), kind, out);
    }
    if let (Some(word), Some(position), Some(kind), Some(out)) =
        (row.word.get(tail..), row.position.get(tail..), row.kind.get(tail..), out.get_mut(tail..))
    {
        part(s, (word, word_scale), (position, position_scale), kind, out);
    }
}

/// Sums one vector of the embeddings, or less.
#[inline(always)]
fn part<S: Simd>(
    s: S,
    (word, word_scale): (&[i8], S::F),
    (position, position_scale): (&[i8], S::F),
    kind: &[f32],
    out: &mut [f32],
) {
    let word = s.mul(s.to_f32(s.load_i8(word)), word_scale);
    let position = s.mul(s.to_f32(s.load_i8(position)), position_scale);
    s.store(s.add(s.add(word, position), s.load(kind)), out);
}
