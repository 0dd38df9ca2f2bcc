//! 6 rows by 8 columns, K in groups of 4, for AVX2: bytes widened to 16 bits, VPMADDWD (two exact products added into
//! an i32), VPADDD. VPMADDUBSW would be twice as wide but saturates.

use core::arch::x86_64::*;

use super::ymm::Avx2;
use crate::simd::{MR_MAX, Operands, Tile};

/// Rows of a tile.
pub(super) const MR: usize = 6;
/// Inputs of a group.
const KR: usize = 4;

/// Computes [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
///
/// # Safety
/// The operands must be those of a whole tile: six rows and one vector.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn tile(operands: Operands<Avx2>, init: [__m256i; 3]) -> Tile<__m256i> {
    let mut tile = [init; MR_MAX];
    // SAFETY: as this function requires.
    unsafe { product::<6>(operands, init, &mut tile) };
    tile
}

/// Computes [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
#[inline(never)]
#[target_feature(enable = "avx2")]
pub(super) fn edge(operands: Operands<Avx2>, init: [__m256i; 3], tile: &mut Tile<__m256i>) {
    // SAFETY: there are as many rows as each case says, at most 6.
    unsafe {
        match operands.count() {
            1 => product::<1>(operands, init, tile),
            2 => product::<2>(operands, init, tile),
            3 => product::<3>(operands, init, tile),
            4 => product::<4>(operands, init, tile),
            5 => product::<5>(operands, init, tile),
            _ => product::<6>(operands, init, tile),
        }
    }
}

/// Computes `R` rows and one vector of columns.
///
/// # Safety
/// The operands must have at least `R` rows.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn product<const R: usize>(operands: Operands<Avx2>, init: [__m256i; 3], tile: &mut Tile<__m256i>) {
    let group = KR * operands.width();
    // Lane 2c + h of accumulator [r][i] sums the products of row r, column 4i + c, inputs 2h and 2h + 1.
    let mut acc = [[_mm256_setzero_si256(); 2]; R];
    let panel = operands.panel().wrapping_add(KR * operands.first());
    for index in 0..operands.depth() / KR {
        // SAFETY: the weights of a group are 4·width bytes, of which these 32 begin at 4·first; a panel's
        // width and `first` are multiples of 8, so that its vectors are whole.
        let weights = unsafe {
            let weights = panel.add(group * index).cast::<__m128i>();
            [_mm_loadu_si128(weights), _mm_loadu_si128(weights.add(1))]
        };
        let weights = [_mm256_cvtepi8_epi16(weights[0]), _mm256_cvtepi8_epi16(weights[1])];
        for (row, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the operands have R rows of at least `depth` bytes.
            let bytes = unsafe {
                operands.rows().add(row * operands.stride() + KR * index).cast::<i32>().read_unaligned()
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
        row[0] = _mm256_add_epi32(init[0], _mm256_permute4x64_epi64::<0b11_01_10_00>(sums));
    }
}
