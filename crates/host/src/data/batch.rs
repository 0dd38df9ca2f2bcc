//! Batches: which samples go together, and how they are laid out.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::checkpoint::Encoded;

/// Samples padded to one length, ready for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Token ids `[batch, tokens]`, row-major.
    pub ids: Vec<u32>,
    /// Segment ids `[batch, tokens]`, row-major; 0 in the padding.
    pub type_ids: Vec<u32>,
    /// Real tokens of each row, `[batch]`.
    pub lengths: Vec<usize>,
    /// Index of each row's sample in its set, `[batch]`: keys for dropout and for results.
    pub samples: Vec<usize>,
    /// Columns: the longest row's length.
    pub tokens: usize,
}

impl Batch {
    /// An empty batch for `rows` rows of `tokens` columns, filled with padding.
    fn padded(rows: usize, tokens: usize, pad_id: u32) -> Self {
        Self {
            ids: vec![pad_id; rows * tokens],
            type_ids: vec![0; rows * tokens],
            lengths: Vec::with_capacity(rows),
            samples: Vec::with_capacity(rows),
            tokens,
        }
    }

    /// Writes the next row.
    fn push(&mut self, sample: usize, ids: &[u32], second_from: usize) {
        let start = self.lengths.len() * self.tokens;
        self.ids[start..start + ids.len()].copy_from_slice(ids);
        self.type_ids[start + second_from..start + ids.len()].fill(1);
        self.lengths.push(ids.len());
        self.samples.push(sample);
    }
}

/// Where the second sentence begins: the first token of type 1, or the end.
fn second_from(encoded: &Encoded) -> usize {
    encoded.type_ids.iter().position(|&kind| kind == 1).unwrap_or(encoded.ids.len())
}

/// Pads `samples` (indices into `encoded`) with `pad_id` to the longest of them.
pub fn collate(encoded: &[Encoded], samples: &[usize], pad_id: u32) -> Batch {
    let tokens = samples.iter().map(|&sample| encoded[sample].ids.len()).max().unwrap_or(0);
    let mut batch = Batch::padded(samples.len(), tokens, pad_id);
    for &sample in samples {
        batch.push(sample, &encoded[sample].ids, second_from(&encoded[sample]));
    }
    batch
}

/// Many encoded samples in flat buffers: 4 bytes a token and 12 a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedSet {
    ids: Vec<u32>,
    /// Where each sample ends in `ids`.
    ends: Vec<usize>,
    /// How many tokens of each sample belong to the first sentence.
    first_tokens: Vec<u32>,
}

impl FromIterator<Encoded> for EncodedSet {
    fn from_iter<I: IntoIterator<Item = Encoded>>(samples: I) -> Self {
        let mut set = Self { ids: Vec::new(), ends: Vec::new(), first_tokens: Vec::new() };
        for encoded in samples {
            set.ids.extend_from_slice(&encoded.ids);
            set.ends.push(set.ids.len());
            set.first_tokens.push(second_from(&encoded) as u32);
        }
        set
    }
}

impl EncodedSet {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without samples.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Token ids of a sample, special tokens included.
    pub fn ids(&self, sample: usize) -> &[u32] {
        let start = if sample == 0 { 0 } else { self.ends[sample - 1] };
        &self.ids[start..self.ends[sample]]
    }

    /// Length of every sample in tokens.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.len()).map(|sample| self.ids(sample).len()).collect()
    }

    /// Tokens of all samples together.
    pub fn total_tokens(&self) -> usize {
        self.ids.len()
    }

    /// [`collate`] for samples of this set.
    pub fn collate(&self, samples: &[usize], pad_id: u32) -> Batch {
        let tokens = samples.iter().map(|&sample| self.ids(sample).len()).max().unwrap_or(0);
        let mut batch = Batch::padded(samples.len(), tokens, pad_id);
        for &sample in samples {
            batch.push(sample, self.ids(sample), self.first_tokens[sample] as usize);
        }
        batch
    }
}

/// How many batches are sorted by length together: enough for near-equal lengths, few enough that the
/// company a sample keeps changes from epoch to epoch.
const POOL_BATCHES: usize = 64;

/// Shuffled training batches of near-equal length: every index of `lengths` once. Deterministic for
/// (`seed`, `epoch`); the number of batches is always `lengths.len().div_ceil(batch_size)`.
pub fn bucketed_batches(lengths: &[usize], batch_size: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let batch_size = batch_size.max(1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch);
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    shuffle(&mut order, &mut rng);
    let mut batches = Vec::with_capacity(lengths.len().div_ceil(batch_size));
    for pool in order.chunks_mut(batch_size.saturating_mul(POOL_BATCHES)) {
        pool.sort_by_key(|&sample| lengths[sample]);
        batches.extend(pool.chunks(batch_size).map(<[usize]>::to_vec));
    }
    shuffle(&mut batches, &mut rng);
    batches
}

/// Fisher-Yates.
fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        // The high half of a 64x64 product is uniform below i + 1 up to a bias of 2^-64 (i + 1).
        let j = (u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64;
        items.swap(i, j as usize);
    }
}
