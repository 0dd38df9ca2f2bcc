//! The layout of a cache file: states and scores of all samples as f16, sample after sample, without padding.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::cache_entry::CacheEntry;
use super::{TeacherOutput, WantedStates};
use tinybert_base::{Error, Result};
use tinybert_data::{Batch, EncodedSet};
use tinybert_model::BertConfig;
use tinybert_nn::ops::rows::with_slice;

/// The places of all values in a cache file. A sample of n tokens has first its states, each `[n, hidden]`,
/// and then its scores, each `[heads, n, n]`.
pub struct CacheLayout {
    wanted: WantedStates,
    hidden: usize,
    heads: usize,
    /// Index of each sample's first value, and at the end the number of all values.
    starts: Vec<u64>,
}

impl CacheLayout {
    /// The layout for the samples of `set` and a teacher of this configuration.
    ///
    /// # Errors
    /// Those of [`EncodedSet::length`].
    pub fn new(wanted: WantedStates, teacher: &BertConfig, set: &EncodedSet) -> Result<Self> {
        let (hidden, heads) = (teacher.hidden_size, teacher.num_attention_heads);
        let mut layout = Self { wanted, hidden, heads, starts: vec![0] };
        let mut end = 0;
        for sample in 0..set.len() {
            end += layout.values(set.length(sample)?) as u64;
            layout.starts.push(end);
        }
        Ok(layout)
    }

    /// Number of values of a sample of `length` tokens.
    fn values(&self, length: usize) -> usize {
        let WantedStates { states, scores } = &self.wanted;
        states.len() * length * self.hidden + scores.len() * self.heads * length * length
    }

    /// Length of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0) * size_of::<f16>() as u64
    }

    /// The states and scores in the file.
    pub fn wanted(&self) -> &WantedStates {
        &self.wanted
    }

    /// Offset of a sample in bytes.
    fn offset(&self, sample: usize) -> u64 {
        self.starts[sample] * size_of::<f16>() as u64
    }

    /// The bytes of each sample of a batch with their offset in the file.
    ///
    /// # Errors
    /// [`Error::Input`] for a value beyond the range of half precision.
    pub fn encode(&self, output: &TeacherOutput, batch: &Batch) -> Result<Vec<(u64, Vec<u8>)>> {
        let mut values: Vec<Vec<f32>> =
            batch.lengths.iter().map(|&length| Vec::with_capacity(self.values(length))).collect();
        // Appends rows of `width` values and leaves out those of padding.
        let mut append = |tensor: &Tensor, outer: usize, width: usize, square: bool| {
            with_slice(tensor, |all: &[f32]| {
                for (row, (values, &length)) in values.iter_mut().zip(&batch.lengths).enumerate() {
                    let sample = &all[row * outer * batch.tokens * width..][..outer * batch.tokens * width];
                    for block in sample.chunks_exact(batch.tokens * width) {
                        for line in block.chunks_exact(width).take(length) {
                            values.extend_from_slice(if square { &line[..length] } else { line });
                        }
                    }
                }
                Ok(())
            })
        };
        for state in &self.wanted.states {
            append(&output.states[state], 1, self.hidden, false)?;
        }
        for layer in &self.wanted.scores {
            append(&output.scores[layer], self.heads, batch.tokens, true)?;
        }
        values
            .iter()
            .zip(&batch.samples)
            .map(|(values, &sample)| Ok((self.offset(sample), to_bytes(values)?)))
            .collect()
    }

    /// States and scores of a batch, with 0 at padded positions.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read.
    pub fn read(&self, entry: &CacheEntry, batch: &Batch) -> Result<TeacherOutput> {
        let samples = batch
            .samples
            .par_iter()
            .zip(&batch.lengths)
            .map(|(&sample, &length)| {
                let mut bytes = vec![0; self.values(length) * size_of::<f16>()];
                entry.read(&mut bytes, self.offset(sample))?;
                Ok(from_bytes(&bytes))
            })
            .collect::<Result<Vec<Vec<f32>>>>()?;
        let (b, l) = (batch.len(), batch.tokens);
        let mut states = BTreeMap::new();
        for (at, &state) in self.wanted.states.iter().enumerate() {
            let mut all = vec![0f32; b * l * self.hidden];
            for ((sample, &n), padded) in
                samples.iter().zip(&batch.lengths).zip(all.chunks_exact_mut(l * self.hidden))
            {
                padded[..n * self.hidden].copy_from_slice(&sample[at * n * self.hidden..][..n * self.hidden]);
            }
            states.insert(state, Tensor::from_vec(all, (b, l, self.hidden), &Device::Cpu)?);
        }
        let mut scores = BTreeMap::new();
        for (at, &layer) in self.wanted.scores.iter().enumerate() {
            let mut all = vec![0f32; b * self.heads * l * l];
            for ((sample, &n), padded) in
                samples.iter().zip(&batch.lengths).zip(all.chunks_exact_mut(self.heads * l * l))
            {
                let start = self.wanted.states.len() * n * self.hidden + at * self.heads * n * n;
                let heads = sample[start..][..self.heads * n * n].chunks_exact(n * n);
                for (head, padded) in heads.zip(padded.chunks_exact_mut(l * l)) {
                    for (line, padded) in head.chunks_exact(n).zip(padded.chunks_exact_mut(l)) {
                        padded[..n].copy_from_slice(line);
                    }
                }
            }
            scores.insert(layer, Tensor::from_vec(all, (b, self.heads, l, l), &Device::Cpu)?);
        }
        Ok(TeacherOutput { states, scores })
    }
}

/// The little-endian bytes of values rounded to half precision.
fn to_bytes(values: &[f32]) -> Result<Vec<u8>> {
    let mut halves = vec![f16::ZERO; values.len()];
    halves.convert_from_f32_slice(values);
    if let Some(at) = halves.iter().position(|half| !half.is_finite()) {
        return Err(Error::Input(format!(
            "the teacher has a state or score of {:e}, beyond half precision: it cannot be cached; leave out \
             --teacher-cache",
            values[at]
        )));
    }
    Ok(halves.iter().flat_map(|half| half.to_le_bytes()).collect())
}

/// The values of bytes that [`to_bytes`] wrote.
fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let halves: Vec<f16> = pairs.iter().map(|&pair| f16::from_le_bytes(pair)).collect();
    let mut values = vec![0f32; halves.len()];
    halves.convert_to_f32_slice(&mut values);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_rounded_to_half_precision() {
        let stored = to_bytes(&[1.0, -0.1, 65504.0, 1e-8, 2049.0]).unwrap();
        assert_eq!(stored.len(), 10);
        // The nearest halves of -0.1 and 2049, by hand: ulps there are 2^-14 and 2.
        assert_eq!(from_bytes(&stored), [1.0, -0.099_975_586, 65504.0, 0.0, 2048.0]);
    }

    #[test]
    fn a_value_beyond_half_precision_is_refused() {
        for value in [7e4, f32::NAN] {
            let error = to_bytes(&[0.0, value]).unwrap_err();
            assert!(error.to_string().contains("cannot be cached"), "{error}");
        }
    }
}
