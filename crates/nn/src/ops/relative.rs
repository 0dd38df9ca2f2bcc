//! Bias of attention scores by relative position (T5's buckets, arXiv 1910.10683, section 2.1, as MPNet has
//! them).

use super::float::Float;
use super::rows::accumulate;

/// Buckets for keys at or before the query, and as many for keys after it.
const HALF: usize = 16;
/// Distances with a bucket of their own; beyond them buckets grow by √2.
const EXACT: usize = 8;

/// Row of the bias table for a key at `distance` = key − query; distances from 128 on share the last.
fn bucket(distance: isize) -> usize {
    let after = if distance > 0 { HALF } else { 0 };
    let n = distance.unsigned_abs();
    // 8 + ⌊8 · ln(n / 8) / ln(128 / 8)⌋ = 8 + ⌊log2(n² / 64)⌋, in whole numbers.
    after + if n < EXACT { n } else { ((n * n).ilog2() as usize + 2).min(HALF - 1) }
}

/// Distances of a sequence of l tokens, from 1 − l to l − 1.
pub fn distances(tokens: usize) -> usize {
    2 * tokens - 1
}

fn buckets(tokens: usize) -> impl Iterator<Item = usize> {
    (0..distances(tokens) as isize).map(move |at| bucket(at - (tokens as isize - 1)))
}

/// Rows of the bias table of all (query, key) of a sequence, query by query.
pub fn bucket_of_pairs(tokens: usize) -> Vec<u32> {
    let buckets: Vec<u32> = buckets(tokens).map(|bucket| bucket as u32).collect();
    (0..tokens).flat_map(|query| &buckets[first_key(query, tokens)..][..tokens]).copied().collect()
}

/// The bias by distance `[heads, 2l − 1]` from the table `[buckets, heads]`.
pub fn by_distance<T: Float>(table: &[T], heads: usize, tokens: usize) -> Vec<T> {
    (0..heads).flat_map(|head| buckets(tokens).map(move |bucket| table[bucket * heads + head])).collect()
}

/// The gradient of a table of `rows` values from that of the bias by distance.
pub fn by_distance_backward<T: Float>(grad: &[T], values: usize, heads: usize, tokens: usize) -> Vec<T> {
    let mut table = vec![T::ZERO; values];
    for (head, grad) in grad.chunks_exact(distances(tokens)).enumerate() {
        for (bucket, &grad) in buckets(tokens).zip(grad) {
            table[bucket * heads + head] += grad;
        }
    }
    table
}

/// The index among one head's distances at which the biases of all keys for a query begin.
fn first_key(query: usize, tokens: usize) -> usize {
    tokens - 1 - query
}

/// Adds one head's bias by distance to its scores `[l, l]`.
pub fn add<T: Float>(bias: &[T], scores: &mut [T], tokens: usize) {
    for (query, row) in scores.chunks_exact_mut(tokens).enumerate() {
        accumulate(row, &bias[first_key(query, tokens)..][..tokens]);
    }
}

/// Adds the gradient of one head's scores `[l, l]` to that of its bias by distance.
pub fn add_backward<T: Float>(d_scores: &[T], d_bias: &mut [T], tokens: usize) {
    for (query, row) in d_scores.chunks_exact(tokens).enumerate() {
        accumulate(&mut d_bias[first_key(query, tokens)..][..tokens], row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_transformers() {
        // MPNetEncoder.relative_position_bucket(torch.tensor([...])), transformers 5.23.
        let theirs = [
            (-600, 15),
            (-128, 15),
            (-91, 15),
            (-90, 14),
            (-64, 14),
            (-63, 13),
            (-32, 12),
            (-16, 10),
            (-11, 8),
            (-8, 8),
            (-7, 7),
            (-1, 1),
            (0, 0),
            (1, 17),
            (7, 23),
            (8, 24),
            (12, 25),
            (16, 26),
            (23, 27),
            (45, 28),
            (46, 29),
            (127, 31),
            (600, 31),
        ];
        for (distance, expected) in theirs {
            assert_eq!(bucket(distance), expected, "distance {distance}");
        }
    }
}
