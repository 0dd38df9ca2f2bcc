//! 4 rows by 24 columns, K in groups of 4, for AVX-VNNI: VPDPBUSD adds four exact products of unsigned and signed bytes
//! to each i32. Activations are stored plus 128, and `init` takes that out again.
//!
//! 12 accumulators, three registers of weights, one of activations.

use core::arch::x86_64::*;

use super::ymm::AvxVnni;
use crate::simd::{MR_MAX, Operands, Tile};

/// Rows of a tile.
pub(super) const MR: usize = 4;
/// Columns of a vector.
const LANES: usize = 8;
/// Inputs of a group.
const KR: usize = 4;

/// Computes [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
///
/// # Safety
/// The operands must be those of a whole tile: four rows and three vectors.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn tile(operands: Operands<AvxVnni>, init: [__m256i; 3]) -> Tile<__m256i> {
    let mut tile = [init; MR_MAX];
    // SAFETY: as this function requires.
    unsafe { product::<4, 3>(operands, init, &mut tile) };
    tile
}

/// Computes [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
#[inline(never)]
#[target_feature(enable = "avx2,avxvnni")]
pub(super) fn edge(operands: Operands<AvxVnni>, init: [__m256i; 3], tile: &mut Tile<__m256i>) {
    // SAFETY: there are as many vectors as each case says, and at least one.
    unsafe {
        match operands.vectors() {
            3 => edge_of::<3>(operands, init, tile),
            2 => edge_of::<2>(operands, init, tile),
            _ => edge_of::<1>(operands, init, tile),
        }
    }
}

/// Computes [`edge`] with `V` vectors of columns.
///
/// # Safety
/// The operands must have at least `V` vectors.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn edge_of<const V: usize>(operands: Operands<AvxVnni>, init: [__m256i; 3], tile: &mut Tile<__m256i>) {
    // SAFETY: there are as many rows as each case says, at most 4, and as many vectors as this function requires.
    unsafe {
        match operands.count() {
            1 => product::<1, V>(operands, init, tile),
            2 => product::<2, V>(operands, init, tile),
            3 => product::<3, V>(operands, init, tile),
            _ => product::<4, V>(operands, init, tile),
        }
    }
}

/// Computes `R` rows and `V` vectors of columns.
///
/// # Safety
/// The operands must have at least `R` rows and `V` vectors.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn product<const R: usize, const V: usize>(
    operands: Operands<AvxVnni>,
    init: [__m256i; 3],
    tile: &mut Tile<__m256i>,
) {
    let group = KR * operands.width();
    let mut acc = [[init[0]; V]; R];
    for row in &mut acc {
        row.copy_from_slice(&init[..V]);
    }
    let panel = operands.panel().wrapping_add(KR * operands.first());
    for index in 0..operands.depth() / KR {
        let mut weights = [_mm256_setzero_si256(); V];
        for (vector, weights) in weights.iter_mut().enumerate() {
            // SAFETY: the weights of a group are 4·width bytes, of which these 32·V begin at 4·first; a panel's
            // width and `first` are multiples of 8, so that its vectors are whole.
            *weights = unsafe { _mm256_loadu_si256(panel.add(group * index + KR * LANES * vector).cast()) };
        }
        for (row, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the operands have R rows of at least `depth` bytes.
            let bytes = unsafe {
                operands.rows().add(row * operands.stride() + KR * index).cast::<i32>().read_unaligned()
            };
            let activations = _mm256_set1_epi32(bytes);
            for (acc, &weights) in acc.iter_mut().zip(&weights) {
                *acc = _mm256_dpbusd_avx_epi32(*acc, activations, weights);
            }
        }
    }
    for (tile, acc) in tile.iter_mut().zip(acc) {
        tile[..V].copy_from_slice(&acc);
    }
}
