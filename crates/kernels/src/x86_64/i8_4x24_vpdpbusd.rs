//! 4 rows by 24 columns, K in groups of 4, for AVX-VNNI: VPDPBUSD adds four exact products of unsigned and signed bytes
//! to each i32. Activations stand there plus 128, which `init` takes out again.
//!
//! 12 accumulators, three registers of weights, one of activations.

use core::arch::x86_64::*;

use crate::simd::{Columns, MR_MAX, Rows, Tile};

/// Rows of a tile.
pub(super) const MR: usize = 4;
/// Columns of a vector.
const LANES: usize = 8;
/// Inputs of a group.
const KR: usize = 4;

/// [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
///
/// # Safety
/// There must be four rows and three vectors, and the rows must have been made for the panel's depth.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn tile(rows: Rows, columns: Columns, init: [__m256i; 3]) -> Tile<__m256i> {
    let mut tile = [init; MR_MAX];
    product::<4, 3>(rows, columns, init, &mut tile);
    tile
}

/// [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
///
/// # Safety
/// The rows must have been made for the panel's depth.
#[inline(never)]
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn edge(rows: Rows, columns: Columns, init: [__m256i; 3], tile: &mut Tile<__m256i>) {
    match columns.vectors() {
        3 => of_vectors::<3>(rows, columns, init, tile),
        2 => of_vectors::<2>(rows, columns, init, tile),
        _ => of_vectors::<1>(rows, columns, init, tile),
    }
}

#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn of_vectors<const V: usize>(rows: Rows, columns: Columns, init: [__m256i; 3], tile: &mut Tile<__m256i>) {
    match rows.count() {
        1 => product::<1, V>(rows, columns, init, tile),
        2 => product::<2, V>(rows, columns, init, tile),
        3 => product::<3, V>(rows, columns, init, tile),
        _ => product::<4, V>(rows, columns, init, tile),
    }
}

/// `R` rows and `V` vectors of columns.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn product<const R: usize, const V: usize>(
    rows: Rows,
    columns: Columns,
    init: [__m256i; 3],
    tile: &mut Tile<__m256i>,
) {
    let group = KR * columns.width();
    let mut acc = [[init[0]; V]; R];
    for row in &mut acc {
        row.copy_from_slice(&init[..V]);
    }
    let panel = columns.as_ptr().wrapping_add(KR * columns.first());
    for index in 0..columns.depth() / KR {
        let mut weights = [_mm256_setzero_si256(); V];
        for (vector, weights) in weights.iter_mut().enumerate() {
            // SAFETY: the weights of a group are 4·width bytes, of which these 32·V begin at 4·first; a panel's width is
            // a multiple of 8, so that its vectors are whole.
            *weights = unsafe { _mm256_loadu_si256(panel.add(group * index + KR * LANES * vector).cast()) };
        }
        for (row, acc) in acc.iter_mut().enumerate() {
            // SAFETY: R ≤ count rows of at least `depth` bytes are there.
            let bytes =
                unsafe { rows.as_ptr().add(row * rows.stride() + KR * index).cast::<i32>().read_unaligned() };
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
