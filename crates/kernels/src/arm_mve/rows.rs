//! Operations on rows of f32: LayerNorm, quantization, GELU, and the embedding sum.

use core::arch::naked_asm;

use super::{FLUSHED, INVALID, clear_flags, cpu};
use crate::activation_layout::ActivationLayout;
use crate::embedding::Embedding;
use crate::linear::{ActivationsMut, LayerNorm, Quantization};
use crate::math::{self, GELU, GELU_CLAMP};
use crate::scalar;

/// A result in the lower half (bits of an f32, or a number of elements) and the flags of FPSCR in the upper half.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Flagged(u64);

impl Flagged {
    fn value(self) -> f32 {
        f32::from_bits(self.0 as u32)
    }

    /// Returns the value, unless a flag of `flags` is set.
    fn without(self, flags: u32) -> Option<f32> {
        ((self.0 >> 32) as u32 & flags == 0).then(|| self.value())
    }
}

/// Computes [`crate::scalar::embed`].
///
/// # Safety
/// The CPU must have MVE with f32, and the operands must be checked.
pub(crate) unsafe fn embed(row: &Embedding, out: &mut [f32]) {
    let operands = EmbedOperands {
        word: row.word.as_ptr(),
        position: row.position.as_ptr(),
        kind: row.kind.as_ptr(),
        out: out.as_mut_ptr(),
        count: out.len(),
        word_scale: row.word_scale,
        position_scale: row.position_scale,
    };
    // SAFETY: the checks say that all rows have this length.
    if unsafe { embed_row(&operands) } & FLUSHED != 0 {
        scalar::embed(row, out);
    }
}

#[repr(C)]
struct EmbedOperands {
    word: *const i8,
    position: *const i8,
    kind: *const f32,
    out: *mut f32,
    count: usize,
    word_scale: f32,
    position_scale: f32,
}

/// Writes the sums and returns FPSCR.
///
/// # Safety
/// `count` elements must be valid for reads and writes.
#[unsafe(naked)]
unsafe extern "C" fn embed_row(operands: &EmbedOperands) -> u32 {
    naked_asm!(
        cpu!(),
        "push {{r4-r6, lr}}",
        clear_flags!(),
        "ldm r0, {{r0, r1, r2, r3, r4, r5, r6}}",
        "wlstp.32 lr, r4, 2f",
        "1:",
        "vldrb.s32 q0, [r0], #4",
        "vcvt.f32.s32 q0, q0",
        "vldrb.s32 q1, [r1], #4",
        "vmul.f32 q0, q0, r5",
        "vcvt.f32.s32 q1, q1",
        "vldrw.u32 q2, [r2], #16",
        "vmul.f32 q1, q1, r6",
        "vadd.f32 q0, q0, q1",
        "vadd.f32 q0, q0, q2",
        "vstrw.32 q0, [r3], #16",
        "letp lr, 1b",
        "2: vmrs r0, fpscr",
        "pop {{r4-r6, pc}}",
        flushed = const FLUSHED,
    )
}

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

/// Computes [`math::gelu`] of all elements in place.
///
/// # Safety
/// The CPU must have MVE with f32.
pub(super) unsafe fn gelu(x: &mut [f32]) {
    let [c0, c1, c2, c3, c4, c5] = GELU;
    let constants = [-GELU_CLAMP, GELU_CLAMP, c5, c4, c3, c2, c1, c0, 0.5];
    // SAFETY: the row is valid.
    let left = unsafe { gelu_row(x.as_mut_ptr(), x.len(), &constants) };
    let done = x.len() - left;
    x.iter_mut().skip(done).for_each(|x| *x = math::gelu(*x));
}

/// Computes GELU in place and returns how many elements are left, as [`scale_row`] does.
///
/// # Safety
/// `count` elements must be valid for reads and writes.
#[unsafe(naked)]
unsafe extern "C" fn gelu_row(x: *mut f32, count: usize, constants: &[f32; 9]) -> usize {
    naked_asm!(
        cpu!(),
        "push {{r4-r10, lr}}",
        "vpush {{d8-d9}}",
        clear_flags!(),
        "ldrd r3, r4, [r2], #8",
        "vdup.32 q3, r3",
        "vdup.32 q4, r4",
        "ldm r2, {{r2, r3, r4, r5, r6, r7, r8}}",
        "wlstp.32 lr, r1, 2f",
        "1:",
        "vldrw.u32 q0, [r0]",
        "vmaxnm.f32 q1, q0, q3",
        "vminnm.f32 q1, q1, q4",
        // The squares of small numbers flush, without harm. They make the whole vector scalar nevertheless.
        "vmul.f32 q2, q1, q1",
        // The polynomial needs one more vector than there are; x is loaded again.
        "vmul.f32 q0, q2, r2",
        "vadd.f32 q0, q0, r3",
        "vmul.f32 q0, q0, q2",
        "vadd.f32 q0, q0, r4",
        "vmul.f32 q0, q0, q2",
        "vadd.f32 q0, q0, r5",
        "vmul.f32 q0, q0, q2",
        "vadd.f32 q0, q0, r6",
        "vmul.f32 q0, q0, q2",
        "vadd.f32 q0, q0, r7",
        "vmul.f32 q0, q0, q1",
        "vldrw.u32 q2, [r0]",
        "vadd.f32 q0, q0, r8",
        "vmul.f32 q0, q2, q0",
        "vmrs r12, fpscr",
        "tst r12, #{flushed}",
        "bne 3f",
        "vstrw.32 q0, [r0], #16",
        "letp lr, 1b",
        "2: mov r0, #0",
        "b 4f",
        "3: mov r0, lr",
        "lctp",
        "4: vpop {{d8-d9}}",
        "pop {{r4-r10, pc}}",
        flushed = const FLUSHED,
    )
}

/// Computes [`crate::scalar::quantize`].
///
/// # Safety
/// The CPU must have MVE with f32, and the operands must be checked.
pub(crate) unsafe fn quantize(x: &[f32], k: usize, quantization: Quantization, mut out: ActivationsMut) {
    let rows = x.chunks_exact(k.max(1)).enumerate();
    match quantization {
        Quantization::Static { inv_scale, zero_point } => {
            for (m, x) in rows {
                // SAFETY: as this function requires.
                unsafe { write_row(m, x, inv_scale, zero_point, &mut out) };
            }
        }
        Quantization::PerToken { scale } => {
            for ((m, x), scale) in rows.zip(scale) {
                // SAFETY: likewise.
                *scale = unsafe { quantize_row(m, x, &mut out) };
            }
        }
    }
}

/// Quantizes row `m` such that its largest magnitude becomes 127; returns the scale.
///
/// # Safety
/// As [`quantize`].
pub(super) unsafe fn quantize_row(m: usize, x: &[f32], out: &mut ActivationsMut) -> f32 {
    // A subnormal number that counts as zero changes nothing, because rows without larger numbers have the scale 0. A
    // signalling NaN would become the largest number; where there is one, the largest number is found anew.
    // SAFETY: the row is valid for reads.
    let amax = unsafe { largest(x.as_ptr(), x.len()) }.without(INVALID);
    let amax = amax.unwrap_or_else(|| x.iter().fold(0.0, |amax, &x| math::max(x.abs(), amax)));
    let (scale, inv_scale) = math::row_scales(amax);
    // SAFETY: as this function requires.
    unsafe { write_row(m, x, inv_scale, 0, out) };
    scale
}

/// Returns the largest magnitude of a row without its NaNs.
///
/// # Safety
/// `count` elements must be valid for reads.
#[unsafe(naked)]
unsafe extern "C" fn largest(x: *const f32, count: usize) -> Flagged {
    naked_asm!(
        cpu!(),
        "push {{r4, lr}}",
        clear_flags!(),
        "mov r2, #0",
        "wlstp.32 lr, r1, 2f",
        "1:",
        "vldrw.u32 q0, [r0], #16",
        "vmaxnmav.f32 r2, q0",
        "letp lr, 1b",
        "2: mov r0, r2",
        "vmrs r1, fpscr",
        "pop {{r4, pc}}",
        flushed = const INVALID,
    )
}

/// Quantizes `x` as row `m`.
///
/// A product that is flushed, because it or `x` is subnormal, is below 2^-2 in magnitude if `inv_scale` is at most 2^124.
/// The sum of it and the zero point, rounded to an integer, is then the zero point in either case.
///
/// # Safety
/// As [`quantize`].
unsafe fn write_row(m: usize, x: &[f32], inv_scale: f32, zero_point: i8, out: &mut ActivationsMut) {
    const MOST: f32 = (1_u128 << 124) as f32;
    if inv_scale == 0.0 || (f32::MIN_POSITIVE..=MOST).contains(&inv_scale.abs()) {
        let Some(row) = out.data.get_mut(m * out.stride..).and_then(|data| data.get_mut(..x.len())) else {
            return;
        };
        let constants = [inv_scale, f32::from(zero_point), -127.0, 127.0];
        // SAFETY: both rows have this length.
        unsafe { round_row(x.as_ptr(), row.as_mut_ptr(), x.len(), &constants) };
    } else {
        scalar::write_row(ActivationLayout::ROW_MAJOR, m, x, inv_scale, zero_point, out);
    }
}

/// Quantizes a row with 1/scale, zero point, and limits.
///
/// # Safety
/// `count` elements must be valid for reads at `x` and for writes at `out`.
#[unsafe(naked)]
unsafe extern "C" fn round_row(x: *const f32, out: *mut i8, count: usize, constants: &[f32; 4]) {
    naked_asm!(
        cpu!(),
        "push {{r4, lr}}",
        "ldrd r4, r12, [r3, #8]",
        "vdup.32 q2, r4",
        "vdup.32 q3, r12",
        "ldrd r4, r12, [r3]",
        "wlstp.32 lr, r2, 2f",
        "1:",
        "vldrw.u32 q0, [r0], #16",
        "vmul.f32 q0, q0, r4",
        "vadd.f32 q0, q0, r12",
        // NaN becomes −127, because VMAXNM returns its other operand then.
        "vmaxnm.f32 q0, q0, q2",
        "vminnm.f32 q0, q0, q3",
        "vcvtn.s32.f32 q0, q0",
        "vstrb.32 q0, [r1], #4",
        "letp lr, 1b",
        "2: pop {{r4, pc}}",
    )
}
