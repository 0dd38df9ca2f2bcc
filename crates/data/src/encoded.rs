//! Encoded samples in flat buffers.

use sha2::{Digest, Sha256};

use super::batch::{Batch, second_from};
use tinybert_model::EncodedInput;

/// Many encoded samples. They take 4 bytes per token and 12 per sample.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodedSet {
    ids: Vec<u32>,
    /// The end of each sample in `ids`.
    ends: Vec<usize>,
    /// How many tokens of each sample belong to the first sentence and its special pieces.
    first_tokens: Vec<u32>,
    /// First token of each word of each sample, where every word gets an answer: `None` for a word that was
    /// cut off or has no token. Empty where every sample gets one answer.
    words: Vec<Box<[Option<u32>]>>,
}

impl EncodedSet {
    /// Appends a sample whose second sentence begins at token `second`.
    pub(super) fn push(&mut self, ids: impl IntoIterator<Item = u32>, second: usize) {
        self.ids.extend(ids);
        self.ends.push(self.ids.len());
        self.first_tokens.push(second as u32);
    }

    /// Appends the samples of `other`.
    pub(super) fn append(&mut self, other: &Self) {
        let offset = self.ids.len();
        self.ids.extend_from_slice(&other.ids);
        self.ends.extend(other.ends.iter().map(|end| offset + end));
        self.first_tokens.extend_from_slice(&other.first_tokens);
    }

    /// Keeps the first `samples` samples.
    pub(super) fn truncate(&mut self, samples: usize) {
        self.ends.truncate(samples);
        self.first_tokens.truncate(samples);
        self.ids.truncate(self.ends.last().copied().unwrap_or(0));
    }

    /// Holds out `count` samples that are spread evenly; returns the other samples, and the held-out ones.
    pub fn hold_out(&self, count: usize) -> (Self, Self) {
        // The quotient rises by one at each of the `count` held-out samples.
        self.partition(|sample| (sample + 1) * count / self.len() == sample * count / self.len())
    }

    /// The samples for which `is_kept` is true, and the others.
    pub fn partition(&self, is_kept: impl Fn(usize) -> bool) -> (Self, Self) {
        let (mut kept, mut others) = (Self::default(), Self::default());
        for sample in 0..self.len() {
            let set = if is_kept(sample) { &mut kept } else { &mut others };
            set.push(self.ids(sample).iter().copied(), self.first_tokens[sample] as usize);
        }
        (kept, others)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without samples.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Token ids of a sample, special pieces included.
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

    /// First token of each word of a sample, `None` for a word that was cut off or has no token; `None` in a
    /// set whose samples get one answer each.
    pub fn words(&self, sample: usize) -> Option<&[Option<u32>]> {
        self.words.get(sample).map(|words| &**words)
    }

    /// Number of answers that a sample asks for: one, or one for each word that has a token.
    pub fn answers(&self, sample: usize) -> usize {
        self.words(sample).map_or(1, |words| words.iter().flatten().count())
    }

    /// Whether a sample asks for an answer: a sample of tagged words does not if none of them has a token.
    pub fn asks(&self, sample: usize) -> bool {
        self.answers(sample) > 0
    }

    /// The index at which the answers of each sample begin in a list of all answers, and at the end the
    /// number of all.
    pub fn answer_starts(&self) -> Vec<usize> {
        let mut next = 0;
        let ends = (0..self.len()).map(|sample| {
            next += self.answers(sample);
            next
        });
        std::iter::once(0).chain(ends).collect()
    }

    /// SHA-256 over all samples in their order: equal only for sets that give the same batches.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update((self.len() as u64).to_le_bytes());
        for sample in 0..self.len() {
            let ids = self.ids(sample);
            hash.update((ids.len() as u64).to_le_bytes());
            hash.update(self.first_tokens[sample].to_le_bytes());
            hash.update(ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>());
            if let Some(words) = self.words(sample) {
                hash.update(format!("{words:?}"));
            }
        }
        tinybert_base::hex(&hash.finalize())
    }

    /// Pads `samples` of this set with `pad_id` to the longest of them.
    pub fn collate(&self, samples: &[usize], pad_id: u32) -> Batch {
        let row = |sample| (self.ids(sample), self.first_tokens[sample] as usize);
        let mut batch = Batch::pad(samples, pad_id, row);
        if !self.words.is_empty() {
            let position = |row: usize, token: &u32| (row * batch.tokens) as u32 + token;
            let rows = samples.iter().enumerate();
            let words = rows.flat_map(|(row, &sample)| {
                self.words[sample].iter().flatten().map(move |token| position(row, token))
            });
            batch.words = Some(words.collect());
        }
        batch
    }
}

impl FromIterator<EncodedInput> for EncodedSet {
    fn from_iter<I: IntoIterator<Item = EncodedInput>>(samples: I) -> Self {
        let mut set = Self::default();
        for encoded in samples {
            let second = second_from(&encoded);
            set.push(encoded.ids, second);
        }
        set
    }
}

/// Samples whose words get an answer each, with the first token of every word, as
/// [`TextEncoder::encode_words`](tinybert_model::TextEncoder::encode_words) gives them.
impl FromIterator<(EncodedInput, Vec<Option<u32>>)> for EncodedSet {
    fn from_iter<I: IntoIterator<Item = (EncodedInput, Vec<Option<u32>>)>>(samples: I) -> Self {
        let (encoded, words): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
        let words = words.into_iter().map(Vec::into_boxed_slice).collect();
        Self { words, ..encoded.into_iter().collect() }
    }
}
