//! The features that training has seen often enough, and their values in a text or at a word.

use rayon::prelude::*;

use crate::features::Counts;
use crate::sparse::Row;
use tinybert_data::task::TaskKind;

/// Features of fewer training texts, pairs or words are left out.
const LEAST: usize = 2;
/// Fewer training texts or pairs keep all their n-grams. With few texts, most n-grams of a new text that are known at
/// all are known from a single one.
const FEW: usize = 2000;

/// The hashed features that have weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    /// The bucket of each feature, in ascending order.
    buckets: Vec<u32>,
    /// The inverse document frequency of each feature: `ln((1 + texts) / (1 + texts with it)) + 1`. `None` for the
    /// features of words, which are there or not.
    idf: Option<Vec<f32>>,
}

impl Vocabulary {
    /// The features of at least two of the training set's texts or words; all n-grams of a small set of texts.
    pub fn new(kind: TaskKind, counts: &[Vec<Counts>]) -> Self {
        let of_texts = kind != TaskKind::Tagging;
        let least = if of_texts && counts.len() < FEW { 1 } else { LEAST };
        let blocks = counts.iter().flatten().flat_map(|counts| counts.blocks.iter().flatten());
        let mut all: Vec<u32> = blocks.map(|&(bucket, _)| bucket).collect();
        all.par_sort_unstable();
        let often = all.chunk_by(|a, b| a == b).filter(|equal| equal.len() >= least);
        let (buckets, with_it): (_, Vec<usize>) = often.map(|equal| (equal[0], equal.len())).unzip();
        let idf = |with_it: usize| (((1 + counts.len()) as f64 / (1 + with_it) as f64).ln() + 1.0) as f32;
        Self { buckets, idf: of_texts.then(|| with_it.into_iter().map(idf).collect()) }
    }

    /// Number of features that are hashed.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Bytes of the inverse document frequencies in 8 bits, with their step in 32 bits.
    pub fn idf_bytes(&self) -> usize {
        self.idf.as_ref().map_or(0, |idf| idf.len() + 4)
    }

    /// The same with each frequency in 8 bits.
    pub fn rounded(self) -> Self {
        let round = |idf: Vec<f32>| {
            let step = idf.iter().copied().fold(0.0, f32::max) / 255.0;
            idf.into_iter().map(|idf| (idf / step).round() * step).collect()
        };
        Self { idf: self.idf.map(round), ..self }
    }

    /// The features of a text, a pair or a word with their values. Each block of a text has the logarithm of its counts
    /// times the inverse document frequencies, scaled to length 1; each feature of a word has 1. The measures of
    /// overlap follow as the last features.
    pub fn row(&self, counts: &Counts) -> Row {
        let mut row = Row::new();
        for block in &counts.blocks {
            let begin = row.len();
            for &(bucket, count) in block {
                if let Ok(feature) = self.buckets.binary_search(&bucket) {
                    let idf = self.idf.as_ref().map(|idf| idf[feature]);
                    let value = idf.map_or(1.0, |idf| (1.0 + (count as f32).ln()) * idf);
                    row.push((feature as u32, value));
                }
            }
            if self.idf.is_some() {
                scale_to_length_1(&mut row[begin..]);
            }
        }
        row.extend((self.len() as u32..).zip(counts.overlap.iter().copied()));
        row
    }

    /// Does the same for everything that is counted in each example.
    pub fn rows(&self, counts: &[Vec<Counts>]) -> Vec<Vec<Row>> {
        counts.par_iter().map(|counts| counts.iter().map(|counts| self.row(counts)).collect()).collect()
    }
}

fn scale_to_length_1(block: &mut [(u32, f32)]) {
    let squares: f32 = block.iter().map(|(_, value)| value * value).sum();
    // No n-gram of the block may be known.
    let scale = if squares > 0.0 { 1.0 / squares.sqrt() } else { 0.0 };
    block.iter_mut().for_each(|(_, value)| *value *= scale);
}
