//! 6 rows by 12 columns, K in groups of 4, for the Armv8.2 dot product: SDOT adds four exact products to each i32.

use core::arch::aarch64::*;
use core::arch::asm;

use crate::simd::{Rows, Tile};

/// Vectors of 4 columns in a panel of 12.
const VECTORS: usize = 3;
/// Bytes of a group of 4 inputs of 12 outputs.
const GROUP: usize = 48;

/// [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
#[target_feature(enable = "neon,dotprod")]
pub(super) fn i8_6x12_sdot(rows: Rows, panel: &[i8], tile: &mut Tile) {
    match rows.count {
        1 => columns::<1>(rows, panel, tile),
        2 => columns::<2>(rows, panel, tile),
        3 => columns::<3>(rows, panel, tile),
        4 => columns::<4>(rows, panel, tile),
        5 => columns::<5>(rows, panel, tile),
        _ => columns::<6>(rows, panel, tile),
    }
}

#[target_feature(enable = "neon,dotprod")]
fn columns<const MR: usize>(rows: Rows, panel: &[i8], tile: &mut Tile) {
    let groups = panel.len() / GROUP;
    if rows.count < MR || !rows.readable(4 * groups) {
        return;
    }
    let mut acc = [[vdupq_n_s32(0); VECTORS]; MR];
    let mut group = 0;
    // Four groups at a time: 16 bytes of each row, a lane of which goes with each group.
    while group + 4 <= groups {
        let mut activations = [vdupq_n_s8(0); MR];
        for (row, activations) in activations.iter_mut().enumerate() {
            // SAFETY: `readable` has shown that 4·groups bytes of each of the first `count` ≥ MR rows lie in `data`;
            // these 16 begin at 4·group and group + 4 ≤ groups.
            *activations = unsafe { vld1q_s8(rows.data.as_ptr().add(row * rows.stride + 4 * group)) };
        }
        add_group::<MR, 0>(&mut acc, &activations, panel, group);
        add_group::<MR, 1>(&mut acc, &activations, panel, group + 1);
        add_group::<MR, 2>(&mut acc, &activations, panel, group + 2);
        add_group::<MR, 3>(&mut acc, &activations, panel, group + 3);
        group += 4;
    }
    while group < groups {
        let mut activations = [vdupq_n_s8(0); MR];
        for (row, activations) in activations.iter_mut().enumerate() {
            // SAFETY: as above, four bytes from 4·group on with group < groups.
            let bytes = unsafe {
                rows.data.as_ptr().add(row * rows.stride + 4 * group).cast::<i32>().read_unaligned()
            };
            *activations = vreinterpretq_s8_s32(vdupq_n_s32(bytes));
        }
        add_group::<MR, 0>(&mut acc, &activations, panel, group);
        group += 1;
    }
    for (acc, row) in acc.into_iter().zip(tile) {
        for (acc, out) in acc.into_iter().zip(row.as_chunks_mut::<4>().0) {
            // SAFETY: `out` has four i32.
            unsafe { vst1q_s32(out.as_mut_ptr(), acc) };
        }
    }
}

/// Adds the products of one group of 4 inputs, which stand in lane `LANE` of the activations. Nothing is added for a
/// group outside the panel.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_group<const MR: usize, const LANE: i32>(
    acc: &mut [[int32x4_t; VECTORS]; MR],
    activations: &[int8x16_t; MR],
    panel: &[i8],
    group: usize,
) {
    let Some(weights) = panel.get(GROUP * group..GROUP * (group + 1)) else { return };
    for vector in 0..VECTORS {
        // SAFETY: `weights` has 48 bytes and vector < 3.
        let weights = unsafe { vld1q_s8(weights.as_ptr().add(16 * vector)) };
        for (acc, &activations) in acc.iter_mut().zip(activations) {
            acc[vector] = sdot::<LANE>(acc[vector], weights, activations);
        }
    }
}

/// `acc[c] += Σ_i weights[4c + i] · activations[4 LANE + i]`. The intrinsic for it is not stable.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot<const LANE: i32>(acc: int32x4_t, weights: int8x16_t, activations: int8x16_t) -> int32x4_t {
    let mut sum = acc;
    // SAFETY: only registers are touched, and the CPU has SDOT as this function requires.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {weights:v}.16b, {activations:v}.4b[{lane}]",
            sum = inout(vreg) sum,
            weights = in(vreg) weights,
            activations = in(vreg) activations,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
