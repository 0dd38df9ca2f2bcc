//! Stored weights to int8.

use crate::Panel;
use crate::panel::at_least_one;
use crate::weights::{GROUP, Stored, code_bytes};

/// Writes the weights of a panel of `width` outputs, `[groups of kr][width][kr]`, to `out`.
pub(crate) fn decode(stored: Stored, panel: Panel, width: usize, out: &mut [i8]) {
    match stored {
        Stored::Int8(weights) => weights.iter().zip(out).for_each(|(&weight, out)| *out = weight),
        Stored::Int4(stored) => four_bits(stored, usize::from(panel.kr), at_least_one(width), out),
        Stored::Sparse(mask, values) => {
            sparse(mask, values, out);
        }
    }
}

/// Group by group: `width` multipliers, then the codes.
fn four_bits(mut stored: &[u8], kr: usize, width: usize, out: &mut [i8]) {
    for out in out.chunks_mut((GROUP * width).max(1)) {
        let codes = width * code_bytes(kr, out.len() / width);
        let Some((group, rest)) = stored.split_at_checked(width + codes) else { return };
        four_bit_group(group, kr, width, out);
        stored = rest;
    }
}

fn four_bit_group(group: &[u8], kr: usize, width: usize, out: &mut [i8]) {
    let (multipliers, codes) = group.split_at_checked(width).unwrap_or_default();
    let middle = codes.len().min(out.len());
    let Some((low, high)) = out.split_at_mut_checked(middle) else { return };
    multiply::<false>(codes, multipliers, kr, low);
    multiply::<true>(codes, multipliers, kr, high);
}

/// The code in the upper or lower half of a byte.
#[inline(always)]
fn code<const HIGH: bool>(byte: u8) -> i8 {
    (if HIGH { byte } else { byte << 4 }).cast_signed() >> 4
}

/// The upper or lower codes of `[runs][width][kr]`, times their output's multiplier; the last run may be shorter.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline)]
pub(crate) fn multiply<const HIGH: bool>(codes: &[u8], multipliers: &[u8], kr: usize, out: &mut [i8]) {
    let width = at_least_one(multipliers.len());
    // `max`, not a comparison with 0, which the compiler turns into one of lengths and then no longer knows the quotient.
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

/// A value for each bit that is set, zeros for the others; returns how many were set.
pub(crate) fn sparse(mask: &[u8], values: &[i8], out: &mut [i8]) -> usize {
    let mut taken = 0;
    for (out, &bits) in out.chunks_mut(8).zip(mask) {
        for (bit, out) in out.iter_mut().enumerate() {
            *out = 0;
            if bits >> bit & 1 == 1 {
                *out = values.get(taken).copied().unwrap_or(0);
                taken += 1;
            }
        }
    }
    taken
}

/// A row of embeddings: a panel of one output, whose last group may be filled up beyond the row.
pub(crate) fn decode_row(mut stored: &[u8], out: &mut [i8]) {
    let kr = usize::from(Panel::PORTABLE.kr);
    for out in out.chunks_mut(GROUP) {
        let codes = code_bytes(kr, Panel::PORTABLE.depth(out.len()));
        let Some((group, rest)) = stored.split_at_checked(1 + codes) else { return };
        four_bit_group(group, kr, 1, out);
        stored = rest;
    }
}
