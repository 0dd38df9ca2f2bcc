//! 8 rows by 12 columns, K in groups of 8, for the Armv8.6 matrix multiplication: SMMLA multiplies 2 rows of 8
//! inputs with 2 columns of 8 and adds the four exact sums to four i32.
//!
//! 24 accumulators of 2 rows by 2 columns, four registers of activations `[8][8]`, six of weights `[12][8]`.

use core::arch::aarch64::*;
use core::arch::asm;

use super::tokens::NeonI8mm;
use crate::simd::{Operands, Tile};

/// Rows of a block of activations.
pub(super) const MR: usize = 8;
/// Inputs of a group.
pub(super) const KR: usize = 8;
/// Bytes of a vector: 2 rows or 2 columns of a group.
const VECTOR: usize = 16;

/// SMMLA of a pair of columns with the four pairs of rows in v0 to v3.
macro_rules! pairs {
    ($w:literal: $p0:literal $p1:literal $p2:literal $p3:literal) => {
        concat!(
            "smmla v",
            $p0,
            ".4s, v0.16b, v",
            $w,
            ".16b\n",
            "smmla v",
            $p1,
            ".4s, v1.16b, v",
            $w,
            ".16b\n",
            "smmla v",
            $p2,
            ".4s, v2.16b, v",
            $w,
            ".16b\n",
            "smmla v",
            $p3,
            ".4s, v3.16b, v",
            $w,
            ".16b\n",
        )
    };
}

/// The products of the weights' pair of columns 0 to 5 in `$w` with the activations in v0 to v3. Accumulator [pair of
/// rows][pair of columns] is v(8 + 6·rows + columns).
#[rustfmt::skip]
macro_rules! columns {
    (0, $w:literal) => { pairs!($w: 8 14 20 26) };
    (1, $w:literal) => { pairs!($w: 9 15 21 27) };
    (2, $w:literal) => { pairs!($w: 10 16 22 28) };
    (3, $w:literal) => { pairs!($w: 11 17 23 29) };
    (4, $w:literal) => { pairs!($w: 12 18 24 30) };
    (5, $w:literal) => { pairs!($w: 13 19 25 31) };
}

/// The next two groups: twice six vectors of weights are three loads of four.
#[rustfmt::skip]
macro_rules! two_groups {
    () => {
        concat!(
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{a}], #64\n",
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64\n",
            columns!(0, 4), columns!(1, 5), columns!(2, 6), columns!(3, 7),
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64\n",
            columns!(4, 4), columns!(5, 5),
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{a}], #64\n",
            columns!(0, 6), columns!(1, 7),
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64\n",
            columns!(2, 4), columns!(3, 5), columns!(4, 6), columns!(5, 7),
        )
    };
}

/// The last group.
#[rustfmt::skip]
macro_rules! group {
    () => {
        concat!(
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{a}]\n",
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64\n",
            columns!(0, 4), columns!(1, 5), columns!(2, 6), columns!(3, 7),
            "ld1 {{v4.16b, v5.16b}}, [{w}]\n",
            columns!(4, 4), columns!(5, 5),
        )
    };
}

/// Computes [`MicroKernel::tile`](crate::simd::MicroKernel::tile) in registers that are chosen by hand, two groups in
/// an iteration.
///
/// # Safety
/// The operands must be those of a whole tile: eight rows and three vectors.
#[inline]
#[target_feature(enable = "neon,dotprod,i8mm")]
pub(super) unsafe fn tile(operands: Operands<NeonI8mm>, init: [int32x4_t; 3]) -> Tile<int32x4_t> {
    let groups = operands.depth() / KR;
    let [mut p0, mut p1, mut p2, mut p3] = [[init[0]; 6]; MR / 2];
    // SAFETY: every group reads 64 bytes of activations and 96 of weights. Eight rows of at least `depth`
    // bytes, a block, are there, and three vectors are a whole panel's 12 columns. Only the registers named are
    // changed.
    unsafe {
        asm!(
            ".arch_extension i8mm",
            // Both rows of a pair begin with the same two columns.
            "zip1 v8.2d, v4.2d, v4.2d", "zip2 v9.2d, v4.2d, v4.2d", "zip1 v10.2d, v5.2d, v5.2d", "zip2 v11.2d, v5.2d, v5.2d", "zip1 v12.2d, v6.2d, v6.2d", "zip2 v13.2d, v6.2d, v6.2d",
            "zip1 v14.2d, v4.2d, v4.2d", "zip2 v15.2d, v4.2d, v4.2d", "zip1 v16.2d, v5.2d, v5.2d", "zip2 v17.2d, v5.2d, v5.2d", "zip1 v18.2d, v6.2d, v6.2d", "zip2 v19.2d, v6.2d, v6.2d",
            "zip1 v20.2d, v4.2d, v4.2d", "zip2 v21.2d, v4.2d, v4.2d", "zip1 v22.2d, v5.2d, v5.2d", "zip2 v23.2d, v5.2d, v5.2d", "zip1 v24.2d, v6.2d, v6.2d", "zip2 v25.2d, v6.2d, v6.2d",
            "zip1 v26.2d, v4.2d, v4.2d", "zip2 v27.2d, v4.2d, v4.2d", "zip1 v28.2d, v5.2d, v5.2d", "zip2 v29.2d, v5.2d, v5.2d", "zip1 v30.2d, v6.2d, v6.2d", "zip2 v31.2d, v6.2d, v6.2d",
            "lsr {twos}, {groups}, #1",
            "cbz {twos}, 3f",
            "2:",
            "subs {twos}, {twos}, #1",
            two_groups!(),
            "b.ne 2b",
            "3:",
            "tbz {groups}, #0, 4f",
            group!(),
            "4:",
            a = inout(reg) operands.rows() => _,
            w = inout(reg) operands.panel() => _,
            groups = in(reg) groups,
            twos = out(reg) _,
            inout("v4") init[0] => _, inout("v5") init[1] => _, inout("v6") init[2] => _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v7") _,
            out("v8") p0[0], out("v9") p0[1], out("v10") p0[2], out("v11") p0[3], out("v12") p0[4], out("v13") p0[5],
            out("v14") p1[0], out("v15") p1[1], out("v16") p1[2], out("v17") p1[3], out("v18") p1[4], out("v19") p1[5],
            out("v20") p2[0], out("v21") p2[1], out("v22") p2[2], out("v23") p2[3], out("v24") p2[4], out("v25") p2[5],
            out("v26") p3[0], out("v27") p3[1], out("v28") p3[2], out("v29") p3[3], out("v30") p3[4], out("v31") p3[5],
            options(readonly, nostack),
        );
    }
    let [[r0, r1], [r2, r3], [r4, r5], [r6, r7]] = [rows_of(p0), rows_of(p1), rows_of(p2), rows_of(p3)];
    [r0, r1, r2, r3, r4, r5, r6, r7]
}

/// Returns the two rows of a pair, from accumulators of two columns each.
#[inline]
#[target_feature(enable = "neon")]
fn rows_of(pairs: [int32x4_t; 6]) -> [[int32x4_t; 3]; 2] {
    let [a, b, c, d, e, f] = pairs;
    [[low(a, b), low(c, d), low(e, f)], [high(a, b), high(c, d), high(e, f)]]
}

/// Returns the first row of two accumulators.
#[inline]
#[target_feature(enable = "neon")]
fn low(a: int32x4_t, b: int32x4_t) -> int32x4_t {
    vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)))
}

/// Returns the second row of two accumulators.
#[inline]
#[target_feature(enable = "neon")]
fn high(a: int32x4_t, b: int32x4_t) -> int32x4_t {
    vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b)))
}

/// Computes [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
#[inline(never)]
#[target_feature(enable = "neon,dotprod,i8mm")]
pub(super) fn edge(operands: Operands<NeonI8mm>, init: [int32x4_t; 3], tile: &mut Tile<int32x4_t>) {
    // SAFETY: a block of eight rows is always there, and there are as many vectors as each case says, at least one.
    unsafe {
        match (operands.count(), operands.vectors()) {
            (1..=2, 3) => product::<1, 3, 6>(operands, init, tile),
            (1..=2, 2) => product::<1, 2, 4>(operands, init, tile),
            (1..=2, _) => product::<1, 1, 2>(operands, init, tile),
            (3..=4, 3) => product::<2, 3, 6>(operands, init, tile),
            (3..=4, 2) => product::<2, 2, 4>(operands, init, tile),
            (3..=4, _) => product::<2, 1, 2>(operands, init, tile),
            (_, 3) => product::<4, 3, 6>(operands, init, tile),
            (_, 2) => product::<4, 2, 4>(operands, init, tile),
            (_, _) => product::<4, 1, 2>(operands, init, tile),
        }
    }
}

/// Computes `RP` pairs of rows and `V` vectors of columns, which are `CP` = 2·V pairs.
///
/// # Safety
/// `RP` must be at most 4, `CP` must be 2·V, and the operands must have at least `V` vectors.
#[inline]
#[target_feature(enable = "neon,dotprod,i8mm")]
unsafe fn product<const RP: usize, const V: usize, const CP: usize>(
    operands: Operands<NeonI8mm>,
    init: [int32x4_t; 3],
    tile: &mut Tile<int32x4_t>,
) {
    let mut acc = [[init[0]; CP]; RP];
    for row in &mut acc {
        for (vector, &init) in init.iter().enumerate().take(V) {
            // Columns 0 and 1 of the vector for both rows, then columns 2 and 3.
            let init = vreinterpretq_s64_s32(init);
            row[2 * vector] = vreinterpretq_s32_s64(vdupq_laneq_s64::<0>(init));
            row[2 * vector + 1] = vreinterpretq_s32_s64(vdupq_laneq_s64::<1>(init));
        }
    }
    let (mut a, mut w) = (operands.rows(), operands.panel().wrapping_add(KR * operands.first()));
    for _ in 0..operands.depth() / KR {
        let mut activations = [vdupq_n_s8(0); RP];
        let mut weights = [vdupq_n_s8(0); CP];
        // SAFETY: eight rows of at least `depth` bytes, a block, are there. The weights of a group are 8·width
        // bytes, of which these 32·V begin at 8·first; a panel's width is a multiple of 4, so that its vectors
        // are whole.
        unsafe {
            for (pair, activations) in activations.iter_mut().enumerate() {
                *activations = vld1q_s8(a.add(VECTOR * pair));
            }
            for (pair, weights) in weights.iter_mut().enumerate() {
                *weights = vld1q_s8(w.add(VECTOR * pair));
            }
        }
        (a, w) = (a.wrapping_add(KR * MR), w.wrapping_add(KR * operands.width()));
        for (column, &weights) in weights.iter().enumerate() {
            for (acc, &activations) in acc.iter_mut().zip(&activations) {
                acc[column] = smmla(acc[column], activations, weights);
            }
        }
    }
    for (rows, acc) in tile.chunks_exact_mut(2).zip(acc) {
        for vector in 0..V {
            let (first, second) = (acc[2 * vector], acc[2 * vector + 1]);
            (rows[0][vector], rows[1][vector]) = (low(first, second), high(first, second));
        }
    }
}

/// Computes `acc[2r + c] += Σ_i activations[8r + i] · weights[8c + i]`. The intrinsic for it is not stable.
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
