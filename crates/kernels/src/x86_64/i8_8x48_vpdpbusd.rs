//! 8 rows by 48 columns, K in groups of 4, for AVX-512 VNNI: VPDPBUSD adds four exact products of unsigned and signed
//! bytes to each i32. Activations stand there plus 128, which `init` takes out again.
//!
//! 24 accumulators, three registers of weights, one of activations.

use core::arch::x86_64::*;

use super::zmm::first_lanes;
use crate::simd::{Columns, Rows, Tile};

/// Rows of a tile.
pub(super) const MR: usize = 8;
/// Columns of a vector.
const LANES: usize = 16;
/// Inputs of a group.
const KR: usize = 4;

/// [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
///
/// # Safety
/// There must be eight rows and three vectors, and the rows must have been made for the panel's depth.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn tile(rows: Rows, columns: Columns, init: [__m512i; 3]) -> Tile<__m512i> {
    let mut tile = [init; MR];
    product::<8, 3>(rows, columns, init, &mut tile);
    tile
}

/// [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
///
/// # Safety
/// The rows must have been made for the panel's depth.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn edge(rows: Rows, columns: Columns, init: [__m512i; 3], tile: &mut Tile<__m512i>) {
    match columns.vectors() {
        3 => of_vectors::<3>(rows, columns, init, tile),
        2 => of_vectors::<2>(rows, columns, init, tile),
        _ => of_vectors::<1>(rows, columns, init, tile),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn of_vectors<const V: usize>(rows: Rows, columns: Columns, init: [__m512i; 3], tile: &mut Tile<__m512i>) {
    match rows.count() {
        1 => product::<1, V>(rows, columns, init, tile),
        2 => product::<2, V>(rows, columns, init, tile),
        3 => product::<3, V>(rows, columns, init, tile),
        4 => product::<4, V>(rows, columns, init, tile),
        5 => product::<5, V>(rows, columns, init, tile),
        6 => product::<6, V>(rows, columns, init, tile),
        7 => product::<7, V>(rows, columns, init, tile),
        _ => product::<8, V>(rows, columns, init, tile),
    }
}

/// `R` rows and `V` vectors of columns.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn product<const R: usize, const V: usize>(
    rows: Rows,
    columns: Columns,
    init: [__m512i; 3],
    tile: &mut Tile<__m512i>,
) {
    let group = KR * columns.width();
    // The last vector of a panel may have fewer columns.
    let last = first_lanes(columns.width() - columns.first() - LANES * (V - 1));
    let mut acc = [[init[0]; V]; R];
    for row in &mut acc {
        row.copy_from_slice(&init[..V]);
    }
    let panel = columns.as_ptr().wrapping_add(KR * columns.first());
    for index in 0..columns.depth() / KR {
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
            // SAFETY: R ≤ count rows of at least `depth` bytes are there.
            let bytes =
                unsafe { rows.as_ptr().add(row * rows.stride() + KR * index).cast::<i32>().read_unaligned() };
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
