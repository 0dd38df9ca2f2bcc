//! Words that are near in a table of word vectors.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rayon::prelude::*;

use super::top::Top;
use super::words::is_plain;
use crate::nn::ops::rows::{dot, vectorised};
use crate::{Error, Result};

/// Unit vectors of plain words, in file order (GloVe's is by frequency).
pub struct WordVectors {
    words: Vec<String>,
    index: HashMap<String, usize>,
    /// `[words, width]`.
    values: Vec<f32>,
    width: usize,
}

impl WordVectors {
    /// Reads a text file of lines `word v1 … vn`; a first line of two numbers, as fastText writes it, is passed over.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read; [`Error::Input`] with its line for one that is laid out otherwise.
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
        // Some words of published files hold spaces themselves; no plain one does.
        let (word, numbers) = text.split_once(' ').unwrap_or((text, ""));
        if line == 1 && word.parse::<usize>().is_ok() && numbers.trim().parse::<usize>().is_ok() {
            return Ok(());
        }
        if !is_plain(word) || self.index.contains_key(word) {
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
            self.index.insert(word.to_owned(), self.words.len());
            self.words.push(word.to_owned());
            self.values.extend(vector.iter().map(|v| (f64::from(*v) / norm) as f32));
        }
        Ok(())
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// True without any word, which no file that was read is.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn vector(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..(at + 1) * self.width]
    }

    /// The `count` words of the largest cosine to `word`, the nearest first, without itself; none for an unknown word. Of
    /// equals the one that comes first in the file is nearer.
    pub fn neighbours(&self, word: &str, count: usize) -> Vec<String> {
        let Some(&at) = self.index.get(word) else { return Vec::new() };
        let own = self.vector(at);
        let mut top = Top::new(count);
        vectorised(
            #[inline(always)]
            || {
                for (other, vector) in self.values.chunks_exact(self.width).enumerate() {
                    let cosine = dot(own, vector);
                    if top.admits(cosine) && other != at {
                        top.insert(cosine, other);
                    }
                }
            },
        );
        top.into_items().into_iter().map(|other| self.words[other].clone()).collect()
    }
}

/// The neighbours of every word that was asked for, each computed once.
pub struct Neighbours<'a> {
    vectors: &'a WordVectors,
    count: usize,
    known: HashMap<String, Vec<String>>,
}

impl<'a> Neighbours<'a> {
    /// The `count` nearest of `vectors`.
    pub fn new(vectors: &'a WordVectors, count: usize) -> Self {
        Self { vectors, count, known: HashMap::new() }
    }

    /// Computes those of `words` that are not known yet, on all cores.
    pub fn prepare(&mut self, mut words: Vec<String>) {
        words.retain(|word| !self.known.contains_key(word));
        words.sort_unstable();
        words.dedup();
        let (vectors, count) = (self.vectors, self.count);
        self.known.par_extend(words.into_par_iter().map(|word| {
            let near = vectors.neighbours(&word, count);
            (word, near)
        }));
    }

    /// The neighbours of a prepared word.
    pub fn of(&self, word: &str) -> &[String] {
        self.known.get(word).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(vectors.neighbours("north", 2), ["northeast", "east"]);
        assert_eq!(vectors.neighbours("north", 9), ["northeast", "east", "south"]);
        assert!(vectors.neighbours("west", 2).is_empty());
        let mut known = Neighbours::new(&vectors, 1);
        known.prepare(vec!["east".into(), "west".into(), "east".into()]);
        assert_eq!((known.of("east"), known.of("west").len()), (&["northeast".to_owned()][..], 0));
    }

    #[test]
    fn a_fasttext_header_is_passed_over_and_faults_are_named_by_line() {
        assert_eq!(read("2 3\na 1 2 3\nb 3 2 1\n").unwrap().len(), 2);
        let says = |text: &str, part: &str| {
            let error = read(text).err().expect("must be refused");
            assert_eq!(error.exit_code(), 3);
            assert!(error.to_string().contains(part), "{error}");
        };
        says("a 1 2\nb 1\n", ":2: expected \"b\" and 2 numbers, found 1");
        says("a 1 x\n", ":1: expected \"a\" and finite numbers");
        says("a 1 inf\n", ":1: expected");
        says("a\n", ":1: expected \"a\" and 1 numbers, found 0");
        says("", "no word");
    }
}
