//! The function [`PanelWeights::decode`] for the micro-kernel's own panels.

use tinybert_layout::{INPUTS_PER_MULTIPLIER, PanelWeights, code_bytes, expand_sparse, multiply_codes};

use super::{MicroKernel, Simd};

/// Most bytes of a group of `kr` inputs of any native panel.
const MOST_RUN_BYTES: usize = 192;

/// Decodes a panel of `width` outputs.
#[inline(always)]
pub(crate) fn decode<S: MicroKernel>(s: S, stored: PanelWeights, width: usize, out: &mut [i8]) {
    let (nr, kr) = (usize::from(S::PANEL.nr), usize::from(S::PANEL.kr));
    match stored {
        // The function is compiled for a whole panel's sizes, and once for all other sizes.
        PanelWeights::Int4(stored) if width == nr => four_bits(s, stored, nr, kr, out),
        PanelWeights::Int4(stored) => narrow_four_bits(s.vectors(), stored, width, kr, out),
        PanelWeights::Sparse { mask, values } => sparse(s.vectors(), mask, values, out),
        PanelWeights::Int8(_) => stored.decode(S::PANEL, width, out),
    }
}

/// Calls [`four_bits`] for any panel.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
fn narrow_four_bits<S: Simd>(s: S, stored: &[u8], width: usize, kr: usize, out: &mut [i8]) {
    four_bits(s, stored, width, kr, out);
}

/// Decodes a panel in four bits, group by group: `width` multipliers, then the codes.
#[inline(always)]
fn four_bits<S: Simd>(s: S, mut stored: &[u8], width: usize, kr: usize, out: &mut [i8]) {
    let mut pattern = [0_u8; MOST_RUN_BYTES];
    let Some(pattern) = pattern.get_mut(..width * kr) else { return };
    for out in out.chunks_mut((INPUTS_PER_MULTIPLIER * width).max(1)) {
        let codes = width * code_bytes(kr, out.len() / width.max(1));
        let Some((group, rest)) = stored.split_at_checked(width + codes) else { return };
        let Some((multipliers, codes)) = group.split_at_checked(width) else { return };
        let Some((low, high)) = out.split_at_mut_checked(codes.len()) else { return };
        stored = rest;
        for (place, &multiplier) in pattern.chunks_exact_mut(kr.max(1)).zip(multipliers) {
            place.fill(multiplier);
        }
        let run = pattern.len().max(1);
        let high_codes = high.len();
        // The last run, in either half, may have fewer inputs than `kr`.
        let whole_runs = low.len() / run * run;
        let Some((low, low_part)) = low.split_at_mut_checked(whole_runs) else { return };
        if !low_part.is_empty() {
            let codes = codes.get(whole_runs..).unwrap_or(&[]);
            multiply_codes::<false>(codes, multipliers, kr, low_part);
        }
        // The upper halves have as many runs as the lower halves, or fewer at the end of the inputs.
        let mut runs = low.chunks_exact_mut(run).zip(codes.chunks_exact(run));
        let mut highs = high.chunks_exact_mut(run);
        for high in highs.by_ref() {
            let Some((low, codes)) = runs.next() else { return };
            let outs = low.as_chunks_mut::<16>().0.iter_mut().zip(high.as_chunks_mut::<16>().0);
            let ins = codes.as_chunks::<16>().0.iter().zip(pattern.as_chunks::<16>().0);
            for ((low, high), (codes, multipliers)) in outs.zip(ins) {
                [*low, *high] = s.multiply_codes(codes, multipliers);
            }
        }
        for (low, codes) in runs {
            let ins = codes.as_chunks::<16>().0.iter().zip(pattern.as_chunks::<16>().0);
            for (low, (codes, multipliers)) in low.as_chunks_mut::<16>().0.iter_mut().zip(ins) {
                [*low, _] = s.multiply_codes(codes, multipliers);
            }
        }
        let part = highs.into_remainder();
        if !part.is_empty() {
            let codes = codes.get(high_codes / run * run..).unwrap_or(&[]);
            multiply_codes::<true>(codes, multipliers, kr, part);
        }
    }
}

/// For every byte of a mask: the place of each bit's value, counted from the byte's first value; 255 if the bit is not
/// set.
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

/// Expands sparse weights, 64 at a time as long as at least 72 values are left, which `expand` may read.
#[cfg_attr(target_arch = "aarch64", inline(never))]
#[cfg_attr(not(target_arch = "aarch64"), inline(always))]
fn sparse<S: Simd>(s: S, mask: &[u8], mut values: &[i8], out: &mut [i8]) {
    for (out, mask) in out.chunks_mut(64).zip(mask.chunks(8)) {
        let count = if let (Ok(mask), true, true) =
            (<[u8; 8]>::try_from(mask), out.len() == 64, values.len() >= 72)
        {
            // SAFETY: as was checked.
            unsafe { expand(s, u64::from_le_bytes(mask), values.as_ptr(), out.as_mut_ptr()) }
        } else {
            expand_sparse(mask, values, out)
        };
        values = values.get(count..).unwrap_or(&[]);
    }
}

/// Expands 64 sparse weights and returns the number of values that it used.
///
/// # Safety
/// 72 bytes must be valid for reads at `values`, 64 for writes at `out`.
#[inline(always)]
unsafe fn expand<S: Simd>(s: S, mask: u64, values: *const i8, out: *mut i8) -> usize {
    // The number of set bits of each byte, then that of all bytes before it.
    let twos = mask - (mask >> 1 & 0x5555_5555_5555_5555);
    let fours = (twos & 0x3333_3333_3333_3333) + (twos >> 2 & 0x3333_3333_3333_3333);
    let counts = (fours + (fours >> 4)) & 0x0f0f_0f0f_0f0f_0f0f;
    let ends = counts.wrapping_mul(0x0101_0101_0101_0101);
    let begins = ends << 8;
    for byte in 0..8 {
        let places = &PLACES[usize::from((mask >> (8 * byte)) as u8)];
        let begin = usize::from((begins >> (8 * byte)) as u8);
        // SAFETY: seven bytes have at most 56 bits, so that 16 values from `begin` on and all results are inside.
        unsafe { s.gather(values.add(begin), places, out.add(8 * byte)) };
    }
    usize::from((ends >> 56) as u8)
}
