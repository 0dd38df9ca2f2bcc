//! Batches: which samples go together, and how they are laid out.

use std::cmp::Reverse;
use std::path::Path;

use super::encoded::EncodedSet;
use super::shuffle::Shuffler;
use super::spilled::Spilled;
use tinybert_base::Result;
use tinybert_model::EncodedInput;

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
    /// First token of every word that gets an answer, sample by sample: row · `tokens` + column. `None` where
    /// each sample gets one answer.
    pub words: Option<Vec<u32>>,
}

impl Batch {
    /// Pads `samples` with `pad_id` to the longest of them. `rows` are their ids, and where the second sentence
    /// of each begins.
    pub(super) fn pad(samples: &[usize], pad_id: u32, rows: &[(impl AsRef<[u32]>, usize)]) -> Self {
        let lengths: Vec<usize> = rows.iter().map(|(ids, _)| ids.as_ref().len()).collect();
        let tokens = lengths.iter().copied().max().unwrap_or(0);
        let mut ids = vec![pad_id; samples.len() * tokens];
        let mut type_ids = vec![0; samples.len() * tokens];
        for (index, (row, second)) in rows.iter().enumerate() {
            let range = index * tokens..index * tokens + row.as_ref().len();
            ids[range.clone()].copy_from_slice(row.as_ref());
            type_ids[range][*second..].fill(1);
        }
        Self { ids, type_ids, lengths, samples: samples.to_vec(), tokens, words: None }
    }

    /// Number of samples.
    #[expect(clippy::len_without_is_empty, reason = "no batch is empty")]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Number of answers: one for each sample, or one for each word.
    pub fn answers(&self) -> usize {
        self.words.as_ref().map_or(self.len(), Vec::len)
    }

    /// Tokens that are not padding.
    pub fn real_tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// (query, key) pairs of tokens that are not padding.
    pub fn real_pairs(&self) -> usize {
        self.lengths.iter().map(|length| length * length).sum()
    }
}

/// The index at which the second sentence begins: the first token of type 1, or the end.
pub(super) fn second_from(encoded: &EncodedInput) -> usize {
    encoded.type_ids.iter().position(|&kind| kind == 1).unwrap_or(encoded.ids.len())
}

/// Pads `samples` (indices into `encoded`) with `pad_id` to the longest of them.
pub fn collate(encoded: &[EncodedInput], samples: &[usize], pad_id: u32) -> Batch {
    let row = |&sample: &usize| (&encoded[sample].ids, second_from(&encoded[sample]));
    Batch::pad(samples, pad_id, &samples.iter().map(row).collect::<Vec<_>>())
}

/// How many batches are sorted by length together: enough for near-equal lengths, few enough that the
/// company a sample keeps changes from epoch to epoch.
const POOL_BATCHES: usize = 64;

/// The shuffled training batches of an epoch, of near-equal length: every sample once. They take 4 bytes per sample, on
/// disk where the samples are.
#[derive(Debug)]
pub struct EpochBatches {
    /// The samples, one batch after the other.
    samples: Spilled,
    /// Number of samples.
    count: usize,
    /// Which of these batches comes when.
    order: Vec<u32>,
    batch_size: usize,
}

impl EpochBatches {
    /// Batches of the samples of `set`. Deterministic for (`seed`, `epoch`); there are always
    /// `set.len().div_ceil(batch_size)` batches, all full but one.
    ///
    /// # Errors
    /// [`Error::Io`](tinybert_base::Error::Io) if the samples or their order are on disk and cannot be read or written.
    ///
    /// # Panics
    /// When `batch_size` is 0.
    pub fn new(set: &EncodedSet, batch_size: usize, seed: u64, epoch: u64) -> Result<Self> {
        let count = set.len();
        let mut shuffler = Shuffler::new(seed, epoch);
        let mut samples = shuffled(count, set.folder(), &mut shuffler)?;
        let pool = batch_size.saturating_mul(POOL_BATCHES);
        for start in (0..count).step_by(pool) {
            let drawn = samples.numbers(start..count.min(start.saturating_add(pool)))?;
            let lengths = drawn.into_iter().map(|sample| Ok((set.length(sample as usize)?, sample)));
            let mut by_length: Vec<(usize, u32)> = lengths.collect::<Result<_>>()?;
            by_length.sort_by_key(|(length, _)| *length);
            samples
                .put_numbers(start, &by_length.into_iter().map(|(_, sample)| sample).collect::<Vec<_>>())?;
        }
        let mut order: Vec<u32> = (0..count.div_ceil(batch_size) as u32).collect();
        shuffler.shuffle(&mut order);
        Ok(Self { samples, count, order, batch_size })
    }

    /// Number of batches.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// The batches in their order, each as indices of its samples.
    pub fn iter(&self) -> impl Iterator<Item = Result<Vec<usize>>> {
        self.order.iter().map(|&batch| -> Result<Vec<usize>> {
            let begin = batch as usize * self.batch_size;
            let samples = self.samples.numbers(begin..(begin + self.batch_size).min(self.count))?;
            Ok(samples.into_iter().map(|sample| sample as usize).collect())
        })
    }
}

/// The numbers below `count` in an order that `shuffler` draws.
fn shuffled(count: usize, folder: Option<&Path>, shuffler: &mut Shuffler) -> Result<Spilled> {
    /// Numbers that are appended at once.
    const BLOCK: usize = 1 << 16;

    let mut numbers = Spilled::to(folder);
    for start in (0..count).step_by(BLOCK) {
        numbers.extend((start..count.min(start + BLOCK)).flat_map(|number| (number as u32).to_le_bytes()));
        numbers.spill()?;
    }
    if numbers.is_in_memory() {
        let mut drawn = numbers.numbers(0..count)?;
        shuffler.shuffle(&mut drawn);
        numbers.put_numbers(0, &drawn)?;
        return Ok(numbers);
    }
    // The same swaps on disk.
    for last in (1..count).rev() {
        let other = shuffler.below(last + 1);
        let (a, b) = (numbers.number(last)?, numbers.number(other)?);
        numbers.put_numbers(last, &[b])?;
        numbers.put_numbers(other, &[a])?;
    }
    Ok(numbers)
}

/// Batches for evaluation, the longest samples first: the most memory is taken at once, and the time left is
/// never guessed too short. [`Batch::samples`] says where each row's result belongs.
///
/// # Panics
/// When `batch_size` is 0.
pub fn evaluation_batches(lengths: &[usize], batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&sample| Reverse(lengths[sample]));
    order.chunks(batch_size).map(<[usize]>::to_vec).collect()
}

/// Share of the positions of all `batches` that is padding, 0 to 1.
pub fn padding(lengths: &[usize], batches: &[Vec<usize>]) -> f64 {
    let real: usize = batches.iter().flatten().map(|&sample| lengths[sample]).sum();
    let longest = |batch: &[usize]| batch.iter().map(|&sample| lengths[sample]).max().unwrap_or(0);
    let padded: usize = batches.iter().map(|batch| batch.len() * longest(batch)).sum();
    if padded == 0 { 0.0 } else { 1.0 - real as f64 / padded as f64 }
}
