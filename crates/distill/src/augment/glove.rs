//! Nearest words by a table of word vectors.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rayon::prelude::*;

use super::top::TopItems;
use super::words::is_candidate;
use tinybert_base::{Context, Error, Result, vectorised};

/// Number of words whose neighbours are searched together.
const BLOCK: usize = 16;

/// Unit vectors of words that may be replaced or may replace another word, in the order of their file (GloVe
/// sorts by frequency).
pub struct WordVectors {
    words: Vec<String>,
    index: HashMap<String, usize>,
    /// Vectors as `[words / LANES, width, LANES]`: those of [`LANES`] words side by side, padded with zeros
    /// at the end.
    values: Vec<f32>,
    width: usize,
}

/// Number of words whose cosines are computed together, one in each lane of a vector register.
const LANES: usize = 16;

impl WordVectors {
    /// Reads a text file of lines `word v1 … vn`. A first line of two numbers, as fastText writes it, is
    /// skipped.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read; [`Error::Input`] with the line number for a line of
    /// another form.
    pub fn read(path: &Path) -> Result<Self> {
        let mut vectors = Self { words: Vec::new(), index: HashMap::new(), values: Vec::new(), width: 0 };
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(Error::io(path))?);
        let (mut bytes, mut line) = (Vec::new(), 0);
        while reader.read_until(b'\n', &mut bytes).map_err(Error::io(path))? > 0 {
            line += 1;
            let text = std::str::from_utf8(&bytes).map_err(|_| Error::line(path, line, "not valid UTF-8"))?;
            vectors.add(text.trim_end(), line).map_err(|reason| Error::line(path, line, reason))?;
            bytes.clear();
        }
        if vectors.words.is_empty() {
            return Err(Error::input(
                path,
                "there is no word of the letters a to z with a vector in this file",
            ));
        }
        Ok(vectors)
    }

    fn add(&mut self, text: &str, line: usize) -> std::result::Result<(), String> {
        // Some entries of published files contain spaces; plain words do not.
        let (word, numbers) = text.split_once(' ').unwrap_or((text, ""));
        if line == 1 && word.parse::<usize>().is_ok() && numbers.trim().parse::<usize>().is_ok() {
            return Ok(());
        }
        if !is_candidate(word) || self.index.contains_key(word) {
            return Ok(());
        }
        let vector: Vec<f32> = numbers
            .split_ascii_whitespace()
            .map(|number| number.parse().ok().filter(|value: &f32| value.is_finite()))
            .collect::<Option<_>>()
            .ok_or_else(|| format!("expected {word:?} and finite numbers behind it"))?;
        if self.words.is_empty() {
            self.width = vector.len();
        }
        if vector.is_empty() || vector.len() != self.width {
            return Err(format!(
                "expected {word:?} and {} numbers, found {}",
                self.width.max(1),
                vector.len()
            ));
        }
        let norm = vector.iter().map(|v| f64::from(*v) * f64::from(*v)).sum::<f64>().sqrt();
        if norm > 0.0 {
            let (block, lane) = (self.words.len() / LANES, self.words.len() % LANES);
            if lane == 0 {
                self.values.resize((block + 1) * self.width * LANES, 0.0);
            }
            for (at, value) in vector.iter().enumerate() {
                self.values[(block * self.width + at) * LANES + lane] = (f64::from(*value) / norm) as f32;
            }
            self.index.insert(word.to_owned(), self.words.len());
            self.words.push(word.to_owned());
        }
        Ok(())
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// True without any word. [`WordVectors::read`] refuses such a file.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The unit vector of a word.
    fn vector(&self, word: usize) -> Vec<f32> {
        let block = &self.values[word / LANES * self.width * LANES..][..self.width * LANES];
        block.chunks_exact(LANES).map(|lanes| lanes[word % LANES]).collect()
    }

    /// The `count` other words of the largest cosine for each of `words`, the nearest first. An unknown word
    /// has none. Equally near words stand in the order of the file.
    pub fn neighbours(&self, words: &[String], count: usize) -> Vec<Vec<String>> {
        let known: Vec<Option<(usize, Vec<f32>)>> =
            words.iter().map(|word| self.index.get(word).map(|&at| (at, self.vector(at)))).collect();
        let mut tops: Vec<TopItems> = words.iter().map(|_| TopItems::new(count)).collect();
        vectorised(
            #[inline(always)]
            || {
                // Each block is read from memory once for all words.
                for (number, block) in self.values.chunks_exact(self.width * LANES).enumerate() {
                    for (top, known) in tops.iter_mut().zip(&known) {
                        let Some((at, own)) = known else { continue };
                        let cosines = cosines(own, block);
                        let others = number * LANES..self.words.len();
                        for (other, &cosine) in others.zip(&cosines) {
                            if top.admits(cosine) && other != *at {
                                top.insert(cosine, other);
                            }
                        }
                    }
                }
            },
        );
        let spell =
            |top: TopItems| top.into_items().into_iter().map(|other| self.words[other].clone()).collect();
        tops.into_iter().map(spell).collect()
    }
}

/// Cosines between a unit vector and those of a block. Products are added in the order of the dimensions.
#[inline(always)]
fn cosines(own: &[f32], block: &[f32]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    for (value, lanes) in own.iter().zip(block.as_chunks::<LANES>().0) {
        for (sum, lane) in sums.iter_mut().zip(lanes) {
            *sum += value * lane;
        }
    }
    sums
}

/// The neighbours of words, each computed once.
pub struct Neighbours<'a> {
    vectors: &'a WordVectors,
    count: usize,
    known: HashMap<String, Vec<String>>,
}

impl<'a> Neighbours<'a> {
    /// A table of the `count` nearest words in `vectors`; it begins empty.
    pub fn new(vectors: &'a WordVectors, count: usize) -> Self {
        Self { vectors, count, known: HashMap::new() }
    }

    /// Computes the neighbours of those `words` that the table lacks, on all cores.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if the user asks to stop.
    pub fn prepare(&mut self, mut words: Vec<String>, context: &Context) -> Result<()> {
        words.retain(|word| !self.known.contains_key(word));
        words.sort_unstable();
        words.dedup();
        let (vectors, count) = (self.vectors, self.count);
        let near = |block: &[String]| match context.should_stop() {
            true => Err(super::interrupted()),
            false => Ok(vectors.neighbours(block, count)),
        };
        let found = words.par_chunks(BLOCK).map(near).collect::<Result<Vec<_>>>()?;
        self.known.extend(words.into_iter().zip(found.into_iter().flatten()));
        Ok(())
    }

    /// The neighbours of a word that was prepared.
    pub fn of_word(&self, word: &str) -> &[String] {
        self.known.get(word).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tinybert_base::Context;

    fn read(text: &str) -> Result<WordVectors> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vectors.txt");
        std::fs::write(&path, text).unwrap();
        WordVectors::read(&path)
    }

    #[test]
    fn neighbours_come_by_cosine_whatever_their_length() {
        // Cosines to north: 10, north-east 0.707, east 0, south -1.
        let vectors = read("north 0 2\nsouth 0 -1\neast 3 0\nnortheast 5 5\n10 0 1\nnorth 1 0\n").unwrap();
        assert_eq!(vectors.len(), 4);
        let near = |word: &str, count| vectors.neighbours(&["west".into(), word.into()], count);
        assert_eq!(near("north", 2), [vec![], vec!["northeast".to_owned(), "east".into()]]);
        assert_eq!(near("north", 9)[1], ["northeast", "east", "south"]);
        let mut known = Neighbours::new(&vectors, 1);
        known.prepare(vec!["east".into(), "west".into(), "east".into()], &Context::default()).unwrap();
        assert_eq!((known.of_word("east"), known.of_word("west").len()), (&["northeast".to_owned()][..], 0));
    }

    #[test]
    fn a_fasttext_header_is_passed_over_and_faults_are_named_by_line() {
        assert_eq!(read("2 3\nfire 1 2 3\nwater 3 2 1\n").unwrap().len(), 2);
        let says = |text: &str, part: &str| {
            let error = read(text).err().expect("must be refused");
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(part), "{error}");
        };
        says("fire 1 2\nwater 1\n", ":2: expected \"water\" and 2 numbers, found 1");
        says("fire 1 x\n", ":1: expected \"fire\" and finite numbers");
        says("fire 1 inf\n", ":1: expected");
        says("fire\n", ":1: expected \"fire\" and 1 numbers, found 0");
        says("", "no word");
    }
}
