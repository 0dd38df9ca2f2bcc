//! Scores to unnormalised probabilities.

use core::arch::naked_asm;

use super::cpu;
use crate::math::{EXPONENT_STEPS, PROBABILITY};

/// The constants of [`probabilities`], in the order in which it loads them.
#[repr(C)]
pub(super) struct Softmax {
    /// Steps of the exponent per step of the scores.
    steps: f32,
    /// Coefficients of the polynomial from the highest degree to the lowest.
    polynomial: [i32; 4],
    /// The lowest exponent in steps.
    lowest: f32,
}

impl Softmax {
    /// Returns the constants for a coefficient with which f32 vectors give the scalar bits, else `None`.
    ///
    /// A score is 0 or at least 1 in magnitude. Its product with a coefficient of at least 1e-30 is normal, so that
    /// nothing is flushed, and the exact factor 2048 can be a part of the coefficient. Below 1e30 that part is finite.
    pub fn new(coefficient: f32) -> Option<Self> {
        let [c0, c1, c2, c3] = PROBABILITY.map(i32::from);
        (coefficient == 0.0 || (1e-30..=1e30).contains(&coefficient)).then(|| Self {
            steps: coefficient * EXPONENT_STEPS,
            polynomial: [c3, c2, c1, c0],
            lowest: f32::from(i16::MIN),
        })
    }
}

/// Turns a row of scores into [`math::probability`](crate::math::probability) less 128, which are bytes at the
/// beginning of the same row, and returns the sum of the probabilities.
///
/// Eight scores become 16-bit fixed-point numbers. VQRDMULH is `multiply_round` of two of them; no product here
/// saturates.
///
/// # Safety
/// `tokens`, at least 1 and rounded up to 8, words must be valid for reads and writes at `scores`. Scores beyond the
/// last one may be anything.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn probabilities(scores: *mut i32, tokens: usize, softmax: &Softmax) -> u32 {
    naked_asm!(
        cpu!(),
        "push {{r4-r11, lr}}",
        "vpush {{d8-d9}}",
        // r3: the largest score.
        "mov r3, #0x80000000",
        "mov r4, r0",
        "wlstp.32 lr, r1, 2f",
        "1:",
        "vldrw.u32 q0, [r4], #16",
        "vmaxv.s32 r3, q0",
        "letp lr, 1b",
        "2:",
        // r6: steps, r7 to r10: polynomial, q4: lowest exponent, r11: the shift of 2^0, r12: what the bytes lack.
        "ldm r2, {{r6, r7, r8, r9, r10, r11}}",
        "vdup.32 q4, r11",
        "mov r11, #6",
        "mov r12, #128",
        "mov r4, r0",
        "mov r5, r0",
        "add r2, r1, #7",
        "lsr r2, r2, #3",
        "dls lr, r2",
        "3:",
        // q0: even scores, q1: odd scores.
        "vld20.32 {{q0, q1}}, [r4]",
        "vld21.32 {{q0, q1}}, [r4]!",
        "vsub.i32 q0, q0, r3",
        "vsub.i32 q1, q1, r3",
        "vcvt.f32.s32 q0, q0",
        "vcvt.f32.s32 q1, q1",
        "vmul.f32 q0, q0, r6",
        "vmul.f32 q1, q1, r6",
        "vmaxnm.f32 q0, q0, q4",
        "vmaxnm.f32 q1, q1, q4",
        "vcvtn.s32.f32 q0, q0",
        "vcvtn.s32.f32 q1, q1",
        // q0: all eight exponents; q2: their fractions; q1: the polynomial.
        "vmovnt.i32 q0, q1",
        "vshl.i16 q2, q0, #5",
        "vshr.s16 q0, q0, #11",
        "vshr.u16 q2, q2, #1",
        "vqrdmulh.s16 q1, q2, r7",
        "vadd.i16 q1, q1, r8",
        "vqrdmulh.s16 q1, q1, q2",
        "vadd.i16 q1, q1, r9",
        "vqrdmulh.s16 q1, q1, q2",
        "vadd.i16 q1, q1, r10",
        "vsub.i16 q0, q0, r11",
        "vrshl.s16 q1, q1, q0",
        "vsub.i16 q1, q1, r12",
        "vstrb.16 q1, [r5], #8",
        "le lr, 3b",
        // r4: their sum.
        "lsl r4, r1, #7",
        "wlstp.8 lr, r1, 5f",
        "4:",
        "vldrb.u8 q0, [r0], #16",
        "vaddva.s8 r4, q0",
        "letp lr, 4b",
        "5: mov r0, r4",
        "vpop {{d8-d9}}",
        "pop {{r4-r11, pc}}",
    )
}
