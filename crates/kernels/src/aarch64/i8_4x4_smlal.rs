//! 4 rows by 4 columns, K in groups of 16, for baseline Advanced SIMD: SMULL and SMLAL2 add two products in i16
//! (at most 2 · 127 · 128 < 2^15), SADALP adds pairs of those to i32.

use core::arch::aarch64::*;
use core::arch::asm;

use super::tokens::Neon;
use crate::simd::{MR_MAX, Operands, Tile};

/// Rows of a block of activations.
pub(super) const MR: usize = 4;
/// Columns of a panel.
const NR: usize = 4;
/// Inputs of a group; the last one of a panel may have half as many.
pub(super) const KR: usize = 16;

/// Applies an instruction to each of four rows and two columns: to v8 to v15, with rows v0 to v3 and the columns in
/// `$c0` and `$c1`.
#[rustfmt::skip]
macro_rules! rows {
    ($op:literal $size:literal: $c0:literal $c1:literal) => {
        concat!(
            row!($op $size: 8 0 $c0), row!($op $size: 9 1 $c0), row!($op $size: 10 2 $c0), row!($op $size: 11 3 $c0),
            row!($op $size: 12 0 $c1), row!($op $size: 13 1 $c1), row!($op $size: 14 2 $c1), row!($op $size: 15 3 $c1),
        )
    };
}

macro_rules! row {
    ($op:literal $size:literal: $products:literal $row:literal $column:literal) => {
        concat!($op, " v", $products, ".8h, v", $row, $size, ", v", $column, $size, "\n")
    };
}

/// Adds v8 to v15 to the sums. Those of row r and a column are in v(16 + 4·r + column).
#[rustfmt::skip]
macro_rules! add {
    ($s0:literal $s1:literal $s2:literal $s3:literal $s4:literal $s5:literal $s6:literal $s7:literal) => {
        concat!(
            "sadalp v", $s0, ".4s, v8.8h\n", "sadalp v", $s1, ".4s, v9.8h\n",
            "sadalp v", $s2, ".4s, v10.8h\n", "sadalp v", $s3, ".4s, v11.8h\n",
            "sadalp v", $s4, ".4s, v12.8h\n", "sadalp v", $s5, ".4s, v13.8h\n",
            "sadalp v", $s6, ".4s, v14.8h\n", "sadalp v", $s7, ".4s, v15.8h\n",
        )
    };
}

/// Computes [`MicroKernel::tile`](crate::simd::MicroKernel::tile) in registers that are chosen by hand.
///
/// # Safety
/// The operands must be those of a whole tile: four rows and one vector, a panel.
#[inline]
#[target_feature(enable = "neon")]
pub(super) unsafe fn tile(operands: Operands<Neon>, init: [int32x4_t; 3]) -> Tile<int32x4_t> {
    let depth = operands.depth();
    let [mut r0, mut r1, mut r2, mut r3] = [[init[0]; NR]; MR];
    // SAFETY: every whole group reads 64 bytes of activations and 64 of weights, a last one 64 and, as a
    // panel's depth is a multiple of 8, 32. Four rows with whole groups, a block, are there, and a panel has
    // 4·depth bytes. Only the registers named are changed.
    unsafe {
        asm!(
            "movi v16.4s, #0", "movi v17.4s, #0", "movi v18.4s, #0", "movi v19.4s, #0",
            "movi v20.4s, #0", "movi v21.4s, #0", "movi v22.4s, #0", "movi v23.4s, #0",
            "movi v24.4s, #0", "movi v25.4s, #0", "movi v26.4s, #0", "movi v27.4s, #0",
            "movi v28.4s, #0", "movi v29.4s, #0", "movi v30.4s, #0", "movi v31.4s, #0",
            "lsr {groups}, {depth}, #4",
            "cbz {groups}, 3f",
            "2:",
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{a}], #64",
            "ld1 {{v4.16b, v5.16b, v6.16b, v7.16b}}, [{w}], #64",
            "subs {groups}, {groups}, #1",
            rows!("smull" ".8b": 4 5),
            rows!("smlal2" ".16b": 4 5),
            add!(16 20 24 28 17 21 25 29),
            rows!("smull" ".8b": 6 7),
            rows!("smlal2" ".16b": 6 7),
            add!(18 22 26 30 19 23 27 31),
            "b.ne 2b",
            "3:",
            "tbz {depth}, #3, 4f",
            "ld1 {{v0.16b, v1.16b, v2.16b, v3.16b}}, [{a}]",
            "ld1 {{v4.8b, v5.8b, v6.8b, v7.8b}}, [{w}]",
            rows!("smull" ".8b": 4 5),
            add!(16 20 24 28 17 21 25 29),
            rows!("smull" ".8b": 6 7),
            add!(18 22 26 30 19 23 27 31),
            "4:",
            a = inout(reg) operands.rows() => _,
            w = inout(reg) operands.panel() => _,
            depth = in(reg) depth,
            groups = out(reg) _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _, out("v15") _,
            out("v16") r0[0], out("v17") r0[1], out("v18") r0[2], out("v19") r0[3],
            out("v20") r1[0], out("v21") r1[1], out("v22") r1[2], out("v23") r1[3],
            out("v24") r2[0], out("v25") r2[1], out("v26") r2[2], out("v27") r2[3],
            out("v28") r3[0], out("v29") r3[1], out("v30") r3[2], out("v31") r3[3],
            options(readonly, nostack),
        );
    }
    let mut tile = [init; MR_MAX];
    for (row, [c0, c1, c2, c3]) in tile.iter_mut().zip([r0, r1, r2, r3]) {
        row[0] = vaddq_s32(init[0], vpaddq_s32(vpaddq_s32(c0, c1), vpaddq_s32(c2, c3)));
    }
    tile
}

/// Computes [`MicroKernel::edge`](crate::simd::MicroKernel::edge).
#[inline(never)]
#[target_feature(enable = "neon")]
pub(super) fn edge(operands: Operands<Neon>, init: [int32x4_t; 3], tile: &mut Tile<int32x4_t>) {
    // SAFETY: a block of four rows is always there.
    unsafe {
        match operands.count() {
            1 => product::<1>(operands, init, tile),
            _ => product::<4>(operands, init, tile),
        }
    }
}

/// Computes `R` rows, some of which the caller may not need, and the four columns of a panel.
///
/// # Safety
/// `R` must be at most 4.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn product<const R: usize>(
    operands: Operands<Neon>,
    init: [int32x4_t; 3],
    tile: &mut Tile<int32x4_t>,
) {
    let depth = operands.depth();
    // The four lanes of accumulator [r][c] sum to the result of row r, column c.
    let mut acc = [[vdupq_n_s32(0); NR]; R];
    let (mut a, mut w) = (operands.rows(), operands.panel());
    for _ in 0..depth / KR {
        let mut activations = [vdupq_n_s8(0); R];
        for (row, activations) in activations.iter_mut().enumerate() {
            // SAFETY: four rows with whole groups of 16 bytes, a block, are there.
            *activations = unsafe { vld1q_s8(a.add(KR * row)) };
        }
        for column in 0..NR {
            // SAFETY: a panel has 4·depth bytes, four columns of 16 for each whole group.
            let weights = unsafe { vld1q_s8(w.add(KR * column)) };
            for (acc, &activations) in acc.iter_mut().zip(&activations) {
                let products = vmull_s8(vget_low_s8(activations), vget_low_s8(weights));
                let products = vmlal_high_s8(products, activations, weights);
                acc[column] = vpadalq_s16(acc[column], products);
            }
        }
        (a, w) = (a.wrapping_add(KR * MR), w.wrapping_add(KR * NR));
    }
    if !depth.is_multiple_of(KR) {
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
