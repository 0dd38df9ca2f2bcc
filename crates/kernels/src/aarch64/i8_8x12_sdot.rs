//! 8 rows by 12 columns, K in groups of 4, for the Armv8.2 dot product: SDOT adds four exact products to each i32.
//!
//! 24 accumulators, two registers of activations `[8][4]`, three of weights `[12][4]`: 24 SDOT for five loads.

use core::arch::aarch64::*;
use core::arch::asm;

use super::tokens::NeonDotprod;
use crate::simd::{Operands, Tile};

/// Rows of a block of activations.
pub(super) const MR: usize = 8;
/// Inputs of a group.
pub(super) const KR: usize = 4;

/// Computes [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
pub(super) fn edge(operands: Operands<NeonDotprod>, init: [int32x4_t; 3], tile: &mut Tile<int32x4_t>) {
    // SAFETY: a block of eight rows is always there, and there are as many vectors as each case says, at least one.
    unsafe {
        match (operands.count(), operands.vectors()) {
            (1, 3) => product::<1, 3>(operands, init, tile),
            (1, 2) => product::<1, 2>(operands, init, tile),
            (1, _) => product::<1, 1>(operands, init, tile),
            (2..=4, 3) => product::<4, 3>(operands, init, tile),
            (2..=4, 2) => product::<4, 2>(operands, init, tile),
            (2..=4, _) => product::<4, 1>(operands, init, tile),
            (_, 3) => product::<8, 3>(operands, init, tile),
            (_, 2) => product::<8, 2>(operands, init, tile),
            (_, _) => product::<8, 1>(operands, init, tile),
        }
    }
}

/// SDOT of the weights in `$w` with the activations of eight rows, a word each in the registers `$a0` and `$a1`.
#[rustfmt::skip]
macro_rules! rows {
    ($w:literal, $a0:literal $a1:literal: $r0:literal $r1:literal $r2:literal $r3:literal $r4:literal $r5:literal $r6:literal $r7:literal) => {
        concat!(
            sdot!($r0, $w, $a0 "0"), sdot!($r1, $w, $a0 "1"), sdot!($r2, $w, $a0 "2"), sdot!($r3, $w, $a0 "3"),
            sdot!($r4, $w, $a1 "0"), sdot!($r5, $w, $a1 "1"), sdot!($r6, $w, $a1 "2"), sdot!($r7, $w, $a1 "3"),
        )
    };
}

/// One SDOT: sums, weights, activations and the word of them.
macro_rules! sdot {
    ($sum:literal, $w:literal, $a:literal $word:literal) => {
        concat!("sdot v", $sum, ".4s, v", $w, ".16b, v", $a, ".4b[", $word, "]\n")
    };
}
pub(super) use sdot;

/// The products of the weights' vector 0, 1 or 2 in `$w` with the activations in `$a0` and `$a1`. Accumulator
/// [row][vector] is v(8 + 3·row + vector).
macro_rules! vector {
    (0, $w:literal, $a0:literal $a1:literal) => {
        rows!($w, $a0 $a1: 8 11 14 17 20 23 26 29)
    };
    (1, $w:literal, $a0:literal $a1:literal) => {
        rows!($w, $a0 $a1: 9 12 15 18 21 24 27 30)
    };
    (2, $w:literal, $a0:literal $a1:literal) => {
        rows!($w, $a0 $a1: 10 13 16 19 22 25 28 31)
    };
}

/// The next four groups: four times three vectors of weights are three loads of four.
#[rustfmt::skip]
macro_rules! four_groups {
    () => {
        concat!(
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{a}], #64\n",
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64\n",
            vector!(0, 4, 0 1), vector!(1, 5, 0 1), vector!(2, 6, 0 1), vector!(0, 7, 2 3),
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64\n",
            vector!(1, 4, 2 3), vector!(2, 5, 2 3),
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{a}], #64\n",
            vector!(0, 6, 0 1), vector!(1, 7, 0 1),
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64\n",
            vector!(2, 4, 0 1), vector!(0, 5, 2 3), vector!(1, 6, 2 3), vector!(2, 7, 2 3),
        )
    };
}

/// The next group, whose activations are in `$a0` and `$a1`.
#[rustfmt::skip]
macro_rules! group {
    ($a0:literal $a1:literal) => {
        concat!(
            "ld1 {{v4.16b, v5.16b, v6.16b}}, [{w}], #48\n",
            vector!(0, 4, $a0 $a1), vector!(1, 5, $a0 $a1), vector!(2, 6, $a0 $a1),
        )
    };
}

/// A tile in assembly. Accumulator [row][vector] is v(8 + 3·row + vector). It begins with its vector of
/// `$init`, then `$code` runs with the activations at `{a}` and the weights at `{w}`. `$extra` are further
/// operands of the code, which may change v0 to v7.
macro_rules! sdot_tile {
    ($operands:ident, $init:ident; { $($code:tt)* } { $($extra:tt)* }) => {{
        let [mut r0, mut r1, mut r2, mut r3, mut r4, mut r5, mut r6, mut r7] = [$init; MR];
        asm!(
            "mov v8.16b, v2.16b", "mov v9.16b, v3.16b", "mov v10.16b, v4.16b",
            "mov v11.16b, v2.16b", "mov v12.16b, v3.16b", "mov v13.16b, v4.16b",
            "mov v14.16b, v2.16b", "mov v15.16b, v3.16b", "mov v16.16b, v4.16b",
            "mov v17.16b, v2.16b", "mov v18.16b, v3.16b", "mov v19.16b, v4.16b",
            "mov v20.16b, v2.16b", "mov v21.16b, v3.16b", "mov v22.16b, v4.16b",
            "mov v23.16b, v2.16b", "mov v24.16b, v3.16b", "mov v25.16b, v4.16b",
            "mov v26.16b, v2.16b", "mov v27.16b, v3.16b", "mov v28.16b, v4.16b",
            "mov v29.16b, v2.16b", "mov v30.16b, v3.16b", "mov v31.16b, v4.16b",
            $($code)*
            a = inout(reg) $operands.rows() => _,
            w = inout(reg) $operands.panel() => _,
            $($extra)*
            inout("v2") $init[0] => _, inout("v3") $init[1] => _, inout("v4") $init[2] => _,
            out("v0") _, out("v1") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") r0[0], out("v9") r0[1], out("v10") r0[2],
            out("v11") r1[0], out("v12") r1[1], out("v13") r1[2],
            out("v14") r2[0], out("v15") r2[1], out("v16") r2[2],
            out("v17") r3[0], out("v18") r3[1], out("v19") r3[2],
            out("v20") r4[0], out("v21") r4[1], out("v22") r4[2],
            out("v23") r5[0], out("v24") r5[1], out("v25") r5[2],
            out("v26") r6[0], out("v27") r6[1], out("v28") r6[2],
            out("v29") r7[0], out("v30") r7[1], out("v31") r7[2],
            options(readonly, nostack),
        );
        [r0, r1, r2, r3, r4, r5, r6, r7]
    }};
}
pub(super) use sdot_tile;

/// Computes [`MicroKernel::tile`](crate::simd::MicroKernel::tile) in registers that are chosen by hand, four groups in
/// an iteration.
///
/// # Safety
/// The operands must be those of a whole tile: eight rows and three vectors.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn tile(operands: Operands<NeonDotprod>, init: [int32x4_t; 3]) -> Tile<int32x4_t> {
    let groups = operands.depth() / KR;
    // SAFETY: every group reads 32 bytes of activations and 48 of weights. Eight rows of at least `depth`
    // bytes, a block, are there, and three vectors are a whole panel's 12 columns. Only the registers named are
    // changed.
    unsafe {
        sdot_tile!(operands, init; {
            "lsr {fours}, {groups}, #2",
            "cbz {fours}, 3f",
            "2:",
            "subs {fours}, {fours}, #1",
            four_groups!(),
            "b.ne 2b",
            "3:",
            "tbz {groups}, #1, 4f",
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{a}], #64",
            group!(0 1),
            group!(2 3),
            "4:",
            "tbz {groups}, #0, 5f",
            "ld1 {{v0.16b, v1.16b}}, [{a}]",
            group!(0 1),
            "5:",
        } {
            groups = in(reg) groups,
            fours = out(reg) _,
        })
    }
}

/// Computes `R` rows, some of which the caller may not need, and `V` vectors of columns.
///
/// # Safety
/// `R` must be at most 8, and the operands must have at least `V` vectors.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn product<const R: usize, const V: usize>(
    operands: Operands<NeonDotprod>,
    init: [int32x4_t; 3],
    tile: &mut Tile<int32x4_t>,
) {
    let mut acc = [[init[0]; V]; R];
    for row in &mut acc {
        row.copy_from_slice(&init[..V]);
    }
    let (mut a, mut w) = (operands.rows(), operands.panel().wrapping_add(KR * operands.first()));
    for _ in 0..operands.depth() / KR {
        // SAFETY: eight rows of at least `depth` bytes, a block, are there. The weights of a group are 4·width
        // bytes, of which these 16·V begin at 4·first; a panel's width is a multiple of 4, so that its vectors
        // are whole.
        unsafe { add_group(&mut acc, a, w) };
        (a, w) = (a.wrapping_add(KR * MR), w.wrapping_add(KR * operands.width()));
    }
    for (tile, acc) in tile.iter_mut().zip(acc) {
        tile[..V].copy_from_slice(&acc);
    }
}

/// Adds the products of one group.
///
/// # Safety
/// `a` must be valid for reads of 32 bytes, `w` of 16·V bytes.
#[inline]
#[target_feature(enable = "neon,dotprod")]
unsafe fn add_group<const R: usize, const V: usize>(
    acc: &mut [[int32x4_t; V]; R],
    a: *const i8,
    w: *const i8,
) {
    // SAFETY: as this function requires.
    let activations = unsafe { [vld1q_s8(a), vld1q_s8(a.add(16))] };
    for vector in 0..V {
        // SAFETY: as this function requires, vector < V.
        let weights = unsafe { vld1q_s8(w.add(16 * vector)) };
        for (rows, activations) in acc.chunks_mut(4).zip(activations) {
            if let [r0, rest @ ..] = rows {
                r0[vector] = dot_lane::<0>(r0[vector], weights, activations);
                if let [r1, r2, r3] = rest {
                    r1[vector] = dot_lane::<1>(r1[vector], weights, activations);
                    r2[vector] = dot_lane::<2>(r2[vector], weights, activations);
                    r3[vector] = dot_lane::<3>(r3[vector], weights, activations);
                }
            }
        }
    }
}

/// Computes `acc[c] += Σ_i weights[4c + i] · activations[4 LANE + i]`. The intrinsic for it is not stable.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_lane<const LANE: i32>(acc: int32x4_t, weights: int8x16_t, activations: int8x16_t) -> int32x4_t {
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
