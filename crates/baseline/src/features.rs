//! The features of a text or a pair: tf-idf of hashed n-grams, block by block, and for pairs measures of overlap.

use rayon::prelude::*;

use crate::ngrams;
use crate::overlap;
use tinybert_base::random::derive;
use tinybert_data::task::Dataset;

/// Bits of a bucket's number, which is what a device would store of an n-gram. With so many buckets, few n-grams that
/// training has not seen fall into the bucket of one that it has.
pub const BUCKET_BITS: u32 = 24;
/// n-grams of fewer training texts are left out.
const LEAST_TEXTS: usize = 2;

/// The counted n-grams of a text or a pair.
pub struct Counts {
    /// Word n-grams and character n-grams; of pairs, once for each place. Bucket and count, in ascending order.
    blocks: Vec<Vec<(u32, u32)>>,
    /// The measures of overlap of a pair.
    overlap: Vec<f32>,
}

/// A place where the n-grams of a pair are found. The same n-gram in two places is two features.
#[derive(Clone, Copy)]
enum Place {
    /// In both texts; of a single text, all.
    Both,
    /// In the first text alone.
    First,
    /// In the second text alone.
    Second,
}

impl Counts {
    /// Counts the n-grams of a text or a pair.
    pub fn new(text: &str, pair: Option<&str>) -> Self {
        let text = text.to_lowercase();
        let first = [ngrams::word_ngrams(&text), ngrams::character_ngrams(&text)].map(counted);
        let Some(pair) = pair.map(str::to_lowercase) else {
            let blocks = first.iter().enumerate().map(|(unit, counts)| block(counts, unit, Place::Both));
            return Self { blocks: blocks.collect(), overlap: Vec::new() };
        };
        let second = [ngrams::word_ngrams(&pair), ngrams::character_ngrams(&pair)].map(counted);
        let mut blocks = Vec::new();
        for (unit, (first, second)) in first.iter().zip(&second).enumerate() {
            let [both, first, second] = compared(first, second);
            blocks.push(block(&both, unit, Place::Both));
            blocks.push(block(&first, unit, Place::First));
            blocks.push(block(&second, unit, Place::Second));
        }
        let words = [&text, &pair].map(|text| counted(ngrams::words(text)));
        let [words_and_pairs, characters] = [0, 1].map(|unit| [first[unit].as_slice(), &second[unit]]);
        let overlap = overlap::measures([&words[0], &words[1]], words_and_pairs, characters);
        Self { blocks, overlap: overlap.to_vec() }
    }

    /// Does the same for every example of a data set.
    pub fn of_examples(data: &Dataset) -> Vec<Self> {
        let examples = data.examples.par_iter();
        examples.map(|example| Self::new(&example.text, example.pair.as_deref())).collect()
    }

    /// Number of the measures of overlap: none for a single text.
    pub fn measures(&self) -> usize {
        self.overlap.len()
    }
}

/// Each hash once, with how often it is there, in ascending order.
fn counted(mut hashes: Vec<u64>) -> Vec<(u64, u32)> {
    hashes.sort_unstable();
    hashes.chunk_by(|a, b| a == b).map(|equal| (equal[0], equal.len() as u32)).collect()
}

/// The n-grams of both texts, those of the first alone, and those of the second alone.
fn compared(first: &[(u64, u32)], second: &[(u64, u32)]) -> [Vec<(u64, u32)>; 3] {
    let is_in = |others: &[(u64, u32)], hash| others.binary_search_by_key(&hash, |&(hash, _)| hash).is_ok();
    let (both, only_first) = first.iter().partition(|(hash, _)| is_in(second, *hash));
    [both, only_first, second.iter().copied().filter(|(hash, _)| !is_in(first, *hash)).collect()]
}

/// The buckets of n-grams of one unit (0: words, 1: characters) in one place, in ascending order.
fn block(counts: &[(u64, u32)], unit: usize, place: Place) -> Vec<(u32, u32)> {
    let part = 2 * place as u64 + unit as u64;
    let bucket = |hash| (derive(hash, part) >> (64 - BUCKET_BITS)) as u32;
    let mut buckets: Vec<(u32, u32)> = counts.iter().map(|&(hash, count)| (bucket(hash), count)).collect();
    buckets.sort_unstable();
    buckets
}

/// The n-grams that are features, and their weights in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    /// The bucket of each feature, in ascending order.
    buckets: Vec<u32>,
    /// The inverse document frequency of each feature: `ln((1 + texts) / (1 + texts with it)) + 1`.
    idf: Vec<f32>,
}

impl Vocabulary {
    /// The n-grams of at least two of the training texts.
    pub fn of_texts(texts: &[Counts]) -> Self {
        let buckets = texts.iter().flat_map(|text| text.blocks.iter().flatten().map(|&(bucket, _)| bucket));
        let mut all: Vec<u32> = buckets.collect();
        all.par_sort_unstable();
        let often = all.chunk_by(|a, b| a == b).filter(|equal| equal.len() >= LEAST_TEXTS);
        let (buckets, with_it): (_, Vec<usize>) = often.map(|equal| (equal[0], equal.len())).unzip();
        let idf = |with_it: usize| (((1 + texts.len()) as f64 / (1 + with_it) as f64).ln() + 1.0) as f32;
        Self { buckets, idf: with_it.into_iter().map(idf).collect() }
    }

    /// Number of features that are n-grams.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// The same with each frequency in 8 bits.
    pub fn rounded(self) -> Self {
        let step = self.idf.iter().copied().fold(0.0, f32::max) / 255.0;
        let idf = self.idf.into_iter().map(|idf| (idf / step).round() * step).collect();
        Self { idf, ..self }
    }

    /// The features of a text with their values. Each block has the logarithm of its counts times the inverse document
    /// frequencies, scaled to length 1. The measures of overlap follow as the last features.
    pub fn vector(&self, counts: &Counts) -> Vec<(u32, f32)> {
        let mut vector = Vec::new();
        for block in &counts.blocks {
            let begin = vector.len();
            for &(bucket, count) in block {
                if let Ok(feature) = self.buckets.binary_search(&bucket) {
                    vector.push((feature as u32, (1.0 + (count as f32).ln()) * self.idf[feature]));
                }
            }
            let squares: f32 = vector[begin..].iter().map(|(_, value)| value * value).sum();
            // No n-gram of the block may be known.
            let scale = if squares > 0.0 { 1.0 / squares.sqrt() } else { 0.0 };
            vector[begin..].iter_mut().for_each(|(_, value)| *value *= scale);
        }
        let overlap = (self.len() as u32..).zip(counts.overlap.iter().copied());
        vector.extend(overlap);
        vector
    }

    /// Does the same for each text.
    pub fn vectors(&self, counts: &[Counts]) -> Vec<Vec<(u32, f32)>> {
        counts.par_iter().map(|counts| self.vector(counts)).collect()
    }
}
