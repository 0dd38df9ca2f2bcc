//! [`crate::scalar::decode`] for the micro-kernel's own panels.

use super::{MicroKernel, Simd};
use crate::scalar;
use crate::weights::{GROUP, Stored, code_bytes};

/// Bytes of a group of `kr` inputs of every native panel, at most.
const MOST_RUN_BYTES: usize = 192;

/// Decodes a panel of `width` outputs.
#[inline(always)]
pub(crate) fn decode<S: MicroKernel>(s: S, stored: Stored, width: usize, out: &mut [i8]) {
    match stored {
        Stored::Int4(stored) => match S::PANEL.kr {
            4 => four_bits::<4>(stored, width, out),
            8 => four_bits::<8>(stored, width, out),
            _ => four_bits::<16>(stored, width, out),
        },
        Stored::Sparse(mask, values) => sparse(s, mask, values, out),
        Stored::Int8(_) => scalar::decode(stored, S::PANEL, width, out),
    }
}

/// Group by group: `width` multipliers, then the codes. Loops over 16 bytes become vectors.
#[inline(always)]
fn four_bits<const KR: usize>(mut stored: &[u8], width: usize, out: &mut [i8]) {
    let mut pattern = [0_u8; MOST_RUN_BYTES];
    let Some(pattern) = pattern.get_mut(..width * KR) else { return };
    for out in out.chunks_mut((GROUP * width).max(1)) {
        let group_bytes = width + width * code_bytes(KR, out.len() / width.max(1));
        let Some((group, rest)) = stored.split_at_checked(group_bytes) else { return };
        stored = rest;
        let Some((multipliers, codes)) = group.split_at_checked(width) else { return };
        for (place, &multiplier) in pattern.as_chunks_mut::<KR>().0.iter_mut().zip(multipliers) {
            *place = [multiplier; KR];
        }
        let Some((low, high)) = out.split_at_mut_checked(codes.len()) else { return };
        if low.len() != high.len() {
            half::<KR, false>(codes, multipliers, pattern, low);
            half::<KR, true>(codes, multipliers, pattern, high);
            continue;
        }
        let runs = low.chunks_exact_mut(pattern.len()).zip(high.chunks_exact_mut(pattern.len()));
        for ((low, high), codes) in runs.zip(codes.chunks_exact(pattern.len())) {
            let outs = low.as_chunks_mut::<16>().0.iter_mut().zip(high.as_chunks_mut::<16>().0);
            let ins = codes.as_chunks::<16>().0.iter().zip(pattern.as_chunks::<16>().0);
            for ((low, high), (codes, multipliers)) in outs.zip(ins) {
                for i in 0..16 {
                    let multiplier = multipliers[i].cast_signed();
                    low[i] = scalar::code::<false>(codes[i]).wrapping_mul(multiplier);
                    high[i] = scalar::code::<true>(codes[i]).wrapping_mul(multiplier);
                }
            }
        }
    }
}

/// The lower or upper codes of a group at the end of the inputs: whole runs of `KR` as vectors, then what is left.
#[inline(always)]
fn half<const KR: usize, const HIGH: bool>(codes: &[u8], multipliers: &[u8], pattern: &[u8], out: &mut [i8]) {
    let run = pattern.len().max(1);
    let whole = out.len() / run * run;
    let (Some((out, out_rest)), Some((codes, codes_rest))) =
        (out.split_at_mut_checked(whole), codes.split_at_checked(whole))
    else {
        return;
    };
    for (out, codes) in out.chunks_exact_mut(run).zip(codes.chunks_exact(run)) {
        let ins = codes.as_chunks::<16>().0.iter().zip(pattern.as_chunks::<16>().0);
        for (out, (codes, multipliers)) in out.as_chunks_mut::<16>().0.iter_mut().zip(ins) {
            for i in 0..16 {
                out[i] = scalar::code::<HIGH>(codes[i]).wrapping_mul(multipliers[i].cast_signed());
            }
        }
    }
    scalar::multiply::<HIGH>(codes_rest, multipliers, KR, out_rest);
}

/// Of every byte of a mask: where each of its bits finds its value, counted from the byte's first one; 255 for none.
static PLACES: [[u8; 8]; 256] = {
    let mut places = [[255; 8]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut bit, mut set) = (0, 0);
        while bit < 8 {
            if mask >> bit & 1 == 1 {
                places[mask][bit] = set;
                set += 1;
            }
            bit += 1;
        }
        mask += 1;
    }
    places
};

/// 64 weights at a time, as long as there are so many values left to read from.
#[inline(always)]
fn sparse<S: Simd>(s: S, mask: &[u8], mut values: &[i8], out: &mut [i8]) {
    for (out, mask) in out.chunks_mut(64).zip(mask.chunks(8)) {
        let count = if let (Ok(mask), true, true) =
            (<[u8; 8]>::try_from(mask), out.len() == 64, values.len() >= 64)
        {
            // SAFETY: as was checked.
            unsafe { expand(s, u64::from_le_bytes(mask), values.as_ptr(), out.as_mut_ptr()) }
        } else {
            scalar::sparse(mask, values, out)
        };
        values = values.get(count..).unwrap_or(&[]);
    }
}

/// Returns how many values were taken.
///
/// # Safety
/// 64 bytes must be valid for reads at `values` and for writes at `out`.
#[inline(always)]
unsafe fn expand<S: Simd>(s: S, mask: u64, values: *const i8, out: *mut i8) -> usize {
    // How many bits each byte has, then how many the bytes before it have.
    let twos = mask - (mask >> 1 & 0x5555_5555_5555_5555);
    let fours = (twos & 0x3333_3333_3333_3333) + (twos >> 2 & 0x3333_3333_3333_3333);
    let counts = (fours + (fours >> 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let ends = counts.wrapping_mul(0x0101_0101_0101_0101);
    let begins = ends << 8;
    for byte in 0..8 {
        let places = &PLACES[usize::from((mask >> (8 * byte)) as u8)];
        let begin = usize::from((begins >> (8 * byte)) as u8);
        // SAFETY: seven bytes have at most 56 bits, so that eight values from `begin` on and all results are inside.
        unsafe { s.gather(values.add(begin), places, out.add(8 * byte)) };
    }
    usize::from((ends >> 56) as u8)
}
