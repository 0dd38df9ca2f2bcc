//! Scalar f32 mathematics: the specification of every non-linear function the kernels compute.
//!
//! One IEEE rounding per written operation, in the written order; `core` has neither `exp` nor `sqrt`, and a C
//! library's would differ from one platform to the next. Polynomials are evaluated by Horner's rule, multiply then add;
//! `tests/reference/fit_polynomials.py` derives their coefficients. Error bounds are checked in `tests/math.rs`.

/// Returns `x`, and keeps the compiler from making vectors of f32 of the loop that it stands in.
///
/// Where the target has MVE, the compiler would use vectors that flush subnormal numbers to zero. It makes no vector of
/// an assembly block, not even of an empty one. Every f32 loop of this crate and of
/// `tinybert-runtime` has such a block, most of them in a function of this module.
#[inline(always)]
pub fn scalar(x: f32) -> f32 {
    #[cfg(all(arm_mve, not(arm_mve_detect)))]
    let x = {
        let mut bits = x.to_bits();
        // SAFETY: the block has no instruction.
        unsafe {
            core::arch::asm!("/* {0} */", inout(reg) bits, options(pure, nomem, nostack, preserves_flags))
        };
        f32::from_bits(bits)
    };
    x
}

/// 1.5 · 2^23: adding and subtracting it rounds to the nearest integer, ties to even, for |x| < 2^22.
pub(crate) const ROUND: f32 = 12_582_912.0;

/// Coefficients of 2^f on [−1/2, 1/2], lowest degree first; relative error 1.9e-9.
pub(crate) const EXP2: [f32; 7] = [
    1.0,
    core::f32::consts::LN_2,
    0.240_226_47,
    0.055_503_29,
    0.009_618_489,
    0.001_339_993_1,
    0.000_153_457_84,
];

/// Exponents beyond ±126 would leave the normal numbers.
pub(crate) const EXP2_LIMIT: f32 = 126.0;

/// A probability's exponent is rounded to steps of 1/2048; −16 is the lowest.
pub(crate) const EXPONENT_STEPS: f32 = 2048.0;

/// Coefficients of 64 · 255 · 2^f, f in [0, 1) with 15 fractional bits, lowest degree first; relative error 1.2e-4.
pub(crate) const PROBABILITY: [i16; 4] = [16_320, 11_344, 3_716, 1_257];

/// The end of GELU's polynomial: above it GELU is x, below −`GELU_CLAMP` it is 0.
pub(crate) const GELU_CLAMP: f32 = 3.640_625;

/// Coefficients of t, t^3, … t^11 in the odd polynomial for Φ(t) − 1/2 on [−`GELU_CLAMP`, `GELU_CLAMP`].
/// In f32 its value at the clamp is exactly 1/2.
pub(crate) const GELU: [f32; 6] =
    [0.396_490_96, -0.062_606_6, 0.007_855_756, -0.000_618_626_54, 2.696_858_4e-5, -4.920_474e-7];

/// Returns the larger number, or `b` if `a` is NaN (or both are equal).
#[inline(always)]
pub fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Returns the smaller number, or `b` if `a` is NaN (or both are equal).
#[inline(always)]
pub fn min(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// Returns the nearest integer, ties to even, of |x| < 2^22.
#[inline(always)]
pub fn round(x: f32) -> f32 {
    (scalar(x) + ROUND) - ROUND
}

/// Evaluates a polynomial by Horner's rule, multiply then add; `coefficients` lowest degree first.
#[inline(always)]
fn polynomial(x: f32, coefficients: &[f32]) -> f32 {
    let x = scalar(x);
    coefficients.iter().rev().fold(0.0, |value, &coefficient| value * x + coefficient)
}

/// Returns `x · 2^n`: adds `n` to the exponent bits. `x` and the result must be normal numbers.
#[inline(always)]
fn scale_by_power(x: f32, n: i32) -> f32 {
    f32::from_bits(x.to_bits().wrapping_add((n as u32) << 23))
}

/// Returns 2^x for x clamped to [−126, 126]; relative error at most 1.5e-7.
pub fn exp2(x: f32) -> f32 {
    let x = min(max(x, -EXP2_LIMIT), EXP2_LIMIT);
    let n = round(x);
    scale_by_power(polynomial(x - n, &EXP2), n as i32)
}

/// Returns the hyperbolic tangent with an absolute error of at most 1e-6. NaN gives −1.
pub fn tanh(x: f32) -> f32 {
    // tanh(x) = 1 − 2 / (e^2x + 1); beyond ±30 the quotient is 0 or 2 in f32.
    let x = min(max(x, -30.0), 30.0);
    1.0 - 2.0 / (exp2(x * (2.0 * core::f32::consts::LOG2_E)) + 1.0)
}

/// Returns the logistic function 1 / (1 + e^−x) with an absolute error of at most 1e-6. NaN gives the result of −87,
/// which is below 2e-38.
pub fn sigmoid(x: f32) -> f32 {
    let x = min(max(x, -87.0), 87.0);
    1.0 / (exp2(-(x * core::f32::consts::LOG2_E)) + 1.0)
}

/// Returns GELU(x) = x·Φ(x) with an absolute error of at most 5e-4. The result is exactly x from 3.640625 upwards and 0
/// from −3.640625 downwards.
pub fn gelu(x: f32) -> f32 {
    let x = scalar(x);
    let t = min(max(x, -GELU_CLAMP), GELU_CLAMP);
    x * (0.5 + polynomial(t * t, &GELU) * t)
}

/// Returns 1/√x for normal x > 0 with a relative error of at most 3e-7.
pub fn rsqrt(x: f32) -> f32 {
    let half = 0.5 * x;
    let mut y = f32::from_bits(0x5f37_59df_u32.wrapping_sub(x.to_bits() >> 1));
    // Newton's steps take the relative error from 3.5e-2 to 1.8e-3, 4.7e-6 and below f32's resolution.
    for _ in 0..3 {
        y *= 1.5 - (half * scalar(y)) * y;
    }
    y
}

/// Returns √x, correctly rounded. It computes in integers, because `core` has no square root. Numbers below the
/// smallest normal number give 0; NaN and infinity stay.
pub fn sqrt(x: f32) -> f32 {
    if x < f32::MIN_POSITIVE {
        return 0.0;
    }
    if !x.is_finite() {
        return x;
    }
    // x = m · 2^(e − 23) with 2^23 ≤ m < 2^24; an odd exponent gives m one of its twos.
    let bits = x.to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let odd = exponent & 1;
    let mantissa = u64::from(bits & 0x7f_ffff | 0x80_0000) << (25 + odd);
    // 25 bits, of which the last one decides the rounding: it is never a tie, for no odd number's square has 25
    // trailing zeros.
    let root = (mantissa.isqrt() as u32 + 1) >> 1;
    // A root rounded up to 2^24 carries into the exponent, as it should;
    // its leading bit adds the 1 that is missing there.
    f32::from_bits(((((exponent - odd) / 2 + 126) as u32) << 23).wrapping_add(root))
}

/// Scales a row to length 1: each element divided by `max(sqrt(sum(x·x)), 1e-12)`.
pub fn normalize(row: &mut [f32]) {
    let length = max(sqrt(sum(row.iter().map(|x| x * x))), 1e-12);
    for x in row.iter_mut() {
        *x = scalar(*x / length);
    }
}

/// Returns the cosine of the angle between two vectors: `Σ a·b / sqrt(Σ a·a) / sqrt(Σ b·b)`, with [`sum`]s. It is 0 if
/// a vector has no direction, because it is empty or the sum of its squares is below the smallest normal number. The
/// squares of numbers beyond 1e19 overflow, so that the cosine is NaN or 0. Returns `None` if the lengths differ.
pub fn cosine(a: &[f32], b: &[f32]) -> Option<f32> {
    if a.len() != b.len() {
        return None;
    }
    let dot = |a: &[f32], b: &[f32]| sum(a.iter().zip(b).map(|(x, y)| x * y));
    let (length_a, length_b) = (sqrt(dot(a, a)), sqrt(dot(b, b)));
    Some(if length_a == 0.0 || length_b == 0.0 { 0.0 } else { dot(a, b) / length_a / length_b })
}

/// Returns `x · inv_scale + zero_point`, limited to [−127, 127] and rounded to the nearest integer, ties to even. NaN
/// gives −127.
#[inline(always)]
pub fn quantize(x: f32, inv_scale: f32, zero_point: i8) -> i8 {
    let limited = min(max(x * inv_scale + f32::from(zero_point), -127.0), 127.0);
    round(limited) as i8
}

/// Returns the scale and its inverse for a row whose largest magnitude is `amax`; both are 0 for a row of zeros.
#[inline(always)]
pub fn row_scales(amax: f32) -> (f32, f32) {
    if amax < 1e-30 { (0.0, 0.0) } else { (amax * (1.0 / 127.0), 127.0 / amax) }
}

/// Returns `(a · b + 2^14) >> 15`: the product of two fixed-point numbers, one of which has 15 fractional bits.
#[inline(always)]
fn multiply_round(a: i32, b: i32) -> i32 {
    (a * b + (1 << 14)) >> 15
}

/// Returns the unnormalised attention probability: 255 · 2^x for x ≤ 0, rounded to an integer with an error of at most
/// 0.56. The largest is 255.
///
/// The computation is in fixed point, so that a vector holds twice as many numbers. The exponent has steps of 1/2048
/// and is not below −16. Its whole part is a shift; its fraction is the argument of a polynomial.
#[inline(always)]
pub fn probability(x: f32) -> u8 {
    let q = round(max(x * EXPONENT_STEPS, f32::from(i16::MIN))) as i32;
    let (n, fraction) = (q >> 11, (q & 2047) << 4);
    let [c0, c1, c2, c3] = PROBABILITY.map(i32::from);
    let power =
        multiply_round(multiply_round(multiply_round(c3, fraction) + c2, fraction) + c1, fraction) + c0;
    let shift = 6 - n;
    ((power + (1 << (shift - 1))) >> shift) as u8
}

/// Turns logits into probabilities in place: `exp((x_i − max) / temperature) / Σ exp((x_j − max) / temperature)`,
/// summed in order of `i`. The temperature is a positive normal number.
///
/// A NaN is never the largest logit. No probability is NaN, whatever the logits are.
pub fn softmax(logits: &mut [f32], temperature: f32) {
    let (largest, coefficient) = (largest(logits), core::f32::consts::LOG2_E / temperature);
    let mut total = 0.0;
    for x in logits.iter_mut() {
        *x = exp2((*x - largest) * coefficient);
        total += *x;
    }
    for x in logits.iter_mut() {
        *x = scalar(*x / total);
    }
}

/// Returns what [`softmax`] writes for one of the logits, without room for the others; 0 where there is no such logit.
pub fn softmax_at(logits: &[f32], index: usize, temperature: f32) -> f32 {
    let Some(&logit) = logits.get(index) else { return 0.0 };
    let (largest, coefficient) = (largest(logits), core::f32::consts::LOG2_E / temperature);
    let exponential = |x: f32| exp2((x - largest) * coefficient);
    exponential(logit) / logits.iter().fold(0.0, |total, &x| total + exponential(x))
}

/// Returns the index of the largest of the numbers that are not NaN, the first one if several are equal; 0 if there are
/// none.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (index, value) in values.iter().enumerate() {
        let value = scalar(*value);
        if value > best.1 {
            best = (index, value);
        }
    }
    best.0
}

/// Returns the largest of the numbers that are not NaN; −∞ if there are none.
fn largest(values: &[f32]) -> f32 {
    values.iter().fold(f32::NEG_INFINITY, |largest, &x| max(scalar(x), largest))
}

/// Lanes of the fixed summation order.
pub(crate) const LANES: usize = 16;

/// Returns the sum of a row in the fixed order: element `i` is added to lane `i mod 16`, then lane j gets lane j+8 (j <
/// 8), j+4 (j < 4), j+2, j+1.
pub fn sum(mut row: impl Iterator<Item = f32>) -> f32 {
    let mut lanes = [0.0; LANES];
    'row: loop {
        for lane in &mut lanes {
            let Some(x) = row.next() else { break 'row };
            *lane += scalar(x);
        }
    }
    fold_lanes(lanes)
}

/// Returns the sum of the lanes: lane j gets lane j+8 (j < 8), then j+4 (j < 4), j+2, j+1, and lane 0 is the sum.
pub(crate) fn fold_lanes(mut lanes: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        let (low, high) = lanes.split_at_mut(half);
        for (lane, &other) in low.iter_mut().zip(high.iter()) {
            *lane = scalar(*lane + other);
        }
    }
    lanes[0]
}
