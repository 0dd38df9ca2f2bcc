//! 8 rows by 48 columns, K in groups of 4, for AVX-512 VNNI: VPDPBUSD adds four exact products of unsigned and signed
//! bytes to each i32. Activations are stored plus 128, and `init` takes that out again.
//!
//! 24 accumulators, three registers of weights, one of activations.

use core::arch::x86_64::*;

use super::zmm::{Zmm, first_lanes};
use crate::simd::{Operands, Tile};

/// Rows of a tile.
pub(super) const MR: usize = 8;
/// Columns of a vector.
const LANES: usize = 16;
/// Inputs of a group.
const KR: usize = 4;

/// Computes [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
///
/// # Safety
/// The operands must be those of a whole tile: eight rows and three vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn tile(operands: Operands<Zmm>, init: [__m512i; 3]) -> Tile<__m512i> {
    let mut tile = [init; MR];
    // SAFETY: as this function requires.
    unsafe { product::<8, 3>(operands, init, &mut tile) };
    tile
}

/// Computes [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn edge(operands: Operands<Zmm>, init: [__m512i; 3], tile: &mut Tile<__m512i>) {
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
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn edge_of<const V: usize>(operands: Operands<Zmm>, init: [__m512i; 3], tile: &mut Tile<__m512i>) {
    // SAFETY: there are as many rows as each case says, at most 8, and as many vectors as this function requires.
    unsafe {
        match operands.count() {
            1 => product::<1, V>(operands, init, tile),
            2 => product::<2, V>(operands, init, tile),
            3 => product::<3, V>(operands, init, tile),
            4 => product::<4, V>(operands, init, tile),
            5 => product::<5, V>(operands, init, tile),
            6 => product::<6, V>(operands, init, tile),
            7 => product::<7, V>(operands, init, tile),
            _ => product::<8, V>(operands, init, tile),
        }
    }
}

/// Computes `R` rows and `V` vectors of columns.
///
/// # Safety
/// The operands must have at least `R` rows and `V` vectors.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn product<const R: usize, const V: usize>(
    operands: Operands<Zmm>,
    init: [__m512i; 3],
    tile: &mut Tile<__m512i>,
) {
    let group = KR * operands.width();
    // The last vector of a panel may have fewer operands.
    let last = first_lanes(operands.width() - operands.first() - LANES * (V - 1));
    let mut acc = [[init[0]; V]; R];
    for row in &mut acc {
        row.copy_from_slice(&init[..V]);
    }
    let panel = operands.panel().wrapping_add(KR * operands.first());
    for index in 0..operands.depth() / KR {
        let mut weights = [_mm512_setzero_si512(); V];
        for (vector, weights) in weights.iter_mut().enumerate() {
            let lanes = if vector + 1 == V { last } else { 0xffff };
            // SAFETY: the weights of a group are 4·width bytes; columns first + 16·vector and on, as many as there are
            // up to `width`, are read.
            *weights = unsafe {
                _mm512_maskz_loadu_epi32(lanes, panel.add(group * index + KR * LANES * vector).cast())
            };
        }
        for (row, acc) in acc.iter_mut().enumerate() {
            // SAFETY: the operands have R rows of at least `depth` bytes.
            let bytes = unsafe {
                operands.rows().add(row * operands.stride() + KR * index).cast::<i32>().read_unaligned()
            };
            let activations = _mm512_set1_epi32(bytes);
            for (acc, &weights) in acc.iter_mut().zip(&weights) {
                *acc = _mm512_dpbusd_epi32(*acc, activations, weights);
            }
        }
    }
    for (tile, acc) in tile.iter_mut().zip(acc) {
        tile[..V].copy_from_slice(&acc);
    }
}
