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

    /// Fisher-Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            // The high half of the product is uniform in 0..=i, but for a bias below i / 2^64.
            let j = (u128::from(self.0.next_u64()) * (i as u128 + 1)) >> 64;
            items.swap(i, j as usize);
        }
    }
}
