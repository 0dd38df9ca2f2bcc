//! 4 rows by 4 columns, K in groups of 16, for baseline Advanced SIMD: SMULL and SMLAL2 add two products in i16 (at most
//! 2 · 127 · 128 < 2^15), SADALP adds pairs of those to i32.

use core::arch::aarch64::*;

use crate::simd::{Rows, Tile};

/// Columns of a panel.
const NR: usize = 4;
/// Inputs of a group.
const KR: usize = 16;

/// [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
#[target_feature(enable = "neon")]
pub(super) fn i8_4x4_smlal(rows: Rows, panel: &[i8], tile: &mut Tile) {
    match rows.count {
        1 => columns::<1>(rows, panel, tile),
        2 => columns::<2>(rows, panel, tile),
        3 => columns::<3>(rows, panel, tile),
        _ => columns::<4>(rows, panel, tile),
    }
}

#[target_feature(enable = "neon")]
fn columns<const MR: usize>(rows: Rows, panel: &[i8], tile: &mut Tile) {
    let groups = panel.len() / (NR * KR);
    if rows.count < MR || !rows.readable(KR * groups) {
        return;
    }
    // The four lanes of accumulator [r][c] sum to the result of row r, column c.
    let mut acc = [[vdupq_n_s32(0); NR]; MR];
    for group in 0..groups {
        let mut activations = [vdupq_n_s8(0); MR];
        for (row, activations) in activations.iter_mut().enumerate() {
            // SAFETY: `readable` has shown that 16·groups bytes of each of the first `count` ≥ MR rows lie in `data`.
            *activations = unsafe { vld1q_s8(rows.data.as_ptr().add(row * rows.stride + KR * group)) };
        }
        for column in 0..NR {
            // SAFETY: group < groups and column < 4, so that these 16 bytes lie in the panel.
            let weights = unsafe { vld1q_s8(panel.as_ptr().add((NR * group + column) * KR)) };
            for (acc, &activations) in acc.iter_mut().zip(&activations) {
                let products = vmull_s8(vget_low_s8(activations), vget_low_s8(weights));
                let products = vmlal_high_s8(products, activations, weights);
                acc[column] = vpadalq_s16(acc[column], products);
            }
        }
    }
    for ([c0, c1, c2, c3], row) in acc.into_iter().zip(tile) {
        let sums = vpaddq_s32(vpaddq_s32(c0, c1), vpaddq_s32(c2, c3));
        if let Some(out) = row.first_chunk_mut::<NR>() {
            // SAFETY: `out` has four i32.
            unsafe { vst1q_s32(out.as_mut_ptr(), sums) };
        }
    }
}
