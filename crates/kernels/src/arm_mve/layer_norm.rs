//! LayerNorm.

use core::arch::naked_asm;

use super::quantize::quantize;
use super::{FLUSHED, Flagged, clear_flags, cpu};
use crate::linear::{ActivationsMut, LayerNorm, Quantization};
use crate::{math, scalar};

/// Computes [`crate::scalar::layer_norm`].
///
/// # Safety
/// The CPU must have MVE with f32, and the operands must be checked.
pub(crate) unsafe fn layer_norm(x: &mut [f32], norm: &LayerNorm) {
    for row in x.chunks_exact_mut(norm.gamma.len().max(1)) {
        // SAFETY: as this function requires.
        unsafe { normalize(row, norm) };
    }
}

/// Computes [`crate::scalar::layer_norm_quantize`].
///
/// # Safety
/// As [`layer_norm`].
pub(crate) unsafe fn layer_norm_quantize(
    x: &mut [f32],
    norm: &LayerNorm,
    quantization: Quantization,
    out: ActivationsMut,
) {
    // SAFETY: as this function requires.
    unsafe {
        layer_norm(x, norm);
        quantize(x, norm.gamma.len(), quantization, out);
    }
}

/// Normalises a row.
///
/// # Safety
/// As [`layer_norm`].
unsafe fn normalize(row: &mut [f32], norm: &LayerNorm) {
    let count = row.len() as f32;
    // SAFETY: the row is valid for reads.
    let sum = unsafe { sum(row.as_ptr(), row.len()) }.without(FLUSHED);
    let Some(sum) = sum else { return scalar::layer_norm(row, norm) };
    let mean = math::scalar(sum / count);
    // SAFETY: likewise.
    let squares = unsafe { squares(row.as_ptr(), row.len(), mean.to_bits()) }.without(FLUSHED);
    let Some(squares) = squares else { return scalar::layer_norm(row, norm) };
    let factor = math::rsqrt(math::scalar(math::scalar(squares / count) + norm.eps));
    let operands = NormOperands {
        x: row.as_mut_ptr(),
        gamma: norm.gamma.as_ptr(),
        beta: norm.beta.as_ptr(),
        count: row.len(),
        mean,
        factor,
    };
    // SAFETY: all three have the length of the row.
    let left = unsafe { scale_row(&operands) };
    let done = row.len() - left;
    for ((x, &gamma), &beta) in row.iter_mut().zip(norm.gamma).zip(norm.beta).skip(done) {
        *x = math::scalar(math::scalar(math::scalar(math::scalar(*x - mean) * factor) * gamma) + beta);
    }
}

/// A vector of the sum: loads 4 elements, and adds them or their squares to `$lanes`. `$t` is empty, or the suffix of
/// predicated instructions.
macro_rules! add_to {
    (sum, $lanes:literal, $t:literal) => {
        concat!(
            concat!("vldrw", $t, ".u32 q4, [r0], #16\n"),
            concat!("vadd", $t, ".f32 ", $lanes, ", ", $lanes, ", q4\n"),
        )
    };
    (squares, $lanes:literal, $t:literal) => {
        concat!(
            concat!("vldrw", $t, ".u32 q4, [r0], #16\n"),
            concat!("vsub", $t, ".f32 q4, q4, r2\n"),
            concat!("vmul", $t, ".f32 q4, q4, q4\n"),
            concat!("vadd", $t, ".f32 ", $lanes, ", ", $lanes, ", q4\n"),
        )
    };
}

/// The part of the last 16 elements that belongs to `$lanes`, or the end if there is none.
macro_rules! add_rest_to {
    ($what:ident, $block:literal, $lanes:literal) => {
        concat!("vctp.32 r1\n", $block, "\n", add_to!($what, $lanes, "t"), "subs r1, r1, #4\n", "bls 3f\n")
    };
}

/// Makes a function that sums a row in the order of [`math::sum`]: 16 lanes (q0 to q3), then their sum.
macro_rules! sum_of_row {
    ($what:ident, $block:literal) => {
        concat!(
            "push {{r4, lr}}\n",
            "vpush {{d8-d9}}\n",
            clear_flags!(),
            "vmov.i32 q0, #0\n",
            "vmov.i32 q1, #0\n",
            "vmov.i32 q2, #0\n",
            "vmov.i32 q3, #0\n",
            "lsr r3, r1, #4\n",
            "wls lr, r3, 2f\n",
            "1:\n",
            add_to!($what, "q0", ""),
            add_to!($what, "q1", ""),
            add_to!($what, "q2", ""),
            add_to!($what, "q3", ""),
            "le lr, 1b\n",
            "2: ands r1, r1, #15\n",
            "beq 3f\n",
            add_rest_to!($what, $block, "q0"),
            add_rest_to!($what, $block, "q1"),
            add_rest_to!($what, $block, "q2"),
            add_rest_to!($what, $block, "q3"),
            "3:\n",
            "vadd.f32 q0, q0, q2\n",
            "vadd.f32 q1, q1, q3\n",
            "vadd.f32 q0, q0, q1\n",
            "vadd.f32 s0, s0, s2\n",
            "vadd.f32 s1, s1, s3\n",
            "vadd.f32 s0, s0, s1\n",
            "vmov r0, s0\n",
            "vmrs r1, fpscr\n",
            "vpop {{d8-d9}}\n",
            "pop {{r4, pc}}\n",
        )
    };
}

/// Returns the sum of a row.
///
/// # Safety
/// `count` elements must be valid for reads.
#[unsafe(naked)]
unsafe extern "C" fn sum(x: *const f32, count: usize) -> Flagged {
    naked_asm!(cpu!(), sum_of_row!(sum, "vpstt"), flushed = const FLUSHED)
}

/// Returns the sum of the squares of `x_i − mean`; `mean` is the bits of an f32.
///
/// # Safety
/// As [`sum`].
#[unsafe(naked)]
unsafe extern "C" fn squares(x: *const f32, count: usize, mean: u32) -> Flagged {
    naked_asm!(cpu!(), sum_of_row!(squares, "vpstttt"), flushed = const FLUSHED)
}

#[repr(C)]
struct NormOperands {
    x: *mut f32,
    gamma: *const f32,
    beta: *const f32,
    count: usize,
    mean: f32,
    factor: f32,
}

/// Scales a row of LayerNorm in place, and returns how many elements at its end are left: all from the first vector on
/// in which a subnormal number was flushed.
///
/// # Safety
/// `count` elements must be valid for reads and writes.
#[unsafe(naked)]
unsafe extern "C" fn scale_row(operands: &NormOperands) -> usize {
    naked_asm!(
        cpu!(),
        "push {{r4, r5, r6, lr}}",
        clear_flags!(),
        "ldm r0, {{r0, r1, r2, r3, r4, r5}}",
        "wlstp.32 lr, r3, 2f",
        "1:",
        "vldrw.u32 q0, [r0]",
        "vldrw.u32 q1, [r1], #16",
        "vsub.f32 q0, q0, r4",
        "vmul.f32 q0, q0, r5",
        "vldrw.u32 q2, [r2], #16",
        "vmul.f32 q0, q0, q1",
        "vadd.f32 q0, q0, q2",
        "vmrs r12, fpscr",
        "tst r12, #{flushed}",
        "bne 3f",
        "vstrw.32 q0, [r0], #16",
        "letp lr, 1b",
        "2: mov r0, #0",
        "pop {{r4, r5, r6, pc}}",
        // Every other vector instruction must see a whole vector again.
        "3: mov r0, lr",
        "lctp",
        "pop {{r4, r5, r6, pc}}",
        flushed = const FLUSHED,
    )
}
