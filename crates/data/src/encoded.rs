//! Encoded samples in flat buffers.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::batch::{Batch, second_from};
use super::rows::Rows;
use tinybert_base::Result;
use tinybert_model::EncodedInput;

/// Many encoded samples. They take 2 bytes per token (4 in samples with ids above 65535), on disk where there are many
/// windows of a corpus, and 4 bytes per sample, or 8 where some are pairs.
#[derive(Debug, Clone, Default)]
pub struct EncodedSet {
    samples: Arc<Samples>,
    /// Which of the samples belong to this set, in order; `None` if all do.
    chosen: Option<Vec<u32>>,
    /// First token of each word of each sample, where every word gets an answer: `None` for a word that was
    /// cut off or has no token. Empty where every sample gets one answer.
    words: Vec<Box<[Option<u32>]>>,
}

/// The tokens of samples.
#[derive(Debug, Default)]
struct Samples {
    /// Token ids of each sample, special pieces included.
    ids: Rows,
    /// How many tokens of each sample belong to the first sentence and its special pieces; empty as long as these
    /// are all tokens of every sample.
    first_tokens: Vec<u32>,
}

impl Samples {
    fn push(&mut self, encoded: &EncodedInput) {
        let (first, all) = (second_from(encoded), encoded.ids.len());
        if first != all && self.first_tokens.is_empty() {
            self.first_tokens.extend((0..self.ids.len()).map(|sample| self.ids.length(sample) as u32));
        }
        self.ids.push(&encoded.ids);
        if first != all || !self.first_tokens.is_empty() {
            self.first_tokens.push(first as u32);
        }
    }

    fn first_tokens(&self, sample: usize) -> usize {
        self.first_tokens.get(sample).map_or_else(|| self.ids.length(sample), |&first| first as usize)
    }
}

impl EncodedSet {
    /// The set of samples with these token ids, each one sentence that gets one answer.
    #[must_use]
    pub fn of_sentences(ids: Rows) -> Self {
        Self { samples: Arc::new(Samples { ids, first_tokens: Vec::new() }), ..Self::default() }
    }

    /// Holds out `count` samples that are spread evenly; returns the other samples, and the held-out ones.
    ///
    /// # Errors
    /// As [`EncodedSet::partition`].
    pub fn hold_out(&self, count: usize) -> Result<(Self, Self)> {
        // The quotient rises by one at each of the `count` held-out samples.
        let is_kept = |sample| (sample + 1) * count / self.len() == sample * count / self.len();
        self.partition(|sample| Ok(is_kept(sample)))
    }

    /// The samples for which `is_kept` is true, and the others; each sample gets one answer. Both share their
    /// tokens with this set.
    ///
    /// # Errors
    /// Those of `is_kept`.
    pub fn partition(&self, is_kept: impl Fn(usize) -> Result<bool>) -> Result<(Self, Self)> {
        let (mut kept, mut others) = (Vec::new(), Vec::new());
        for sample in 0..self.len() {
            let chosen = if is_kept(sample)? { &mut kept } else { &mut others };
            chosen.push(self.place(sample) as u32);
        }
        let all = self.samples.ids.len();
        let set = |chosen: Vec<u32>| {
            let chosen = (chosen.len() < all).then_some(chosen);
            Self { samples: Arc::clone(&self.samples), chosen, words: Vec::new() }
        };
        Ok((set(kept), set(others)))
    }

    /// Which of `samples` a sample is.
    fn place(&self, sample: usize) -> usize {
        self.chosen.as_ref().map_or(sample, |chosen| chosen[sample] as usize)
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.chosen.as_ref().map_or(self.samples.ids.len(), Vec::len)
    }

    /// True without samples.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Token ids of a sample, special pieces included.
    ///
    /// # Errors
    /// [`Error::Io`](tinybert_base::Error::Io) if they are on disk and cannot be read.
    pub fn ids(&self, sample: usize) -> Result<Vec<u32>> {
        self.samples.ids.get(self.place(sample))
    }

    /// Length of a sample in tokens.
    pub fn length(&self, sample: usize) -> usize {
        self.samples.ids.length(self.place(sample))
    }

    /// Length of every sample in tokens.
    pub fn lengths(&self) -> Vec<usize> {
        (0..self.len()).map(|sample| self.length(sample)).collect()
    }

    /// Tokens of all samples together.
    pub fn total_tokens(&self) -> usize {
        match self.chosen {
            None => self.samples.ids.total(),
            Some(_) => (0..self.len()).map(|sample| self.length(sample)).sum(),
        }
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
    ///
    /// # Errors
    /// As [`EncodedSet::ids`].
    pub fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update((self.len() as u64).to_le_bytes());
        for sample in 0..self.len() {
            let ids = self.ids(sample)?;
            hash.update((ids.len() as u64).to_le_bytes());
            hash.update((self.first_tokens(sample) as u32).to_le_bytes());
            hash.update(ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>());
            if let Some(words) = self.words(sample) {
                hash.update(format!("{words:?}"));
            }
        }
        Ok(tinybert_base::hex(&hash.finalize()))
    }

    /// How many tokens of a sample belong to the first sentence and its special pieces.
    fn first_tokens(&self, sample: usize) -> usize {
        self.samples.first_tokens(self.place(sample))
    }

    /// Pads `samples` of this set with `pad_id` to the longest of them.
    ///
    /// # Errors
    /// As [`EncodedSet::ids`].
    pub fn collate(&self, samples: &[usize], pad_id: u32) -> Result<Batch> {
        let rows = samples.iter().map(|&sample| Ok((self.ids(sample)?, self.first_tokens(sample))));
        let mut batch = Batch::pad(samples, pad_id, &rows.collect::<Result<Vec<_>>>()?);
        if !self.words.is_empty() {
            let position = |row: usize, token: &u32| (row * batch.tokens) as u32 + token;
            let rows = samples.iter().enumerate();
            let words = rows.flat_map(|(row, &sample)| {
                self.words[sample].iter().flatten().map(move |token| position(row, token))
            });
            batch.words = Some(words.collect());
        }
        Ok(batch)
    }
}

impl FromIterator<EncodedInput> for EncodedSet {
    fn from_iter<I: IntoIterator<Item = EncodedInput>>(inputs: I) -> Self {
        let mut samples = Samples::default();
        inputs.into_iter().for_each(|encoded| samples.push(&encoded));
        Self { samples: Arc::new(samples), ..Self::default() }
    }
}

/// Samples whose words get an answer each, with the first token of every word, as
/// [`TextEncoder::encode_words`](tinybert_model::TextEncoder::encode_words) gives them.
impl FromIterator<(EncodedInput, Vec<Option<u32>>)> for EncodedSet {
    fn from_iter<I: IntoIterator<Item = (EncodedInput, Vec<Option<u32>>)>>(samples: I) -> Self {
        let mut all_words = Vec::new();
        let encoded = samples.into_iter().map(|(encoded, words)| {
            all_words.push(words.into_boxed_slice());
            encoded
        });
        let set: Self = encoded.collect();
        Self { words: all_words, ..set }
    }
}
