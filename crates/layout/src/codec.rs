//! Encoders and decoders of whole matrices. They need a heap.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use crate::{INPUTS_PER_MULTIPLIER, MAX_MULTIPLIER, PackedMatrix, PackedWeights, Panel};

/// A sparse matrix as it is stored: see [`PackedWeights::Sparse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparseWeights {
    /// Index of each panel's first value, and the index after the last panel's values `[panels + 1]`.
    pub offsets: Vec<u32>,
    /// One bit per weight.
    pub mask: Vec<u8>,
    /// The weights that are not zero.
    pub values: Vec<i8>,
}

impl PackedMatrix {
    /// Encodes packed int8 weights in four bits. Returns `None` if the weights of a group have no common multiplier, or
    /// if there are fewer weights than the matrix has.
    pub fn encode_four_bits(self, packed: &[i8]) -> Option<Vec<u8>> {
        let mut stored = Vec::with_capacity(self.four_bit_bytes()?);
        for panel in self.panels() {
            let weights = packed.get(panel.start()..panel.start() + panel.weights())?;
            for group in weights.chunks(INPUTS_PER_MULTIPLIER * panel.width) {
                encode_group(group, panel.width, self.kr(), &mut stored)?;
            }
        }
        Some(stored)
    }

    /// Encodes packed int8 weights without their zeros. Returns `None` if there are fewer weights than the matrix has,
    /// or more values than a `u32` counts.
    pub fn encode_sparse(self, packed: &[i8]) -> Option<SparseWeights> {
        let mut sparse = SparseWeights { offsets: vec![0], mask: Vec::new(), values: Vec::new() };
        for panel in self.panels() {
            for bits in packed.get(panel.start()..panel.start() + panel.weights())?.chunks(8) {
                let bit = |(bit, weight): (usize, &i8)| u8::from(*weight != 0) << bit;
                sparse.mask.push(bits.iter().enumerate().map(bit).sum());
                sparse.values.extend(bits.iter().filter(|weight| **weight != 0));
            }
            sparse.offsets.push(u32::try_from(sparse.values.len()).ok()?);
        }
        Some(sparse)
    }
}

/// Encodes a row of embeddings in four bits. Returns `None` if the values of a group have no common multiplier.
pub fn encode_row(row: &[i8]) -> Option<Vec<u8>> {
    let matrix = Panel::ROW.matrix(1, row.len())?;
    let mut padded = row.to_vec();
    padded.resize(matrix.weights(), 0);
    matrix.encode_four_bits(&padded)
}

impl<'a> PackedWeights<'a> {
    /// Returns the packed int8 weights. Missing weights become zero.
    pub fn decode(&self, panel: Panel, matrix: PackedMatrix) -> Cow<'a, [i8]> {
        if let Self::Int8(weights) = self {
            return Cow::Borrowed(weights);
        }
        let mut packed = vec![0; matrix.weights()];
        for (index, place) in matrix.panels().enumerate() {
            let out = &mut packed[place.start()..place.start() + place.weights()];
            if let Some(stored) = self.panel(matrix, index) {
                stored.decode(panel, place.width, out);
            }
        }
        Cow::Owned(packed)
    }
}

/// Appends a group of `[runs][width][kr]` weights: the multipliers, then the codes.
fn encode_group(weights: &[i8], width: usize, kr: usize, stored: &mut Vec<u8>) -> Option<()> {
    let mut codes: Vec<u8> = weights.iter().map(|_| 0).collect();
    for lane in 0..width {
        // A part of every run of the group belongs to this output.
        let places = (0..weights.len()).step_by(width * kr).flat_map(|begin| {
            let run = (weights.len() - begin).min(width * kr) / width;
            begin + lane * run..begin + (lane + 1) * run
        });
        let multiplier = common_multiplier(places.clone().map(|place| weights[place]))?;
        for place in places {
            codes[place] = (weights[place] / multiplier.cast_signed()).cast_unsigned() & 0x0f;
        }
        stored.push(multiplier);
    }
    let (low, high) = codes.split_at(width * crate::code_bytes(kr, weights.len() / width));
    let highs = high.iter().copied().chain(core::iter::repeat(0));
    stored.extend(low.iter().zip(highs).map(|(low, high)| low | high << 4));
    Some(())
}

/// Returns the smallest multiplier by which all weights become codes of −7 to 7.
fn common_multiplier(weights: impl Iterator<Item = i8> + Clone) -> Option<u8> {
    let fits = |multiplier: &u8| {
        let by = i16::from(*multiplier);
        weights.clone().map(i16::from).all(|weight| weight % by == 0 && (weight / by).abs() <= 7)
    };
    (1..=MAX_MULTIPLIER).find(fits)
}
