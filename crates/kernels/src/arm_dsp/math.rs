//! [`crate::math`] with fewer instructions and the same bits.

use super::instructions::{
    four_bytes, limit_to_byte, limit_to_half_word, saturating_sub, without_lowest_bytes,
};
use crate::math::{EXPONENT_STEPS, GELU, GELU_CLAMP, PROBABILITY, ROUND};

/// What turns every NaN's bits, and no positive number's, into a negative number: the largest i32 less the bits of
/// infinity.
const NAN_WRAPS: i32 = i32::MAX - 0x7f80_0000;
/// The bits of [`ROUND`], plus [`NAN_WRAPS`].
const ZERO: i32 = ROUND.to_bits().cast_signed() + NAN_WRAPS;

/// Returns [`crate::math::quantize`] of four numbers that are scaled already, `inv_scale` 1 and `zero_point` 0.
///
/// The bits of `x + ROUND`, as an integer, grow with `x`, and near 0 by one for every whole number. All other numbers
/// are far beyond int8 on their side. A NaN is on the side of the negative numbers: without a sign its bits wrap around,
/// and with a sign they are at most those of 0 before `ZERO` is subtracted.
#[inline(always)]
pub(super) fn quantize_scaled(x: [f32; 4]) -> [i8; 4] {
    let limited = x.map(|x| {
        let bits = (x + ROUND).to_bits().cast_signed().wrapping_add(NAN_WRAPS);
        limit_to_byte(saturating_sub(bits, ZERO))
    });
    without_lowest_bytes(four_bytes(limited)).to_le_bytes().map(u8::cast_signed)
}

/// Scale and zero point of a quantization.
#[derive(Clone, Copy)]
pub(super) struct Quantizer {
    inv_scale: f32,
    zero_point: f32,
}

impl Quantizer {
    pub(super) fn new(inv_scale: f32, zero_point: i8) -> Self {
        Quantizer { inv_scale, zero_point: f32::from(zero_point) }
    }

    /// Returns [`crate::math::quantize`] of four numbers.
    #[inline(always)]
    pub(super) fn apply(&self, x: [f32; 4]) -> [i8; 4] {
        quantize_scaled(x.map(|x| x * self.inv_scale + self.zero_point))
    }
}

/// Returns [`crate::math::gelu`].
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    if x.abs() < GELU_CLAMP {
        let square = x * x;
        let [.., last] = GELU;
        // The polynomial's first step, 0 · x² + its last coefficient, is that coefficient.
        let lower = GELU.iter().rev().skip(1);
        let polynomial = lower.fold(last, |value, coefficient| value * square + coefficient);
        return x * (0.5 + polynomial * x);
    }
    beyond_gelu(x)
}

/// Returns [`crate::math::gelu`] of a number that is not inside the polynomial's range.
#[cold]
#[inline(never)]
fn beyond_gelu(x: f32) -> f32 {
    crate::math::gelu(x)
}

/// Returns [`crate::math::probability`] of a number that is not NaN.
#[inline(always)]
pub(super) fn probability(x: f32) -> i32 {
    // As in `quantize_scaled`; the lowest exponent is that of i16.
    let bits = (x * EXPONENT_STEPS + ROUND).to_bits().cast_signed();
    let q = limit_to_half_word(saturating_sub(bits, ROUND.to_bits().cast_signed()));
    let (n, fraction) = (q >> 11, (q & 2047) << 4);
    let [c0, c1, c2, c3] = PROBABILITY.map(i32::from);
    let multiply_round = |a: i32, b: i32| (a * b + (1 << 14)) >> 15;
    let power =
        multiply_round(multiply_round(multiply_round(c3, fraction) + c2, fraction) + c1, fraction) + c0;
    // One bit less, then half of what is left, rounded.
    ((power >> (5 - n)) + 1) >> 1
}
