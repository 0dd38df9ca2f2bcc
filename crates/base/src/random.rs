//! Seeded randomness that depends only on names and numbers, never on order, batch layout or threads.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest, Sha256};

/// A ChaCha8 generator keyed by a seed and a name (SHA-256 of both is the ChaCha key).
pub fn generator(seed: u64, name: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// A 64-bit key for one dropout site in one step, from ChaCha8 keyed by the three numbers.
pub fn site_key(seed: u64, step: u64, site: u64) -> u64 {
    keyed([seed, step, site, 0]).next_u64()
}

/// A ChaCha8 generator whose key is these four numbers.
pub fn keyed(numbers: [u64; 4]) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// `n` draws from the normal distribution (Box-Muller in f64), with mean 0 and deviation `sigma`.
pub fn normal(rng: &mut ChaCha8Rng, n: usize, sigma: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        // (0, 1]: the logarithm below is finite.
        let uniform = ((rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let angle = std::f64::consts::TAU * ((rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64);
        let radius = sigma * (-2.0 * uniform.ln()).sqrt();
        values.push((radius * angle.cos()) as f32);
        values.push((radius * angle.sin()) as f32);
    }
    values.truncate(n);
    values
}

/// SplitMix64's mixing of the next state: derives the key of a part from the key of the whole.
#[inline(always)]
pub fn derive(key: u64, part: u64) -> u64 {
    let mut z = (key ^ part.wrapping_mul(0xd1b5_4a32_d192_ed03)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The counter-th 32-bit draw of a key: two rounds of Wellons' `lowbias32` mixing with the two key halves
/// between them; 32-bit operations only, so that it vectorises.
#[inline(always)]
pub fn draw(key: u64, counter: u32) -> u32 {
    let mut h = counter.wrapping_mul(0x9e37_79b9) ^ (key as u32);
    h = (h ^ (h >> 16)).wrapping_mul(0x7feb_352d);
    h = (h ^ (h >> 15)).wrapping_add((key >> 32) as u32);
    h = (h ^ (h >> 16)).wrapping_mul(0x846c_a68b);
    h ^ (h >> 15)
}
