//! 4 rows by 4 columns, K in groups of 16, for baseline Advanced SIMD: SMULL and SMLAL2 add two products in i16 (at most
//! 2 · 127 · 128 < 2^15), SADALP adds pairs of those to i32.

use core::arch::aarch64::*;

use crate::simd::{Columns, MR_MAX, Rows, Tile};

/// Rows of a block of activations.
pub(super) const MR: usize = 4;
/// Columns of a panel.
const NR: usize = 4;
/// Inputs of a group; the last one of a panel may have half as many.
pub(super) const KR: usize = 16;

/// [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn tile(rows: Rows, columns: Columns, init: [int32x4_t; 3]) -> Tile<int32x4_t> {
    let mut tile = [init; MR_MAX];
    product::<4>(rows, columns, init, &mut tile);
    tile
}

/// [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
#[inline(never)]
#[target_feature(enable = "neon")]
pub(super) fn edge(rows: Rows, columns: Columns, init: [int32x4_t; 3], tile: &mut Tile<int32x4_t>) {
    match rows.count {
        1 => product::<1>(rows, columns, init, tile),
        _ => product::<4>(rows, columns, init, tile),
    }
}

#[inline]
#[target_feature(enable = "neon")]
fn product<const R: usize>(rows: Rows, columns: Columns, init: [int32x4_t; 3], tile: &mut Tile<int32x4_t>) {
    let depth = columns.panel.len() / NR;
    if !rows.readable(MR, depth.next_multiple_of(KR)) {
        return;
    }
    // The four lanes of accumulator [r][c] sum to the result of row r, column c.
    let mut acc = [[vdupq_n_s32(0); NR]; R];
    let (mut a, mut w) = (rows.data.as_ptr(), columns.panel.as_ptr());
    for _ in 0..depth / KR {
        let mut activations = [vdupq_n_s8(0); R];
        for (row, activations) in activations.iter_mut().enumerate() {
            // SAFETY: `readable` has shown that `data` has four rows of 16 bytes for each group.
            *activations = unsafe { vld1q_s8(a.add(KR * row)) };
        }
        for column in 0..NR {
            // SAFETY: the panel has four columns of 16 bytes for each whole group.
            let weights = unsafe { vld1q_s8(w.add(KR * column)) };
            for (acc, &activations) in acc.iter_mut().zip(&activations) {
                let products = vmull_s8(vget_low_s8(activations), vget_low_s8(weights));
                let products = vmlal_high_s8(products, activations, weights);
                acc[column] = vpadalq_s16(acc[column], products);
            }
        }
        (a, w) = (a.wrapping_add(KR * MR), w.wrapping_add(KR * NR));
    }
    if depth % KR != 0 {
        for column in 0..NR {
            // SAFETY: what follows the whole groups are four columns of 8 bytes: a panel's depth is a multiple of 8.
            let weights = unsafe { vld1_s8(w.add(KR / 2 * column)) };
            for (row, acc) in acc.iter_mut().enumerate() {
                // SAFETY: as above, of the last group.
                let activations = unsafe { vld1_s8(a.add(KR * row)) };
                acc[column] = vpadalq_s16(acc[column], vmull_s8(activations, weights));
            }
        }
    }
    for ([c0, c1, c2, c3], row) in acc.into_iter().zip(tile) {
        row[0] = vaddq_s32(init[0], vpaddq_s32(vpaddq_s32(c0, c1), vpaddq_s32(c2, c3)));
    }
}
