//! Seeded order.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// Shuffles that depend on a seed and a stream alone.
pub(super) struct Shuffler(ChaCha8Rng);

impl Shuffler {
    /// Streams of one seed are independent of each other.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// [`shuffle`] by this stream.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        shuffle(&mut self.0, items);
    }

    /// [`below`] by this stream.
    pub fn below(&mut self, n: usize) -> usize {
        below(&mut self.0, n)
    }
}

/// Fisher-Yates.
pub fn shuffle<T>(rng: &mut ChaCha8Rng, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(rng, i + 1));
    }
}

/// A number below `n`, which is not 0: the high half of the product is uniform, but for a bias below n / 2^64.
pub fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}
