//! Packed weights to what is stored of them, and back.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;

use crate::encoding::{GROUP, Layout, MAX_MULTIPLIER, ROW_PANEL};
use crate::views::{Linear, Row, Weights};
use crate::{Error, Field, Panel};

/// A sparse matrix as it is stored.
pub(super) struct Sparse {
    pub offsets: Vec<u32>,
    pub mask: Vec<u8>,
    pub values: Vec<i8>,
}

/// Packed weights `[outputs, inputs]` in four bits.
///
/// # Errors
/// [`Field::Weight`] where a group's weights have no common multiplier; [`Field::Panel`].
pub(super) fn four_bits(
    packed: &[i8],
    outputs: usize,
    inputs: usize,
    panel: Panel,
) -> Result<Vec<u8>, Error> {
    let layout = Layout::new(outputs, inputs, panel).ok_or(Error::Invalid(Field::Panel))?;
    let bytes = layout.four_bit_bytes().ok_or(Error::Invalid(Field::Panel))?;
    let mut stored = Vec::with_capacity(bytes);
    for place in layout.panels() {
        let weights = packed.get(place.start..place.start + place.weights());
        for group in weights.ok_or(Error::Invalid(Field::Length))?.chunks(GROUP * place.width) {
            four_bit_group(group, place.width, panel.kr, &mut stored)?;
        }
    }
    Ok(stored)
}

/// Appends `[runs][width][kr]` weights.
fn four_bit_group(weights: &[i8], width: usize, kr: usize, stored: &mut Vec<u8>) -> Result<(), Error> {
    let mut codes: Vec<u8> = weights.iter().map(|_| 0).collect();
    for lane in 0..width {
        // Where this output's weights are in the group: a part of every run.
        let places = (0..weights.len()).step_by(width * kr).flat_map(|begin| {
            let run = (weights.len() - begin).min(width * kr) / width;
            begin + lane * run..begin + (lane + 1) * run
        });
        let multiplier = multiplier(places.clone().map(|place| weights[place]))?;
        for place in places {
            codes[place] = (weights[place] / multiplier.cast_signed()).cast_unsigned() & 0x0f;
        }
        stored.push(multiplier);
    }
    let runs = weights.len().div_ceil(width * kr);
    let (low, high) = codes.split_at(weights.len().min(runs.div_ceil(2) * width * kr));
    let highs = high.iter().copied().chain(core::iter::repeat(0));
    stored.extend(low.iter().zip(highs).map(|(low, high)| low | high << 4));
    Ok(())
}

/// The smallest multiplier that makes codes of −7 to 7 of all weights.
fn multiplier(weights: impl Iterator<Item = i8> + Clone) -> Result<u8, Error> {
    let fits = |multiplier: &u8| {
        let by = i16::from(*multiplier);
        weights.clone().map(i16::from).all(|weight| weight % by == 0 && (weight / by).abs() <= 7)
    };
    (1..=MAX_MULTIPLIER).find(fits).ok_or(Error::Invalid(Field::Weight))
}

/// Packed weights `[outputs, inputs]` without zeros.
pub(super) fn sparse(packed: &[i8], outputs: usize, inputs: usize, panel: Panel) -> Result<Sparse, Error> {
    let layout = Layout::new(outputs, inputs, panel).ok_or(Error::Invalid(Field::Panel))?;
    let mut sparse = Sparse { offsets: vec![0], mask: Vec::new(), values: Vec::new() };
    for place in layout.panels() {
        let weights = packed.get(place.start..place.start + place.weights());
        for bits in weights.ok_or(Error::Invalid(Field::Length))?.chunks(8) {
            let bit = |(bit, weight): (usize, &i8)| u8::from(*weight != 0) << bit;
            sparse.mask.push(bits.iter().enumerate().map(bit).sum());
            sparse.values.extend(bits.iter().filter(|weight| **weight != 0));
        }
        let end = u32::try_from(sparse.values.len()).map_err(|_| Error::Invalid(Field::Length))?;
        sparse.offsets.push(end);
    }
    Ok(sparse)
}

/// A row of embeddings in four bits.
pub(super) fn four_bit_row(row: &[i8]) -> Result<Vec<u8>, Error> {
    let mut padded = row.to_vec();
    padded.resize(ROW_PANEL.packed_bytes(1, row.len()).ok_or(Error::Invalid(Field::Length))?, 0);
    four_bits(&padded, 1, row.len(), ROW_PANEL)
}

/// The values of a row.
pub(super) fn decode_row(row: Row<'_>, width: usize) -> Vec<i8> {
    match row {
        Row::Int8(row) => row.into(),
        Row::Int4(stored) => {
            let mut values = decode_four_bits(stored, 1, width, ROW_PANEL);
            values.truncate(width);
            values
        }
    }
}

/// The packed weights of a checked image.
pub(super) fn decode<'a>(linear: &Linear<'a>) -> Cow<'a, [i8]> {
    let Linear { outputs, inputs, panel, .. } = *linear;
    match linear.weights {
        Weights::Int8(weights) => Cow::Borrowed(weights),
        Weights::Int4(stored) => Cow::Owned(decode_four_bits(stored, outputs, inputs, panel)),
        Weights::Sparse { mask, values, .. } => {
            let mut weights = Vec::new();
            let Some(layout) = Layout::new(outputs, inputs, panel) else { return Cow::Owned(weights) };
            let mut values = values.iter().copied();
            for position in 0..layout.panels().map(|panel| panel.weights()).sum() {
                let there = layout.bit(mask, position) == Some(true);
                weights.push(if there { values.next().unwrap_or(0) } else { 0 });
            }
            Cow::Owned(weights)
        }
    }
}

fn decode_four_bits(stored: &[u8], outputs: usize, inputs: usize, panel: Panel) -> Vec<i8> {
    let Some(layout) = Layout::new(outputs, inputs, panel) else { return Vec::new() };
    let groups = layout.groups(stored);
    groups.flat_map(|group| (0..group.weights()).map(move |at| group.weight(at).unwrap_or(0))).collect()
}
