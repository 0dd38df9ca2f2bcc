//! Encoded samples in flat buffers.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::batch::{Batch, second_from};
use super::rows::Rows;
use tinybert_base::Result;
use tinybert_model::EncodedInput;

/// Many encoded samples. They take 2 bytes per token (4 in samples with ids above 65535) and 4 bytes per sample, both
/// on disk where there are many windows of a corpus; 4 more bytes per sample where some are pairs.
#[derive(Debug, Clone, Default)]
pub struct EncodedSet {
    samples: Arc<Samples>,
    chosen: Chosen,
    /// Tokens of the chosen samples.
    total: usize,
    /// First token of each word of each sample, where every word gets an answer: `None` for a word that was
    /// cut off or has no token. Empty where every sample gets one answer.
    words: Vec<Box<[Option<u32>]>>,
}

/// Which of the samples belong to a set. The numbers ascend.
#[derive(Debug, Clone)]
enum Chosen {
    Only(Vec<u32>),
    AllBut(Vec<u32>),
}

impl Default for Chosen {
    fn default() -> Self {
        Self::AllBut(Vec::new())
    }
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
    fn push(&mut self, encoded: &EncodedInput) -> Result<()> {
        let (first, all) = (second_from(encoded), encoded.ids.len());
        if first != all && self.first_tokens.is_empty() {
            for sample in 0..self.ids.len() {
                self.first_tokens.push(self.ids.length(sample)? as u32);
            }
        }
        self.ids.push(&encoded.ids);
        if first != all || !self.first_tokens.is_empty() {
            self.first_tokens.push(first as u32);
        }
        Ok(())
    }
}

impl EncodedSet {
    /// The set of samples with these token ids, each one sentence that gets one answer.
    #[must_use]
    pub fn of_sentences(ids: Rows) -> Self {
        Self::of(Samples { ids, first_tokens: Vec::new() })
    }

    fn of(samples: Samples) -> Self {
        let total = samples.ids.total();
        Self { samples: Arc::new(samples), total, ..Self::default() }
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
        let mut others = Vec::new();
        let mut tokens = 0;
        for sample in 0..self.len() {
            if !is_kept(sample)? {
                tokens += self.length(sample)?;
                others.push(self.place(sample) as u32);
            }
        }
        let kept = match &self.chosen {
            Chosen::Only(own) => {
                let is_other = |place: &&u32| others.binary_search(place).is_ok();
                Chosen::Only(own.iter().filter(|place| !is_other(place)).copied().collect())
            }
            Chosen::AllBut(without) => {
                let mut without = [without.as_slice(), &others].concat();
                without.sort_unstable();
                Chosen::AllBut(without)
            }
        };
        let set =
            |chosen, total| Self { samples: Arc::clone(&self.samples), chosen, total, words: Vec::new() };
        Ok((set(kept, self.total - tokens), set(Chosen::Only(others), tokens)))
    }

    /// Which of `samples` a sample is.
    fn place(&self, sample: usize) -> usize {
        match &self.chosen {
            Chosen::Only(own) => own[sample] as usize,
            Chosen::AllBut(without) => {
                let (mut low, mut high) = (0, without.len());
                // How many of those left out are before the sample.
                while low < high {
                    let middle = low.midpoint(high);
                    if without[middle] as usize - middle <= sample { low = middle + 1 } else { high = middle }
                }
                sample + low
            }
        }
    }

    /// The folder whose disk has room for what grows with the samples; `None` if that stays in memory.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.samples.ids.folder()
    }

    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.chosen {
            Chosen::Only(own) => own.len(),
            Chosen::AllBut(without) => self.samples.ids.len() - without.len(),
        }
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
    ///
    /// # Errors
    /// As [`EncodedSet::ids`].
    pub fn length(&self, sample: usize) -> Result<usize> {
        self.samples.ids.length(self.place(sample))
    }

    /// Length of every sample in tokens.
    ///
    /// # Errors
    /// As [`EncodedSet::ids`].
    pub fn lengths(&self) -> Result<Vec<usize>> {
        (0..self.len()).map(|sample| self.length(sample)).collect()
    }

    /// Tokens of all samples together.
    #[must_use]
    pub fn total_tokens(&self) -> usize {
        self.total
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
            hash.update((self.first_tokens(sample, ids.len()) as u32).to_le_bytes());
            hash.update(ids.iter().flat_map(|id| id.to_le_bytes()).collect::<Vec<u8>>());
            if let Some(words) = self.words(sample) {
                hash.update(format!("{words:?}"));
            }
        }
        Ok(tinybert_base::hex(&hash.finalize()))
    }

    /// How many of the `tokens` tokens of a sample belong to the first sentence and its special pieces.
    fn first_tokens(&self, sample: usize, tokens: usize) -> usize {
        self.samples.first_tokens.get(self.place(sample)).map_or(tokens, |&first| first as usize)
    }

    /// Pads `samples` of this set with `pad_id` to the longest of them.
    ///
    /// # Errors
    /// As [`EncodedSet::ids`].
    pub fn collate(&self, samples: &[usize], pad_id: u32) -> Result<Batch> {
        let row = |&sample: &usize| {
            let ids = self.ids(sample)?;
            let first = self.first_tokens(sample, ids.len());
            Ok((ids, first))
        };
        let rows = samples.iter().map(row);
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
        for encoded in inputs {
            samples.push(&encoded).expect("rows without a folder are in memory");
        }
        Self::of(samples)
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
