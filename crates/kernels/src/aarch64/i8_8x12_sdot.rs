//! 8 rows by 12 columns, K in groups of 4, for the Armv8.2 dot product: SDOT adds four exact products to each i32.
//!
//! 24 accumulators, two registers of activations `[8][4]`, three of weights `[12][4]`: 24 SDOT for five loads.

use core::arch::aarch64::*;
use core::arch::asm;

use crate::simd::{Columns, Rows, Tile};

/// Rows of a block of activations.
pub(super) const MR: usize = 8;
/// Inputs of a group.
pub(super) const KR: usize = 4;
/// Bytes of a vector: 4 rows or 4 columns of a group.
const VECTOR: usize = 16;

/// [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn i8_8x12_sdot(rows: Rows, columns: Columns, init: [int32x4_t; 3], tile: &mut Tile<int32x4_t>) {
    match (rows.count, columns.vectors) {
        (1, 3) => product::<1, 3>(rows, columns, init, tile),
        (1, 2) => product::<1, 2>(rows, columns, init, tile),
        (1, _) => product::<1, 1>(rows, columns, init, tile),
        (2..=4, 3) => product::<4, 3>(rows, columns, init, tile),
        (2..=4, 2) => product::<4, 2>(rows, columns, init, tile),
        (2..=4, _) => product::<4, 1>(rows, columns, init, tile),
        (_, 3) => product::<8, 3>(rows, columns, init, tile),
        (_, 2) => product::<8, 2>(rows, columns, init, tile),
        (_, _) => product::<8, 1>(rows, columns, init, tile),
    }
}

/// `R` rows and `V` vectors of columns.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn product<const R: usize, const V: usize>(
    rows: Rows,
    columns: Columns,
    init: [int32x4_t; 3],
    tile: &mut Tile<int32x4_t>,
) {
    let group = KR * columns.width;
    let groups = columns.panel.len().checked_div(group).unwrap_or(0);
    let inside = columns.first.checked_add(4 * V).is_some_and(|end| end <= columns.width);
    if !inside || !rows.readable(MR, KR * groups) {
        return;
    }
    let mut acc = [[init[0]; V]; R];
    for row in &mut acc {
        row.copy_from_slice(&init[..V]);
    }
    let (mut a, mut w) = (rows.data.as_ptr(), columns.panel.as_ptr().wrapping_add(KR * columns.first));
    for _ in 0..groups {
        let mut activations = [vdupq_n_s8(0); 2];
        let mut weights = [vdupq_n_s8(0); V];
        // SAFETY: `readable` has shown that `data` has 32 bytes for each group, of which this is at most the last one.
        // The weights of a group are 4·width bytes, of which these 16·V begin at 4·first, and first + 4·V ≤ width.
        unsafe {
            activations[0] = vld1q_s8(a);
            if R > 4 {
                activations[1] = vld1q_s8(a.add(VECTOR));
            }
            for (vector, weights) in weights.iter_mut().enumerate() {
                *weights = vld1q_s8(w.add(VECTOR * vector));
            }
        }
        (a, w) = (a.wrapping_add(KR * MR), w.wrapping_add(group));
        for (vector, &weights) in weights.iter().enumerate() {
            for half in 0..R.div_ceil(4) {
                let activations = activations[half];
                let row = 4 * half;
                acc[row][vector] = sdot::<0>(acc[row][vector], weights, activations);
                if R > 1 {
                    acc[row + 1][vector] = sdot::<1>(acc[row + 1][vector], weights, activations);
                    acc[row + 2][vector] = sdot::<2>(acc[row + 2][vector], weights, activations);
                    acc[row + 3][vector] = sdot::<3>(acc[row + 3][vector], weights, activations);
                }
            }
        }
    }
    for (tile, acc) in tile.iter_mut().zip(acc) {
        tile[..V].copy_from_slice(&acc);
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
