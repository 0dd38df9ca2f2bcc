//! 6 rows by 16 columns, K in groups of 4, for AVX2: bytes widened to 16 bits, VPMADDWD (two exact products added into
//! an i32), VPADDD. VPMADDUBSW would be twice as wide but saturates.

use core::arch::x86_64::*;

use crate::simd::{Rows, Tile};

/// Columns that are worked on together: two accumulators for each row.
const COLUMNS: usize = 8;
/// Bytes of a group of 4 inputs of 16 outputs.
const GROUP: usize = 64;

/// [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
#[target_feature(enable = "avx2")]
pub(super) fn i8_6x16_pmaddwd(rows: Rows, panel: &[i8], tile: &mut Tile) {
    for first in [0, COLUMNS] {
        match rows.count {
            1 => columns::<1>(rows, panel, first, tile),
            2 => columns::<2>(rows, panel, first, tile),
            3 => columns::<3>(rows, panel, first, tile),
            4 => columns::<4>(rows, panel, first, tile),
            5 => columns::<5>(rows, panel, first, tile),
            _ => columns::<6>(rows, panel, first, tile),
        }
    }
}

/// `MR` rows of the eight columns from `first` on.
#[target_feature(enable = "avx2")]
fn columns<const MR: usize>(rows: Rows, panel: &[i8], first: usize, tile: &mut Tile) {
    let groups = panel.len() / GROUP;
    if rows.count < MR || !rows.readable(4 * groups) || first + COLUMNS > 16 {
        return;
    }
    // Lane 2c + h of accumulator [r][i] sums the products of row r, column first + 4i + c, inputs 2h and 2h + 1.
    let mut acc = [[_mm256_setzero_si256(); 2]; MR];
    let weights = panel.as_ptr().wrapping_add(4 * first);
    for group in 0..groups {
        // SAFETY: group < groups, so that the 32 bytes from 64·group + 4·first on lie in the panel (first ≤ 8).
        let weights = unsafe {
            let weights = weights.add(GROUP * group).cast::<__m128i>();
            [_mm_loadu_si128(weights), _mm_loadu_si128(weights.add(1))]
        };
        let weights = [_mm256_cvtepi8_epi16(weights[0]), _mm256_cvtepi8_epi16(weights[1])];
        for (row, acc) in acc.iter_mut().enumerate() {
            // SAFETY: `readable` has shown that 4·groups bytes of each of the first `count` ≥ MR rows lie in `data`.
            let bytes = unsafe {
                rows.data.as_ptr().add(row * rows.stride + 4 * group).cast::<i32>().read_unaligned()
            };
            let activations = _mm256_cvtepi8_epi16(_mm_set1_epi32(bytes));
            for (acc, weights) in acc.iter_mut().zip(weights) {
                *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(activations, weights));
            }
        }
    }
    for (acc, row) in acc.into_iter().zip(tile) {
        // [c0 c1 c4 c5 | c2 c3 c6 c7], then in order.
        let sums = _mm256_hadd_epi32(acc[0], acc[1]);
        let sums = _mm256_permute4x64_epi64::<0b11_01_10_00>(sums);
        if let Some(out) = row.get_mut(first..).and_then(|columns| columns.first_chunk_mut::<COLUMNS>()) {
            // SAFETY: `out` has eight i32.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), sums) };
        }
    }
}
