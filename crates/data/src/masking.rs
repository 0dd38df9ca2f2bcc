//! Dynamic masking for masked-LM training (arXiv 1810.04805, section 3.1; whole words as in the authors'
//! later models).

use rand_chacha::ChaCha8Rng;

use super::batch::Batch;
use super::shuffle::{below, shuffle};
use tinybert_base::random::keyed;
use tinybert_base::{Error, Result};
use tinybert_model::TextEncoder;

/// Keeps these random numbers apart from every other use of the same seed, step and sample.
const STREAM: u64 = u64::from_be_bytes(*b"masking\0");

/// Tokens to be guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Positions in the batch: row · l + column.
    pub positions: Vec<u32>,
    /// The pieces that stood there.
    pub pieces: Vec<u32>,
}

/// How pieces are hidden for masked-LM training.
#[derive(Debug, Clone)]
pub struct Masking {
    /// Share of a sample's pieces that is to be guessed; at least one is.
    share: f64,
    /// Takes all pieces of a word together.
    whole_words: bool,
    seed: u64,
    mask: u32,
    /// For each piece, whether it may be hidden, and drawn as a wrong word. Special pieces may not.
    ordinary: Vec<bool>,
    /// For each piece, whether it continues a word.
    continues: Vec<bool>,
    /// The ordinary pieces.
    draws: Vec<u32>,
}

impl Masking {
    /// Masks for text of this vocabulary.
    ///
    /// # Errors
    /// [`Error::Usage`] for a vocabulary without `[MASK]` or a share outside (0, 1).
    pub fn new(text: &TextEncoder, share: f64, whole_words: bool, seed: u64) -> Result<Self> {
        if !(share > 0.0 && share < 1.0) {
            return Err(Error::Usage(format!("masked share {share}: it must be between 0 and 1")));
        }
        let special = text.special();
        let Some(mask) = special.mask else {
            return Err(Error::Usage("this vocabulary has no [MASK] piece, which a masked LM needs".into()));
        };
        let mut ordinary: Vec<bool> = text.pieces().iter().map(|piece| !piece.is_empty()).collect();
        for id in [special.pad, special.unk, special.cls, special.sep, mask] {
            ordinary[id as usize] = false;
        }
        Ok(Self {
            share,
            whole_words,
            seed,
            mask,
            continues: text.continuations(),
            draws: (0..).zip(&ordinary).filter(|(_, ordinary)| **ordinary).map(|(id, _)| id).collect(),
            ordinary,
        })
    }

    /// Whether a sample has a piece that may be hidden.
    pub fn can_hide(&self, ids: &[u32]) -> bool {
        ids.iter().any(|&id| flag_of(&self.ordinary, id))
    }

    /// Hides pieces of a batch: 80 % of the pieces to be guessed become `[MASK]`, 10 % become another piece,
    /// and 10 % stay. The choice depends only on the seed, the step, the sample and its text.
    pub fn apply(&self, batch: &Batch, step: u64) -> (Batch, Targets) {
        let mut masked = batch.clone();
        let mut targets = Targets { positions: Vec::new(), pieces: Vec::new() };
        for (row, (&sample, &length)) in batch.samples.iter().zip(&batch.lengths).enumerate() {
            let start = row * batch.tokens;
            let mut rng = keyed([self.seed, step, sample as u64, STREAM]);
            for at in self.choose(&batch.ids[start..start + length], &mut rng) {
                let piece = batch.ids[start + at];
                targets.positions.push((start + at) as u32);
                targets.pieces.push(piece);
                masked.ids[start + at] = match below(&mut rng, 10) {
                    0..8 => self.mask,
                    8 => self.draws[below(&mut rng, self.draws.len())],
                    _ => piece,
                };
            }
        }
        (masked, targets)
    }

    /// Indices of the pieces to be guessed, in order.
    fn choose(&self, ids: &[u32], rng: &mut ChaCha8Rng) -> Vec<usize> {
        // The runs of indices that are hidden together.
        let mut units: Vec<std::ops::Range<usize>> = Vec::new();
        for (at, &id) in ids.iter().enumerate().filter(|(_, id)| flag_of(&self.ordinary, **id)) {
            match units.last_mut() {
                Some(last) if self.whole_words && flag_of(&self.continues, id) && last.end == at => {
                    last.end += 1
                }
                _ => units.push(at..at + 1),
            }
        }
        let pieces: usize = units.iter().map(ExactSizeIterator::len).sum();
        let wanted = ((pieces as f64 * self.share).round() as usize).max(1);
        shuffle(rng, &mut units);
        let mut chosen: Vec<usize> = Vec::new();
        for unit in units {
            // The first unit is taken whatever its length, so that every sample has something to guess.
            if chosen.is_empty() || chosen.len() + unit.len() <= wanted {
                chosen.extend(unit);
            }
        }
        chosen.sort_unstable();
        chosen
    }
}

/// The entry of a piece in a list by piece; false for a piece that the list does not have.
fn flag_of(list: &[bool], id: u32) -> bool {
    list.get(id as usize).copied().unwrap_or(false)
}
