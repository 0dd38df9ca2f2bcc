//! What is counted in a text, a pair or a word of a sentence: hashed features, block by block, and for pairs measures
//! of overlap.

use rayon::prelude::*;

use crate::ngrams;
use crate::overlap;
use crate::words;
use tinybert_base::random::derive;
use tinybert_data::task::{Dataset, TaskKind};

/// Bits of a bucket's number, which is what a device would store of a feature. With so many buckets, few features that
/// training has not seen fall into the bucket of one that it has.
pub const BUCKET_BITS: u32 = 24;

/// The counted features of what gets one answer: a text, a pair, or a word of a tagged sentence.
pub struct Counts {
    /// Word n-grams and character n-grams; of pairs, once for each place; of a word, one block. Bucket and count, in
    /// ascending order.
    pub blocks: Vec<Vec<(u32, u32)>>,
    /// The measures of overlap of a pair.
    pub overlap: Vec<f32>,
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
    /// Counts the features of each word of a sentence whose words get tags, and otherwise those of the text or the pair
    /// as a whole.
    pub fn new(kind: TaskKind, text: &str, pair: Option<&str>) -> Vec<Self> {
        match kind {
            TaskKind::Tagging => words::features(text).into_iter().map(Self::of_word).collect(),
            _ => vec![Self::of_text(text, pair)],
        }
    }

    fn of_word(features: Vec<u64>) -> Self {
        let blocks = vec![sorted_buckets(features.into_iter().map(|hash| (hash, 1)))];
        Self { blocks, overlap: Vec::new() }
    }

    fn of_text(text: &str, pair: Option<&str>) -> Self {
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
    pub fn of_examples(data: &Dataset) -> Vec<Vec<Self>> {
        let examples = data.examples.par_iter();
        examples.map(|example| Self::new(data.kind, &example.text, example.pair.as_deref())).collect()
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
    sorted_buckets(counts.iter().map(|&(hash, count)| (derive(hash, part), count)))
}

/// The buckets of mixed hashes with their counts, in ascending order.
fn sorted_buckets(counts: impl Iterator<Item = (u64, u32)>) -> Vec<(u32, u32)> {
    let bucket = |(hash, count)| ((hash >> (64 - BUCKET_BITS)) as u32, count);
    let mut buckets: Vec<(u32, u32)> = counts.map(bucket).collect();
    buckets.sort_unstable();
    buckets
}
