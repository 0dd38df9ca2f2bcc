//! 8 rows by 12 columns, K in groups of 8, for the Armv8.6 matrix multiplication: SMMLA multiplies 2 rows of 8 inputs with
//! 2 columns of 8 and adds the four exact sums to four i32.
//!
//! 24 accumulators of 2 rows by 2 columns, four registers of activations `[8][8]`, six of weights `[12][8]`.

use core::arch::aarch64::*;
use core::arch::asm;

use crate::simd::{Columns, Rows, Tile};

/// Rows of a block of activations.
pub(super) const MR: usize = 8;
/// Inputs of a group.
pub(super) const KR: usize = 8;
/// Bytes of a vector: 2 rows or 2 columns of a group.
const VECTOR: usize = 16;

/// [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
#[inline]
#[target_feature(enable = "neon,dotprod,i8mm")]
pub(super) fn tile(rows: Rows, columns: Columns, init: [int32x4_t; 3]) -> Tile<int32x4_t> {
    let mut tile = [init; MR];
    product::<4, 3, 6>(rows, columns, init, &mut tile);
    tile
}

/// [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
#[inline(never)]
#[target_feature(enable = "neon,dotprod,i8mm")]
pub(super) fn edge(rows: Rows, columns: Columns, init: [int32x4_t; 3], tile: &mut Tile<int32x4_t>) {
    match (rows.count, columns.vectors) {
        (1..=2, 3) => product::<1, 3, 6>(rows, columns, init, tile),
        (1..=2, 2) => product::<1, 2, 4>(rows, columns, init, tile),
        (1..=2, _) => product::<1, 1, 2>(rows, columns, init, tile),
        (3..=4, 3) => product::<2, 3, 6>(rows, columns, init, tile),
        (3..=4, 2) => product::<2, 2, 4>(rows, columns, init, tile),
        (3..=4, _) => product::<2, 1, 2>(rows, columns, init, tile),
        (_, 3) => product::<4, 3, 6>(rows, columns, init, tile),
        (_, 2) => product::<4, 2, 4>(rows, columns, init, tile),
        (_, _) => product::<4, 1, 2>(rows, columns, init, tile),
    }
}

/// `RP` pairs of rows and `V` vectors of columns, which are `CP` = 2·V pairs.
#[inline]
#[target_feature(enable = "neon,dotprod,i8mm")]
fn product<const RP: usize, const V: usize, const CP: usize>(
    rows: Rows,
    columns: Columns,
    init: [int32x4_t; 3],
    tile: &mut Tile<int32x4_t>,
) {
    let group = KR * columns.width;
    let groups = columns.panel.len().checked_div(group).unwrap_or(0);
    let inside = columns.first.checked_add(4 * V).is_some_and(|end| end <= columns.width);
    if CP != 2 * V || !inside || !rows.readable(MR, KR * groups) {
        return;
    }
    let mut acc = [[init[0]; CP]; RP];
    for row in &mut acc {
        for (vector, &init) in init.iter().enumerate().take(V) {
            // Columns 0 and 1 of the vector for both rows, then columns 2 and 3.
            let init = vreinterpretq_s64_s32(init);
            row[2 * vector] = vreinterpretq_s32_s64(vdupq_laneq_s64::<0>(init));
            row[2 * vector + 1] = vreinterpretq_s32_s64(vdupq_laneq_s64::<1>(init));
        }
    }
    let (mut a, mut w) = (rows.data.as_ptr(), columns.panel.as_ptr().wrapping_add(KR * columns.first));
    for _ in 0..groups {
        let mut activations = [vdupq_n_s8(0); RP];
        let mut weights = [vdupq_n_s8(0); CP];
        // SAFETY: `readable` has shown that `data` has 64 bytes for each group. The weights of a group are 8·width
        // bytes, of which these 32·V begin at 8·first, and first + 4·V ≤ width.
        unsafe {
            for (pair, activations) in activations.iter_mut().enumerate() {
                *activations = vld1q_s8(a.add(VECTOR * pair));
            }
            for (pair, weights) in weights.iter_mut().enumerate() {
                *weights = vld1q_s8(w.add(VECTOR * pair));
            }
        }
        (a, w) = (a.wrapping_add(KR * MR), w.wrapping_add(group));
        for (column, &weights) in weights.iter().enumerate() {
            for (acc, &activations) in acc.iter_mut().zip(&activations) {
                acc[column] = smmla(acc[column], activations, weights);
            }
        }
    }
    for (rows, acc) in tile.chunks_exact_mut(2).zip(acc) {
        for vector in 0..V {
            let (low, high) =
                (vreinterpretq_s64_s32(acc[2 * vector]), vreinterpretq_s64_s32(acc[2 * vector + 1]));
            rows[0][vector] = vreinterpretq_s32_s64(vzip1q_s64(low, high));
            rows[1][vector] = vreinterpretq_s32_s64(vzip2q_s64(low, high));
        }
    }
}

/// `acc[2r + c] += Σ_i activations[8r + i] · weights[8c + i]`. The intrinsic for it is not stable.
#[inline]
#[target_feature(enable = "neon,dotprod,i8mm")]
fn smmla(acc: int32x4_t, activations: int8x16_t, weights: int8x16_t) -> int32x4_t {
    let mut sum = acc;
    // SAFETY: only registers are touched, and the CPU has SMMLA as this function requires.
    unsafe {
        asm!(
            ".arch_extension i8mm",
            "smmla {sum:v}.4s, {activations:v}.16b, {weights:v}.16b",
            sum = inout(vreg) sum,
            activations = in(vreg) activations,
            weights = in(vreg) weights,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}
