//! The positions at which a student is compared with its teacher: pieces of the same vocabulary, or words.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use tinybert_base::Result;
use tinybert_data::{Batch, Rows};
use tinybert_model::{TextEncoder, TokenPlace};

/// What the intermediate layers are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// Piece by piece; student and teacher have the same vocabulary.
    Pieces,
    /// Word by word, whatever pieces the two have.
    Words,
}

impl FromStr for Align {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<Self, String> {
        match name {
            "pieces" => Ok(Self::Pieces),
            "words" => Ok(Self::Words),
            _ => Err("expected pieces or words".to_owned()),
        }
    }
}

/// The positions of every sample of a set that are compared.
pub enum Alignment {
    /// All tokens, which are the same for student and teacher.
    Pieces,
    /// Words.
    Words(Box<WordAlignment>),
}

impl Alignment {
    /// Number of positions of a student's batch.
    pub fn positions(&self, batch: &Batch) -> usize {
        match self {
            Self::Pieces => batch.real_tokens(),
            Self::Words(words) => words.counts(&batch.samples).iter().sum(),
        }
    }

    /// Number of (query, key) pairs of positions of a student's batch.
    pub fn pairs(&self, batch: &Batch) -> usize {
        match self {
            Self::Pieces => batch.real_pairs(),
            Self::Words(words) => words.counts(&batch.samples).iter().map(|count| count * count).sum(),
        }
    }
}

/// The words of every sample, and the tokens of student and teacher that they have.
///
/// Words are those of the student's tokenizer before it looks for pieces: runs between white space and punctuation.
/// Words that a piece of the teacher joins count as one. Each special piece is a word of its own; the two separators
/// of RoBERTa's pairs are one. A word of which either of the two has no token, because it was cut off or cleaned
/// away, is left out.
#[derive(Default)]
pub struct WordAlignment {
    student: TokenWords,
    teacher: TokenWords,
    /// Number of words of each sample.
    counts: Vec<u32>,
}

/// The word of each token of each sample.
#[derive(Default)]
struct TokenWords {
    /// The number of the word plus 1; 0 for a token of no word.
    words: Rows,
}

/// The word of a token that is left out.
const NONE: u32 = u32::MAX;

/// How student and teacher read the texts whose words are aligned.
#[derive(Clone, Copy)]
pub struct Readers<'a> {
    /// The student's tokenizer.
    pub student: &'a TextEncoder,
    /// The teacher's tokenizer.
    pub teacher: &'a TextEncoder,
    /// Both cut texts to so many tokens.
    pub max_tokens: usize,
}

impl WordAlignment {
    /// No samples. What grows with the tokens of many samples goes to a file in `folder`.
    pub fn spilling_to(folder: &Path) -> Self {
        let words = || TokenWords { words: Rows::spilling_to(folder) };
        Self { student: words(), teacher: words(), counts: Vec::new() }
    }

    /// The words of `inputs`.
    ///
    /// # Errors
    /// Returns the errors of [`TextEncoder::places`].
    pub fn new<'t>(
        readers: Readers,
        inputs: impl Iterator<Item = (&'t str, Option<&'t str>)>,
    ) -> Result<Self> {
        /// Inputs that are aligned at once, on all cores.
        const BLOCK: usize = 1 << 14;
        let mut alignment = Self::default();
        let mut inputs = inputs.peekable();
        while inputs.peek().is_some() {
            alignment.add(readers, &inputs.by_ref().take(BLOCK).collect::<Vec<_>>())?;
        }
        Ok(alignment)
    }

    /// Adds the words of `inputs`.
    ///
    /// # Errors
    /// Returns the errors of [`TextEncoder::places`], and [`Error::Io`](tinybert_base::Error::Io) for a file that
    /// cannot be written.
    pub fn add(&mut self, readers: Readers, inputs: &[(&str, Option<&str>)]) -> Result<()> {
        let Readers { student, teacher, max_tokens } = readers;
        let samples: Vec<_> = inputs
            .par_iter()
            .map(|(text, pair)| {
                let texts = [Some(*text), *pair];
                let (ours, theirs) =
                    (student.places(text, *pair, max_tokens)?, teacher.places(text, *pair, max_tokens)?);
                let words = texts.map(|text| text.map_or(Ok(Vec::new()), |text| student.words(text)));
                let [first, second] = words;
                let spans = [first?, second?].map(|words| words.into_iter().map(|word| word.span).collect());
                Ok(words_of_tokens(&spans, &ours, &theirs))
            })
            .collect::<Result<_>>()?;
        for (ours, theirs, count) in samples {
            self.push(&ours, &theirs, count);
        }
        self.student.words.spill()?;
        self.teacher.words.spill()
    }

    /// Adds a sample by the words of its tokens and their number.
    fn push(&mut self, student: &[u32], teacher: &[u32], count: usize) {
        for (side, words) in [(&mut self.student, student), (&mut self.teacher, teacher)] {
            side.words.push(&words.iter().map(|&word| word.wrapping_add(1)).collect::<Vec<_>>());
        }
        self.counts.push(count as u32);
    }

    /// Number of words of each of these samples.
    pub fn counts(&self, samples: &[usize]) -> Vec<usize> {
        samples.iter().map(|&sample| self.counts[sample] as usize).collect()
    }

    /// Pools what the student computes for these samples, padded to `tokens` tokens.
    ///
    /// # Errors
    /// [`Error::Io`](tinybert_base::Error::Io); an internal error of the tensor engine.
    pub fn student(&self, samples: &[usize], tokens: usize, device: &Device) -> Result<WordPooling> {
        self.student.pooling(samples, &self.counts, tokens, device)
    }

    /// Pools what the teacher computes for these samples, padded to `tokens` tokens.
    ///
    /// # Errors
    /// [`Error::Io`](tinybert_base::Error::Io); an internal error of the tensor engine.
    pub fn teacher(&self, samples: &[usize], tokens: usize, device: &Device) -> Result<WordPooling> {
        self.teacher.pooling(samples, &self.counts, tokens, device)
    }
}

impl TokenWords {
    fn pooling(
        &self,
        samples: &[usize],
        counts: &[u32],
        tokens: usize,
        device: &Device,
    ) -> Result<WordPooling> {
        let words = samples.iter().map(|&sample| counts[sample]).max().unwrap_or(0) as usize;
        let mut sum = vec![0f32; samples.len() * words * tokens];
        for (rows, &sample) in sum.chunks_exact_mut((words * tokens).max(1)).zip(samples) {
            for (token, word) in self.words.get(sample)?.into_iter().enumerate().filter(|(_, word)| *word > 0)
            {
                rows[(word as usize - 1) * tokens + token] = 1.0;
            }
        }
        let mut mean = sum.clone();
        for row in mean.chunks_exact_mut(tokens.max(1)) {
            let pieces = row.iter().sum::<f32>().max(1.0);
            row.iter_mut().for_each(|share| *share /= pieces);
        }
        let shape = (samples.len(), words, tokens);
        Ok(WordPooling {
            mean: Tensor::from_vec(mean, shape, device)?,
            sum: Tensor::from_vec(sum, shape, device)?,
        })
    }
}

/// Pools tokens to words: w words of l tokens.
pub struct WordPooling {
    /// Share of each token in the mean of its word, `[b, w, l]`.
    mean: Tensor,
    /// 1 for each token of a word, `[b, w, l]`.
    sum: Tensor,
}

impl WordPooling {
    /// The mean of the states `[b, l, hidden]` of each word's tokens, `[b, w, hidden]`.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn states(&self, states: &Tensor) -> Result<Tensor> {
        Ok(self.mean.matmul(&states.to_device(self.mean.device())?.contiguous()?)?)
    }

    /// The attention `[b, heads, l, l]` between words, `[b, heads, w, w]`: the mean over the tokens of the query of
    /// the sum over the tokens of the key.
    ///
    /// # Errors
    /// An internal error of the tensor engine.
    pub fn scores(&self, scores: &Tensor) -> Result<Tensor> {
        let by_query = self.mean.unsqueeze(1)?.broadcast_matmul(&scores.to_device(self.mean.device())?)?;
        Ok(by_query.broadcast_matmul(&self.sum.transpose(1, 2)?.unsqueeze(1)?.contiguous()?)?)
    }
}

/// The word of each token of the student and of the teacher, and the number of words. `words` are the bytes of the
/// words of the first and of the second text.
fn words_of_tokens(
    words: &[Vec<Range<usize>>; 2],
    student: &[TokenPlace],
    teacher: &[TokenPlace],
) -> (Vec<u32>, Vec<u32>, usize) {
    let pieces_of = |wanted: usize| {
        student.iter().chain(teacher).filter_map(move |place| match place {
            TokenPlace::Text { text, bytes } if *text == wanted => Some(bytes),
            _ => None,
        })
    };
    let starts: [Vec<usize>; 2] = std::array::from_fn(|text| {
        let joined: Vec<_> = pieces_of(text).collect();
        let is_inside = |start: usize| joined.iter().any(|piece| piece.start < start && start < piece.end);
        words[text].iter().map(|word| word.start).filter(|&start| !is_inside(start)).collect()
    });
    // Special pieces come first, then the words of each text.
    let key = |place: &TokenPlace| match place {
        TokenPlace::Special(at) => Some((0, *at)),
        TokenPlace::Text { bytes, .. } if bytes.is_empty() => None,
        TokenPlace::Text { text, bytes } => {
            let word = starts[*text].partition_point(|&start| start <= bytes.start).checked_sub(1)?;
            Some((1 + text, word))
        }
    };
    let keys = |places: &[TokenPlace]| -> Vec<_> { places.iter().map(key).collect() };
    let (ours, theirs) = (keys(student), keys(teacher));
    let known = |keys: &[Option<(usize, usize)>]| -> BTreeSet<_> { keys.iter().flatten().copied().collect() };
    let common: BTreeMap<_, u32> = known(&ours).intersection(&known(&theirs)).copied().zip(0..).collect();
    let numbered = |keys: Vec<Option<(usize, usize)>>| {
        keys.into_iter().map(|key| key.and_then(|key| common.get(&key).copied()).unwrap_or(NONE)).collect()
    };
    (numbered(ours), numbered(theirs), common.len())
}

#[cfg(test)]
mod tests;
