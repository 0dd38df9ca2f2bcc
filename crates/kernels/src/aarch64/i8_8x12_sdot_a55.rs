//! [`i8_8x12_sdot`](super::i8_8x12_sdot) for the in-order Cortex-A55, which starts two instructions in a cycle only if
//! they use different pipes. A 64-bit load into a vector register, a load into a general register, or an `ins` between
//! the two kinds of register can start together with an SDOT. A 128-bit load starts alone. Every vector is
//! therefore loaded in two halves, one group ahead of its use.

use core::arch::aarch64::*;
use core::arch::asm;

use super::i8_8x12_sdot::{KR, MR, sdot, sdot_tile};
use super::tokens::NeonDotprod;
use crate::simd::{Operands, Tile};

/// First half of a vector; second half into a general register; from there into the vector.
macro_rules! low {
    ($v:literal, $from:literal, $at:literal) => {
        concat!("ldr d", $v, ", [{", $from, "}, #", $at, "]\n")
    };
}
macro_rules! high {
    ($t:literal, $from:literal, $at:literal) => {
        concat!("ldr {", $t, "}, [{", $from, "}, #", $at, "]\n")
    };
}
macro_rules! join {
    ($v:literal, $t:literal) => {
        concat!("ins v", $v, ".d[1], {", $t, "}\n")
    };
}

/// The products of a group with activations in `$a0`, `$a1` and weights in `$w0`, `$w1`, `$w2`, while the next
/// group's are loaded into `$b0`, `$b1` and `$x0`, `$x1`, `$x2`. The numbers after them are where the six
/// halves of activations and weights stand from `{a}` and `{w}`.
#[rustfmt::skip]
macro_rules! group {
    ($a0:literal $a1:literal, $w0:literal $w1:literal $w2:literal;
     $b0:literal $b1:literal, $x0:literal $x1:literal $x2:literal;
     $t0:literal $t1:literal $t2:literal;
     $p0:literal $p1:literal $p2:literal $p3:literal;
     $q0:literal $q1:literal $q2:literal $q3:literal $q4:literal $q5:literal) => {
        concat!(
            sdot!(8, $w0, $a0 "0"), low!($x0, "w", $q0),
            sdot!(11, $w0, $a0 "1"), high!($t0, "w", $q1),
            sdot!(14, $w0, $a0 "2"), low!($b0, "a", $p0),
            sdot!(17, $w0, $a0 "3"), high!($t1, "a", $p1),
            sdot!(20, $w0, $a1 "0"),
            sdot!(23, $w0, $a1 "1"), join!($x0, $t0),
            sdot!(26, $w0, $a1 "2"), low!($b1, "a", $p2),
            sdot!(29, $w0, $a1 "3"), join!($b0, $t1),
            sdot!(9, $w1, $a0 "0"), high!($t2, "a", $p3),
            sdot!(12, $w1, $a0 "1"), low!($x1, "w", $q2),
            sdot!(15, $w1, $a0 "2"), high!($t0, "w", $q3),
            sdot!(18, $w1, $a0 "3"),
            sdot!(21, $w1, $a1 "0"), join!($b1, $t2),
            sdot!(24, $w1, $a1 "1"),
            sdot!(27, $w1, $a1 "2"), join!($x1, $t0),
            sdot!(30, $w1, $a1 "3"),
            sdot!(10, $w2, $a0 "0"),
            sdot!(13, $w2, $a0 "1"), low!($x2, "w", $q4),
            sdot!(16, $w2, $a0 "2"), high!($t1, "w", $q5),
            sdot!(19, $w2, $a0 "3"),
            sdot!(22, $w2, $a1 "0"),
            sdot!(25, $w2, $a1 "1"),
            sdot!(28, $w2, $a1 "2"), join!($x2, $t1),
            sdot!(31, $w2, $a1 "3"),
        )
    };
}

/// The products of a group in the registers v0 to v4.
#[rustfmt::skip]
macro_rules! rest {
    () => {
        concat!(
            sdot!(8, 2, 0 "0"), sdot!(11, 2, 0 "1"), sdot!(14, 2, 0 "2"), sdot!(17, 2, 0 "3"), sdot!(20, 2, 1 "0"), sdot!(23, 2, 1 "1"), sdot!(26, 2, 1 "2"), sdot!(29, 2, 1 "3"),
            sdot!(9, 3, 0 "0"), sdot!(12, 3, 0 "1"), sdot!(15, 3, 0 "2"), sdot!(18, 3, 0 "3"), sdot!(21, 3, 1 "0"), sdot!(24, 3, 1 "1"), sdot!(27, 3, 1 "2"), sdot!(30, 3, 1 "3"),
            sdot!(10, 4, 0 "0"), sdot!(13, 4, 0 "1"), sdot!(16, 4, 0 "2"), sdot!(19, 4, 0 "3"), sdot!(22, 4, 1 "0"), sdot!(25, 4, 1 "1"), sdot!(28, 4, 1 "2"), sdot!(31, 4, 1 "3"),
        )
    };
}

/// Computes [`MicroKernel::tile`](crate::simd::MicroKernel::tile).
///
/// # Safety
/// The operands must be those of a whole tile: eight rows and three vectors.
#[inline]
#[target_feature(enable = "neon,dotprod")]
pub(super) unsafe fn tile(operands: Operands<NeonDotprod>, init: [int32x4_t; 3]) -> Tile<int32x4_t> {
    let groups = operands.depth() / KR;
    // The loop reads one group more than it multiplies, so at least one group is left for the code after it.
    let fours = groups.saturating_sub(1) / 4;
    // SAFETY: every group reads 32 bytes of activations and 48 of weights. Eight rows of at least `depth`
    // bytes, a block, are there, and three vectors are a whole panel's 12 columns; 4·fours + 1 ≤ groups where
    // the loop is entered. Only the registers named are changed.
    unsafe {
        sdot_tile!(operands, init; {
            "cbz {fours}, 3f",
            "ldp q0, q1, [{a}]",
            "ldp q2, q3, [{w}]",
            "ldr q4, [{w}, #32]",
            "2:",
            group!(0 1, 2 3 4; 5 6, 7 2 3; "t0" "t1" "t2"; 32 40 48 56; 48 56 64 72 80 88),
            group!(5 6, 7 2 3; 0 1, 4 7 2; "t2" "t0" "t1"; 64 72 80 88; 96 104 112 120 128 136),
            group!(0 1, 4 7 2; 5 6, 3 4 7; "t1" "t2" "t0"; 96 104 112 120; 144 152 160 168 176 184),
            group!(5 6, 3 4 7; 0 1, 2 3 4; "t0" "t1" "t2"; 128 136 144 152; 192 200 208 216 224 232),
            "add {a}, {a}, #128",
            "subs {fours}, {fours}, #1",
            "add {w}, {w}, #192",
            "b.ne 2b",
            "3:",
            // The groups that are left, one at a time.
            "cbz {rest}, 5f",
            "4:",
            "ldp q0, q1, [{a}], #32",
            "ldp q2, q3, [{w}], #32",
            "ldr q4, [{w}], #16",
            "subs {rest}, {rest}, #1",
            rest!(),
            "b.ne 4b",
            "5:",
        } {
            fours = inout(reg) fours => _,
            rest = inout(reg) groups - 4 * fours => _,
            t0 = out(reg) _, t1 = out(reg) _, t2 = out(reg) _,
        })
    }
}
