//! Weights in four bits: a code of −7 to 7 each, times a multiplier that up to 32 inputs of an output share.

use crate::{Panel, ShapeMismatch};

/// Inputs of an output that share a multiplier.
pub const INPUTS_PER_MULTIPLIER: usize = 32;

/// Largest multiplier: with codes up to 7 the weights stay in int8.
pub const MAX_MULTIPLIER: u8 = 18;

/// Returns the number of bytes of an output's codes for `inputs` inputs, at most [`INPUTS_PER_MULTIPLIER`], in groups
/// of `kr`: as many as the first half of the groups has codes.
#[inline]
pub const fn code_bytes(kr: usize, inputs: usize) -> usize {
    let kr = if kr == 0 { 1 } else { kr };
    let low = inputs.div_ceil(kr).div_ceil(2) * kr;
    if low < inputs { low } else { inputs }
}

/// Weights in four bits that share their outputs' multipliers: up to [`INPUTS_PER_MULTIPLIER`] inputs of all
/// outputs of a panel.
#[derive(Clone, Copy, Debug)]
pub struct FourBitGroup<'a> {
    /// Position of the group's first weight in the packed matrix; the others follow.
    pub start: usize,
    /// Weights of the group.
    pub weights: usize,
    /// One multiplier per output of the panel.
    pub(crate) multipliers: &'a [u8],
    /// Two codes per byte.
    pub(crate) codes: &'a [u8],
}

impl FourBitGroup<'_> {
    /// Returns whether the multipliers are 1 to [`MAX_MULTIPLIER`], no code is −8, and every half byte without a weight
    /// is zero.
    pub fn is_allowed(&self) -> bool {
        let multipliers = self.multipliers.iter().fold(true, |all, m| all & (1..=MAX_MULTIPLIER).contains(m));
        let codes =
            self.codes.iter().fold(true, |all, byte| all & (byte & 0x0f != 0x08) & (byte & 0xf0 != 0x80));
        let unused = self.codes.get(self.high_codes()..).unwrap_or_default();
        multipliers && codes && unused.iter().all(|byte| byte >> 4 == 0)
    }

    /// Returns the number of codes in the upper halves of bytes.
    fn high_codes(&self) -> usize {
        self.weights - self.codes.len()
    }

    /// Returns whether weight `index`, counted from [`start`](Self::start) on, is zero, or `None` beyond the group.
    pub fn is_zero(&self, index: usize) -> Option<bool> {
        match index.checked_sub(self.codes.len()) {
            None => Some(self.codes.get(index)? & 0x0f == 0),
            Some(high) if high < self.high_codes() => Some(self.codes.get(high)? >> 4 == 0),
            Some(_) => None,
        }
    }
}

/// Decodes a panel, group by group: `width` multipliers, then the codes.
pub(crate) fn decode(mut stored: &[u8], kr: usize, width: usize, out: &mut [i8]) {
    for out in out.chunks_mut((INPUTS_PER_MULTIPLIER * width).max(1)) {
        let codes = width * code_bytes(kr, out.len() / width.max(1));
        let Some((group, rest)) = stored.split_at_checked(width + codes) else { return };
        decode_group(group, kr, width, out);
        stored = rest;
    }
}

fn decode_group(group: &[u8], kr: usize, width: usize, out: &mut [i8]) {
    let (multipliers, codes) = group.split_at_checked(width).unwrap_or_default();
    let middle = codes.len().min(out.len());
    let Some((low, high)) = out.split_at_mut_checked(middle) else { return };
    multiply_codes::<false>(codes, multipliers, kr, low);
    multiply_codes::<true>(codes, multipliers, kr, high);
}

/// Returns the code in the upper or lower half of a byte.
#[inline(always)]
fn code<const HIGH: bool>(byte: u8) -> i8 {
    (if HIGH { byte } else { byte << 4 }).cast_signed() >> 4
}

/// Multiplies the upper or lower codes of `[runs][width][kr]` by the multipliers of their outputs. The last run may be
/// shorter.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline)]
pub fn multiply_codes<const HIGH: bool>(codes: &[u8], multipliers: &[u8], kr: usize, out: &mut [i8]) {
    let width = multipliers.len().max(1);
    // `max` is used here because the compiler turns a comparison with 0 into one of lengths and then no longer knows
    // the quotient.
    let run_bytes = (width * kr).max(1);
    for (out, codes) in out.chunks_mut(run_bytes).zip(codes.chunks(run_bytes)) {
        let run = (out.len() / width).max(1);
        for ((out, codes), &multiplier) in out.chunks_mut(run).zip(codes.chunks(run)).zip(multipliers) {
            for (out, &byte) in out.iter_mut().zip(codes) {
                *out = code::<HIGH>(byte).wrapping_mul(multiplier.cast_signed());
            }
        }
    }
}

/// Decodes a row of embeddings in four bits, which is stored as a matrix of one output in panels of [`Panel::ROW`].
///
/// # Errors
/// `stored` is not as long as a row of `out.len()`.
pub fn decode_row(mut stored: &[u8], out: &mut [i8]) -> Result<(), ShapeMismatch> {
    let matrix = Panel::ROW.matrix(1, out.len()).ok_or(ShapeMismatch)?;
    if matrix.four_bit_bytes() != Some(stored.len()) {
        return Err(ShapeMismatch);
    }
    // The last group may be padded beyond the row.
    let kr = usize::from(Panel::ROW.kr);
    let mut remaining = matrix.depth();
    for out in out.chunks_mut(INPUTS_PER_MULTIPLIER) {
        let inputs = remaining.min(INPUTS_PER_MULTIPLIER);
        let group = stored.split_at_checked(1 + code_bytes(kr, inputs));
        let Some((group, rest)) = group else { return Err(ShapeMismatch) };
        decode_group(group, kr, 1, out);
        (stored, remaining) = (rest, remaining - inputs);
    }
    Ok(())
}
